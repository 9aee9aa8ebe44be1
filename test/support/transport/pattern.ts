/** Bytes whose value follows from their offset and does not repeat soon, and the check of them. */

export function pattern(offset: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  for (let i = 0; i < length; i++) bytes[i] = patternByte(offset + i)
  return bytes
}

/** The offset of the first byte of `bytes`, which stand at `offset`, that is wrong; -1 if all are right. */
export function firstWrong(offset: number, bytes: Uint8Array): number {
  for (let i = 0; i < bytes.length; i++) if (bytes[i] !== patternByte(offset + i)) return offset + i
  return -1
}

function patternByte(offset: number): number {
  return Math.imul(offset ^ (offset >>> 9), 0x9e3779b1) >>> 24
}
