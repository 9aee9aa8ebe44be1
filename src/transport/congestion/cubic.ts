/**
 * CUBIC (RFC 9438), with HyStart++ (RFC 9406) until the first loss. Its equations are in segments and seconds; so is
 * the code here.
 */
import { type Acknowledgement, type CongestionControl, initialWindowBytes } from './congestion.ts'
import { HyStart } from './hystart.ts'

/** RFC 9438 section 5.1 */
const C = 0.4
/** RFC 9438 section 4.6 */
const BETA = 0.7
/** RFC 9438 section 4.3: what makes the estimate grow as Reno with BETA would. */
const ALPHA = (3 * (1 - BETA)) / (1 + BETA)

export class Cubic implements CongestionControl {
  readonly name = 'cubic'
  readonly pacingBytesPerMs = undefined
  #mss: number
  #state: State
  /** From before the last reduction. */
  #saved: State | undefined
  /** Until when the window's time is counted. */
  #countedAt = Number.NEGATIVE_INFINITY
  readonly #hyStart = new HyStart()

  constructor(mss: number) {
    this.#mss = mss
    this.#state = {
      windowBytes: initialWindowBytes(mss),
      ssthreshBytes: Number.POSITIVE_INFINITY,
      wMax: 0,
      priorSegments: 0,
      epochAt: undefined,
      k: 0,
      wEst: 0,
    }
  }

  get windowBytes(): number {
    return this.#state.windowBytes
  }

  get inSlowStart(): boolean {
    return this.#state.windowBytes < this.#state.ssthreshBytes
  }

  /** RFC 5681 section 4.1: before the first loss all that is known is the window, which begins anew. */
  get isForgettable(): boolean {
    return this.#state.ssthreshBytes === Number.POSITIVE_INFINITY
  }

  get ssthreshBytes(): number {
    return this.#state.ssthreshBytes
  }

  setMss(mss: number): void {
    this.#mss = mss
    // RFC 8899 section 3, item 7: larger packets make no larger window; but one must fit.
    this.#state.windowBytes = Math.max(this.#state.windowBytes, mss)
  }

  handleAcknowledgement(acknowledgement: Acknowledgement): void {
    const { deliveredBytes, srttMs, windowLimited, inRecovery, nowMs } = acknowledgement
    const unusedMs = nowMs - this.#countedAt
    this.#countedAt = nowMs
    if (inRecovery) return
    if (!windowLimited) {
      // RFC 9438 section 5.8: time in which the window could not grow does not count.
      if (this.#state.epochAt !== undefined) this.#state.epochAt += unusedMs
      return
    }
    const avoidingBytes = deliveredBytes - this.#startSlowly(acknowledgement)
    if (avoidingBytes > 0) this.#avoidCongestion(avoidingBytes / this.#mss, srttMs / 1_000, nowMs)
  }

  handleLoss(flightBytes: number): void {
    this.#reduce(flightBytes)
    this.#state.windowBytes = this.#state.ssthreshBytes
  }

  handleTimeout(flightBytes: number, first: boolean): void {
    // RFC 5681 section 3.1: ssthresh is held while the same data times out again.
    if (first) {
      this.#reduce(flightBytes)
      // RFC 9438 section 4.8: the first congestion avoidance behind a time-out begins its curve where it is.
      this.#state.wMax = 0
    }
    // RFC 9438 section 4.8, but with the minimum of RFC 9002 section 7.2 for a loss window: where one packet
    // in three is lost, a window of one segment waits for the doubled time-out every other time, and never
    // gets anywhere.
    this.#state.windowBytes = 2 * this.#mss
  }

  undo(): void {
    // RFC 9438 sections 4.9.1 and 4.9.2: all the state comes back, but what has been gained since is kept.
    const saved = this.#saved
    if (saved === undefined) return
    this.#saved = undefined
    saved.windowBytes = Math.max(saved.windowBytes, this.#state.windowBytes)
    this.#state = saved
  }

  handleIdle(idleMs: number): void {
    const state = this.#state
    // RFC 5681 section 4.1 restarts from the initial window; slow start then leads back near to where it was.
    state.ssthreshBytes = Math.max(state.ssthreshBytes, 0.75 * state.windowBytes)
    state.windowBytes = Math.min(state.windowBytes, initialWindowBytes(this.#mss))
    // RFC 9438 section 5.8: time without data is not time in which the window could have grown.
    if (state.epochAt !== undefined) state.epochAt += idleMs
    this.#countedAt += idleMs
  }

  /** Returns how many of the bytes delivered slow start has used. */
  #startSlowly(acknowledgement: Acknowledgement): number {
    const state = this.#state
    const { deliveredBytes } = acknowledgement
    if (state.windowBytes >= state.ssthreshBytes) return 0
    if (state.ssthreshBytes === Number.POSITIVE_INFINITY) {
      state.windowBytes += deliveredBytes * this.#hyStart.handleAcknowledgement(acknowledgement, this.#mss)
      if (this.#hyStart.done) state.ssthreshBytes = state.windowBytes
      return deliveredBytes
    }
    // RFC 5681 section 3.1, by bytes (RFC 3465) and without a limit an acknowledgement: one stands for a batch.
    const bytes = Math.min(deliveredBytes, state.ssthreshBytes - state.windowBytes)
    state.windowBytes += bytes
    return bytes
  }

  /** RFC 9438 sections 4.2 to 4.5. */
  #avoidCongestion(segments: number, rttSeconds: number, nowMs: number): void {
    const state = this.#state
    const window = state.windowBytes / this.#mss
    state.epochAt ??= this.#beginEpoch(window, nowMs)
    const seconds = (nowMs - state.epochAt) / 1_000
    // Section 4.3: once the window of before the loss is back, the estimate grows as Reno does.
    const alpha = state.wEst >= state.priorSegments ? 1 : ALPHA
    state.wEst += (alpha * segments) / window
    if (this.#wCubic(seconds) < state.wEst) {
      // Section 4.3, the Reno-friendly region
      state.windowBytes = Math.max(state.windowBytes, state.wEst * this.#mss)
      return
    }
    // Sections 4.2, 4.4 and 4.5: towards the target of a round trip from now, at most half as much again
    const target = Math.min(Math.max(this.#wCubic(seconds + rttSeconds), window), 1.5 * window)
    state.windowBytes += ((target - window) / window) * segments * this.#mss
  }

  #beginEpoch(window: number, nowMs: number): number {
    const state = this.#state
    state.wEst = window
    if (state.wMax > window) {
      // Section 4.2, equation 2
      state.k = Math.cbrt((state.wMax - window) / C)
    } else {
      // Section 4.8, behind a time-out; section 4.10, where slow start has ended without a loss
      state.k = 0
      state.wMax = window
    }
    return nowMs
  }

  /** Section 4.2, equation 1. */
  #wCubic(seconds: number): number {
    const { k, wMax } = this.#state
    return C * (seconds - k) ** 3 + wMax
  }

  /** Section 4.6, and fast convergence (section 4.7). */
  #reduce(flightBytes: number): void {
    const state = this.#state
    this.#saved = { ...state }
    const window = state.windowBytes / this.#mss
    state.priorSegments = window
    state.wMax = window < state.wMax ? (window * (1 + BETA)) / 2 : window
    state.ssthreshBytes = Math.max(flightBytes * BETA, 2 * this.#mss)
    state.epochAt = undefined
  }
}

/** What section 4.9 takes back as a whole. */
interface State {
  windowBytes: number
  ssthreshBytes: number
  /** W_max: the window before the last reductions, in segments. */
  wMax: number
  /** cwnd_prior: before the last reduction alone, in segments. */
  priorSegments: number
  /** When congestion avoidance began; undefined: has not begun since the last reduction. */
  epochAt: number | undefined
  /** Seconds from the epoch until the window is wMax again. */
  k: number
  /** W_est: what Reno would have, in segments. */
  wEst: number
}
