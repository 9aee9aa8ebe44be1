/**
 * What TAG covers and where it stands (README.md, "Extensions"). This file only moves bytes; the keys, and the label,
 * version, epoch and direction that go in front of these bytes, are the security room's.
 *
 *   +-----------------------------------------------------+-------------------+
 *   | SAL header | extensions ...           | TAG         | segment, payload  |
 *   +-----------------------------------------------------+-------------------+
 *     \_ checksum: as zero                     \_ value: as zero
 *
 * The shim in front (version, hops, length) and all addresses are not covered: routers change them.
 */
import { writeU16 } from './bytes.ts'
import { TAG_BYTES } from './extensions/tag.ts'
import { fillSalChecksum, peekHeaderBytes, SAL_CHECKSUM } from './sal-header.ts'

/**
 * The bytes of the packet `buffer[start, end)`, whose last extension is TAG, as TAG covers them. They are
 * written to `target` (default: a new array, of `end - start` bytes at least) and returned as a view of it.
 */
export function tagInput(
  buffer: Uint8Array,
  start: number,
  end: number,
  target: Uint8Array = new Uint8Array(end - start),
): Uint8Array {
  target.set(buffer.subarray(start, end))
  const value = tagValueOffset(target, 0)
  writeU16(target, SAL_CHECKSUM, 0)
  target.fill(0, value, value + TAG_BYTES)
  return target.subarray(0, end - start)
}

/** Puts the 16-byte tag into the packet at `start`, whose last extension is TAG, and corrects the checksum. */
export function writeTag(buffer: Uint8Array, start: number, tag: Uint8Array): void {
  buffer.set(tag, tagValueOffset(buffer, start))
  fillSalChecksum(buffer, start)
}

function tagValueOffset(buffer: Uint8Array, start: number): number {
  return start + peekHeaderBytes(buffer, start) - TAG_BYTES
}
