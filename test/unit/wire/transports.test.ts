import { describe, expect, it } from 'vitest'
import { addressBytes } from '../../../src/id/address.ts'
import { checksum, foldChecksum, sumWords } from '../../../src/wire/checksum.ts'
import { emitIpv4Header, ipv4Header, parseIpv4Header } from '../../../src/wire/ipv4.ts'
import {
  emitTcpHeader,
  parseTcpHeader,
  type TcpHeader,
  tcpHeaderLength,
} from '../../../src/wire/tcp-header.ts'
import { fillTransportChecksum, verifyTransportChecksum } from '../../../src/wire/transport-checksum.ts'
import { emitUdpHeader, parseUdpHeader, udpHeader } from '../../../src/wire/udp-header.ts'
import type { WireError } from '../../../src/wire/wire-error.ts'
import { Random, testSeed } from '../../support/random.ts'

describe('the Internet checksum', () => {
  it('is that of RFC 1071 section 3', () => {
    const bytes = Uint8Array.of(0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7)
    expect(foldChecksum(sumWords(bytes, 0, 8))).toBe(~0xddf2 & 0xffff)
  })

  it('agrees with a word-by-word sum, at any length and offset', () => {
    const random = new Random(testSeed)
    for (let i = 0; i < 2000; i++) {
      const bytes = random.chance(0.1) ? new Uint8Array(80).fill(0xff) : random.bytes(80)
      const start = random.below(40)
      const end = start + random.below(41)
      expect(checksum(bytes, start, end), `seed ${testSeed}`).toBe(slowChecksum(bytes, start, end))
    }
  })

  it('holds for the longest buffer', () => {
    const bytes = new Uint8Array(65_535).fill(0xff)
    expect(checksum(bytes, 0, bytes.length)).toBe(slowChecksum(bytes, 0, bytes.length))
  })

  function slowChecksum(bytes: Uint8Array, start: number, end: number): number {
    let sum = 0
    for (let i = start; i < end; i += 2) {
      sum += bytes[i]! * 256 + (i + 1 < end ? bytes[i + 1]! : 0)
      if (sum > 0xffff) sum -= 0xffff
    }
    return 0xffff - sum
  }
})

describe('the TCP header of 2014', () => {
  const header: TcpHeader = {
    srcPort: 0,
    dstPort: 0,
    seq: 0xffffffff,
    ack: 1,
    reserved: 5,
    flags: 0x12,
    window: 5792,
    checksum: 0xbeef,
    urgent: 7,
    options: [
      { kind: 'mss', mss: 1448 },
      { kind: 'nop' },
      { kind: 'window-scale', shift: 1 },
      { kind: 'other', type: 8, data: new Uint8Array(8).fill(3) },
      { kind: 'end', padding: Uint8Array.of(9) },
    ],
  }

  it('comes out as it went in, options and padding too', () => {
    const buffer = new Uint8Array(42).fill(0xa5)
    expect(tcpHeaderLength(header)).toBe(40)
    expect(emitTcpHeader(header, buffer, 1)).toBe(40)
    expect(parseTcpHeader(buffer, 1, 41)).toEqual(header)
    expect([buffer[0], buffer[41]]).toEqual([0xa5, 0xa5])
  })

  it('is refused, by name, for each way to be wrong', () => {
    const buffer = new Uint8Array(40)
    emitTcpHeader(header, buffer, 0)
    const code = (end: number, words?: number, option?: number[]) => {
      const bytes = buffer.slice()
      if (words !== undefined) bytes[12] = words << 4
      if (option !== undefined) bytes.set(option, 20)
      return (parseTcpHeader(bytes, 0, end) as WireError).code
    }
    expect(code(19)).toBe('truncated')
    expect(code(39)).toBe('truncated')
    expect(code(40, 4)).toBe('bad-length')
    expect(code(40, 15)).toBe('truncated')
    expect(code(40, 6, [2, 0])).toBe('bad-length')
    expect(code(40, 6, [2, 1])).toBe('bad-length')
    expect(code(40, 6, [2, 5])).toBe('bad-length')
    expect(code(40, 6, [1, 1, 1, 2])).toBe('bad-length')
  })

  it('keeps a known option of a foreign length as bytes', () => {
    const odd: TcpHeader = { ...header, options: [{ kind: 'other', type: 2, data: new Uint8Array(6) }] }
    const buffer = new Uint8Array(28)
    emitTcpHeader(odd, buffer, 0)
    expect(parseTcpHeader(buffer, 0, 28)).toEqual(odd)
  })

  it('is refused by emit where it cannot be', () => {
    const odd: TcpHeader = { ...header, options: [{ kind: 'nop' }] }
    expect(() => emitTcpHeader(odd, new Uint8Array(80), 0)).toThrow('not possible')
    const long: TcpHeader = { ...header, options: [{ kind: 'end', padding: new Uint8Array(43) }] }
    expect(() => emitTcpHeader(long, new Uint8Array(80), 0)).toThrow('not possible')
    expect(() => emitTcpHeader(header, new Uint8Array(39), 0)).toThrow('no room')
  })
})

describe('the datagram header', () => {
  it('comes out as it went in', () => {
    const buffer = new Uint8Array(20).fill(0xa5)
    expect(emitUdpHeader({ ...udpHeader(5), checksum: 0x1234 }, buffer, 1)).toBe(8)
    expect(parseUdpHeader(buffer, 1, 14)).toEqual({
      srcPort: 0,
      dstPort: 0,
      lengthBytes: 13,
      checksum: 0x1234,
    })
    expect(buffer[9]).toBe(0xa5)
  })

  it('is refused, by name, when cut or when its length is not possible', () => {
    const buffer = new Uint8Array(16)
    emitUdpHeader(udpHeader(8), buffer, 0)
    expect((parseUdpHeader(buffer, 0, 7) as WireError).code).toBe('truncated')
    expect((parseUdpHeader(buffer, 0, 15) as WireError).code).toBe('truncated')
    buffer[5] = 7
    expect((parseUdpHeader(buffer, 0, 16) as WireError).code).toBe('bad-length')
    expect(() => emitUdpHeader(udpHeader(0), new Uint8Array(7), 0)).toThrow('no room')
  })
})

describe('the transport checksum', () => {
  const addresses = { source: addressBytes('10.0.0.1')!, destination: addressBytes('10.0.0.2')! }

  it('binds the transport to the addresses, and finds every changed byte', () => {
    for (const protocol of [6, 17]) {
      const bytes = new Random(protocol).bytes(31)
      fillTransportChecksum(bytes, 0, 31, protocol, addresses)
      expect(verifyTransportChecksum(bytes, 0, 31, protocol, addresses)).toBe(true)
      expect(verifyTransportChecksum(bytes, 0, 31, protocol)).toBe(false)
      expect(verifyTransportChecksum(bytes, 0, 30, protocol, addresses)).toBe(false)
      for (let at = 0; at < 31; at++) {
        const changed = bytes.slice()
        changed[at]! ^= 0x40
        expect(verifyTransportChecksum(changed, 0, 31, protocol, addresses), `byte ${at}`).toBe(false)
      }
    }
  })

  it('counts missing addresses as zero', () => {
    const zero = { source: new Uint8Array(16), destination: new Uint8Array(16) }
    const bytes = new Random(1).bytes(20)
    fillTransportChecksum(bytes, 0, 20, 17)
    expect(verifyTransportChecksum(bytes, 0, 20, 17, zero)).toBe(true)
  })

  it('of a datagram is never zero, for zero means none', () => {
    const bytes = new Uint8Array(10)
    emitUdpHeader(udpHeader(2), bytes, 0)
    for (let payload = 0; payload < 0x10000; payload++) {
      bytes[8] = payload >> 8
      bytes[9] = payload
      fillTransportChecksum(bytes, 0, 10, 17)
      if (bytes[6] === 0 && bytes[7] === 0) expect.fail(`payload ${payload}`)
    }
    expect(verifyTransportChecksum(bytes, 0, 10, 17)).toBe(true)
    bytes.fill(0, 6, 8)
    expect(verifyTransportChecksum(bytes, 0, 10, 17)).toBe(true)
  })
})

describe('the IPv4 header', () => {
  const header = {
    ...ipv4Header('10.0.0.1', '10.0.0.2', 5),
    options: Uint8Array.of(1, 1, 1, 0),
    totalBytes: 29,
    id: 7,
  }

  it('comes out as it went in', () => {
    const buffer = new Uint8Array(31).fill(0xa5)
    expect(emitIpv4Header(header, buffer, 1)).toBe(24)
    expect(parseIpv4Header(buffer, 1, 31)).toEqual(header)
    expect([buffer[0], buffer[25]]).toEqual([0xa5, 0xa5])
  })

  it('is refused, by name, for each way to be wrong', () => {
    const buffer = new Uint8Array(29)
    emitIpv4Header(header, buffer, 0)
    const code = (end: number, at = 8, value = buffer[8]!) => {
      const bytes = buffer.slice()
      bytes[at] = value
      return (parseIpv4Header(bytes, 0, end) as WireError).code
    }
    expect(code(19)).toBe('truncated')
    expect(code(28)).toBe('truncated')
    expect(code(29, 0, 0x66)).toBe('bad-version')
    expect(code(29, 0, 0x44)).toBe('bad-length')
    expect(code(29, 3, 23)).toBe('bad-length')
    expect(code(29, 8, 63)).toBe('bad-checksum')
  })

  it('is refused by emit where it cannot be', () => {
    expect(() => emitIpv4Header({ ...header, source: '::1' }, new Uint8Array(60), 0)).toThrow(
      'no IPv4 address',
    )
    expect(() => emitIpv4Header({ ...header, options: new Uint8Array(3) }, new Uint8Array(60), 0)).toThrow(
      'not possible',
    )
    expect(() => emitIpv4Header(header, new Uint8Array(23), 0)).toThrow('no room')
  })
})
