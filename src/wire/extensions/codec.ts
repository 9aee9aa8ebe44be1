/**
 * What every extension of the SAL header has in common (README.md, "Extensions"):
 *
 *    0       4       8              16
 *   +-------+-------+---------------+------------------
 *   | type  | bits  |    length     |  body ...
 *   +-------+-------+---------------+------------------
 *
 * The length is in bytes and counts this start. Two types differ: pad (0) is one byte without a length, and
 * large (15) has a 16-bit type and length of its own.
 */
import type { WireError } from '../wire-error.ts'

/** Extension values are plain data, told apart by `kind`. Their bytes are copies: buffers are used again. */
export interface ExtensionBase {
  readonly kind: string
  /** The low four bits of the first byte: reserved, kept as they came; the senders of this stack write 0. */
  readonly bits: number
}

/**
 * Most layouts have reserved bytes besides. They are ignored on receipt but kept, like the bits, so that
 * whoever sends a packet on (a router) sends what it got; the senders of this stack write 0.
 */
export interface ReservedField {
  readonly reserved: number
}

export interface ExtensionCodec<E extends ExtensionBase> {
  readonly type: number
  readonly kind: E['kind']
  /** How many of this type one packet may hold. */
  readonly limit: number
  /** Bytes on the wire, start and padding included. */
  length(extension: E): number
  /**
   * Parses `buffer[start, end)`, which is this extension exactly, two bytes or more unless `extent` says
   * otherwise.
   */
  parse(buffer: Uint8Array, start: number, end: number): E | WireError
  /** Writes `length(extension)` bytes, for which there is room. */
  emit(extension: E, buffer: Uint8Array, offset: number): void
  /** Bytes that the extension at `start` takes, 0 if `end` cuts its start; default: the length byte. */
  extent?(buffer: Uint8Array, start: number, end: number): number
}

/** In the native profile: the receiver must know this extension or refuse the packet (README.md, "Extensions"). */
export const MUST_UNDERSTAND = 0x08

/** Offset of the body behind type, bits and length. */
export const BODY = 2

export function readBits(buffer: Uint8Array, start: number): number {
  return buffer[start]! & 0x0f
}

/** Writes the two bytes of the start; RangeError for a length that its byte cannot hold. */
export function writeStart(
  buffer: Uint8Array,
  offset: number,
  type: number,
  bits: number,
  length: number,
): void {
  if (length > 0xff) throw new RangeError(`an extension of type ${type} has at most 255 bytes, not ${length}`)
  buffer[offset] = (type << 4) | bits
  buffer[offset + 1] = length
}

/** Whether the padding `buffer[start, end)` is zero, as it must be. */
export function isZero(buffer: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if (buffer[i] !== 0) return false
  return true
}

/** Writes bytes whose number the layout fixes; RangeError for any other number. */
export function writeFixed(buffer: Uint8Array, offset: number, bytes: Uint8Array, length: number): void {
  if (bytes.length !== length) throw new RangeError(`${length} bytes expected, not ${bytes.length}`)
  buffer.set(bytes, offset)
}
