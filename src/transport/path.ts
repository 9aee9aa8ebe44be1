/**
 * What the transport knows of one path: its segment size, RTT, congestion window, what is in flight on it,
 * and whether it is recovering from loss. A new address gets a new one of these, all fresh.
 */
import type { Acknowledgement, CongestionControl } from './congestion/congestion.ts'
import { Cubic } from './congestion/cubic.ts'
import { Rack } from './loss.ts'
import { type RtoPolicy, RttEstimator } from './rtt.ts'
import type { Scoreboard } from './scoreboard.ts'
import { Flight } from './transmissions.ts'

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
  readonly #rack: Rack
  #mss: number
  #recoveryBeganAt = Number.NEGATIVE_INFINITY
  #inRecovery = false
  /** One segment that may go beyond the window. */
  #grantBytes = 0
  #lastSentAt = Number.POSITIVE_INFINITY
  /** The window, not the program, was the limit for what was sent before this offset. */
  #limitedUntil = 0
  readonly #acknowledgement: { -readonly [K in keyof Acknowledgement]: Acknowledgement[K] }

  constructor({ id, mss, congestion = new Cubic(mss), rto }: TransportPathOptions) {
    this.id = id
    this.#mss = mss
    this.congestion = congestion
    this.rtt = new RttEstimator(rto)
    this.#rack = new Rack(this.flight, this.rtt)
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
    this.#grantBytes = Math.min(this.#grantBytes, mss)
    this.congestion.setMss(mss)
  }

  get bytesInFlight(): number {
    return this.flight.bytes
  }

  get inRecovery(): boolean {
    return this.#inRecovery
  }

  /** How much may be sent now. */
  get allowanceBytes(): number {
    return Math.max(this.congestion.windowBytes - this.flight.bytes, this.#grantBytes)
  }

  /** One segment may go although the window is full: a repetition or a probe must not wait for it. */
  grantSegment(): void {
    this.#grantBytes = this.#mss
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

  handleSent(nowMs: number): void {
    this.#lastSentAt = nowMs
    this.#grantBytes = 0
  }

  /** Evaluates what an acknowledgement reported of this path's flight; `una` is that from before it. */
  handleDeliveries(una: number, nowMs: number): void {
    const { flight, rtt } = this
    if (flight.deliveredBytes === 0) return
    const acknowledgement = this.#acknowledgement
    acknowledgement.rttMs = undefined
    // Karn (RFC 6298 section 3), and as in RFC 9002 section 5.1: what was sent last of all that is reported
    // must have drawn the answer, or the time since counts as well in which earlier answers were lost.
    if (flight.originalSentAt >= 0 && flight.originalSentAt >= flight.repeatSentAt) {
      acknowledgement.rttMs = nowMs - flight.originalSentAt
      rtt.sample(acknowledgement.rttMs)
    }
    this.#rack.update(nowMs)
    acknowledgement.inRecovery = this.#inRecovery
    // RFC 9002 section 7.3.2: recovery ends with the first answer to what was sent in it.
    if (this.#inRecovery && Math.max(flight.originalSentAt, flight.repeatSentAt) >= this.#recoveryBeganAt) {
      this.#inRecovery = false
      this.#rack.handleRecoveryEnd()
    }
    flight.rate.update(rtt.minRttMs, nowMs)
    acknowledgement.nowMs = nowMs
    acknowledgement.deliveredBytes = flight.deliveredBytes
    acknowledgement.lostBytes = flight.rate.takeLostBytes()
    acknowledgement.inFlightBytes = flight.bytes
    acknowledgement.srttMs = rtt.srttMs ?? 0
    acknowledgement.windowLimited = una < this.#limitedUntil
    this.congestion.handleAcknowledgement(acknowledgement)
    flight.forgetDeliveries()
  }

  /** The peer has received something twice (RFC 2883). */
  handleDuplicate(una: number, nxt: number): void {
    this.#rack.handleDuplicate(una, nxt)
  }

  /** Marks what is lost. Returns when to look again. `flightBytes`: what was outstanding. */
  detectLosses(board: Scoreboard, flightBytes: number, nowMs: number): number {
    const againAt = this.#rack.detect(board, this.#inRecovery, this.#mss, nowMs)
    if (this.#rack.newestLostSentAt > this.#recoveryBeganAt) this.reduce(flightBytes, nowMs)
    return againAt
  }

  /** Shrinks the window for data that was sent before now: once, until something sent from now on is lost. */
  reduce(flightBytes: number, nowMs: number): void {
    this.congestion.handleLoss(Math.min(flightBytes, this.congestion.windowBytes), nowMs)
    this.#recoveryBeganAt = nowMs
    this.#inRecovery = true
    this.grantSegment()
  }

  /** The RTO has passed (RFC 6298 section 5, RFC 8985 section 6.3). */
  handleTimeout(board: Scoreboard, flightBytes: number, nowMs: number): void {
    const first = this.rtt.backoffs === 0
    this.congestion.handleTimeout(Math.min(flightBytes, this.congestion.windowBytes), first, nowMs)
    this.#rack.detectOnTimeout(board, nowMs)
    this.rtt.backOff()
    this.#recoveryBeganAt = nowMs
    this.#inRecovery = false
    this.grantSegment()
  }
}
