/** What strangers can make a stack keep with datagrams that belong to no flow. */
import { describe, expect, it } from 'vitest'
import { serviceIdOf } from '../../../src/id/name.ts'
import { ServicePrefix } from '../../../src/id/service-prefix.ts'
import type { DialectKind } from '../../../src/sal/dialect.ts'
import { dialect2014 } from '../../../src/sal/dialect-2014.ts'
import { Sal } from '../../../src/sal/sal.ts'
import { protocols } from '../../../src/wire/sal-header.ts'
import { TransmitBatch } from '../../../src/wire/transmit-batch.ts'
import { Random } from '../../support/random.ts'

const SERVICE = serviceIdOf('quiet.example')
const HERE = { address: '10.0.0.1', port: 4000 }
const THERE = { address: '10.0.0.2', port: 4000 }

/** A stack with one address. */
function stack(endpoint: { address: string; port: number }, dialect?: DialectKind): Sal {
  const random = new Random(1)
  const sal = new Sal({ randomBytes: n => random.bytes(n), dialect })
  sal.addLocal({ id: 1, endpoint, prefixBits: 24, mtu: 1500 }, 0)
  return sal
}

/** A sender, and what it would put on the wire for each payload. */
function sender(endpoint = HERE, dialect?: DialectKind) {
  const sal = stack(THERE, dialect)
  sal.serviceTable.insert(
    new ServicePrefix(SERVICE, 256),
    { type: 'FORWARD', targets: [{ endpoint }] },
    { source: 'user' },
  )
  const from = sal.listen({ serviceId: serviceIdOf('sender.example'), protocol: protocols.DATAGRAM })
  return { sal, from }
}

describe('datagrams that nobody reads', () => {
  it('fill an inbox to its limit, the oldest go and are counted, and the program hears once', () => {
    const { sal, from } = sender()
    const receiver = stack(HERE)
    const listener = receiver.listen({ serviceId: SERVICE, protocol: protocols.DATAGRAM })
    const batch = new TransmitBatch()
    for (let i = 0; i < 5000; i++) {
      sal.send({ from, payload: Uint8Array.of(i >> 8, i), serviceId: SERVICE }, 0)
      while (sal.pollTransmit(batch, 0)) receiver.handleDatagram(batch.buffer, batch.length, 1, THERE, 0)
    }
    const { limits } = listener.inbox
    expect(receiver.queues).toContainEqual({
      name: 'datagrams to read',
      size: limits.items,
      limit: limits.items,
    })
    expect(receiver.counters).toEqual({ datagramInboxFull: 5000 - limits.items })
    const [high, low] = listener.inbox.take()!.payload
    expect((high! << 8) | low!).toBe(5000 - limits.items)
    expect(receiver.pollEvent()).toMatchObject({ type: 'messages', listener })
    expect(receiver.pollEvent()).toBeUndefined()
  })

  it('that a full link does not take are kept to the limit, and the rest counted', () => {
    const { sal, from } = sender()
    sal.hold(1, true)
    for (let i = 0; i < 5000; i++) sal.send({ from, payload: new Uint8Array(10), serviceId: SERVICE }, 0)
    const batch = new TransmitBatch()
    expect(sal.pollTransmit(batch, 0)).toBe(false)
    const queue = sal.queues.find(({ name }) => name === 'datagrams to send')!
    expect(queue.size).toBeLessThanOrEqual(queue.limit)
    expect(sal.counters.datagramQueueFull).toBe(5000 - queue.size)
    sal.hold(1, false)
    expect(sal.pollTransmit(batch, 0)).toBe(true)
    expect(batch.packets).toBeGreaterThan(1)
  })

  it('are forgotten with the address that they were to leave from', () => {
    const { sal, from } = sender()
    sal.send({ from, payload: new Uint8Array(10), serviceId: SERVICE }, 0)
    sal.removeLocal(1, 0)
    expect(sal.pollTransmit(new TransmitBatch(), 0)).toBe(false)
  })
})

describe('a datagram of the 2014 profile', () => {
  it.each(['10.0.0.1', '10.0.0.255'])('to %s is heard, and answered to whom it is from', address => {
    const { sal, from } = sender({ address, port: 4000 }, dialect2014)
    const receiver = stack(HERE, dialect2014)
    const listener = receiver.listen({ serviceId: SERVICE, protocol: protocols.DATAGRAM })
    sal.send({ from, payload: Uint8Array.of(1, 2, 3), serviceId: SERVICE }, 0)
    const batch = new TransmitBatch()
    expect(sal.pollTransmit(batch, 0)).toBe(true)
    receiver.handleDatagram(batch.buffer, batch.length, 1, THERE, 0)
    expect(receiver.counters).toEqual({})
    const message = listener.inbox.take()
    expect(message).toMatchObject({ payload: Uint8Array.of(1, 2, 3), remote: { address: '10.0.0.2' } })
  })
})
