/**
 * What a codec emits, it parses to the same value: random values of every codec, into buffers that held garbage
 * before, with nothing written around them.
 */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { addressBytes, addressText } from '../../src/id/address.ts'
import { keyedName, parseServiceName, parseServicePattern } from '../../src/id/name.ts'
import { ServiceId } from '../../src/id/service-id.ts'
import { ServicePrefix } from '../../src/id/service-prefix.ts'
import { emitDataPrefix, emitShim, PacketWalk } from '../../src/wire/encapsulation.ts'
import { formatEndpoint, parseEndpoint } from '../../src/wire/endpoint.ts'
import type { Extension, ExtensionOf, KnownExtension } from '../../src/wire/extensions.ts'
import { emitIpv4Header, ipv4HeaderLength, parseIpv4Header } from '../../src/wire/ipv4.ts'
import { nativeProfile } from '../../src/wire/native-profile.ts'
import { emitPacket, packetLength, parsePacket, SalPacket } from '../../src/wire/packet.ts'
import type { Profile } from '../../src/wire/profile.ts'
import { profile2014 } from '../../src/wire/profile-2014.ts'
import { emitSegment, parseSegment, type Segment, segmentLength } from '../../src/wire/segment.ts'
import { emitTcpHeader, parseTcpHeader, type TcpHeader, tcpHeaderLength } from '../../src/wire/tcp-header.ts'
import { emitUdpHeader, parseUdpHeader, UDP_HEADER_BYTES } from '../../src/wire/udp-header.ts'
import { emitVersionHint, parseVersionHint, versionHintLength } from '../../src/wire/version-hint.ts'
import { holds as holdsFor } from '../support/property.ts'

const OFFSET = 7
const GARBAGE = 0xa5

/** Emits with OFFSET bytes of garbage around, and expects them untouched. */
function emitted(length: number, emit: (buffer: Uint8Array, offset: number) => unknown): Uint8Array {
  const buffer = new Uint8Array(OFFSET + length + OFFSET).fill(GARBAGE)
  emit(buffer, OFFSET)
  const around = [...buffer.subarray(0, OFFSET), ...buffer.subarray(OFFSET + length)]
  expect(
    around.every(byte => byte === GARBAGE),
    'nothing is written around',
  ).toBe(true)
  return buffer
}

const holds = <T>(arbitrary: fc.Arbitrary<T>, predicate: (value: T) => void, numRuns?: number) =>
  holdsFor('test/property/wire-round-trip.test.ts', arbitrary, predicate, numRuns)

const u8 = fc.integer({ min: 0, max: 0xff })
const u16 = fc.integer({ min: 0, max: 0xffff })
const u32 = fc.oneof(
  fc.integer({ min: 0, max: 0xffffffff }),
  fc.constantFrom(0, 0x7fffffff, 0x80000000, 0xffffffff),
)
const u48 = fc.oneof(fc.integer({ min: 0, max: 2 ** 48 - 1 }), fc.constantFrom(0, 2 ** 47, 2 ** 48 - 1))
const bytes = (minLength: number, maxLength = minLength) => fc.uint8Array({ minLength, maxLength })
const words = (maxLength: number) => fc.nat(maxLength / 4).chain(count => bytes(count * 4))
const ipv4 = bytes(4).map(addressText)
const ipv6 = fc
  .oneof(
    bytes(16),
    bytes(2).map(tail => Uint8Array.of(0xfd, 0, ...new Array(12).fill(0), ...tail)),
  )
  .map(addressText)
const serviceId = bytes(32).map(id => ServiceId.fromBytes(id))
const bits = fc.nat(15)
const pathEntry = { address: fc.oneof(ipv4, ipv6), port: u16 }
const detail = fc.string({ unit: 'grapheme', maxLength: 20 }).filter(text => !text.includes('\0'))

const service = fc.record({ kind: fc.constant('service'), bits, reserved: u16, serviceId })
const control = fc.record({
  kind: fc.constant('control'),
  bits,
  reserved: u8,
  flags: u8,
  verno: u32,
  ackno: u32,
  nonce: bytes(8),
})

/** By kind, so that a new codec without an arbitrary is a type error. */
const arbitraries: { [K in KnownExtension['kind']]: fc.Arbitrary<ExtensionOf<K>> } = {
  pad: fc.record({ kind: fc.constant('pad'), bits }),
  control,
  service,
  address: fc.record({
    kind: fc.constant('address'),
    bits,
    reserved: u16,
    verno: u32,
    ackno: u32,
    addresses: words(40),
  }),
  source: fc.record({
    kind: fc.constant('source'),
    bits,
    reserved: u16,
    addresses: fc.array(ipv4, { minLength: 2, maxLength: 20 }),
  }),
  key: fc.oneof(
    fc.record({ kind: fc.constant('key'), bits, reserved: u8, mode: fc.constant(0), share: bytes(16) }),
    fc.record({ kind: fc.constant('key'), bits, reserved: u8, mode: fc.constant(1), share: bytes(32) }),
    fc.record({
      kind: fc.constant('key'),
      bits,
      reserved: u8,
      mode: fc.integer({ min: 2, max: 255 }),
      share: words(60),
    }),
  ),
  tag: fc.record({ kind: fc.constant('tag'), bits, epoch: u16, value: bytes(16) }),
  cookie: fc.record({ kind: fc.constant('cookie'), bits, opaque: bytes(0, 100) }),
  challenge: fc.record({
    kind: fc.constant('challenge'),
    bits,
    reserved: u8,
    echo: fc.boolean(),
    value: bytes(8),
  }),
  route: fc.record({
    kind: fc.constant('route'),
    bits,
    reserved: u8,
    entries: fc.array(fc.record({ ...pathEntry, mac: bytes(8) }), { maxLength: 8 }),
  }),
  paths: fc.record({
    kind: fc.constant('paths'),
    bits,
    reserved: u8,
    entries: fc.array(fc.record(pathEntry), { maxLength: 8 }),
  }),
  reason: fc.record({ kind: fc.constant('reason'), bits, reserved: u8, code: u8, detail }),
  end: fc.record({ kind: fc.constant('end'), bits, reserved: u16, finalOffset: fc.maxSafeNat() }),
  large: fc.record({ kind: fc.constant('large'), bits, reserved: u8, largeType: u16, data: bytes(0, 100) }),
}

const unknown = fc.record({
  kind: fc.constant('unknown'),
  bits,
  type: fc.constantFrom(11, 14),
  body: words(60).map(body => Uint8Array.of(1, 2, ...body)),
})

const of = (kinds: readonly KnownExtension['kind'][]): fc.Arbitrary<Extension>[] =>
  kinds.map(kind => arbitraries[kind] as fc.Arbitrary<Extension>)

/** Lists that the profile allows: no kind twice, TAG last, and 1,020 bytes at most. */
const extensionLists: Record<Profile['name'], fc.Arbitrary<Extension[]>> = {
  '2014': fc
    .tuple(
      fc.uniqueArray(fc.oneof(...of(['control', 'service', 'address', 'source'])), { selector: e => e.kind }),
      fc.array(fc.constant(null), { maxLength: 1 }),
    )
    .map(([list, four]) => [
      ...list,
      ...four.flatMap((): Extension[] => new Array(4).fill({ kind: 'pad', bits: 0 })),
    ]),
  native: fc
    .tuple(
      fc.uniqueArray(
        fc.oneof(
          ...of([
            'control',
            'service',
            'key',
            'cookie',
            'challenge',
            'route',
            'paths',
            'reason',
            'end',
            'large',
          ]),
          unknown,
        ),
        { selector: extension => extension.kind, maxLength: 5 },
      ),
      fc.option(arbitraries.tag, { nil: undefined }),
    )
    .map(([list, tag]) => (tag === undefined ? list : [...list, tag])),
}

const packetOf = (profile: Profile) =>
  fc
    .record({
      srcFlowId: u32,
      dstFlowId: u32,
      protocol: u8,
      extensions: extensionLists[profile.name],
      transport: bytes(0, 60),
    })
    .map(packet => new SalPacket(packet))

describe('what is emitted is parsed to the same value', () => {
  for (const profile of [nativeProfile, profile2014]) {
    for (const codec of profile.extensions.codecs.all) {
      it(`${profile.name}: ${codec.kind}`, () => {
        holds(arbitraries[codec.kind] as fc.Arbitrary<KnownExtension>, extension => {
          const length = codec.length(extension)
          const buffer = emitted(length, (target, offset) => codec.emit(extension, target, offset))
          expect(codec.extent?.(buffer, OFFSET, OFFSET + length) ?? buffer[OFFSET + 1]).toBe(length)
          expect(codec.parse(buffer, OFFSET, OFFSET + length)).toEqual(extension)
        })
      })
    }

    it(`${profile.name}: whole packets`, () => {
      holds(packetOf(profile), packet => {
        const length = packetLength(packet, profile)
        const buffer = emitted(length, (target, offset) => {
          expect(emitPacket(packet, target, offset, profile)).toBe(length)
        })
        expect(parsePacket(buffer, OFFSET, OFFSET + length, profile)).toEqual(packet)
      })
    })
  }

  it('native segments', () => {
    const segment: fc.Arbitrary<Segment> = fc.record({
      seq: u48,
      ack: u48,
      windowBytes: u32,
      flags: fc.nat(15),
      sack: fc.array(fc.record({ start: u48, end: u48 }), { maxLength: 32 }),
      payload: bytes(0, 60),
    })
    holds(segment, value => {
      const length = segmentLength(value)
      const buffer = emitted(length, (target, offset) => emitSegment(value, target, offset))
      expect(parseSegment(buffer, OFFSET, OFFSET + length)).toEqual(value)
    })
  })

  it('TCP headers', () => {
    const option: fc.Arbitrary<TcpHeader['options'][number]> = fc.oneof(
      fc.record({ kind: fc.constant('mss'), mss: u16 }),
      fc.record({ kind: fc.constant('window-scale'), shift: u8 }),
      fc.record({ kind: fc.constant('nop') }),
      fc.record({ kind: fc.constant('other'), type: fc.integer({ min: 4, max: 255 }), data: bytes(0, 6) }),
    )
    const header = fc
      .record({
        srcPort: u16,
        dstPort: u16,
        seq: u32,
        ack: u32,
        reserved: fc.nat(15),
        flags: u8,
        window: u16,
        checksum: u16,
        urgent: u16,
        options: fc.array(option, { maxLength: 5 }),
      })
      .map((value): TcpHeader => {
        const over = tcpHeaderLength(value) % 4
        const padding = new Uint8Array((7 - over) % 4)
        return over === 0 ? value : { ...value, options: [...value.options, { kind: 'end', padding }] }
      })
    holds(header, value => {
      const length = tcpHeaderLength(value)
      const buffer = emitted(length, (target, offset) => emitTcpHeader(value, target, offset))
      expect(parseTcpHeader(buffer, OFFSET, OFFSET + length)).toEqual(value)
    })
  })

  it('datagram headers', () => {
    const header = fc.record({
      srcPort: u16,
      dstPort: u16,
      lengthBytes: fc.integer({ min: 8, max: 0xffff }),
      checksum: u16,
    })
    holds(header, value => {
      const buffer = emitted(UDP_HEADER_BYTES, (target, offset) => emitUdpHeader(value, target, offset))
      const whole = new Uint8Array(OFFSET + value.lengthBytes)
      whole.set(buffer.subarray(0, OFFSET + UDP_HEADER_BYTES))
      expect(parseUdpHeader(whole, OFFSET, whole.length)).toEqual(value)
    })
  })

  it('IPv4 headers', () => {
    const header = fc.record({
      tos: u8,
      totalBytes: fc.integer({ min: 60, max: 1000 }),
      id: u16,
      fragment: u16,
      ttl: u8,
      protocol: u8,
      source: ipv4,
      destination: ipv4,
      options: words(40),
    })
    holds(header, value => {
      const buffer = emitted(ipv4HeaderLength(value), (target, offset) =>
        emitIpv4Header(value, target, offset),
      )
      const whole = new Uint8Array(OFFSET + value.totalBytes)
      whole.set(buffer.subarray(0, OFFSET + ipv4HeaderLength(value)))
      expect(parseIpv4Header(whole, OFFSET, whole.length)).toEqual(value)
    })
  })

  it('version hints', () => {
    const hint = fc.record({
      dstFlowId: u32,
      versions: fc.array(fc.integer({ min: 1, max: 255 }), { maxLength: 20 }),
    })
    holds(hint, value => {
      const length = versionHintLength(value)
      const buffer = emitted(length, (target, offset) => emitVersionHint(value, target, offset))
      expect(parseVersionHint(buffer, OFFSET + 4, OFFSET + length)).toEqual(value)
    })
  })

  it('batches of packets', () => {
    const batch = fc.record({
      size: fc.integer({ min: 16, max: 200 }),
      last: fc.integer({ min: 16, max: 200 }),
      count: fc.nat(20),
      hops: u8,
    })
    holds(batch, ({ size, last, count, hops }) => {
      const lengths = [...new Array<number>(count).fill(size), Math.min(size, last)]
      const total = lengths.reduce((sum, length) => sum + length, 0)
      const buffer = emitted(total, (target, offset) => {
        for (const length of lengths) {
          emitDataPrefix(target, offset, 1, 2, length)
          emitShim(target, offset, length, hops)
          offset += length
        }
      })
      const walk = new PacketWalk()
      walk.reset(buffer, OFFSET, OFFSET + total)
      const walked: number[] = []
      while (walk.next()) {
        walked.push(walk.packetEnd - walk.packetStart + 4)
        expect(walk.hops).toBe(hops)
      }
      expect(walk.error).toBeUndefined()
      expect(walked).toEqual(lengths)
    })
  })

  it('end points', () => {
    holds(fc.record(pathEntry), value => expect(parseEndpoint(formatEndpoint(value))).toEqual(value))
    holds(fc.oneof(ipv4, ipv6), address => expect(addressText(addressBytes(address)!)).toBe(address))
  })

  it('serviceIDs, prefixes and names', () => {
    const label = fc.stringMatching(/^[a-z0-9_]{1,8}$/)
    const name = fc.array(label, { minLength: 1, maxLength: 5 }).map(labels => labels.join('.'))
    holds(serviceId, id => expect(ServiceId.parse(id.toString()).equals(id)).toBe(true))
    holds(fc.tuple(serviceId, fc.nat(256)), ([id, length]) => {
      const prefix = new ServicePrefix(id, length)
      expect(prefix.contains(id)).toBe(true)
      expect(parseServicePattern(prefix.toString()).equals(prefix)).toBe(true)
    })
    holds(fc.tuple(name, bytes(20)), ([text, identity]) => {
      const keyed = keyedName(text, identity)
      expect(parseServiceName(keyed.text)).toEqual(keyed)
      expect(keyed.id.toBytes().subarray(12)).toEqual(identity)
      expect(parseServiceName(parseServiceName(text).text)).toEqual(parseServiceName(text))
    })
  })
})

describe('text from outside', () => {
  it('is a name or ESERVICENAME, an end point or undefined', () => {
    const text = fc.oneof(
      fc.string(),
      fc.string({ unit: 'binary' }),
      fc.stringMatching(/^[a-z0-9.:*[\]/%x-]{0,80}$/),
    )
    holds(
      text,
      value => {
        parseEndpoint(value, 1)
        try {
          parseServicePattern(value)
        } catch (error) {
          expect(error).toMatchObject({ code: 'ESERVICENAME', value: expect.any(String) })
        }
      },
      300,
    )
  })
})
