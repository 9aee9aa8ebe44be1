/** What the benchmarks measure with: a verifier that misses a wrong byte, or a median that is none, would spoil them all. */
import { describe, expect, it } from 'vitest'
import { Meter } from '../../../bench/support/meter.ts'
import { BLOCK_BYTES, blockAt, isRightAt } from '../../../bench/support/pattern.ts'
import { median, pairedRatio, quantile, summarize } from '../../../bench/support/statistics.ts'

const stream = Buffer.concat([0, 1, 2, 3].map(blockAt))

describe('the verifier', () => {
  it('takes the stream however it is cut', () => {
    for (const chunkBytes of [1, 999, BLOCK_BYTES, BLOCK_BYTES + 1, stream.length]) {
      const meter = new Meter()
      const step = chunkBytes === 1 ? 65_521 : chunkBytes
      for (let at = 0; at < stream.length; at += step) meter.take(stream.subarray(at, at + step), 1)
      expect(isRightAt(0, stream.subarray(0, chunkBytes))).toBe(true)
    }
  })

  it('finds one wrong byte, wherever it is', () => {
    for (const at of [0, 1, BLOCK_BYTES - 1, BLOCK_BYTES, stream.length - 1]) {
      const wrong = Buffer.from(stream)
      wrong[at]! ^= 1
      expect(() => new Meter().take(wrong, 1), `byte ${at}`).toThrow(/not what was sent/)
    }
  })

  it('finds a byte that was left out, one that came twice, and a block out of its place', () => {
    const take = (...parts: Buffer[]) => new Meter().take(Buffer.concat(parts), 1)
    expect(() => take(stream.subarray(0, 7), stream.subarray(8))).toThrow(/not what was sent/)
    expect(() => take(stream.subarray(0, 8), stream.subarray(7))).toThrow(/not what was sent/)
    expect(() => take(blockAt(1), blockAt(0))).toThrow(/not what was sent/)
  })

  it('sees a stream that is off by one whole table', () => {
    const blocksOfTable = (16 * 1024 * 1024) / BLOCK_BYTES
    expect(isRightAt(0, blockAt(blocksOfTable))).toBe(false)
  })

  it('compares in the first half of the time, and counts both halves after the start', () => {
    const meter = new Meter()
    meter.begin(2.2)
    for (const [index, atMs] of [1, 300, 800, 1300, 1800].entries()) meter.take(blockAt(index), atMs)
    const gbit = (8 * BLOCK_BYTES) / 500 / 1e6
    expect(meter.figures).toEqual({ gbit, unverified: gbit })
    expect(() => meter.take(blockAt(0), 1900)).not.toThrow()
  })

  it('compares all the time where it is told to', () => {
    const meter = new Meter(1)
    meter.begin(2.2)
    for (const [index, atMs] of [1, 300, 800, 1300, 1800].entries()) meter.take(blockAt(index), atMs)
    expect(meter.figures).toEqual({ gbit: (8 * 3 * BLOCK_BYTES) / 1500 / 1e6 })
    expect(() => meter.take(blockAt(0), 1900)).toThrow(/not what was sent/)
  })

  it('compares before and after, and counts nothing then', () => {
    const meter = new Meter()
    meter.take(blockAt(0), 1)
    expect(meter.isBegun).toBe(false)
    meter.begin(0.3)
    for (const [index, atMs] of [1000, 1150, 1190, 1250, 1290, 1301, 1400].entries()) {
      meter.take(blockAt(1 + index), atMs)
    }
    expect(meter.isBegun).toBe(true)
    const gbit = (8 * BLOCK_BYTES) / 40 / 1e6
    expect(meter.figures).toEqual({ gbit, unverified: gbit })
    expect(meter.position).toBe(8 * BLOCK_BYTES)
    expect(() => meter.take(blockAt(0), 1500)).toThrow(/not what was sent/)
  })

  it('begins anew, at the place where the stream is', () => {
    const meter = new Meter(1)
    for (const fromMs of [0, 5000]) {
      meter.begin(0.3)
      for (const atMs of [1, 150, 250]) meter.take(blockAt(meter.position / BLOCK_BYTES), fromMs + atMs)
    }
    expect(meter.figures).toEqual({ gbit: (8 * BLOCK_BYTES) / 100 / 1e6 })
  })
})

describe('the statistics', () => {
  it('take the middle, or the mean of the two in the middle', () => {
    expect(median([5, 1, 3])).toBe(3)
    expect(median([4, 1, 3, 2])).toBe(2.5)
    expect(summarize([2, 9, 4])).toEqual({ median: 4, min: 2, max: 9 })
  })

  it('compare pairs, so that one slow minute of both does not count', () => {
    expect(pairedRatio([10, 1, 10], [20, 2, 20])).toBe(0.5)
    expect(pairedRatio([10, 9, 10], [20, 2, 20])).toBe(0.5)
  })

  it('find the value below which a share of them is', () => {
    const hundred = Array.from({ length: 100 }, (_, index) => 99 - index)
    expect(quantile(hundred, 0.5)).toBe(50)
    expect(quantile(hundred, 0.99)).toBe(99)
  })
})
