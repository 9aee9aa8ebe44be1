import { afterEach, describe, expect, it } from 'vitest'
import { BatchReceiver } from '../../../src/net/links/batch-receiver.ts'
import type { LinkEvents } from '../../../src/net/links/link.ts'
import { systemOffload } from '../../../src/net/links/offload.ts'
import { openUdpLink } from '../../../src/net/links/udp-network.ts'
import type { Endpoint } from '../../../src/wire/endpoint.ts'
import { TransmitBatch } from '../../../src/wire/transmit-batch.ts'

const offload = systemOffload()
const NOWHERE = { address: '127.0.0.1', port: 0 }
const SILENT: LinkEvents = { onDatagram: () => undefined, onError() {}, onDrain() {} }

const closing: (() => void)[] = []
afterEach(() => {
  for (const close of closing.splice(0)) close()
})

function newSender() {
  const link = openUdpLink(1, NOWHERE, SILENT, { offload: offload!, cuts: false, mtu: 1500 })
  closing.push(() => link.close())
  return {
    endpoint: link.endpoint,
    /** Each a datagram of that many bytes, filled with `fill`, behind a shim that says `said` of its length. */
    send(remote: Endpoint, fill: number, sizes: readonly number[], said?: number) {
      for (const size of sizes) {
        const batch = new TransmitBatch()
        batch.buffer.fill(fill, 0, size)
        batch.buffer.set([1, 32, (said ?? size) >> 8, (said ?? size) & 0xff])
        batch.setPacket(size)
        batch.remote = remote
        link.send(batch)
      }
    },
  }
}

function newReceiver() {
  // A link tells which port is free; over loopback all that was sent is there when `send` returns.
  const probe = openUdpLink(1, NOWHERE, SILENT, undefined)
  const { endpoint } = probe
  probe.close()
  const fd = offload!.openSocket(endpoint, { merges: false })
  closing.push(() => offload!.closeSocket(fd))
  const receiver = new BatchReceiver(offload!, fd, endpoint)
  const all = () => {
    const buffers: Uint8Array[] = []
    for (let bytes = receiver.receive(); bytes !== undefined; bytes = receiver.receive()) buffers.push(bytes)
    return buffers
  }
  return { endpoint, receiver, all }
}

const SHIM_OF_1000 = Buffer.from([1, 32, 1000 >> 8, 1000 & 0xff])
const equal = (count: number, size: number) => Array.from({ length: count }, () => size)
const lengths = (buffers: readonly Uint8Array[]) => buffers.map(({ length }) => length)

describe.runIf(offload !== undefined)('a receiver of batches', () => {
  it.each([1400, 60])('gives equal datagrams of %s bytes and a shorter one as one, in order', async size => {
    const [sender, { endpoint, all }] = [newSender(), newReceiver()]
    // The first ones tell how long datagrams are now.
    sender.send(endpoint, 7, equal(2, size))
    expect(all().reduce((sum, { length }) => sum + length, 0)).toBe(2 * size)
    for (let fill = 0; fill < 10; fill++) sender.send(endpoint, fill, [size])
    sender.send(endpoint, 10, [size - 20])
    const [merged, ...others] = all()
    expect(others).toEqual([])
    expect(merged!.length).toBe(11 * size - 20)
    for (let i = 0; i <= 10; i++)
      expect(merged!.subarray(i * size + 4, (i + 1) * size - 20)).toEqual(new Uint8Array(size - 24).fill(i))
  })

  it('begins anew behind a shorter one and before a longer one', () => {
    const [sender, { endpoint, all }] = [newSender(), newReceiver()]
    sender.send(endpoint, 7, [100, 100, 60, 60, 80, 80])
    expect(lengths(all())).toEqual([260, 60, 160])
  })

  it('tells senders apart', () => {
    const { endpoint, receiver } = newReceiver()
    const [a, b] = [newSender(), newSender()]
    for (const sender of [a, a, b, b, a]) sender.send(endpoint, 1, [100])
    const came: unknown[] = []
    for (let bytes = receiver.receive(); bytes !== undefined; bytes = receiver.receive()) {
      came.push([bytes.length, receiver.remote().port])
    }
    expect(came).toEqual([
      [200, a.endpoint.port],
      [200, b.endpoint.port],
      [100, a.endpoint.port],
    ])
  })

  it('puts nothing behind a datagram that is not one whole packet', () => {
    const [sender, { endpoint, all }] = [newSender(), newReceiver()]
    sender.send(endpoint, 1, [100])
    sender.send(endpoint, 2, [100], 90)
    sender.send(endpoint, 3, [100, 100])
    expect(lengths(all())).toEqual([200, 200])
  })

  it('puts nothing behind a datagram that says to be as long as the others, and is not', () => {
    const [sender, { endpoint, all }] = [newSender(), newReceiver()]
    sender.send(endpoint, 7, equal(2, 1400))
    all()
    sender.send(endpoint, 7, [1400])
    sender.send(endpoint, 8, [700], 1400)
    sender.send(endpoint, 9, [1400])
    expect(lengths(all())).toEqual([2100, 1400])
  })

  it('gives every byte of many datagrams that are all shorter than those before', () => {
    const [sender, { endpoint, all }] = [newSender(), newReceiver()]
    sender.send(endpoint, 7, equal(2, 1400))
    all()
    for (let fill = 1; fill <= 60; fill++) sender.send(endpoint, fill, [1000])
    const fills = Array.from({ length: 60 }, (_, i) => i + 1)
    const expected = Buffer.concat(fills.map(fill => Buffer.concat([SHIM_OF_1000, Buffer.alloc(996, fill)])))
    expect(Buffer.concat(all()).equals(expected)).toBe(true)
  })

  it('gives what is longer than datagrams were as a whole', () => {
    const [sender, { endpoint, all }] = [newSender(), newReceiver()]
    sender.send(endpoint, 1, [100, 9000, 60_000, 100])
    const came = all()
    expect(lengths(came)).toEqual([100, 9000, 60_000, 100])
    expect(came[2]!.subarray(4)).toEqual(new Uint8Array(59_996).fill(1))
  })

  it('keeps what it has given, and no more memory than twice as much', () => {
    const given: [number, Uint8Array][] = []
    const [sender, { endpoint, all }] = [newSender(), newReceiver()]
    for (const [fill, count] of [
      [1, 1],
      [2, 32],
      [3, 5],
      [4, 32],
      [5, 32],
    ] as const) {
      sender.send(endpoint, fill, equal(count, 1400))
      for (const bytes of all()) {
        expect(bytes.buffer.byteLength).toBeLessThanOrEqual(2 * bytes.length)
        given.push([fill, bytes])
      }
    }
    for (const [fill, bytes] of given)
      expect(bytes.subarray(4, 1400)).toEqual(new Uint8Array(1396).fill(fill))
  })
})
