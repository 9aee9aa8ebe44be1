import { describe, expect, it } from 'vitest'
import { PcapReader, parsePcap, pcapFileHeader, pcapUdpRecord } from '../../../src/wire/pcap.ts'

const AT_MS = 1_700_000_000_123.456

function capture(...records: Uint8Array[]): Uint8Array {
  return Uint8Array.from([pcapFileHeader(), ...records].flatMap(bytes => [...bytes]))
}

const v4 = pcapUdpRecord(
  Uint8Array.of(1, 2, 3),
  { address: '10.0.0.1', port: 7000 },
  { address: '10.0.0.2', port: 8000 },
  AT_MS,
)

describe('a capture', () => {
  it('gives back what was written, to the microsecond', () => {
    const packets = parsePcap(capture(v4, v4))
    if (typeof packets === 'string') throw new Error(packets)
    expect(packets.map(({ atMs }) => atMs)).toEqual([AT_MS, AT_MS])
    expect(Buffer.from(packets[1]!.bytes).toString('hex')).toBe(
      '4500001f000000004011' + '66cc' + '0a0000010a000002' + '1b581f40000b0000' + '010203',
    )
  })

  it('has IPv6 packets with an IPv6 header, zones left out', () => {
    const ends = [
      { address: 'fe80::1%eth0', port: 1 },
      { address: 'fe80::2%eth0', port: 2 },
    ] as const
    const packets = parsePcap(capture(pcapUdpRecord(Uint8Array.of(9), ...ends, AT_MS)))
    if (typeof packets === 'string') throw new Error(packets)
    const address = (last: number) => `fe80${'00'.repeat(13)}0${last}`
    expect(Buffer.from(packets[0]!.bytes).toString('hex')).toBe(
      `6000000000091140${address(1)}${address(2)}000100020009000009`,
    )
  })

  it('that is still being written loses its last record only', () => {
    const data = capture(v4, v4)
    for (const length of [data.length - 1, data.length - v4.length + 1]) {
      expect(parsePcap(data.subarray(0, length))).toHaveLength(1)
    }
  })

  it('of other byte order, with nanoseconds, and behind Ethernet headers is read', () => {
    const data = new Uint8Array(24 + 16 + 15)
    const view = new DataView(data.buffer)
    view.setUint32(0, 0xa1b23c4d, true)
    view.setUint32(20, 1, true)
    view.setUint32(24, 5, true)
    view.setUint32(28, 250_000_000, true)
    view.setUint32(32, 15, true)
    data[24 + 16 + 14] = 0x45
    expect(parsePcap(data)).toEqual([{ atMs: 5_250, bytes: Uint8Array.of(0x45) }])
  })

  it('is refused with the reason where it is none', () => {
    expect(parsePcap(new Uint8Array(3))).toContain('too short')
    expect(parsePcap(new Uint8Array(24))).toContain('no pcap file')
    const odd = pcapFileHeader()
    odd[23] = 9
    expect(parsePcap(odd)).toBe('its link type 9 is not known here')
  })
})

describe('a capture that grows', () => {
  it('gives the same packets wherever it is cut', () => {
    const whole = capture(v4, v4, v4)
    for (let cut = 0; cut <= whole.length; cut++) {
      const reader = new PcapReader()
      const parts = [whole.subarray(0, cut), whole.subarray(cut)].flatMap(part => {
        const packets = reader.push(part)
        if (typeof packets === 'string') throw new Error(packets)
        return packets
      })
      expect(parts).toEqual(parsePcap(whole))
    }
  })

  it('is refused where a length is none, rather than waited for', () => {
    const damaged = v4.slice()
    damaged[8] = 0xff
    expect(new PcapReader().push(capture(damaged))).toMatch(/^it is damaged: a packet of \d+ bytes$/)
  })
})
