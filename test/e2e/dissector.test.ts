/** Wireshark's reading of our packets, through serval.lua, against that of our own codecs. */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { PacketWalk, SHIM_BYTES } from '../../src/wire/encapsulation.ts'
import { parseEndpoint } from '../../src/wire/endpoint.ts'
import { control, controlFlags } from '../../src/wire/extensions/control.ts'
import { trace, traceAnswer } from '../../src/wire/extensions/large.ts'
import { parseIpv4Header } from '../../src/wire/ipv4.ts'
import { nativeProfile } from '../../src/wire/native-profile.ts'
import { parsePacket } from '../../src/wire/packet.ts'
import { pcapFileHeader, pcapUdpRecord } from '../../src/wire/pcap.ts'
import type { Profile } from '../../src/wire/profile.ts'
import { profile2014 } from '../../src/wire/profile-2014.ts'
import { protocols } from '../../src/wire/sal-header.ts'
import { WireError } from '../../src/wire/wire-error.ts'
import { nativeVectors } from '../support/native-vectors.ts'
import { allCaptures, readCapture, VECTORS } from '../support/pcap.ts'
import { packetBytes, syn } from '../support/router-trace.ts'

const LUA = join(import.meta.dirname, '../../src/wire/wireshark/serval.lua')
const FIELDS = [
  'serval.src',
  'serval.dst',
  'serval.protocol',
  'serval.control.verno',
  'serval.service',
  'serval.checksum.good',
]
const hasTshark = spawnSync('tshark', ['--version']).status === 0

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'serval-dissector-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** One text of `fields` a packet, joined by `|`; the values of several packets in one datagram by `,`. */
function dissect(file: string, fields: readonly string[], filter = ''): string[] {
  const args = ['-X', `lua_script:${LUA}`, '-r', file, '-T', 'fields', '-E', 'separator=|']
  const selected = filter === '' ? [] : ['-Y', filter]
  const named = fields.flatMap(name => ['-e', name])
  const text = execFileSync('tshark', [...args, ...selected, ...named], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  return text.split('\n').slice(0, -1)
}

/** The same by our own codecs. */
function parsed(bytes: Uint8Array, start: number, end: number, profile: Profile): string {
  const packet = parsePacket(bytes, start, end, profile)
  if (packet instanceof WireError) throw new Error(packet.message)
  return [
    `0x${packet.srcFlowId.toString(16).padStart(8, '0')}`,
    `0x${packet.dstFlowId.toString(16).padStart(8, '0')}`,
    packet.protocol,
    packet.control?.verno ?? '',
    packet.services.map(id => Buffer.from(id.toBytes()).toString('hex')).join(','),
    1,
  ].join('|')
}

function writeNativeCapture(name: string, payloads: readonly Uint8Array[]): string {
  const file = join(folder, name)
  const ends = [
    { address: '10.0.0.1', port: 40_000 },
    { address: '10.0.0.2', port: 40_001 },
  ] as const
  const records = payloads.map((bytes, index) => pcapUdpRecord(bytes, ...ends, index))
  writeFileSync(file, Buffer.concat([pcapFileHeader(), ...records]))
  return file
}

describe.runIf(hasTshark)('the dissector', () => {
  it('reads every captured packet of the 2014 profile as our codecs do', () => {
    const files = [...new Set(allCaptures().map(({ file }) => file))]
    let packets = 0
    for (const file of files) {
      const path = join(VECTORS, file)
      const expected = readCapture(path).map(({ bytes }) => {
        const ip = parseIpv4Header(bytes, 0, bytes.length)
        if (ip instanceof WireError) throw new Error(ip.message)
        return parsed(bytes, 20 + ip.options.length, ip.totalBytes, profile2014)
      })
      expect(dissect(path, FIELDS), file).toEqual(expected)
      packets += expected.length
    }
    expect(packets).toBe(821)
  }, 60_000)

  it('recognises native packets on any port, and reads them as our codecs do', () => {
    const vectors = nativeVectors()
    const file = writeNativeCapture(
      'native.pcap',
      vectors.map(({ bytes }) => bytes),
    )
    const expected = vectors.map(({ bytes }) => parsed(bytes, SHIM_BYTES, bytes.length, nativeProfile))
    expect(dissect(file, FIELDS)).toEqual(expected)
    expect(dissect(file, ['frame.number'], 'serval.malformed')).toEqual([])
  })

  it('reads numbers of 48 bits, ranges, reasons and ends', () => {
    const vectors = nativeVectors()
    const file = writeNativeCapture(
      'native.pcap',
      vectors.map(({ bytes }) => bytes),
    )
    const rows = dissect(file, ['serval.seq', 'serval.sack.start', 'serval.reason.code', 'serval.end.offset'])
    vectors.forEach(({ segment, extensions }, index) => {
      const end = extensions.find(one => one.kind === 'end')
      const why = extensions.find(one => one.kind === 'reason')
      expect(rows[index]).toBe(
        [
          segment?.seq ?? '',
          segment?.sack.map(({ start }) => start).join(',') ?? '',
          why?.code ?? '',
          end?.finalOffset ?? '',
        ].join('|'),
      )
    })
  })

  it('reads who answers a trace', () => {
    const extensions = [control(controlFlags.NACK, 0, 1), traceAnswer(parseEndpoint('[fd00::1]:7')!)]
    const packets = [
      packetBytes({ srcFlowId: 0, dstFlowId: 9, protocol: protocols.STREAM, extensions }),
      syn({ more: [trace()] }),
    ]
    const file = writeNativeCapture('trace.pcap', packets)
    expect(dissect(file, ['serval.large.type', 'serval.large.from'])).toEqual(['1|[fd00::1]:7', '1|'])
    expect(dissect(file, ['frame.number'], 'serval.malformed')).toEqual([])
  })

  it('shows every packet of a datagram that holds several', () => {
    const { bytes } = nativeVectors()[0]!
    const file = writeNativeCapture('several.pcap', [Uint8Array.from([...bytes, ...bytes])])
    const walk = new PacketWalk()
    walk.reset(bytes, 0, bytes.length)
    expect(walk.next()).toBe(true)
    expect(dissect(file, ['serval.shim.hops'])).toEqual([`${walk.hops},${walk.hops}`])
  })

  it('marks a bad checksum and a header that does not fit, and leaves strangers alone', () => {
    const capture = readCapture(join(VECTORS, 'a_tcp.pcap'))[0]!.bytes
    const flipped = capture.slice()
    flipped[20]! ^= 1
    const long = capture.slice()
    long[28] = 255
    const header = Buffer.from(pcapFileHeader())
    const records = [flipped, long].map(bytes => {
      const record = Buffer.alloc(16 + bytes.length)
      record.writeUInt32BE(bytes.length, 8)
      record.writeUInt32BE(bytes.length, 12)
      record.set(bytes, 16)
      return record
    })
    const file = join(folder, 'bad.pcap')
    writeFileSync(file, Buffer.concat([header, ...records]))
    expect(dissect(file, ['frame.number'], 'serval.checksum.bad')).toEqual(['1'])
    expect(dissect(file, ['frame.number'], 'serval.malformed')).toEqual(['2'])
    const stranger = writeNativeCapture('stranger.pcap', [
      new TextEncoder().encode('\x01 no packet of Serval'),
    ])
    expect(dissect(stranger, ['frame.number'], 'serval')).toEqual([])
  })
})
