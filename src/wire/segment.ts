/**
 * The native stream segment (README.md, "Extensions"), what protocol 6 carries. No ports, no urgent pointer, no checksum:
 * the UDP checksum of the encapsulation covers it.
 *
 *    0               8              16              24            31
 *   +---------------------------------------------------------------+
 *   |                                                               |
 *   +            seq (48)           +-------------------------------+
 *   |                               |                               |
 *   +-------------------------------+            ack (48)           +
 *   |                                                               |
 *   +---------------------------------------------------------------+
 *   |                   window (32), bytes, unscaled                |
 *   +---------------+---------------+-------------------------------+
 *   |     flags     |   SACK count  |       reserved, zero          |
 *   +---------------+---------------+-------------------------------+
 *   |  per SACK range: start (48), end (48; the first byte after)   |
 *   +---------------------------------------------------------------+
 *   |  payload ...
 *
 * seq is that of the first payload byte; numbers here are those of the wire (sequence.ts unwraps them).
 */
import { readU32, readU48, writeU16, writeU32, writeU48 } from './bytes.ts'
import { unwrap48, wrap48 } from './sequence.ts'
import { type WireError, wireErrors } from './wire-error.ts'

export const segmentFlags = {
  /** The acknowledgement number counts. */
  ACK: 0x01,
  /** The writer has no more for now. */
  PSH: 0x02,
  /** The first SACK range tells of a duplicate (RFC 2883). */
  DSACK: 0x04,
  /**
   * Asks for an acknowledgement at once; the payload is padding, not part of the stream: a probe of a shut
   * window, of a silent peer, or of the size that a path takes.
   */
  PROBE: 0x08,
  /** These three only ever come out of the 2014 TCP header: in the native profile the SAL's FIN, SYN, RST do. */
  FIN: 0x10,
  SYN: 0x20,
  RST: 0x40,
} as const

export const SEGMENT_HEADER_BYTES = 20
export const SACK_RANGE_BYTES = 12
export const MAX_SACK_RANGES = 32

export interface SackRange {
  readonly start: number
  /** The first number behind the range. */
  readonly end: number
}

export interface Segment {
  /** uint48 as on the wire, like all numbers of a segment. */
  readonly seq: number
  readonly ack: number
  readonly windowBytes: number
  readonly flags: number
  readonly sack: readonly SackRange[]
  /** A view into the buffer it was parsed from. */
  readonly payload: Uint8Array
}

export function segmentLength(segment: Segment): number {
  return SEGMENT_HEADER_BYTES + segment.sack.length * SACK_RANGE_BYTES + segment.payload.length
}

export function parseSegment(buffer: Uint8Array, start: number, end: number): Segment | WireError {
  const error = parseSegmentInto(PARSED, buffer, start, end)
  if (error !== undefined) return error
  const { seq, ack, windowBytes, flags, sackCount, sackStarts, sackEnds, payloadStart, payloadEnd } = PARSED
  const sack = Array.from({ length: sackCount }, (_, i) => ({ start: sackStarts[i]!, end: sackEnds[i]! }))
  return { seq, ack, windowBytes, flags, sack, payload: buffer.subarray(payloadStart, payloadEnd) }
}

/** Returns the bytes written; RangeError if the buffer is too short or there are more than 32 ranges. */
export function emitSegment(segment: Segment, buffer: Uint8Array, offset: number): number {
  const length = segmentLength(segment)
  const count = segment.sack.length
  if (count > MAX_SACK_RANGES)
    throw new RangeError(`a segment holds ${MAX_SACK_RANGES} SACK ranges, not ${count}`)
  if (offset + length > buffer.length) throw new RangeError(`no room for a segment of ${length} bytes`)
  emitSegmentHeader(buffer, offset, segment.seq, segment.ack, segment.windowBytes, segment.flags, count)
  for (const [index, range] of segment.sack.entries()) {
    emitSackRange(buffer, offset, index, range.start, range.end)
  }
  buffer.set(segment.payload, offset + length - segment.payload.length)
  return length
}

/** A segment's header as mutable numbers: made once, filled for each packet. */
export class SegmentFields {
  seq = 0
  ack = 0
  windowBytes = 0
  flags = 0
  sackCount = 0
  /** The first `sackCount` entries count. */
  readonly sackStarts = new Float64Array(MAX_SACK_RANGES)
  readonly sackEnds = new Float64Array(MAX_SACK_RANGES)
  /** The payload is `buffer[payloadStart, payloadEnd)`. */
  payloadStart = 0
  payloadEnd = 0
  /** As much of it came in each segment, the last one excepted: more than one where a run was joined. */
  segmentBytes = 0
}

/** Parses `buffer[start, end)` into `fields`, which hold nothing useful after an error; allocates nothing. */
export function parseSegmentInto(
  fields: SegmentFields,
  buffer: Uint8Array,
  start: number,
  end: number,
): WireError | undefined {
  if (end - start < SEGMENT_HEADER_BYTES) return wireErrors.truncated
  const sackCount = buffer[start + SACK_COUNT]!
  if (sackCount > MAX_SACK_RANGES) return wireErrors.badLength
  const payloadStart = start + SEGMENT_HEADER_BYTES + sackCount * SACK_RANGE_BYTES
  if (payloadStart > end) return wireErrors.truncated
  fields.seq = readU48(buffer, start + SEQ)
  fields.ack = readU48(buffer, start + ACK)
  fields.windowBytes = readU32(buffer, start + WINDOW)
  fields.flags = buffer[start + FLAGS]! & KNOWN_FLAGS
  fields.sackCount = sackCount
  for (let i = 0, at = start + SEGMENT_HEADER_BYTES; i < sackCount; i++, at += SACK_RANGE_BYTES) {
    fields.sackStarts[i] = readU48(buffer, at + RANGE_START)
    fields.sackEnds[i] = readU48(buffer, at + RANGE_END)
  }
  fields.payloadStart = payloadStart
  fields.payloadEnd = end
  fields.segmentBytes = end - payloadStart
  return undefined
}

/** Writes the 20 bytes at `offset`; `sackCount` ranges are to follow by `emitSackRange`. */
export function emitSegmentHeader(
  buffer: Uint8Array,
  offset: number,
  seq: number,
  ack: number,
  windowBytes: number,
  flags: number,
  sackCount = 0,
): void {
  writeU48(buffer, offset + SEQ, seq)
  writeU48(buffer, offset + ACK, ack)
  writeU32(buffer, offset + WINDOW, windowBytes)
  buffer[offset + FLAGS] = flags
  buffer[offset + SACK_COUNT] = sackCount
  writeU16(buffer, offset + RESERVED, 0)
}

/** Writes SACK range `index` of the segment whose header is at `offset`. */
export function emitSackRange(
  buffer: Uint8Array,
  offset: number,
  index: number,
  start: number,
  end: number,
): void {
  const at = offset + SEGMENT_HEADER_BYTES + index * SACK_RANGE_BYTES
  writeU48(buffer, at + RANGE_START, start)
  writeU48(buffer, at + RANGE_END, end)
}

/** What the stream needs of a profile's segment header, so that it never asks which profile it speaks. */
export interface SegmentCodec {
  /** Bytes of a header without SACK ranges or options. */
  readonly headerBytes: number
  /** SACK ranges that a header can carry. */
  readonly maxSackRanges: number
  /** Whether the window field counts in units that the set-up agreed on (RFC 7323), or in bytes. */
  readonly windowScaled: boolean
  /** Whether the stream's end has a number in the sequence, behind the last byte's, as TCP's FIN does. */
  readonly endsInBand: boolean
  readonly wrap: (sequence: number) => number
  readonly unwrap: (wire: number, near: number) => number
  readonly parseInto: typeof parseSegmentInto
  readonly emitHeader: typeof emitSegmentHeader
}

export const nativeSegment: SegmentCodec = {
  headerBytes: SEGMENT_HEADER_BYTES,
  maxSackRanges: MAX_SACK_RANGES,
  windowScaled: false,
  endsInBand: false,
  wrap: wrap48,
  unwrap: unwrap48,
  parseInto: parseSegmentInto,
  emitHeader: emitSegmentHeader,
}

const SEQ = 0
const ACK = 6
const WINDOW = 12
const FLAGS = 16
const SACK_COUNT = 17
const RESERVED = 18

const RANGE_START = 0
const RANGE_END = 6

/** The upper half is reserved: zero when sent, ignored when received. */
const KNOWN_FLAGS = 0x0f

/** Of `parseSegment`, between two lines of it. */
const PARSED = new SegmentFields()
