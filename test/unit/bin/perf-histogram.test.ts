import { describe, expect, it } from 'vitest'
import { Histogram } from '../../../src/bin/perf/histogram.ts'

describe('the histogram of perf', () => {
  it('knows nothing of no times', () => {
    const histogram = new Histogram()
    expect(histogram).toMatchObject({ count: 0, longestMs: null })
    expect(histogram.quantile(0.5)).toBeNull()
  })

  it('gives one time back as it is', () => {
    const histogram = new Histogram()
    histogram.add(0.123)
    for (const share of [0, 0.5, 1]) expect(histogram.quantile(share)).toBeCloseTo(0.123, 9)
  })

  it('finds quantiles to one per cent, and the longest exactly', () => {
    const histogram = new Histogram()
    for (let ms = 1000; ms >= 1; ms--) histogram.add(ms)
    for (const [share, expected] of [
      [0.001, 1],
      [0.5, 500],
      [0.99, 990],
      [1, 1000],
    ] as const) {
      const found = histogram.quantile(share)!
      expect(found).toBeGreaterThanOrEqual(expected)
      expect(found).toBeLessThanOrEqual(1.01 * expected)
    }
    expect(histogram).toMatchObject({ count: 1000, longestMs: 1000 })
  })

  it('takes times of any length', () => {
    const histogram = new Histogram()
    for (const ms of [0, 1e-9, 1e9]) histogram.add(ms)
    expect(histogram.count).toBe(3)
    expect(histogram.quantile(0)).toBeLessThanOrEqual(0.001)
    expect(histogram.longestMs).toBe(1e9)
  })
})
