/**
 * What `serval perf` sends: blocks that never repeat, so that a byte out of place, one twice or one left out cannot
 * hide. Block n is its number, then the bytes of a random table from a place on that depends on n. Neither end makes
 * bytes on the way: the sender's blocks are views of the table, the receiver compares with views of it.
 *
 *   | length 4 | number 4 | body: table[start(number) ... ] |
 */

import { randomTable } from './random-table.ts'

export const BLOCK_HEADER_BYTES = 8
export const BODY_BYTES = 0x10000 - BLOCK_HEADER_BYTES

/** The body of a block: `length` bytes, at most BODY_BYTES. */
export function bodyOf(number: number, length: number = BODY_BYTES): Uint8Array {
  const start = startOf(number)
  return table.subarray(start, start + length)
}

/** Whether `bytes` are what block `number` has from `offset` of its body on. */
export function matches(number: number, offset: number, bytes: Uint8Array): boolean {
  const start = startOf(number) + offset
  return Buffer.compare(table.subarray(start, start + bytes.length), bytes) === 0
}

/** Starts are spread over so many bytes: few enough for a cache, so that checking does not become what is measured. */
const STARTS = 1 << 20

/** Neighbouring blocks have nothing in common (a multiplier of MurmurHash3's finalizer). */
function startOf(number: number): number {
  return Math.imul(number ^ (number >>> 16), 0x85ebca6b) >>> 12
}

const table = randomTable(STARTS + BODY_BYTES)
