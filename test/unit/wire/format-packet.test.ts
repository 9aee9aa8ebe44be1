import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { control, controlFlags } from '../../../src/wire/extensions/control.ts'
import { large, largeTypes } from '../../../src/wire/extensions/large.ts'
import { reason, reasonCodes } from '../../../src/wire/extensions/reason.ts'
import { formatDatagram, formatIpPacket } from '../../../src/wire/format-packet.ts'
import { protocols } from '../../../src/wire/sal-header.ts'
import { nativeVectors } from '../../support/native-vectors.ts'
import { readCapture, VECTORS } from '../../support/pcap.ts'
import { packetBytes } from '../../support/router-trace.ts'

const captured = (file: string, number: number) => readCapture(join(VECTORS, file))[number - 1]!.bytes
const lineOf = (name: string) => {
  const { bytes } = nativeVectors().find(vector => vector.name === name)!
  return formatDatagram(bytes, 0, bytes.length)
}

describe('a packet of the 2014 profile as a line', () => {
  it.each([
    [
      'a_tcp.pcap',
      1,
      '10.77.1.1 > 10.77.1.2 00000004>00000000 SYN verno 953712522 service 000040010000000000000000.. [SYN] seq 287053256 win 0 len 0',
    ],
    [
      'a_tcp.pcap',
      4,
      '10.77.1.2 > 10.77.1.1 00000009>00000004 [ACK] seq 2234164059:2234165467 ack 287053257 win 2896 len 1408',
    ],
    ['d_migrate.pcap', 29, '10.77.2.1 > 10.77.1.2 00000002>00000003 RSYN verno 1990134182'],
    [
      'b_udp_unconnected.pcap',
      1,
      '10.77.1.1 > 10.77.1.2 00000005>00000000 service 000002bc0000000000000000.. service 000002580000000000000000.. len 5',
    ],
  ])('%s packet %i', (file, number, line) => {
    expect(formatIpPacket(captured(file, number))).toEqual([line])
  })
})

describe('a native packet as a line', () => {
  it.each(nativeVectors().map(({ name }) => name))('%s', name => {
    expect(lineOf(name)).toMatchSnapshot()
  })

  it('stands behind its end points, one line each where a datagram holds several', () => {
    const { bytes } = nativeVectors()[0]!
    const both = Uint8Array.from([...bytes, ...bytes])
    expect(formatDatagram(both, 0, both.length)).toHaveLength(2)
    const cut = formatDatagram(both, 0, both.length - 1)
    expect(cut[1]).toMatch(/^dropped: /)
  })

  it('is nothing where the datagram is not of ours', () => {
    expect(formatDatagram(new TextEncoder().encode('GET / HTTP/1.1\r\n\r\n'), 0, 18)).toEqual([])
    expect(formatIpPacket(Uint8Array.of(0x45))).toEqual([])
    expect(formatIpPacket(Uint8Array.of(0x60))).toEqual([])
  })

  it('holds nothing that a terminal would obey', () => {
    const extensions = [control(controlFlags.NACK, 0, 1), reason(reasonCodes.DROPPED, '\u001b[2J\u0007gone')]
    const bytes = packetBytes({ srcFlowId: 0, dstFlowId: 9, protocol: protocols.STREAM, extensions })
    const [line] = formatDatagram(bytes, 0, bytes.length)
    expect(line).toContain('(DROPPED:  [2J gone)')
    for (const [who, shown] of [
      ['[fe80::1%\u001b[2J]:7', / trace$/],
      ['evil.example:7', / trace$/],
      ['[fd00::1]:7', / trace \[fd00::1\]:7$/],
    ] as const) {
      const answer = packetBytes({
        ...{ srcFlowId: 0, dstFlowId: 9, protocol: protocols.STREAM },
        extensions: [
          control(controlFlags.NACK, 0, 1),
          large(largeTypes.TRACE, new TextEncoder().encode(who)),
        ],
      })
      expect(formatDatagram(answer, 0, answer.length)[0]).toMatch(shown)
    }
  })

  it('says what is wrong with it', () => {
    const bytes = nativeVectors()[0]!.bytes.slice()
    bytes[20]! ^= 1
    expect(formatDatagram(bytes, 0, bytes.length)[0]).toMatch(/^malformed: .*checksum/)
  })
})
