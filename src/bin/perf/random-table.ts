/** `bytes` bytes (a multiple of 4), the same in every process: xorshift32 (Marsaglia 2003) from a fixed seed. */
export function randomTable(bytes: number): Uint8Array {
  const words = new Uint32Array(bytes / 4)
  let state = 0x2545f491
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    words[i] = state
  }
  return new Uint8Array(words.buffer)
}
