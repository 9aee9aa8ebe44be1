import { describe, expect, it } from 'vitest'
import { serviceIdOf } from '../../../src/id/name.ts'
import { ServiceId } from '../../../src/id/service-id.ts'
import { ServicePrefix } from '../../../src/id/service-prefix.ts'
import { ReadAhead, WORTHWHILE_ENTRIES } from '../../../src/router/read-ahead.ts'
import { type ServiceKey, ServiceTable } from '../../../src/service/service-table.ts'
import { service } from '../../../src/wire/extensions/service.ts'
import { tag } from '../../../src/wire/extensions/tag.ts'
import { protocols } from '../../../src/wire/sal-header.ts'
import { packetBytes, syn } from '../../support/router-trace.ts'

/** Notes what is read ahead, as text. */
class WatchedTable extends ServiceTable {
  readonly fetched: string[] = []

  override fetch(ids: readonly ServiceKey[], all?: number): void {
    super.fetch(ids, all)
    for (const id of ids.slice(0, all)) {
      const words = new Int32Array(8)
      id.copyWords(words)
      const bytes = new Uint8Array(32)
      for (const [i, word] of words.entries()) new DataView(bytes.buffer).setInt32(4 * i, word)
      this.fetched.push(ServiceId.fromBytes(bytes).toString())
    }
  }
}

const SLOT = 512

function burst(packets: readonly Uint8Array[]) {
  const bytes = new Uint8Array(SLOT * packets.length)
  for (const [i, packet] of packets.entries()) bytes.set(packet, SLOT * i)
  const table = new WatchedTable()
  const ahead = new ReadAhead(table, bytes, packets.length)
  const read = () => {
    for (let i = 0; i < packets.length; i++) ahead.expect(SLOT * i)
    ahead.read()
    return table.fetched.splice(0)
  }
  return { table, ahead, read }
}

const datagram = (to: string) =>
  packetBytes({
    srcFlowId: 1,
    dstFlowId: 0,
    protocol: protocols.DATAGRAM,
    extensions: [service(serviceIdOf(to))],
  })
const idOf = (name: string) => serviceIdOf(name).toString()

describe('reading ahead', () => {
  it('finds the serviceIDs of SYNs and datagrams, and passes over what has none where they do', () => {
    const { read } = burst([
      syn({ to: 'web.example' }),
      packetBytes({ srcFlowId: 1, dstFlowId: 2, protocol: protocols.STREAM, extensions: [tag(0)] }),
      datagram('api.example'),
      new Uint8Array(3),
    ])
    expect(read()).toEqual([idOf('web.example'), idOf('api.example')])
    expect(read()).toEqual([idOf('web.example'), idOf('api.example')])
  })

  it('takes more than the table does at once, and changes nothing of it', () => {
    const names = Array.from({ length: 130 }, (_, i) => `s${i}.example`)
    const { table, read } = burst(names.map(to => syn({ to })))
    table.insert(new ServicePrefix(serviceIdOf('s7.example'), 256), { type: 'DELAY' }, { source: 'user' })
    const before = { ...table.counters }
    expect(read()).toEqual(names.map(idOf))
    expect(table.counters).toEqual(before)
  })

  it('is worth its time only where the table does not fit into a cache', () => {
    const { table, ahead } = burst([syn()])
    expect(ahead.isWorthwhile).toBe(false)
    Object.defineProperty(table, 'size', { value: WORTHWHILE_ENTRIES })
    expect(ahead.isWorthwhile).toBe(true)
  })
})
