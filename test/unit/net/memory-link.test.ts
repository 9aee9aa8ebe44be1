import { describe, expect, it } from 'vitest'
import type { LinkEvents } from '../../../src/net/links/link.ts'
import { MemoryNetwork } from '../../../src/net/links/memory-link.ts'
import type { Endpoint } from '../../../src/wire/endpoint.ts'
import { TransmitBatch } from '../../../src/wire/transmit-batch.ts'

interface Datagram {
  readonly bytes: Uint8Array
  readonly remote: Endpoint
}

function recorder() {
  const datagrams: Datagram[] = []
  const events: LinkEvents = {
    onDatagram: (_link, buffer, length, remote) => {
      datagrams.push({ bytes: buffer.subarray(0, length), remote })
      return undefined
    },
    onError() {},
    onDrain() {},
  }
  return { datagrams, events }
}

function batchTo(remote: Endpoint, text: string): TransmitBatch {
  const batch = new TransmitBatch()
  batch.length = batch.segmentBytes = new TextEncoder().encodeInto(text, batch.buffer).written
  batch.packets = 1
  batch.remote = remote
  return batch
}

const turn = () => new Promise<void>(resolve => setImmediate(resolve))

function pair() {
  const network = new MemoryNetwork()
  const [a, b] = [recorder(), recorder()]
  const [from] = network.host('10.0.0.1').addresses()
  const [to] = network.host('10.0.0.2').addresses()
  return {
    network,
    a: { ...a, link: network.host('10.0.0.1').open(1, from!, 0, a.events) },
    b: { ...b, link: network.host('10.0.0.2').open(2, to!, 0, b.events) },
  }
}

describe('a memory link', () => {
  it('gives the receiver bytes of its own, in another turn', async () => {
    const { a, b } = pair()
    const batch = batchTo(b.link.endpoint, 'hello')
    expect(a.link.send(batch)).toBe(true)
    batch.buffer.fill(0)
    expect(b.datagrams).toEqual([])
    await turn()
    expect(Buffer.from(b.datagrams[0]!.bytes).toString()).toBe('hello')
    expect(b.datagrams[0]!.remote).toEqual(a.link.endpoint)
  })

  it('loses what nobody is there for, and what comes after it was closed', async () => {
    const { a, b } = pair()
    a.link.send(batchTo({ address: '10.0.0.3', port: 1 }, 'nobody'))
    a.link.send(batchTo(b.link.endpoint, 'too late'))
    b.link.close()
    await turn()
    a.link.close()
    a.link.send(batchTo(b.link.endpoint, 'closed'))
    await turn()
    expect(b.datagrams).toEqual([])
  })

  it('has a port to itself', () => {
    const { network, a, b } = pair()
    expect(b.link.endpoint.port).toBeGreaterThanOrEqual(49_152)
    const { port } = a.link.endpoint
    const host = network.host('10.0.0.1')
    const open = (address: string) =>
      host.open(3, { address, prefixBits: 24, mtu: 1500, interfaceName: '' }, port, recorder().events)
    expect(() => open('10.0.0.1')).toThrow(expect.objectContaining({ code: 'EADDRINUSE' }))
    expect(() => open('10.0.0.9')).toThrow(expect.objectContaining({ code: 'EADDRNOTAVAIL' }))
    a.link.close()
    expect(open('10.0.0.1').endpoint.port).toBe(port)
  })

  it('is of one network alone', () => {
    expect(new MemoryNetwork().id).not.toBe(new MemoryNetwork().id)
  })
})
