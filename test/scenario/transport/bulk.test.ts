import { describe, expect, it } from 'vitest'
import { TransportPath } from '../../../src/transport/path.ts'
import type { Stream } from '../../../src/transport/stream.ts'
import { DATA_PREFIX_BYTES, emitDataPrefix, PacketWalk } from '../../../src/wire/encapsulation.ts'
import { BASE_HEADER_BYTES } from '../../../src/wire/sal-header.ts'
import { parseSegmentInto, SegmentFields } from '../../../src/wire/segment.ts'
import { TransmitBatch } from '../../../src/wire/transmit-batch.ts'
import { newStream } from '../../support/transport/new-stream.ts'

const mss = 1_436
const TURN_BYTES = 2 ** 24
const fields = new SegmentFields()
const walk = new PacketWalk()
const batch = new TransmitBatch()
const prefix = new Uint8Array(DATA_PREFIX_BYTES)
emitDataPrefix(prefix, 0, 1, 2, 0)

function openStream(sendIsn: number, receiveIsn: number): Stream {
  return newStream({ sendIsn, receiveIsn, path: new TransportPath({ id: 0, mss }), nowMs: 0 })
}

/** Hands what one stream wants to send to the other, as a link without delay that merges would. */
function carry(from: Stream, to: Stream, buffer: Uint8Array, nowMs: number): boolean {
  if (!from.emitBatch(batch, prefix, from.path, nowMs)) return false
  buffer.set(batch.buffer.subarray(0, batch.length))
  walk.reset(buffer, 0, batch.length)
  while (walk.next()) {
    parseSegmentInto(fields, buffer, walk.packetStart + BASE_HEADER_BYTES, walk.packetEnd)
    to.handleSegment(fields, buffer, to.path, nowMs)
  }
  to.handleBatchEnd(nowMs)
  return true
}

/** How long the machine takes just now to copy so much, packet by packet. */
function copyMs(bytes: number): number {
  const from = new Uint8Array(2 ** 22)
  const to = new Uint8Array(2 ** 22)
  const startedAt = performance.now()
  for (let copied = 0; copied < bytes; copied += mss) {
    const at = copied % (from.length - mss)
    to.set(from.subarray(at, at + mss), at)
  }
  return performance.now() - startedAt
}

describe('bulk transfer', () => {
  it('settles at batches of 44 segments, one acknowledgement for several, and nothing sent twice', () => {
    const a = openStream(1, 2)
    const b = openStream(2, 1)
    const buffer = new Uint8Array(65_536)
    const chunk = new Uint8Array(65_536)
    // As the set-up has it measured.
    for (const { path } of [a, b]) path.rtt.sample(0.1)
    a.acknowledgeNow()
    b.acknowledgeNow()
    carry(b, a, buffer, 0)
    carry(a, b, buffer, 0)
    let batches = 0
    let receivedBytes = 0
    let leastMs = Number.POSITIVE_INFINITY
    let leastCopyMs = Number.POSITIVE_INFINITY
    let startedAt = performance.now()
    let startedBytes = 0
    for (let nowMs = 0; receivedBytes < 2 ** 28; nowMs += 0.05) {
      // In turns, of which the least tells: what else the machine does makes none shorter.
      if (receivedBytes - startedBytes >= TURN_BYTES) {
        leastMs = Math.min(
          leastMs,
          (performance.now() - startedAt) * (TURN_BYTES / (receivedBytes - startedBytes)),
        )
        leastCopyMs = Math.min(leastCopyMs, copyMs(TURN_BYTES))
        startedAt = performance.now()
        startedBytes = receivedBytes
      }
      while (a.bufferedBytes < 2 ** 21) a.write(chunk)
      for (let i = 0; i < 8 && carry(a, b, buffer, nowMs); i++) {
        batches++
        for (let bytes = b.read(); bytes !== undefined; bytes = b.read()) receivedBytes += bytes.length
      }
      while (carry(b, a, buffer, nowMs));
    }
    const copies = leastMs / leastCopyMs
    console.log(
      `bulk: two streams in one thread move ${(TURN_BYTES / leastMs / 125e3).toFixed(1)} Gbit/s, ${copies.toFixed(0)} copies`,
    )
    expect(a.stats.retransmittedSegments).toBe(0)
    expect(a.stats.segmentsOut / batches).toBeGreaterThan(43)
    expect(b.stats.acknowledgementsOut).toBeLessThanOrEqual(batches)
    // Far above what it takes, and far below what one allocation or one copy a byte too many would make of it.
    expect(copies).toBeLessThan(40)
  })
})
