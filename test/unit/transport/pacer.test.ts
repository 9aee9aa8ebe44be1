import { describe, expect, it } from 'vitest'
import { Pacer } from '../../../src/transport/pacer.ts'

const mss = 1_000

describe('the pacer', () => {
  it('keeps to its rate over time, however often it is asked', () => {
    for (const stepMs of [0.1, 1, 1.7]) {
      const pacer = new Pacer()
      let sentBytes = 0
      for (let nowMs = 0; nowMs <= 1_000; nowMs += stepMs) {
        pacer.setRate(50_000, mss, nowMs)
        for (let credit = 1; credit > 0; ) {
          credit = Math.floor(pacer.creditBytes(1e9) / mss) * mss
          pacer.handleSent(credit)
          sentBytes += credit
        }
      }
      // What it lets go at first may come on top.
      expect(sentBytes / 50_000, `asked every ${stepMs} ms`).toBeGreaterThan(998)
      expect(sentBytes / 50_000, `asked every ${stepMs} ms`).toBeLessThan(1_003)
    }
  })

  it('lets who comes when it says go', () => {
    const pacer = new Pacer()
    let nowMs = 1e9
    for (let i = 0; i < 10_000; i++) {
      pacer.setRate(1_234.567, mss, nowMs)
      const credit = pacer.creditBytes(1e6)
      if (i > 10) expect(credit).toBeGreaterThan(0)
      pacer.handleSent(credit)
      nowMs = pacer.readyAt(1e6)
    }
  })

  it('waits for a millisecond’s worth, or for all that there is if that is less', () => {
    const pacer = new Pacer()
    pacer.setRate(10_000, mss, 0)
    pacer.handleSent(20_000)
    pacer.setRate(10_000, mss, 0.5)
    expect(pacer.creditBytes(50_000)).toBe(0)
    expect(pacer.readyAt(50_000)).toBe(1)
    expect(pacer.creditBytes(2_000)).toBe(2_000)
  })

  it('holds nothing back without a rate', () => {
    const pacer = new Pacer()
    pacer.setRate(Number.POSITIVE_INFINITY, mss, 0)
    pacer.handleSent(1e9)
    expect(pacer.creditBytes(1e9)).toBe(1e9)
  })

  it('begins with a burst, not with a debt, when it gets one', () => {
    const pacer = new Pacer()
    pacer.setRate(Number.POSITIVE_INFINITY, mss, 0)
    pacer.handleSent(1e9)
    pacer.setRate(100, mss, 5)
    expect(Math.floor(pacer.creditBytes(1e9) / mss)).toBe(10)
  })
})
