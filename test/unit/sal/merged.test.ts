/**
 * One received buffer with data of several packets, as the kernel merges them (UDP_GRO). The stack knows a packet by the
 * header of the one before it; whatever differs there must be looked at for itself.
 */
import { beforeEach, describe, expect, it } from 'vitest'
import type { AnyFlow } from '../../../src/flow/any-flow.ts'
import { ServiceId } from '../../../src/id/service-id.ts'
import { ServicePrefix } from '../../../src/id/service-prefix.ts'
import { Sal } from '../../../src/sal/sal.ts'
import { SHIM_BYTES } from '../../../src/wire/encapsulation.ts'
import { DST_FLOW_ID, HEADER_WORDS, SAL_CHECKSUM, SRC_FLOW_ID } from '../../../src/wire/sal-header.ts'
import { TransmitBatch } from '../../../src/wire/transmit-batch.ts'
import { wireErrors } from '../../../src/wire/wire-error.ts'
import { Random } from '../../support/random.ts'

const clientAt = { address: '10.0.0.1', port: 1000 }
const serverAt = { address: '10.0.0.2', port: 2000 }
const serviceId = ServiceId.fromBytes(new Uint8Array(32).fill(7))

describe('a buffer of merged packets', () => {
  let client: Sal
  let server: Sal
  let flows: AnyFlow[]

  /** Two flows, set up. */
  beforeEach(() => {
    const random = new Random(1)
    const randomBytes = (n: number) => random.bytes(n)
    client = new Sal({ randomBytes })
    server = new Sal({ randomBytes })
    client.addLocal({ id: 1, endpoint: clientAt, prefixBits: 24, mtu: 1500 }, 0)
    server.addLocal({ id: 1, endpoint: serverAt, prefixBits: 24, mtu: 1500 }, 0)
    server.listen({ serviceId })
    const rule = { type: 'FORWARD', targets: [{ endpoint: serverAt }] } as const
    client.serviceTable.insert(new ServicePrefix(serviceId, 256), rule, { source: 'user' })
    flows = [client.connect({ serviceId }, 0), client.connect({ serviceId }, 0)]
    for (let nowMs = 0; nowMs < 4; nowMs++) {
      for (const bytes of sent(client, nowMs)) server.handleDatagram(bytes, bytes.length, 1, clientAt, nowMs)
      for (const bytes of sent(server, nowMs)) client.handleDatagram(bytes, bytes.length, 1, serverAt, nowMs)
    }
    read()
    expect(server.counters).toEqual({})
  })

  /** The datagram in which `text` leaves by flow `index`. */
  function data(index: number, text: string): Uint8Array {
    flows[index]!.write(new TextEncoder().encode(text))
    const datagrams = sent(client, 10)
    expect(datagrams).toHaveLength(1)
    return datagrams[0]!
  }

  function arrive(...datagrams: readonly Uint8Array[]): void {
    const buffer = Uint8Array.from(datagrams.flatMap(bytes => [...bytes]))
    server.handleDatagram(buffer, buffer.length, 1, clientAt, 10)
  }

  /** What the server has to read, by the client's flow. */
  function read(): string[] {
    const texts = flows.map(() => '')
    for (let event = server.pollEvent(); event; event = server.pollEvent()) {
      if (event.type !== 'flow') continue
      const index = flows.findIndex(flow => flow.flowId === (event.flow as AnyFlow).peerFlowId)
      for (let chunk = event.flow.read(); chunk; chunk = event.flow.read())
        texts[index] += new TextDecoder().decode(chunk)
    }
    return texts
  }

  it('brings each of two flows its own, in whatever order they come', () => {
    arrive(data(0, 'one '), data(1, 'uno '), data(1, 'due '), data(0, 'two '), data(1, 'tre'))
    expect(read()).toEqual(['one two ', 'uno due tre'])
    expect(server.counters).toEqual({})
  })

  it('is taken as one where every packet is of one flow', () => {
    arrive(data(0, 'one '), data(0, 'two '), data(0, 'six'))
    expect(read()).toEqual(['one two six', ''])
    expect(server.counters).toEqual({})
  })

  it.each([
    ['checksum', SHIM_BYTES + SAL_CHECKSUM, wireErrors.badChecksum.code],
    ['header length', SHIM_BYTES + HEADER_WORDS, wireErrors.truncated.code],
    ['protocol', SHIM_BYTES + HEADER_WORDS + 1, wireErrors.badChecksum.code],
    ['source', SHIM_BYTES + SRC_FLOW_ID + 3, wireErrors.badChecksum.code],
    ['destination', SHIM_BYTES + DST_FLOW_ID + 3, wireErrors.badChecksum.code],
    ['version', 0, 'unknownVersion'],
  ])('leaves out a packet whose %s differs from that before it, and goes on behind it', (_, at, counter) => {
    const [first, second, third] = [data(0, 'one '), data(0, 'two '), data(1, 'uno ')]
    second[at]! ^= 0x40
    arrive(first, second, third)
    expect(read()).toEqual(['one ', 'uno '])
    expect(server.counters).toEqual({ [counter]: 1 })
  })

  it('leaves out a packet with a segment that cannot be read, and takes the next one of the same flow', () => {
    const [first, second, third] = [data(0, 'one '), data(0, 'two '), data(0, 'six')]
    const broken = second.slice()
    broken[SACK_COUNT]! = 255
    arrive(first, broken, third)
    expect(read()).toEqual(['one ', ''])
    arrive(second)
    expect(read()).toEqual(['two six', ''])
  })
})

/** In a packet of plain data, behind shim and base header. */
const SACK_COUNT = 16 + 17

/** What `sal` sends now, datagram by datagram. */
function sent(sal: Sal, nowMs: number): Uint8Array[] {
  const batch = new TransmitBatch()
  const datagrams: Uint8Array[] = []
  while (sal.pollTransmit(batch, nowMs)) datagrams.push(batch.buffer.slice(0, batch.length))
  return datagrams
}
