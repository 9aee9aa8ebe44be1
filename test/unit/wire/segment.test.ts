import { describe, expect, it } from 'vitest'
import {
  emitSackRange,
  emitSegment,
  emitSegmentHeader,
  MAX_SACK_RANGES,
  nativeSegment,
  parseSegment,
  parseSegmentInto,
  SEGMENT_HEADER_BYTES,
  type Segment,
  SegmentFields,
  segmentFlags,
  segmentLength,
} from '../../../src/wire/segment.ts'
import { unwrap32, unwrap48, wrap32, wrap48 } from '../../../src/wire/sequence.ts'
import { tcpSegment } from '../../../src/wire/tcp-header.ts'
import { WireError } from '../../../src/wire/wire-error.ts'

const segment: Segment = {
  seq: 2 ** 48 - 1,
  ack: 0x0123456789ab,
  windowBytes: 2 ** 32 - 1,
  flags: segmentFlags.ACK | segmentFlags.DSACK,
  sack: [
    { start: 2 ** 48 - 10, end: 5 },
    { start: 100, end: 200 },
  ],
  payload: Uint8Array.of(1, 2, 3),
}

function emitted(value: Segment): Uint8Array {
  const buffer = new Uint8Array(segmentLength(value)).fill(0xa5)
  expect(emitSegment(value, buffer, 0)).toBe(buffer.length)
  return buffer
}

describe('a native segment', () => {
  it('comes out as it went in', () => {
    const bytes = emitted(segment)
    expect(bytes.length).toBe(20 + 24 + 3)
    expect(parseSegment(bytes, 0, bytes.length)).toEqual(segment)
  })

  it('is written in parts to the same effect', () => {
    const buffer = new Uint8Array(60).fill(0xa5)
    emitSegmentHeader(buffer, 5, segment.seq, segment.ack, segment.windowBytes, segment.flags, 2)
    for (const [i, range] of segment.sack.entries()) emitSackRange(buffer, 5, i, range.start, range.end)
    buffer.set(segment.payload, 49)
    expect(buffer.subarray(5, 52)).toEqual(emitted(segment))
  })

  it('holds up to 32 ranges', () => {
    const sack = Array.from({ length: MAX_SACK_RANGES }, (_, i) => ({ start: i * 10, end: i * 10 + 5 }))
    const bytes = emitted({ ...segment, sack })
    expect(parseSegment(bytes, 0, bytes.length)).toMatchObject({ sack })
    const more = { ...segment, sack: [...sack, { start: 1, end: 2 }] }
    expect(() => emitSegment(more, new Uint8Array(1000), 0)).toThrow(RangeError)
    expect(() => emitSegment(segment, new Uint8Array(46), 0)).toThrow('no room')
  })

  it('is refused, by name, when cut or when it has too many ranges', () => {
    const bytes = emitted(segment)
    const code = (end: number) => (parseSegment(bytes, 0, end) as WireError).code
    expect(code(19)).toBe('truncated')
    expect(code(43)).toBe('truncated')
    expect(parseSegment(bytes, 0, 44)).not.toBeInstanceOf(WireError)
    bytes[17] = 33
    expect(code(bytes.length)).toBe('bad-length')
  })

  it('is parsed into fields that are used again, reserved flags left out', () => {
    const fields = new SegmentFields()
    const bytes = emitted({ ...segment, flags: 0xf1 })
    expect(parseSegmentInto(fields, bytes, 0, bytes.length)).toBeUndefined()
    expect(fields).toMatchObject({
      seq: 2 ** 48 - 1,
      flags: 1,
      sackCount: 2,
      payloadStart: 44,
      payloadEnd: 47,
    })
    const plain = emitted({ ...segment, sack: [], seq: 1 })
    expect(parseSegmentInto(fields, plain, 0, plain.length)).toBeUndefined()
    expect(fields).toMatchObject({ seq: 1, sackCount: 0, payloadStart: 20, payloadEnd: 23 })
  })
})

describe('the segment codecs of the profiles', () => {
  for (const [name, codec] of [
    ['2014', tcpSegment],
    ['native', nativeSegment],
  ] as const) {
    it(`${name}: what emitHeader writes, parseInto reads`, () => {
      const buffer = new Uint8Array(64).fill(0xa5)
      const flags = segmentFlags.ACK | segmentFlags.PSH
      codec.emitHeader(buffer, 3, codec.wrap(2 ** 48 + 7), codec.wrap(2 ** 50 + 9), 0x1234, flags)
      const fields = new SegmentFields()
      expect(codec.parseInto(fields, buffer, 3, 3 + codec.headerBytes + 5)).toBeUndefined()
      expect(fields).toMatchObject({ seq: 7, ack: 9, windowBytes: 0x1234, flags, sackCount: 0 })
      expect(fields.payloadStart).toBe(3 + codec.headerBytes)
      expect(fields.payloadEnd).toBe(3 + codec.headerBytes + 5)
      expect(buffer.subarray(3 + codec.headerBytes).every(byte => byte === 0xa5)).toBe(true)
    })
  }

  it('2014: has FIN, SYN and RST besides, no SACK, and a window in units', () => {
    const buffer = new Uint8Array(SEGMENT_HEADER_BYTES)
    const flags = segmentFlags.FIN | segmentFlags.SYN | segmentFlags.RST
    tcpSegment.emitHeader(buffer, 0, 1, 2, 3, flags)
    expect(buffer[13]).toBe(0x07)
    const fields = new SegmentFields()
    tcpSegment.parseInto(fields, buffer, 0, buffer.length)
    expect(fields.flags).toBe(flags)
    expect([tcpSegment.maxSackRanges, tcpSegment.windowScaled]).toEqual([0, true])
    expect([nativeSegment.maxSackRanges, nativeSegment.windowScaled]).toEqual([32, false])
  })
})

describe('sequence numbers at the edge', () => {
  for (const [bits, wrap, unwrap] of [
    [48, wrap48, unwrap48],
    [32, wrap32, unwrap32],
  ] as const) {
    it(`${bits} bits: come back exactly when less than half of the range away`, () => {
      const half = 2 ** (bits - 1)
      for (const near of [0, 1, half - 1, half, 2 * half - 1, 2 * half, 5 * half + 3, 2 ** 52 - 1]) {
        for (const delta of [0, 1, -1, 1000, -1000, half - 1, -(half - 1)]) {
          const sequence = near + delta
          if (sequence < 0) continue
          expect(unwrap(wrap(sequence), near), `${near} ${delta}`).toBe(sequence)
        }
      }
    })

    it(`${bits} bits: may come out before the start, for the caller to refuse`, () => {
      expect(unwrap(2 ** bits - 5, 10)).toBe(-5)
    })
  }
})
