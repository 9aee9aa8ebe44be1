import { describe, expect, it } from 'vitest'
import { TransportPath } from '../../../src/transport/path.ts'
import { MAX_PIECES } from '../../../src/transport/reassembly.ts'
import type { Stream } from '../../../src/transport/stream.ts'
import { SegmentFields, segmentFlags } from '../../../src/wire/segment.ts'
import { newStream } from '../../support/transport/new-stream.ts'
import { firstWrong, pattern } from '../../support/transport/pattern.ts'

const path = new TransportPath({ id: 0, mss: 1_000 })

function openStream(receiveBufferBytes = 1_000_000): Stream {
  return newStream({ sendIsn: 0, receiveIsn: 0, path, receiveBufferBytes, nowMs: 0 })
}

/** Gives `stream` the payload at `buffer[start, end)`, which begins at `offset`. */
function give(stream: Stream, offset: number, buffer: Uint8Array, start: number, end: number): void {
  const fields = new SegmentFields()
  Object.assign(fields, { seq: offset, flags: segmentFlags.ACK, payloadStart: start, payloadEnd: end })
  stream.handleSegment(fields, buffer, path, 0)
}

describe('a received buffer', () => {
  it('gives one view, compacted in place', () => {
    const stream = openStream()
    const buffer = new Uint8Array(5 * 136)
    for (let i = 0; i < 5; i++) {
      buffer.set(pattern(i * 100, 100), i * 136 + 36)
      give(stream, i * 100, buffer, i * 136 + 36, (i + 1) * 136)
    }
    stream.handleBatchEnd(0)
    const view = stream.read()!
    expect([view.length, firstWrong(0, view), view.buffer === buffer.buffer]).toEqual([500, -1, true])
    expect(stream.read()).toBeUndefined()
  })

  it('may hold packets of two flows in turn, if each is told where its packets stop', () => {
    const streams = [openStream(), openStream()]
    const buffer = new Uint8Array(6 * 136)
    for (let i = 0; i < 6; i++) buffer.set(pattern((i >> 1) * 100, 100), i * 136 + 36)
    for (let i = 0; i < 6; i++) {
      const stream = streams[i % 2]!
      give(stream, (i >> 1) * 100, buffer, i * 136 + 36, (i + 1) * 136)
      stream.handleBatchEnd(0)
    }
    for (const stream of streams) {
      let offset = 0
      for (let view = stream.read(); view !== undefined; view = stream.read()) {
        expect(firstWrong(offset, view)).toBe(-1)
        offset += view.length
      }
      expect(offset).toBe(300)
    }
  })

  it('may hold repeats, gaps and what is out of order', () => {
    const stream = openStream()
    const offsets = [0, 100, 300, 300, 400, 200, 100]
    const buffer = new Uint8Array(offsets.length * 136)
    for (const [i, offset] of offsets.entries()) {
      buffer.set(pattern(offset, 100), i * 136 + 36)
      give(stream, offset, buffer, i * 136 + 36, (i + 1) * 136)
    }
    stream.handleBatchEnd(0)
    let offset = 0
    for (let view = stream.read(); view !== undefined; view = stream.read()) {
      expect(firstWrong(offset, view)).toBe(-1)
      offset += view.length
    }
    expect(offset).toBe(500)
  })
})

describe('a peer that floods', () => {
  it('with crumbs out of order fills no more than the pieces that may wait', () => {
    const stream = openStream()
    for (let offset = 2; offset < 100_000; offset += 2) {
      give(stream, offset, pattern(offset, 1), 0, 1)
      stream.handleBatchEnd(0)
    }
    give(stream, 0, pattern(0, 2), 0, 2)
    give(stream, 2, pattern(2, 2 * MAX_PIECES + 100), 0, 2 * MAX_PIECES + 100)
    stream.handleBatchEnd(0)
    expect(stream.readableBytes).toBe(2 * MAX_PIECES + 102)
  })

  it('beyond the window fills nothing', () => {
    const stream = openStream(1_000)
    give(stream, 0, pattern(0, 5_000), 0, 5_000)
    give(stream, 900, pattern(900, 500), 0, 500)
    give(stream, 2 ** 40, pattern(0, 500), 0, 500)
    stream.handleBatchEnd(0)
    expect(stream.readableBytes).toBe(1_000)
  })

  it('with numbers from before the stream began is not believed', () => {
    const stream = openStream()
    give(stream, 2 ** 48 - 500, pattern(0, 400), 0, 400)
    stream.handleBatchEnd(0)
    expect(stream.readableBytes).toBe(0)
  })
})
