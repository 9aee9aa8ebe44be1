/**
 * A million inputs through every decoder: random, truncated, over-long, mis-summed and mutated
 * packets of both profiles. Each yields a value or a named WireError; none throws, writes, or reads outside of its
 * range; and a packet that is accepted is emitted again byte for byte.
 */
import { describe, expect, it } from 'vitest'
import { PacketWalk } from '../../src/wire/encapsulation.ts'
import { CodecTable, parseExtensions } from '../../src/wire/extensions.ts'
import { parseIpv4Header } from '../../src/wire/ipv4.ts'
import { nativeProfile } from '../../src/wire/native-profile.ts'
import { emitPacket, packetLength, parsePacket } from '../../src/wire/packet.ts'
import type { Profile } from '../../src/wire/profile.ts'
import { profile2014 } from '../../src/wire/profile-2014.ts'
import { fillSalChecksum, parseSalHeader } from '../../src/wire/sal-header.ts'
import { parseSegment, SegmentFields } from '../../src/wire/segment.ts'
import { parseTcpHeader } from '../../src/wire/tcp-header.ts'
import { parseUdpHeader } from '../../src/wire/udp-header.ts'
import { parseVersionHint } from '../../src/wire/version-hint.ts'
import { WireError, wireErrors } from '../../src/wire/wire-error.ts'
import { type Decoder, DecoderCheck } from '../support/decoder-check.ts'
import { nativeVectors } from '../support/native-vectors.ts'
import { allCaptures } from '../support/pcap.ts'
import { Random, replay, testSeed } from '../support/random.ts'

const INPUTS = 1_000_000

const fields = new SegmentFields()
const walk = new PacketWalk()
const scratch = new Uint8Array(4096)

const decoders: readonly Decoder[] = [
  { name: 'parseIpv4Header', decode: parseIpv4Header },
  { name: 'parseSalHeader', decode: parseSalHeader },
  { name: 'parsePacket 2014', decode: packetOf(profile2014) },
  { name: 'parsePacket native', decode: packetOf(nativeProfile) },
  { name: 'extensions 2014', decode: extensionsOf(profile2014) },
  { name: 'extensions native', decode: extensionsOf(nativeProfile) },
  { name: 'parseSegment', decode: parseSegment },
  { name: 'segment 2014', decode: segmentOf(profile2014) },
  { name: 'segment native', decode: segmentOf(nativeProfile) },
  { name: 'parseTcpHeader', decode: parseTcpHeader },
  { name: 'parseUdpHeader', decode: parseUdpHeader },
  { name: 'parseVersionHint', decode: parseVersionHint },
  { name: 'PacketWalk', decode: walkOver },
]

describe('the decoders', () => {
  it(`take ${INPUTS.toLocaleString('en')} inputs and stay total, within their range, and exact`, () => {
    const inputs = new Inputs(testSeed)
    const check = new DecoderCheck(decoders)
    for (let i = 0; i < INPUTS; i++) {
      const length = inputs.next()
      const complaint = check.run(inputs.bytes, length)
      if (complaint !== undefined) {
        const hex = Buffer.from(inputs.bytes.subarray(0, length)).toString('hex')
        expect.fail(`input ${i}: ${complaint}\n${hex}\n${replay('test/property/wire-decoders.test.ts')}`)
      }
    }
    // The inputs reach what they are meant to reach: every error that a decoder has, and values.
    for (const code of Object.values(wireErrors).map(error => error.code)) {
      expect(check.outcomes(code), `inputs refused as ${code}`).toBeGreaterThan(100)
    }
    for (const decoder of decoders) {
      expect(check.outcomes('value', decoder), `values from ${decoder.name}`).toBeGreaterThan(1000)
    }
  }, 120_000)
})

describe('the check of the decoders (self-test)', () => {
  const complaintAbout = (decode: Decoder['decode']): string | undefined => {
    const inputs = new Inputs(1)
    const check = new DecoderCheck([{ name: 'faulty', decode }])
    for (let i = 0; i < 20_000; i++) {
      const complaint = check.run(inputs.bytes, inputs.next())
      if (complaint !== undefined) return complaint
    }
    return undefined
  }

  it('sees a decoder that throws', () => {
    const fault: Decoder['decode'] = (buffer, start, end) => buffer.subarray(start, end).at(40)!.toFixed()
    expect(complaintAbout(fault)).toContain('faulty throws TypeError')
  })

  it('sees one byte read behind the end, and in front of the start', () => {
    const behind: Decoder['decode'] = (buffer, start, end) =>
      parseSalHeader(buffer, start, end + 1) && buffer[end]
    const sloppy: Decoder['decode'] = (buffer, start, end) => parseSegment(buffer, start, end + 1)
    const before: Decoder['decode'] = (buffer, start) => ({ found: [buffer[start - 1]] })
    for (const fault of [behind, sloppy, before]) {
      expect(complaintAbout(fault)).toBe('faulty depends on what lies around its input')
    }
  })

  it('sees a decoder that writes', () => {
    const fault: Decoder['decode'] = (buffer, start, end) => {
      if (end - start > 12) buffer[start + 10]! ^= 1
    }
    expect(complaintAbout(fault)).toBe('a decoder writes to its input')
  })

  it('sees a packet that is not emitted as it came', () => {
    const { extensions } = nativeProfile
    const codecs = new CodecTable(...extensions.codecs.all.map(codec => ({ ...codec, emit: () => {} })))
    const forgetful: Profile = { ...nativeProfile, extensions: { ...extensions, codecs } }
    expect(complaintAbout(packetOf(forgetful))).toContain('faulty throws Error: emitted as')
  })

  it('passes a decoder without fault', () => {
    expect(complaintAbout(parseUdpHeader)).toBeUndefined()
  })
})

function packetOf(profile: Profile): Decoder['decode'] {
  return (buffer, start, end) => {
    const packet = parsePacket(buffer, start, end, profile)
    if (packet instanceof WireError) return packet
    const length = end - start
    scratch.fill(0xa5, 0, length)
    if (packetLength(packet, profile) !== length) throw new Error('emitted with another length')
    emitPacket(packet, scratch, 0, profile)
    const input = buffer.subarray(start, end)
    if (Buffer.compare(input, scratch.subarray(0, length)) !== 0 && !isOtherZero(input)) {
      throw new Error(`emitted as ${Buffer.from(scratch.subarray(0, length)).toString('hex')}`)
    }
    return packet
  }
}

/** Ones' complement has two zeros, and a checksum of either verifies; emit writes 0000. */
function isOtherZero(packet: Uint8Array): boolean {
  return packet[10] === 0xff && packet[11] === 0xff
}

function extensionsOf(profile: Profile): Decoder['decode'] {
  return (buffer, start, end) => parseExtensions(buffer, Math.min(start + 12, end), end, profile.extensions)
}

function segmentOf(profile: Profile): Decoder['decode'] {
  return (buffer, start, end) => {
    const error = profile.segment.parseInto(fields, buffer, start, end)
    if (error !== undefined) return error
    const { seq, ack, windowBytes, flags, sackCount, payloadStart, payloadEnd } = fields
    if (payloadStart < start || payloadEnd > end || payloadStart > payloadEnd)
      throw new Error('payload out of range')
    let sum = seq + ack + windowBytes + flags
    for (let range = 0; range < sackCount; range++) sum += fields.sackStarts[range]! - fields.sackEnds[range]!
    return sum
  }
}

function walkOver(buffer: Uint8Array, start: number, end: number): unknown {
  let sum = 0
  walk.reset(buffer, start, end)
  while (walk.next()) {
    if (walk.packetStart < start || walk.packetEnd > end) throw new Error('packet out of range')
    sum = 3 * sum + walk.packetEnd + walk.hops + walk.version
  }
  return walk.error ?? sum
}

/** The inputs of one seed, one after another, in `bytes`. */
class Inputs {
  readonly bytes = new Uint8Array(4096)
  readonly #random: Random
  /** With IPv4 header or shim; from the SAL header on, three times as often; from the transport header on. */
  readonly #bases: readonly (readonly Uint8Array[])[]

  constructor(seed: number) {
    this.#random = new Random(seed)
    // Long payloads would only slow things down.
    const captured = allCaptures().map(packet => packet.bytes.subarray(0, 200))
    const native = nativeVectors().flatMap(vector => new Array<Uint8Array>(20).fill(vector.bytes))
    const sal = [...captured.map(packet => packet.subarray(20)), ...native.map(packet => packet.subarray(4))]
    const transports = sal.map(packet => packet.subarray(packet[8]! * 4)).filter(bytes => bytes.length > 0)
    this.#bases = [[...captured, ...native], sal, sal, sal, transports]
  }

  /** Writes the next input and returns its length. */
  next(): number {
    const random = this.#random
    const kind = random.below(16)
    if (kind === 0) return this.#randomBytes()
    if (kind === 1) return this.#batch()
    if (kind === 2) return this.#extensionSoup()
    const base = random.pick(random.pick(this.#bases))
    this.bytes.set(base)
    if (kind === 3) return base.length
    if (kind === 4) return random.below(base.length + 1)
    if (kind === 5) return this.#longer(base.length)
    this.#mutate(base.length)
    // Half of them stay mis-summed; the others get as far as their extensions.
    if (random.chance(0.5)) this.#resum(base.length)
    return base.length
  }

  #randomBytes(): number {
    const length = this.#random.below(100)
    this.#random.fill(this.bytes, 0, length)
    return length
  }

  #longer(length: number): number {
    const longer = length + 1 + this.#random.below(40)
    this.#random.fill(this.bytes, length, longer)
    return longer
  }

  #mutate(length: number): void {
    for (let count = 1 + this.#random.below(3); count > 0; count--) {
      const at = this.#random.below(Math.min(length, 130))
      this.bytes[at] = this.#random.chance(0.5)
        ? this.bytes[at]! ^ (1 << this.#random.below(8))
        : this.#random.below(256)
    }
  }

  #resum(length: number): void {
    if (length >= 12 && this.bytes[8]! * 4 <= length) fillSalChecksum(this.bytes, 0)
  }

  /** A SAL header of random but mostly well-formed extensions, checksum right. */
  #extensionSoup(): number {
    const random = this.#random
    random.fill(this.bytes, 0, 12)
    let at = 12
    for (let count = random.below(random.chance(0.02) ? 40 : 6); count > 0; count--) {
      const length = random.chance(0.1) ? random.below(40) : random.pick([4, 8, 12, 16, 20, 20, 36])
      random.fill(this.bytes, at, at + length + 2)
      this.bytes[at] = random.chance(0.7)
        ? (random.pick(USUAL_TYPES) << 4) | random.below(16)
        : random.below(256)
      this.bytes[at + 1] = length
      if (random.chance(0.5)) this.bytes.fill(0, at + 2, at + length)
      at += Math.max(length, 1)
    }
    const length = Math.ceil(at / 4) * 4
    this.bytes.fill(0, at, length)
    this.bytes[8] = length / 4
    this.#resum(length)
    return length
  }

  /** Some packets behind shims, mostly of equal length. */
  #batch(): number {
    const random = this.#random
    const size = 16 + random.below(60)
    let at = 0
    for (let count = 1 + random.below(4); count > 0; count--) {
      const length = random.chance(0.8) ? size : random.below(90)
      random.fill(this.bytes, at, at + length + 4)
      this.bytes[at] = 1
      this.bytes[at + 2] = 0
      this.bytes[at + 3] = length
      at += Math.max(length, 4)
    }
    return at
  }
}

const USUAL_TYPES = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15] as const
