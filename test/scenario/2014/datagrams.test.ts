/**
 * Datagrams without a flow in the 2014 profile (src/wire/README.md, A3.2, A16.2), as captured of the original's two ends:
 * directly, by way of a router, and to all hosts of a subnet.
 */
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { ServiceId } from '../../../src/id/service-id.ts'
import { ServicePrefix } from '../../../src/id/service-prefix.ts'
import { dialect2014 } from '../../../src/sal/dialect-2014.ts'
import { Sal } from '../../../src/sal/sal.ts'
import { IPV4_HEADER_BYTES } from '../../../src/wire/ipv4.ts'
import { RAW_PORT } from '../../../src/wire/raw-ip.ts'
import { protocols } from '../../../src/wire/sal-header.ts'
import { TransmitBatch } from '../../../src/wire/transmit-batch.ts'
import { readCapture, VECTORS } from '../../support/pcap.ts'
import { type Seen, seen } from '../../support/replay-2014.ts'

/** 600 sends to 700, and 700 answers. */
const SENDER = ServiceId.parse(`x-${'00000258'.padEnd(64, '0')}`)
const RECEIVER = ServiceId.parse(`x-${'000002bc'.padEnd(64, '0')}`)

const sent = [
  ['b_udp_unconnected', 1, 'directly'],
  ['b_udp_unconnected', 3, 'directly, again'],
  ['e_service_router', 37, 'to a router'],
  ['e_service_router', 39, 'to all hosts of a subnet'],
] as const

describe('an end sends what the original sends, byte for byte', () => {
  it.each(sent)('%s, packet %i: %s', (file, number) => {
    const original = captured(file, number)
    const { source, destination, packet, payload } = original
    const [to, from] = packet.services
    const sal = hostAt(source, packet.srcFlowId)
    const rule = {
      type: 'FORWARD',
      targets: [{ endpoint: { address: destination, port: RAW_PORT } }],
    } as const
    sal.serviceTable.insert(new ServicePrefix(to!, 256), rule, { source: 'config' })
    const listener = sal.listen({ serviceId: from!, protocol: protocols.DATAGRAM })
    expect(sal.send({ from: listener, payload, serviceId: to! }, 0)).toBe('sent')
    const batch = new TransmitBatch()
    expect(sal.pollTransmit(batch, 0)).toBe(true)
    const ours = seen(0, batch.buffer.slice(0, batch.length))!
    expect([ours.source, ours.destination]).toEqual([source, destination])
    expect(salOf(ours)).toBe(salOf(original))
    expect(sal.pollTransmit(batch, 0)).toBe(false)
  })
})

const heard = [
  ['b_udp_unconnected', 2, RECEIVER, SENDER, '10.77.1.2', '10.77.1.1'],
  ['e_service_router', 38, RECEIVER, SENDER, '10.77.4.2', '10.77.3.1'],
  ['e_service_router', 39, SENDER, RECEIVER, '10.77.4.254', '10.77.4.2'],
] as const

describe('an end hears what the original sends, and knows to whom an answer goes', () => {
  it.each(heard)('%s, packet %i', (file, number, service, source, own, remote) => {
    const { bytes, payload } = captured(file, number)
    const sal = hostAt(own, 1)
    const listener = sal.listen({ serviceId: service, protocol: protocols.DATAGRAM })
    sal.handleDatagram(bytes.slice(), bytes.length, 1, { address: '0.0.0.0', port: 0 }, 0)
    expect(listener.inbox.size).toBe(1)
    const datagram = listener.inbox.take()!
    expect(Buffer.from(datagram.payload).equals(payload)).toBe(true)
    expect(datagram.source?.equals(source)).toBe(true)
    expect(datagram.remote.address).toBe(remote)
    expect(sal.counters).toEqual({})
  })
})

function captured(file: string, number: number): Seen {
  const { atMs, bytes } = readCapture(join(VECTORS, `${file}.pcap`))[number - 1]!
  return seen(atMs, bytes, number)!
}

/** A host that draws this flowID. */
function hostAt(address: string, flowId: number): Sal {
  const randomBytes = (n: number) => Uint8Array.from({ length: n }, (_, i) => (i === n - 1 ? flowId : 0))
  const sal = new Sal({ dialect: dialect2014, randomBytes })
  sal.addLocal({ id: 1, endpoint: { address, port: RAW_PORT }, prefixBits: 24, mtu: 1500 }, 0)
  return sal
}

/** All behind the IPv4 header, whose identification is the system's. */
function salOf({ bytes }: Seen): string {
  return Buffer.from(bytes.subarray(IPV4_HEADER_BYTES)).toString('hex')
}
