/**
 * HyStart++ (RFC 9406): slow start slackens when the round-trip time rises, and ends there unless it falls again. Only
 * before the first loss (section 4.3).
 *
 * The text counts on an acknowledgement for every segment or two; one of ours may stand for 44, which left together
 * and so measure one round trip. Hence two departures. A round is judged after N_RTT_SAMPLE acknowledgements, as there,
 * or when it is over if it has delivered so many segments: a window of six batches would else never be judged. Its
 * minimum is then of few samples and may be too high, which ends slow start too early; that is what Conservative Slow
 * Start is there to find out, so it is judged in the same way. And there is no limit to what an acknowledgement adds
 * (L, section 4.3, is infinite for a paced sender).
 */
import type { Acknowledgement } from './congestion.ts'

/** RFC 9406 section 4.3 */
const MIN_RTT_THRESH_MS = 4
const MAX_RTT_THRESH_MS = 16
const MIN_RTT_DIVISOR = 8
const N_RTT_SAMPLE = 8
const CSS_GROWTH_DIVISOR = 4
const CSS_ROUNDS = 5

export class HyStart {
  /** The round is over when something arrives that left after so much had been delivered. */
  #roundEndBytes = 0
  #lastRoundMinRttMs = Number.POSITIVE_INFINITY
  #roundMinRttMs = Number.POSITIVE_INFINITY
  #samples = 0
  #roundBytes = 0
  /** Of the round that led into Conservative Slow Start; undefined: in slow start. */
  #baselineMinRttMs: number | undefined
  #cssRounds = 0

  /** Slow start is over: ssthresh is the window. */
  get done(): boolean {
    return this.#cssRounds >= CSS_ROUNDS
  }

  /** Takes an acknowledgement; returns by how much the window may grow for each byte that it delivers. */
  handleAcknowledgement({ rate, rttMs, deliveredBytes }: Acknowledgement, mss: number): number {
    if (rate.priorDeliveredBytes >= this.#roundEndBytes) {
      if (this.#roundBytes >= N_RTT_SAMPLE * mss) this.#judge()
      this.#beginRound(rate.totalDeliveredBytes)
    }
    this.#roundBytes += deliveredBytes
    if (rttMs !== undefined) {
      this.#roundMinRttMs = Math.min(this.#roundMinRttMs, rttMs)
      if (++this.#samples >= N_RTT_SAMPLE) this.#judge()
    }
    return this.#baselineMinRttMs === undefined ? 1 : 1 / CSS_GROWTH_DIVISOR
  }

  /** Section 4.2: at the start of each round. A part of a round in Conservative Slow Start counts as one. */
  #beginRound(deliveredBytes: number): void {
    if (this.#baselineMinRttMs !== undefined) this.#cssRounds++
    this.#roundEndBytes = deliveredBytes
    if (this.#samples > 0) this.#lastRoundMinRttMs = this.#roundMinRttMs
    this.#roundMinRttMs = Number.POSITIVE_INFINITY
    this.#samples = this.#roundBytes = 0
  }

  #judge(): void {
    const baselineMs = this.#baselineMinRttMs
    if (baselineMs === undefined) {
      const lastMs = this.#lastRoundMinRttMs
      const threshMs = Math.max(MIN_RTT_THRESH_MS, Math.min(lastMs / MIN_RTT_DIVISOR, MAX_RTT_THRESH_MS))
      // A round that measured nothing has no minimum.
      if (this.#samples > 0 && this.#roundMinRttMs >= lastMs + threshMs) {
        this.#baselineMinRttMs = this.#roundMinRttMs
      }
    } else if (this.#roundMinRttMs < baselineMs) {
      // It was not a queue: slow start goes on, and the next rise is judged afresh.
      this.#baselineMinRttMs = undefined
      this.#cssRounds = 0
    }
  }
}
