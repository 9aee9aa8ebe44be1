import { describe, expect, it } from 'vitest'
import { initialWindowBytes } from '../../../src/transport/congestion/congestion.ts'
import { Cubic } from '../../../src/transport/congestion/cubic.ts'
import { acknowledgement, delivered } from '../../support/transport/acknowledgement.ts'

const mss = 1_000

/** A window of 100 segments at which a loss has just been found. */
function afterLoss(): Cubic {
  const cubic = new Cubic(mss)
  cubic.handleAcknowledgement(delivered(90 * mss, 100, 0))
  cubic.handleLoss(100 * mss)
  return cubic
}

/** One round trip: a window's worth is delivered, segment by segment. */
function round(cubic: Cubic, rttMs: number, nowMs: number): void {
  for (let left = Math.round(cubic.windowBytes / mss); left > 0; left--) {
    cubic.handleAcknowledgement(delivered(mss, rttMs, nowMs))
  }
}

describe('the initial window', () => {
  it.each([
    [536, 5_360],
    [1_436, 14_360],
    [2_000, 14_600],
    [9_000, 18_000],
  ])('of %i-byte segments is %i bytes (RFC 6928)', (mss, bytes) => {
    expect(initialWindowBytes(mss)).toBe(bytes)
  })
})

describe('CUBIC', () => {
  it('doubles in slow start with each window delivered', () => {
    const cubic = new Cubic(mss)
    cubic.handleAcknowledgement(delivered(10 * mss, 100, 0))
    cubic.handleAcknowledgement(delivered(20 * mss, 100, 100))
    expect(cubic.windowBytes).toBe(40 * mss)
  })

  it('falls to 0.7 of what was in flight (RFC 9438 section 4.6), not below two segments', () => {
    expect(afterLoss().windowBytes).toBeCloseTo(70 * mss)
    const small = new Cubic(mss)
    small.handleLoss(mss)
    expect(small.windowBytes).toBe(2 * mss)
  })

  it('is back where the loss was after K seconds (equation 2), flat there, and then grows again', () => {
    const cubic = afterLoss()
    // A long RTT, so that the cubic function and not the Reno estimate leads.
    const rttMs = 200
    const kMs = 1_000 * Math.cbrt((100 * 0.3) / 0.4)
    for (let nowMs = 0; nowMs <= kMs; nowMs += rttMs) round(cubic, rttMs, nowMs)
    expect(cubic.windowBytes / mss).toBeGreaterThan(95)
    expect(cubic.windowBytes / mss).toBeLessThan(102)
    const plateau = cubic.windowBytes
    for (let nowMs = kMs; nowMs <= 2 * kMs; nowMs += rttMs) round(cubic, rttMs, nowMs)
    expect(cubic.windowBytes).toBeGreaterThan(plateau + 20 * mss)
  })

  it('grows as Reno does where that is faster (section 4.3)', () => {
    const cubic = afterLoss()
    // At an RTT of 1 ms the cubic function hardly moves in 90 round trips.
    const alpha = (3 * 0.3) / 1.7
    for (let i = 0; i < 50; i++) round(cubic, 1, i)
    expect(cubic.windowBytes / mss).toBeCloseTo(70 + 50 * alpha, -1)
    // Beyond the window of before the loss it is one segment a round trip.
    for (let i = 50; i < 90; i++) round(cubic, 1, i)
    expect(cubic.windowBytes / mss).toBeCloseTo(100 + 90 - 30 / alpha, -1)
  })

  it('never grows faster than half as much again in a round trip (section 4.2)', () => {
    const cubic = afterLoss()
    round(cubic, 100, 0)
    const before = cubic.windowBytes
    round(cubic, 100, 60_000)
    expect(cubic.windowBytes).toBeLessThanOrEqual(1.5 * before + mss)
  })

  it('aims lower after a second loss below the first (section 4.7)', () => {
    const once = afterLoss()
    const twice = afterLoss()
    twice.handleLoss(70 * mss)
    for (let nowMs = 0; nowMs < 8_000; nowMs += 200) {
      round(once, 200, nowMs)
      round(twice, 200, nowMs)
    }
    expect(twice.windowBytes).toBeLessThan(once.windowBytes)
  })

  it('starts again from two segments after a time-out, and halts slow start at 0.7 of the flight', () => {
    const cubic = afterLoss()
    cubic.handleTimeout(70 * mss, true)
    expect(cubic.windowBytes).toBe(2 * mss)
    expect(cubic.ssthreshBytes).toBeCloseTo(49 * mss)
    cubic.handleTimeout(2 * mss, false)
    expect(cubic.ssthreshBytes).toBeCloseTo(49 * mss)
    for (let i = 0; i < 5; i++) round(cubic, 100, 0)
    expect(cubic.windowBytes).toBeGreaterThan(48 * mss)
    expect(cubic.windowBytes).toBeLessThan(52 * mss)
  })

  it('restarts from the initial window after a pause, and soon has most of the old one again', () => {
    const cubic = new Cubic(mss)
    cubic.handleAcknowledgement(delivered(90 * mss, 100, 0))
    cubic.handleIdle(5_000)
    expect(cubic.windowBytes).toBe(10 * mss)
    for (let i = 0; i < 3; i++) round(cubic, 100, 0)
    expect(cubic.windowBytes).toBe(80 * mss)
  })

  it('keeps its window in bytes when segments become larger or smaller (RFC 8899 section 3, item 7)', () => {
    const cubic = new Cubic(1_136)
    for (const changed of [1_436, 512]) {
      cubic.setMss(changed)
      expect(cubic.windowBytes).toBe(11_360)
    }
  })

  it('begins its curve where it is after a time-out (section 4.8)', () => {
    const cubic = afterLoss()
    cubic.handleTimeout(70 * mss, true)
    for (let i = 0; i < 5; i++) round(cubic, 200, 0)
    const begun = cubic.windowBytes
    // With the window of before the loss in mind it would be half way there in a second.
    for (let nowMs = 0; nowMs < 1_000; nowMs += 200) round(cubic, 200, nowMs)
    expect(cubic.windowBytes).toBeLessThan(begun + 4 * mss)
  })

  it('has not grown in time in which the program was the limit (section 5.8)', () => {
    const steady = afterLoss()
    const paused = afterLoss()
    for (const cubic of [steady, paused]) round(cubic, 200, 0)
    for (let nowMs = 0; nowMs <= 60_000; nowMs += 200) {
      paused.handleAcknowledgement(acknowledgement({ deliveredBytes: mss, windowLimited: false, nowMs }))
    }
    for (let nowMs = 200; nowMs < 3_000; nowMs += 200) {
      round(steady, 200, nowMs)
      round(paused, 200, 60_000 + nowMs)
    }
    expect(paused.windowBytes).toBeCloseTo(steady.windowBytes, 3)
  })

  it('does not grow while a loss is repaired', () => {
    const cubic = afterLoss()
    cubic.handleAcknowledgement(acknowledgement({ deliveredBytes: 70 * mss, inRecovery: true }))
    expect(cubic.windowBytes).toBeCloseTo(70 * mss)
  })

  it.each(['loss', 'time-out'])('takes a %s back that was none (section 4.9), with its curve', cause => {
    const undone = afterLoss()
    const twin = afterLoss()
    for (const cubic of [undone, twin]) for (let i = 0; i < 5; i++) round(cubic, 200, 200 * i)
    if (cause === 'loss') undone.handleLoss(72 * mss)
    else undone.handleTimeout(72 * mss, true)
    undone.undo()
    for (const cubic of [undone, twin]) for (let i = 5; i < 9; i++) round(cubic, 200, 200 * i)
    expect(undone.windowBytes).toBe(twin.windowBytes)
    expect(undone.ssthreshBytes).toBe(twin.ssthreshBytes)
  })

  it('undoes nothing twice', () => {
    const cubic = afterLoss()
    cubic.undo()
    cubic.handleLoss(100 * mss)
    cubic.undo()
    cubic.undo()
    expect(cubic.windowBytes).toBe(100 * mss)
  })
})
