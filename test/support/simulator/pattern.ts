/**
 * What streams carry in tests: bytes that follow from their offset and never repeat, so that a byte out of place, one
 * twice or one left out cannot hide. Each stream has its own.
 */
export class Pattern {
  readonly #seed: number
  #expected = new Uint32Array(1024)

  constructor(seed: number) {
    this.#seed = seed | 0
  }

  /** The bytes of the stream from `start` up to `end`, in an array of their own. */
  bytes(start: number, end: number): Uint8Array {
    const words = this.#words(new Uint32Array(wordCount(start, end)), start)
    return new Uint8Array(words.buffer, start & 3, end - start)
  }

  /** Whether `bytes` are what the stream has at `start`. */
  matches(start: number, bytes: Uint8Array): boolean {
    const count = wordCount(start, start + bytes.length)
    if (count > this.#expected.length) this.#expected = new Uint32Array(2 * count)
    const words = this.#words(this.#expected.subarray(0, count), start)
    return Buffer.compare(new Uint8Array(words.buffer, start & 3, bytes.length), bytes) === 0
  }

  #words(target: Uint32Array, start: number): Uint32Array {
    const first = Math.floor(start / 4)
    for (let i = 0; i < target.length; i++) {
      let mixed = Math.imul((first + i) ^ this.#seed, 0x9e3779b1)
      mixed = Math.imul(mixed ^ (mixed >>> 15), 0x85ebca6b)
      target[i] = mixed ^ (mixed >>> 13)
    }
    return target
  }
}

function wordCount(start: number, end: number): number {
  return Math.ceil(end / 4) - Math.floor(start / 4)
}
