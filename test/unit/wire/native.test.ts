/** The vectors of the native profile, both ways, and the specification that lists them. */
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { PacketWalk, WIRE_VERSION } from '../../../src/wire/encapsulation.ts'
import { nativeProfile } from '../../../src/wire/native-profile.ts'
import { parsePacket, type SalPacket } from '../../../src/wire/packet.ts'
import { protocols } from '../../../src/wire/sal-header.ts'
import { parseSegment } from '../../../src/wire/segment.ts'
import { verifyTransportChecksum } from '../../../src/wire/transport-checksum.ts'
import { parseUdpHeader, UDP_HEADER_BYTES, udpHeader } from '../../../src/wire/udp-header.ts'
import { emitVector, type NativeVector, nativeVectors } from '../../support/native-vectors.ts'

const vectors = nativeVectors()
const specification = readFileSync(new URL('../../../src/wire/README.md', import.meta.url), 'utf8')
const [, listing] = specification.split('\n## Test vectors\n')

describe('the native test vectors', () => {
  it('hold every extension of the profile, and one that is unknown', () => {
    const kinds = new Set(vectors.flatMap(vector => vector.extensions.map(extension => extension.kind)))
    const known = nativeProfile.extensions.codecs.all.map(codec => codec.kind)
    expect([...kinds].sort()).toEqual([...known, 'unknown'].sort())
  })

  it('are listed in the specification, by name', () => {
    const listed = [...listing!.matchAll(/^\| (\d+) \| ([^|]+?) \|/gm)].map(([, , name]) => name)
    expect(listed).toEqual(vectors.map(vector => vector.name))
  })

  for (const vector of vectors) {
    it(`${vector.name}: values give the bytes`, () => {
      expect(Buffer.from(emitVector(vector)).toString('hex')).toBe(Buffer.from(vector.bytes).toString('hex'))
    })

    it(`${vector.name}: bytes give the values`, () => {
      const walk = new PacketWalk()
      walk.reset(vector.bytes, 0, vector.bytes.length)
      expect(walk.next()).toBe(true)
      expect(walk.version).toBe(WIRE_VERSION)
      expect(walk.hops).toBe(vector.hops)
      expect(walk.packetEnd).toBe(vector.bytes.length)
      expectValues(
        parsePacket(vector.bytes, walk.packetStart, walk.packetEnd, nativeProfile) as SalPacket,
        vector,
      )
    })
  }

  it('name what must be understood', () => {
    const packet = (name: string): SalPacket => {
      const { bytes } = vectors.find(vector => vector.name === name)!
      return parsePacket(bytes, 4, bytes.length, nativeProfile) as SalPacket
    }
    expect(packet('extensions to skip').mustUnderstand).toBeUndefined()
    expect(packet('an extension that must be understood').mustUnderstand).toMatchObject({ largeType: 0x102 })
  })
})

function expectValues(packet: SalPacket, vector: NativeVector): void {
  expect(packet.srcFlowId).toBe(vector.srcFlowId)
  expect(packet.dstFlowId).toBe(vector.dstFlowId)
  expect(packet.protocol).toBe(vector.datagram === undefined ? protocols.STREAM : protocols.DATAGRAM)
  expect(packet.extensions).toEqual(vector.extensions)
  const { transport } = packet
  if (vector.segment !== undefined) {
    expect(parseSegment(transport, 0, transport.length)).toEqual(vector.segment)
  } else if (vector.datagram !== undefined) {
    const header = parseUdpHeader(transport, 0, transport.length)
    expect(header).toMatchObject(
      vector.datagram.checksum
        ? { ...udpHeader(vector.datagram.payload.length), checksum: expect.any(Number) }
        : udpHeader(vector.datagram.payload.length),
    )
    expect(transport.subarray(UDP_HEADER_BYTES)).toEqual(vector.datagram.payload)
    expect(verifyTransportChecksum(transport, 0, transport.length, protocols.DATAGRAM)).toBe(true)
  } else {
    expect(transport.length).toBe(0)
  }
}
