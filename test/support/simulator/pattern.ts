/**
 * What streams carry in tests: bytes that follow from their offset and never repeat, so that a byte out of place, one
 * twice or one left out cannot hide. Each stream has its own.
 *
 * A stream is cut into blocks, and each block is a stretch of one table of random bytes; where in the table it begins
 * follows from the stream's seed and the block's number. So to make or to compare bytes costs no more than to copy them.
 */
import { Random } from '../random.ts'

const BLOCK_BYTES = 65_536
const TABLE = new Random(0x5e77a1).fill(new Uint8Array(2 * BLOCK_BYTES))

export class Pattern {
  readonly #seed: number

  constructor(seed: number) {
    this.#seed = seed | 0
  }

  /** The bytes of the stream from `start` up to `end`, in an array of their own. */
  bytes(start: number, end: number): Uint8Array {
    const bytes = new Uint8Array(end - start)
    for (let at = start; at < end; ) {
      const stretch = this.#stretch(at, end)
      bytes.set(stretch, at - start)
      at += stretch.length
    }
    return bytes
  }

  /** Whether `bytes` are what the stream has at `start`. */
  matches(start: number, bytes: Uint8Array): boolean {
    const end = start + bytes.length
    for (let at = start; at < end; ) {
      const stretch = this.#stretch(at, end)
      const compared = bytes.subarray(at - start, at - start + stretch.length)
      if (Buffer.compare(stretch, compared) !== 0) return false
      at += stretch.length
    }
    return true
  }

  /** A view of the table: the bytes from `start` up to `end`, or to the end of their block. */
  #stretch(start: number, end: number): Uint8Array {
    const block = Math.floor(start / BLOCK_BYTES)
    const within = start - block * BLOCK_BYTES
    const bytes = Math.min(end - start, BLOCK_BYTES - within)
    const from = this.#beginning(block) + within
    return TABLE.subarray(from, from + bytes)
  }

  /** Where in the table a block begins. */
  #beginning(block: number): number {
    let mixed = Math.imul(block ^ this.#seed, 0x9e3779b1)
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x85ebca6b)
    return (mixed ^ (mixed >>> 13)) & (BLOCK_BYTES - 1)
  }
}
