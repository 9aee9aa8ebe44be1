/** Numbers in [0, 1) out of random bytes, drawn many at a time: one call of a CSPRNG for 1,024 choices. */

const DRAWS = 1024
const TWO_32 = 2 ** 32

/** `randomBytes` yields n random bytes. What is returned allocates only once in 1,024 calls. */
export function uniformFrom(randomBytes: (n: number) => Uint8Array): () => number {
  let drawn: DataView = new DataView(new ArrayBuffer(0))
  let at = 0
  return () => {
    if (at === drawn.byteLength) {
      const bytes = randomBytes(4 * DRAWS)
      drawn = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
      at = 0
    }
    const value = drawn.getUint32(at) / TWO_32
    at += 4
    return value
  }
}
