import { describe, expect, it } from 'vitest'
import { packetRecords } from '../../../src/net/links/packet-records.ts'
import { parsePcap, pcapFileHeader } from '../../../src/wire/pcap.ts'

const FROM = { address: '10.0.0.1', port: 7000 }
const TO = { address: '10.0.0.2', port: 8000 }

/** The packets as a reader of the capture finds them, in hexadecimal. */
function recorded(isRawIp: boolean, ...bytes: number[]): string[] {
  const buffer = Uint8Array.from([...bytes, 0xee])
  const records = packetRecords(isRawIp)(buffer, bytes.length, FROM, TO, 1_000)
  const packets = parsePcap(Buffer.concat([pcapFileHeader(), ...records]))
  if (typeof packets === 'string') throw new Error(packets)
  return packets.map(packet => Buffer.from(packet.bytes).toString('hex'))
}

describe('what a link of raw IP carries', () => {
  it('is recorded as it is, a record for each packet of a batch', () => {
    const packet = (last: number) => [0x45, 0, 0, 6, 144, last]
    expect(recorded(true, ...packet(1), ...packet(2))).toEqual(['450000069001', '450000069002'])
  })

  it('is recorded to its end where its own length is absurd', () => {
    expect(recorded(true, 0x45, 0, 0, 0, 9)).toEqual(['4500000009'])
    expect(recorded(true, 0x45, 0, 0xff, 0xff, 9)).toEqual(['4500ffff09'])
    expect(recorded(true, 0x45)).toEqual(['45'])
  })
})

describe('what a link of UDP carries', () => {
  it('is recorded behind headers that say between whom', () => {
    const [packet, ...others] = recorded(false, 1, 2, 3)
    expect(others).toEqual([])
    expect(packet).toMatch(/^4500001f0{8}4011[0-9a-f]{4}0a0000010a0000021b581f40000b0000010203$/)
  })
})
