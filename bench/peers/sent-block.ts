/**
 * What the sources of `bulk` send: the pattern. Where BENCH_WRONG_BYTE names a position of the stream, the byte there is
 * another one, so that a test can see each row's verifier find it.
 */
import { BLOCK_BYTES, blockAt } from '../support/pattern.ts'

const wrongByte = Number(process.env.BENCH_WRONG_BYTE ?? -1)
const wrongBlock = Math.floor(wrongByte / BLOCK_BYTES)

/** Block number `index` of the stream, not to be written to. */
export function sentBlock(index: number): Uint8Array {
  return index === wrongBlock ? spoilt(blockAt(index), wrongByte % BLOCK_BYTES) : blockAt(index)
}

function spoilt(block: Uint8Array, at: number): Uint8Array {
  const copy = Uint8Array.from(block)
  copy[at]! ^= 1
  return copy
}
