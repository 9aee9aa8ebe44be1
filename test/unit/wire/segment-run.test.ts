import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DATA_PREFIX_BYTES, emitDataPrefix, PacketWalk } from '../../../src/wire/encapsulation.ts'
import {
  emitSegmentHeader,
  parseSegment,
  SEGMENT_HEADER_BYTES,
  segmentFlags,
} from '../../../src/wire/segment.ts'
import { SegmentRun } from '../../../src/wire/segment-run.ts'
import { WireError } from '../../../src/wire/wire-error.ts'
import { holds } from '../../support/property.ts'
import { firstWrong, pattern } from '../../support/transport/pattern.ts'

const HEADERS_BYTES = DATA_PREFIX_BYTES + SEGMENT_HEADER_BYTES
const { ACK, PSH } = segmentFlags

/** A buffer as the kernel merges it: segments of these sizes, one behind the other in one stream from `seq` on. */
function merged(sizes: readonly number[], seq = 1_000, lastFlags: number = ACK): Uint8Array {
  const buffer = new Uint8Array(sizes.reduce((sum, size) => sum + HEADERS_BYTES + size, 0))
  let at = 0
  let offset = 0
  for (const [index, size] of sizes.entries()) {
    emitDataPrefix(buffer, at, 7, 8, HEADERS_BYTES + size)
    const flags = index === sizes.length - 1 ? lastFlags : ACK
    emitSegmentHeader(buffer, at + DATA_PREFIX_BYTES, seq + offset, 55, 66_000, flags)
    buffer.set(pattern(offset, size), at + HEADERS_BYTES)
    at += HEADERS_BYTES + size
    offset += size
  }
  return buffer
}

/** How many packets from the first on are one run, found the long way. */
function packetsInRun(buffer: Uint8Array): number {
  const walk = new PacketWalk()
  walk.reset(buffer, 0, buffer.length)
  let count = 0
  let head = ''
  let firstBytes = 0
  let next = 0
  for (; walk.next(); count++) {
    const segment = parseSegment(buffer, walk.packetStart + 12, walk.packetEnd)
    if (segment instanceof WireError || segment.payload.length === 0 || segment.sack.length > 0) break
    const prefix = [walk.version, walk.hops, ...buffer.subarray(walk.packetStart, walk.packetStart + 12)]
    const reserved = [...buffer.subarray(walk.packetStart + 28, walk.packetStart + 32)]
    const others = [segment.ack, segment.windowBytes, reserved[0]! & ~PSH, ...reserved.slice(1)]
    const fingerprint = [...prefix, ...others].join()
    if (count === 0) {
      if (reserved[0] !== ACK) break
      head = fingerprint
      firstBytes = segment.payload.length
    } else if (fingerprint !== head || segment.seq !== next) break
    next = segment.seq + segment.payload.length
    if (count > 0 && ((segment.flags & PSH) !== 0 || segment.payload.length < firstBytes)) return count + 1
  }
  return count
}

describe('a run of segments', () => {
  it('is joined into one, with the last one short and pushed', () => {
    const buffer = merged([100, 100, 100, 40], 1_000, ACK | PSH)
    const run = new SegmentRun()
    expect(run.join(buffer, 0, buffer.length)).toBe(true)
    expect([run.payloadEnd, run.end, run.endsShort]).toEqual([HEADERS_BYTES + 340, buffer.length, true])
    const segment = parseSegment(buffer, DATA_PREFIX_BYTES, run.payloadEnd)
    if (segment instanceof WireError) throw segment
    expect([segment.seq, segment.flags]).toEqual([1_000, ACK | PSH])
    expect(firstWrong(0, segment.payload)).toBe(-1)
  })

  it('is none where nothing follows, or the first one is more than data', () => {
    const run = new SegmentRun()
    expect(run.join(merged([100]), 0, HEADERS_BYTES + 100)).toBe(false)
    const asking = merged([100, 100])
    asking[DATA_PREFIX_BYTES + 16] = ACK | segmentFlags.PROBE
    expect(run.join(asking, 0, asking.length)).toBe(false)
    const empty = merged([0, 0])
    expect(run.join(empty, 0, empty.length)).toBe(false)
  })

  it('ends before sequence numbers start again', () => {
    const buffer = merged([100, 100], 2 ** 48 - 100)
    expect(new SegmentRun().join(buffer, 0, buffer.length)).toBe(false)
  })

  it('ends before whatever does not continue it, and touches nothing of that', () => {
    const damages = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 })), { maxLength: 2 })
    const sizes = fc.tuple(
      fc.integer({ min: 1, max: 60 }),
      fc.integer({ min: 1, max: 6 }),
      fc.integer({ min: 1, max: 60 }),
    )
    holds(
      'test/unit/wire/segment-run.test.ts',
      fc.tuple(sizes, damages, fc.boolean()),
      ([[size, count, last], damage, pushed]) => {
        const all = [...Array.from({ length: count }, () => size), Math.min(size, last)]
        const buffer = merged(all, 5_000, pushed ? ACK | PSH : ACK)
        for (const [at, bits] of damage) {
          // Headers, but for those of the first one up to its segment's: whoever asks has found them good.
          const packet = at % all.length
          const offset = Math.floor(at / all.length) % HEADERS_BYTES
          const index =
            packet * (HEADERS_BYTES + size) + (packet === 0 ? Math.max(offset, DATA_PREFIX_BYTES) : offset)
          buffer[index] = buffer[index]! ^ bits
        }
        const before = buffer.slice()
        const expected = packetsInRun(buffer)
        const run = new SegmentRun()
        const isRun = run.join(buffer, 0, buffer.length)
        expect(isRun).toBe(expected > 1)
        if (!isRun) {
          expect(buffer).toEqual(before)
          return
        }
        const walk = new PacketWalk()
        walk.reset(before, 0, before.length)
        const payload: number[] = []
        for (let i = 0; i < expected; i++) {
          walk.next()
          payload.push(...before.subarray(walk.packetStart - 4 + HEADERS_BYTES, walk.packetEnd))
        }
        expect(run.end).toBe(walk.packetEnd)
        expect([...buffer.subarray(HEADERS_BYTES, run.payloadEnd)]).toEqual(payload)
        expect(buffer.subarray(run.end)).toEqual(before.subarray(run.end))
      },
      3_000,
    )
  })
})
