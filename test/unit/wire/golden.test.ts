/**
 * The captures of the 2014 prototype in test/vectors: each packet is parsed and emitted again byte for byte,
 * IPv4 header, SAL header and transport, every checksum computed anew (but for a UDP checksum that says
 * "none").
 */
import { describe, expect, it } from 'vitest'
import { addressBytes } from '../../../src/id/address.ts'
import { emitIpv4Header, parseIpv4Header } from '../../../src/wire/ipv4.ts'
import { emitPacket, packetLength, parsePacket, SalPacket } from '../../../src/wire/packet.ts'
import { profile2014 } from '../../../src/wire/profile-2014.ts'
import { protocols } from '../../../src/wire/sal-header.ts'
import { emitTcpHeader, parseTcpHeader, tcpHeaderLength } from '../../../src/wire/tcp-header.ts'
import { fillTransportChecksum, verifyTransportChecksum } from '../../../src/wire/transport-checksum.ts'
import { emitUdpHeader, parseUdpHeader, UDP_HEADER_BYTES } from '../../../src/wire/udp-header.ts'
import { WireError } from '../../../src/wire/wire-error.ts'
import { allCaptures, type VectorPacket } from '../../support/pcap.ts'

const profile = profile2014
const captures = allCaptures()

describe('the captured packets of the 2014 prototype', () => {
  it('are all there', () => {
    expect(captures.length).toBe(821)
    expect(new Set(captures.map(packet => packet.file)).size).toBe(25)
  })

  for (const file of new Set(captures.map(packet => packet.file))) {
    it(`of ${file} come out byte for byte as they went in`, () => {
      for (const packet of captures.filter(packet => packet.file === file)) expectSame(packet, packet.bytes)
    })
  }

  it('do not pass if a single bit of any header differs (self-test of this check)', () => {
    const packet = captures.find(packet => packet.file === 'a_tcp.pcap')!
    for (const at of [1, 8, 21, 30, 33, 45, 60, 93, 100, 110]) {
      const fault = packet.bytes.slice()
      fault[at]! ^= 0x10
      expect(() => expectSame(packet, fault), `byte ${at}`).toThrow()
    }
  })

  it('do not pass if a codec leaves a byte unwritten (self-test of this check)', () => {
    const packet = captures.find(packet => packet.file === 'a_tcp.pcap')!
    const forgetful = (buffer: Uint8Array) => {
      buffer[35] = GARBAGE
    }
    expect(() => expectSame(packet, packet.bytes, forgetful)).toThrow()
  })
})

/** Parses `bytes` and expects that what is emitted, after `spoil`, is the packet as captured. */
function expectSame(
  packet: VectorPacket,
  bytes: Uint8Array,
  spoil: (emitted: Uint8Array) => void = () => {},
): void {
  const emitted = roundTrip(bytes)
  spoil(emitted)
  expect(hex(emitted), `${packet.file} #${packet.number}`).toBe(hex(packet.bytes))
}

function roundTrip(bytes: Uint8Array): Uint8Array {
  const ip = value(parseIpv4Header(bytes, 0, bytes.length))
  const ipBytes = 20 + ip.options.length
  const sal = value(parsePacket(bytes, ipBytes, bytes.length, profile))
  const addresses = { source: addressBytes(ip.source)!, destination: addressBytes(ip.destination)! }
  const transport = roundTripTransport(sal, addresses)
  const packet = new SalPacket({ ...sal, transport })
  const out = new Uint8Array(ipBytes + packetLength(packet, profile) + 8).fill(GARBAGE)
  emitIpv4Header(ip, out, 0)
  const length = emitPacket(packet, out, ipBytes, profile)
  expect(out.subarray(ipBytes + length).every(byte => byte === GARBAGE)).toBe(true)
  return out.subarray(0, ipBytes + length)
}

function roundTripTransport(
  sal: SalPacket,
  addresses: { source: Uint8Array; destination: Uint8Array },
): Uint8Array {
  const bytes = sal.transport
  if (bytes.length === 0) return bytes
  const out = new Uint8Array(bytes.length).fill(GARBAGE)
  expect(verifyTransportChecksum(bytes, 0, bytes.length, sal.protocol, addresses)).toBe(true)
  if (sal.protocol === protocols.STREAM) {
    const header = value(parseTcpHeader(bytes, 0, bytes.length))
    expect(emitTcpHeader({ ...header, checksum: 0 }, out, 0)).toBe(tcpHeaderLength(header))
    out.set(bytes.subarray(tcpHeaderLength(header)), tcpHeaderLength(header))
  } else {
    const header = value(parseUdpHeader(bytes, 0, bytes.length))
    expect(header.lengthBytes).toBe(bytes.length)
    emitUdpHeader(header, out, 0)
    out.set(bytes.subarray(UDP_HEADER_BYTES), UDP_HEADER_BYTES)
    if (header.checksum === 0) return out
  }
  fillTransportChecksum(out, 0, out.length, sal.protocol, addresses)
  return out
}

function value<T>(result: T | WireError): T {
  if (result instanceof WireError) throw new Error(result.toString())
  return result
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

const GARBAGE = 0xa5
