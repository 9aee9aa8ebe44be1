/** HOT: datagrams that wait, as packets back to back that the kernel cuts apart: all of one size, the last may be shorter. */
import { MAX_BATCH_BYTES, type TransmitBatch } from '../wire/transmit-batch.ts'
import type { DatagramQueue } from './datagram-queue.ts'

/** As for streams (transport/emit.ts). */
const MAX_BATCH_PACKETS = 44

/**
 * Takes from `queue` as many as go into one batch, at least one if there is one; `overheadBytes` is what `write` puts
 * around each payload, and `joins` says whether one may follow the first. Returns the first.
 */
export function fillBatch<T extends { readonly payload: Uint8Array }>(
  queue: DatagramQueue<T>,
  batch: TransmitBatch,
  overheadBytes: number,
  write: (item: T, buffer: Uint8Array, offset: number) => void,
  joins: (item: T, first: T) => boolean = () => true,
): T | undefined {
  const first = queue.take()
  if (first === undefined) return undefined
  const segmentBytes = first.payload.length + overheadBytes
  write(first, batch.buffer, 0)
  let length = segmentBytes
  let packets = 1
  for (let next = queue.first; next !== undefined && packets < MAX_BATCH_PACKETS; next = queue.first) {
    const bytes = next.payload.length + overheadBytes
    if (bytes > segmentBytes || length + bytes > MAX_BATCH_BYTES || !joins(next, first)) break
    write(next, batch.buffer, length)
    queue.take()
    length += bytes
    packets++
    if (bytes < segmentBytes) break
  }
  batch.setPackets(packets, segmentBytes, length)
  return first
}
