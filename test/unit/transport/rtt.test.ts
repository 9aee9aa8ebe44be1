import { describe, expect, it } from 'vitest'
import { RttEstimator } from '../../../src/transport/rtt.ts'

describe('the RTT estimator', () => {
  it('begins with the initial time-outs of the profile', () => {
    const rtt = new RttEstimator()
    expect([rtt.srttMs, rtt.rtoMs, rtt.ptoMs]).toEqual([undefined, 1_000, 1_000])
    expect(new RttEstimator({ initialRtoMs: 3_000, minRtoMs: 200, maxRtoMs: 120_000 }).rtoMs).toBe(3_000)
  })

  it('follows RFC 6298 (2.2) and (2.3)', () => {
    const rtt = new RttEstimator()
    rtt.sample(100)
    expect([rtt.srttMs, rtt.rttvarMs, rtt.rtoMs]).toEqual([100, 50, 300])
    rtt.sample(180)
    expect([rtt.srttMs, rtt.rttvarMs, rtt.rtoMs]).toEqual([110, 57.5, 340])
    rtt.sample(60)
    expect([rtt.srttMs, rtt.minRttMs]).toEqual([103.75, 60])
  })

  it('never times out before 25 ms or two granules, nor after the maximum', () => {
    const quick = new RttEstimator()
    for (let i = 0; i < 100; i++) quick.sample(0.1)
    expect(quick.rtoMs).toBe(25)
    const coarse = new RttEstimator({
      initialRtoMs: 1_000,
      minRtoMs: 25,
      maxRtoMs: 60_000,
      granularityMs: 16,
    })
    for (let i = 0; i < 100; i++) coarse.sample(0.1)
    expect(coarse.rtoMs).toBe(32)
    expect(coarse.backedOffMs(30)).toBe(60_000)
  })

  it('doubles with each back-off until it is reset', () => {
    const rtt = new RttEstimator()
    rtt.sample(100)
    rtt.backOff()
    rtt.backOff()
    expect([rtt.rtoMs, rtt.backoffs, rtt.ptoMs]).toEqual([1_200, 2, 200])
    rtt.resetBackoff()
    expect(rtt.rtoMs).toBe(300)
  })
})
