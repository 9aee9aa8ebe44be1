/**
 * What the transport knows of one path: its segment size, RTT, congestion window, what is in flight on it,
 * and whether it is recovering from loss. A new address gets a new one of these, all fresh.
 */
import type { Acknowledgement, CongestionControl } from './congestion/congestion.ts'
import { Cubic } from './congestion/cubic.ts'
import { Pacer } from './pacer.ts'
import { Recovery } from './recovery.ts'
import { type RtoPolicy, RttEstimator } from './rtt.ts'
import { Flight, type Transmission } from './transmissions.ts'

export interface TransportPathOptions {
  readonly id: number
  /** Payload bytes of one full segment: what the path's packets hold besides the headers. */
  readonly mss: number
  /** Default: CUBIC. */
  readonly congestion?: CongestionControl | undefined
  /** Default: the native profile's. */
  readonly rto?: RtoPolicy
}

export class TransportPath {
  readonly id: number
  readonly rtt: RttEstimator
  readonly congestion: CongestionControl
  readonly flight = new Flight()
  readonly recovery: Recovery
  readonly #pacer = new Pacer()
  #mss: number
  #lastSentAt = Number.POSITIVE_INFINITY
  /** The window, not the program, was the limit for what was sent before this offset. */
  #limitedUntil = 0
  readonly #acknowledgement: { -readonly [K in keyof Acknowledgement]: Acknowledgement[K] }

  constructor({ id, mss, congestion = new Cubic(mss), rto }: TransportPathOptions) {
    this.id = id
    this.#mss = mss
    this.congestion = congestion
    this.rtt = new RttEstimator(rto)
    this.recovery = new Recovery(this.flight, this.rtt, congestion)
    this.#acknowledgement = {
      nowMs: 0,
      deliveredBytes: 0,
      lostBytes: 0,
      inFlightBytes: 0,
      rttMs: undefined,
      srttMs: 0,
      windowLimited: false,
      inRecovery: false,
      rate: this.flight.rate,
    }
  }

  get mss(): number {
    return this.#mss
  }

  set mss(mss: number) {
    this.#mss = mss
    this.recovery.handleMss(mss)
    this.congestion.setMss(mss)
  }

  get bytesInFlight(): number {
    return this.flight.bytes
  }

  /** How much may be sent now, as far as congestion goes. */
  get allowanceBytes(): number {
    return this.recovery.allowanceBytes
  }

  /** How much of `waitingBytes`, which the window lets go, may leave now; 0: not before `pacedAt`. */
  pacedBytes(waitingBytes: number, nowMs: number): number {
    this.#pacer.setRate(this.#pacingBytesPerMs, this.#mss, nowMs)
    return this.#pacer.creditBytes(waitingBytes)
  }

  /** When what has just been held back may leave. */
  pacedAt(waitingBytes: number): number {
    return this.#pacer.readyAt(waitingBytes)
  }

  /** The window has stopped the sender, which has sent everything before `nxt`. */
  noteLimited(nxt: number): void {
    this.#limitedUntil = nxt
  }

  /** There is nothing more to send, though the window would let more go. */
  noteApplicationLimited(): void {
    this.flight.rate.noteApplicationLimited(this.flight.bytes)
  }

  /** Before sending: a window that was not used for long says nothing (RFC 5681 section 4.1). */
  noteIdle(nowMs: number): void {
    const idleMs = nowMs - this.#lastSentAt
    if (this.flight.bytes === 0 && idleMs > this.rtt.rtoMs) {
      this.congestion.handleIdle(idleMs, nowMs)
      this.#lastSentAt = nowMs
    }
  }

  handleSent(transmission: Transmission, nowMs: number): void {
    this.#lastSentAt = nowMs
    this.#pacer.handleSent(transmission.bytes)
    this.recovery.handleSent(transmission)
  }

  /**
   * Evaluates what an acknowledgement reported of this path's flight; `una` is that from before it. True if it shows
   * that the last time-out was for nothing.
   */
  handleDeliveries(una: number, ack: number, nowMs: number): boolean {
    const { flight, rtt } = this
    if (flight.deliveredBytes === 0) return false
    const acknowledgement = this.#acknowledgement
    acknowledgement.rttMs = undefined
    // Karn (RFC 6298 section 3), and as in RFC 9002 section 5.1: what was sent last of all that is reported
    // must have drawn the answer, or the time since counts as well in which earlier answers were lost.
    if (flight.originalSentAt >= 0 && flight.originalSentAt >= flight.repeatSentAt) {
      acknowledgement.rttMs = nowMs - flight.originalSentAt
      rtt.sample(acknowledgement.rttMs)
    }
    acknowledgement.inRecovery = this.recovery.active
    const needless = this.recovery.handleDeliveries(ack, ack > una, nowMs)
    flight.rate.update(rtt.minRttMs, nowMs)
    acknowledgement.nowMs = nowMs
    acknowledgement.deliveredBytes = flight.deliveredBytes
    acknowledgement.lostBytes = flight.rate.takeLostBytes()
    acknowledgement.inFlightBytes = flight.bytes
    acknowledgement.srttMs = rtt.srttMs ?? 0
    acknowledgement.windowLimited = una < this.#limitedUntil
    this.congestion.handleAcknowledgement(acknowledgement)
    flight.forgetDeliveries()
    return needless
  }

  get #pacingBytesPerMs(): number {
    const { pacingBytesPerMs, inSlowStart, windowBytes } = this.congestion
    if (pacingBytesPerMs !== undefined) return pacingBytesPerMs
    const { srttMs, minRttMs } = this.rtt
    if (srttMs === undefined || minRttMs < MIN_PACED_RTT_MS) return Number.POSITIVE_INFINITY
    return ((inSlowStart ? SLOW_START_GAIN : AVOIDANCE_GAIN) * windowBytes) / srttMs
  }
}

/** On a shorter path acknowledgements come as often as timers can tick, and are the better clock. */
const MIN_PACED_RTT_MS = 2
/**
 * As Linux does: faster than the window turns around, so that pacing never is what limits it (RFC 9002 section 7.7);
 * and twice as fast where the window doubles.
 */
const SLOW_START_GAIN = 2
const AVOIDANCE_GAIN = 1.2
