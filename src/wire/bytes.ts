/**
 * Big-endian fields of a Uint8Array. None of these checks a bound: every codec compares its lengths with the
 * range it was given once, before it touches a field, and never reads outside of it.
 */

export function readU16(buffer: Uint8Array, offset: number): number {
  return (buffer[offset]! << 8) | buffer[offset + 1]!
}

export function readU32(buffer: Uint8Array, offset: number): number {
  return (
    ((buffer[offset]! << 24) |
      (buffer[offset + 1]! << 16) |
      (buffer[offset + 2]! << 8) |
      buffer[offset + 3]!) >>>
    0
  )
}

export function readU48(buffer: Uint8Array, offset: number): number {
  return readU16(buffer, offset) * TWO_32 + readU32(buffer, offset + 2)
}

/** Exact below 2^53 only; the codec that uses it refuses more. */
export function readU64(buffer: Uint8Array, offset: number): number {
  return readU32(buffer, offset) * TWO_32 + readU32(buffer, offset + 4)
}

export function writeU16(buffer: Uint8Array, offset: number, value: number): void {
  buffer[offset] = value >>> 8
  buffer[offset + 1] = value
}

export function writeU32(buffer: Uint8Array, offset: number, value: number): void {
  buffer[offset] = value >>> 24
  buffer[offset + 1] = value >>> 16
  buffer[offset + 2] = value >>> 8
  buffer[offset + 3] = value
}

export function writeU48(buffer: Uint8Array, offset: number, value: number): void {
  writeU16(buffer, offset, Math.floor(value / TWO_32))
  writeU32(buffer, offset + 2, value)
}

/** `value` below 2^53. */
export function writeU64(buffer: Uint8Array, offset: number, value: number): void {
  writeU32(buffer, offset, Math.floor(value / TWO_32))
  writeU32(buffer, offset + 4, value)
}

/** A copy of `buffer[start, end)`. Not `slice`, which gives a view where the buffer is a Node `Buffer`. */
export function copyBytes(buffer: Uint8Array, start: number, end: number): Uint8Array {
  const copy = new Uint8Array(end - start)
  for (let i = start; i < end; i++) copy[i - start] = buffer[i]!
  return copy
}

/** The next multiple of four: extensions keep this alignment. */
export function align4(length: number): number {
  return (length + 3) & ~3
}

const TWO_32 = 2 ** 32
