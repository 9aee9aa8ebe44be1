import { describe, expect, it } from 'vitest'
import { Cubic } from '../../../src/transport/congestion/cubic.ts'
import { HyStart } from '../../../src/transport/congestion/hystart.ts'
import { acknowledgement } from '../../support/transport/acknowledgement.ts'

const mss = 1_000

/** Rounds of a sender whose window was the limit throughout. */
class Rounds {
  readonly hyStart = new HyStart()
  #deliveredBytes = 0

  /** One round: `acks` acknowledgements of `segments` each, which measure `rttMs`, the first one less. */
  run(rttMs: number, acks: number, segments = 1, firstRttMs = rttMs): number {
    const priorDeliveredBytes = this.#deliveredBytes
    let growth = 0
    for (let i = 0; i < acks; i++) {
      const deliveredBytes = segments * mss
      this.#deliveredBytes += deliveredBytes
      const rate = { priorDeliveredBytes, totalDeliveredBytes: this.#deliveredBytes }
      growth = this.hyStart.handleAcknowledgement(
        acknowledgement({ deliveredBytes, rttMs: i === 0 ? firstRttMs : rttMs, rate }),
        mss,
      )
    }
    return growth
  }
}

describe('HyStart++ (RFC 9406)', () => {
  it('leaves slow start alone while the round-trip time is the same', () => {
    const rounds = new Rounds()
    for (let i = 0; i < 8; i++) expect(rounds.run(100, 10 * 2 ** i)).toBe(1)
    expect(rounds.hyStart.done).toBe(false)
  })

  it.each([
    [20, 4],
    [32, 4],
    [80, 10],
    [400, 16],
  ])(
    'at %i ms takes a rise of %i ms for a queue (MIN_RTT_THRESH, lastRoundMinRTT / 8, MAX_RTT_THRESH)',
    (rttMs, riseMs) => {
      const below = new Rounds()
      below.run(rttMs, 10)
      expect(below.run(rttMs + riseMs - 0.5, 20)).toBe(1)
      const above = new Rounds()
      above.run(rttMs, 10)
      expect(above.run(rttMs + riseMs, 20)).toBe(1 / 4)
    },
  )

  it('compares the smallest of a round: one slow acknowledgement is no queue', () => {
    const rounds = new Rounds()
    rounds.run(100, 10)
    expect(rounds.run(150, 20, 1, 101)).toBe(1)
  })

  it('waits for eight samples', () => {
    const rounds = new Rounds()
    rounds.run(100, 10)
    expect(rounds.run(150, 7)).toBe(1)
  })

  it('ends slow start after five rounds of slower growth', () => {
    const rounds = new Rounds()
    rounds.run(100, 10)
    rounds.run(120, 20)
    for (let i = 0; i < 4; i++) {
      rounds.run(125, 20)
      expect(rounds.hyStart.done).toBe(false)
    }
    rounds.run(125, 20)
    expect(rounds.hyStart.done).toBe(true)
  })

  it('goes on with slow start when the round-trip time falls again, and judges the next rise afresh', () => {
    const rounds = new Rounds()
    rounds.run(100, 10)
    expect(rounds.run(120, 20)).toBe(1 / 4)
    expect(rounds.run(101, 20)).toBe(1)
    expect(rounds.run(102, 20)).toBe(1)
    expect(rounds.run(130, 20)).toBe(1 / 4)
    for (let i = 0; i < 4; i++) rounds.run(130, 20)
    expect(rounds.hyStart.done).toBe(false)
  })

  it('judges a round of few acknowledgements, one a batch, when it is over', () => {
    const rounds = new Rounds()
    rounds.run(100, 1, 10)
    rounds.run(100, 1, 20)
    expect(rounds.run(120, 1, 40)).toBe(1)
    expect(rounds.run(121, 2, 44)).toBe(1 / 4)
    for (let i = 0; i < 5; i++) rounds.run(125, 2, 44)
    expect(rounds.hyStart.done).toBe(true)
  })

  it('in CUBIC adds a quarter of what is delivered, and leaves the window where it ends', () => {
    const cubic = new Cubic(mss)
    let totalDeliveredBytes = 0
    const round = (rttMs: number) => {
      const priorDeliveredBytes = totalDeliveredBytes
      for (let left = Math.floor(cubic.windowBytes / mss); left > 0; left--) {
        totalDeliveredBytes += mss
        const rate = { priorDeliveredBytes, totalDeliveredBytes }
        cubic.handleAcknowledgement(acknowledgement({ deliveredBytes: mss, rttMs, srttMs: rttMs, rate }))
      }
    }
    round(100)
    expect(cubic.windowBytes).toBe(20 * mss)
    round(120)
    // The eighth sample tells, and counts.
    expect(cubic.windowBytes).toBe((20 + 7 + 13 / 4) * mss)
    for (let i = 0; i < 5; i++) round(120)
    expect(cubic.ssthreshBytes).toBeLessThanOrEqual(cubic.windowBytes)
    expect(cubic.windowBytes).toBeLessThan(35 * 1.25 ** 5 * mss)
  })
})
