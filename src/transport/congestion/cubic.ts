/**
 * CUBIC (RFC 9438), with slow start by bytes. Its equations are in segments and seconds; so is the code here.
 */
import { type CongestionControl, initialWindowBytes } from './congestion.ts'

/** RFC 9438 section 5.1 */
const C = 0.4
/** RFC 9438 section 4.6 */
const BETA = 0.7
/** RFC 9438 section 4.3: what makes the estimate grow as Reno with BETA would. */
const ALPHA = (3 * (1 - BETA)) / (1 + BETA)

export class Cubic implements CongestionControl {
  readonly name = 'cubic'
  #mss: number
  #windowBytes: number
  #ssthreshBytes = Number.POSITIVE_INFINITY
  /** The window before the last reductions, in segments. */
  #wMax = 0
  /** cwnd_prior: before the last reduction alone. */
  #priorSegments = 0
  /** When congestion avoidance began; undefined: has not begun since the last reduction. */
  #epochAt: number | undefined
  /** Seconds from the epoch until the window is wMax again. */
  #k = 0
  /** What Reno would have, in segments. */
  #wEst = 0

  constructor(mss: number) {
    this.#mss = mss
    this.#windowBytes = initialWindowBytes(mss)
  }

  get windowBytes(): number {
    return this.#windowBytes
  }

  get ssthreshBytes(): number {
    return this.#ssthreshBytes
  }

  setMss(mss: number): void {
    // A window that is still the initial one is what it would have been; RFC 9438 counts in segments
    // otherwise.
    const initial = this.#windowBytes === initialWindowBytes(this.#mss)
    this.#mss = mss
    this.#windowBytes = initial ? initialWindowBytes(mss) : Math.max(this.#windowBytes, mss)
  }

  handleDelivered(bytes: number, srttMs: number, nowMs: number): void {
    if (this.#windowBytes < this.#ssthreshBytes) {
      // RFC 5681 section 3.1, by bytes (RFC 3465) and without a limit an acknowledgement: one stands for a
      // batch.
      const grown = this.#windowBytes + bytes
      this.#windowBytes = Math.min(grown, Math.max(this.#ssthreshBytes, this.#windowBytes))
      bytes = grown - this.#windowBytes
      if (bytes === 0) return
    }
    this.#avoidCongestion(bytes / this.#mss, srttMs / 1_000, nowMs)
  }

  handleLoss(flightBytes: number): void {
    this.#reduce(flightBytes)
    this.#windowBytes = this.#ssthreshBytes
  }

  handleTimeout(flightBytes: number, first: boolean): void {
    // RFC 5681 section 3.1: ssthresh is held while the same data times out again.
    if (first) this.#reduce(flightBytes)
    // RFC 9438 section 4.8, but with the minimum of RFC 9002 section 7.2 for a loss window: where one packet
    // in three is lost, a window of one segment waits for the doubled time-out every other time, and never
    // gets anywhere.
    this.#windowBytes = 2 * this.#mss
  }

  handleIdle(idleMs: number): void {
    // RFC 5681 section 4.1 restarts from the initial window; slow start then leads back near to where it was.
    this.#ssthreshBytes = Math.max(this.#ssthreshBytes, 0.75 * this.#windowBytes)
    this.#windowBytes = Math.min(this.#windowBytes, initialWindowBytes(this.#mss))
    // RFC 9438 section 5.8: time without data is not time in which the window could have grown.
    if (this.#epochAt !== undefined) this.#epochAt += idleMs
  }

  /** RFC 9438 sections 4.2 to 4.5. */
  #avoidCongestion(segments: number, rttSeconds: number, nowMs: number): void {
    const window = this.#windowBytes / this.#mss
    if (this.#epochAt === undefined) this.#beginEpoch(window, nowMs)
    const seconds = (nowMs - this.#epochAt!) / 1_000
    // Section 4.3: once the window of before the loss is back, the estimate grows as Reno does.
    const alpha = this.#wEst >= this.#priorSegments ? 1 : ALPHA
    this.#wEst += (alpha * segments) / window
    if (this.#wCubic(seconds) < this.#wEst) {
      // Section 4.3, the Reno-friendly region
      this.#windowBytes = Math.max(this.#windowBytes, this.#wEst * this.#mss)
      return
    }
    // Sections 4.2, 4.4 and 4.5: towards the target of a round trip from now, at most half as much again
    const target = Math.min(Math.max(this.#wCubic(seconds + rttSeconds), window), 1.5 * window)
    this.#windowBytes += ((target - window) / window) * segments * this.#mss
  }

  #beginEpoch(window: number, nowMs: number): void {
    this.#epochAt = nowMs
    this.#wEst = window
    if (this.#wMax > window) {
      // Section 4.2, equation 2
      this.#k = Math.cbrt((this.#wMax - window) / C)
    } else {
      // Section 4.10: slow start has led beyond
      this.#k = 0
      this.#wMax = window
    }
  }

  /** Section 4.2, equation 1. */
  #wCubic(seconds: number): number {
    return C * (seconds - this.#k) ** 3 + this.#wMax
  }

  /** Section 4.6, and fast convergence (section 4.7). */
  #reduce(flightBytes: number): void {
    const window = this.#windowBytes / this.#mss
    this.#priorSegments = window
    this.#wMax = window < this.#wMax ? (window * (1 + BETA)) / 2 : window
    this.#ssthreshBytes = Math.max(flightBytes * BETA, 2 * this.#mss)
    this.#epochAt = undefined
  }
}
