/**
 * What every row of `bulk` sends and compares with: a stream that does not repeat within 128 GiB. It is cut into blocks
 * of 64 KiB, each a view of one random table at a place of its own, so that neither end makes bytes on the way, and a byte
 * lost, doubled, moved or changed anywhere is found.
 */
import { randomTable } from '../../src/bin/perf/random-table.ts'

export const BLOCK_BYTES = 64 * 1024
const TABLE_BYTES = 16 * 1024 * 1024
/** Odd in units of 8 bytes, so that all places of the table come before one comes again. */
const STRIDE_BYTES = 8 * 1_180_019

const table = Buffer.from(randomTable(TABLE_BYTES + BLOCK_BYTES).buffer)

/** Block number `index` of the stream: a view, not to be written to. */
export function blockAt(index: number): Buffer {
  const at = placeOf(index)
  return table.subarray(at, at + BLOCK_BYTES)
}

/** Whether `chunk` is what the stream has from `position` on. */
export function isRightAt(position: number, chunk: Uint8Array): boolean {
  for (let at = 0; at < chunk.length; ) {
    const offset = (position + at) % BLOCK_BYTES
    const length = Math.min(BLOCK_BYTES - offset, chunk.length - at)
    const place = placeOf((position + at - offset) / BLOCK_BYTES) + offset
    if (table.compare(chunk, at, at + length, place, place + length) !== 0) return false
    at += length
  }
  return true
}

function placeOf(index: number): number {
  return (index * STRIDE_BYTES) % TABLE_BYTES
}
