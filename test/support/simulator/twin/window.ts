/**
 * Congestion windows by the book, in segments and seconds: Reno (RFC 5681) and CUBIC (RFC 9438). Written apart from the
 * stack, to be compared with it.
 */

export interface TwinWindow {
  readonly segments: number
  /** `acked` segments were newly acknowledged, outside recovery. */
  grow(acked: number, srtt: number, now: number): void
  /**
   * Fast retransmit, with `flight` segments outstanding; in recovery that may be more than the window, which then counts.
   */
  reduce(flight: number): void
  /** The retransmission timer has run out. */
  collapse(flight: number): void
}

/** RFC 6928, for segments of up to 1,460 bytes. */
const INITIAL_WINDOW = 10
/** RFC 5681 section 3.1 */
const MIN_SSTHRESH = 2
/** RFC 3465: an acknowledgement of two segments counts as two. */
const ABC_LIMIT = 2

export class RenoWindow implements TwinWindow {
  segments = INITIAL_WINDOW
  #ssthresh = Number.POSITIVE_INFINITY

  grow(acked: number): void {
    if (this.segments < this.#ssthresh) this.segments += Math.min(acked, ABC_LIMIT)
    else this.segments += acked / this.segments
  }

  reduce(flight: number): void {
    this.#ssthresh = Math.max(Math.min(flight, this.segments) / 2, MIN_SSTHRESH)
    this.segments = this.#ssthresh
  }

  collapse(flight: number): void {
    this.reduce(flight)
    this.segments = 1
  }
}

const CUBIC_C = 0.4
const CUBIC_BETA = 0.7
const CUBIC_ALPHA = (3 * (1 - CUBIC_BETA)) / (1 + CUBIC_BETA)

export class CubicWindow implements TwinWindow {
  segments = INITIAL_WINDOW
  #ssthresh = Number.POSITIVE_INFINITY
  #wMax = 0
  #cwndPrior = 0
  #epochStart = -1
  #k = 0
  #wEst = 0

  grow(acked: number, srtt: number, now: number): void {
    if (this.segments < this.#ssthresh) {
      this.segments += Math.min(acked, ABC_LIMIT)
      return
    }
    const cwnd = this.segments
    if (this.#epochStart < 0) {
      this.#epochStart = now
      this.#wEst = cwnd
      // Section 4.8 and 4.10: without a maximum to return to, the curve begins here.
      if (this.#wMax < cwnd) this.#wMax = cwnd
      this.#k = Math.cbrt((this.#wMax - cwnd) / CUBIC_C)
    }
    const t = now - this.#epochStart
    this.#wEst += (this.#wEst < this.#cwndPrior ? CUBIC_ALPHA : 1) * (acked / cwnd)
    if (this.#wCubic(t) < this.#wEst) {
      this.segments = this.#wEst
      return
    }
    const target = Math.max(cwnd, Math.min(this.#wCubic(t + srtt), 1.5 * cwnd))
    this.segments = cwnd + ((target - cwnd) / cwnd) * acked
  }

  reduce(flight: number): void {
    this.#rememberMaximum()
    this.#ssthresh = Math.max(Math.min(flight, this.segments) * CUBIC_BETA, MIN_SSTHRESH)
    this.segments = this.#ssthresh
  }

  collapse(flight: number): void {
    this.reduce(flight)
    this.#wMax = 0
    this.segments = 1
  }

  #rememberMaximum(): void {
    const cwnd = this.segments
    this.#cwndPrior = cwnd
    // Section 4.7, fast convergence
    this.#wMax = cwnd < this.#wMax ? (cwnd * (1 + CUBIC_BETA)) / 2 : cwnd
    this.#epochStart = -1
  }

  #wCubic(t: number): number {
    return CUBIC_C * (t - this.#k) ** 3 + this.#wMax
  }
}
