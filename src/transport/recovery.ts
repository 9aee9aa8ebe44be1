/**
 * Recovery from loss on one path: what is found lost (RACK, the time-out), how much may leave while it is repaired, and
 * whether it was lost at all. A recovery ends with the first answer to what was sent in it (RFC 9002 section 7.3.2).
 */
import type { CongestionControl } from './congestion/congestion.ts'
import { Frto } from './frto.ts'
import { Rack } from './loss.ts'
import type { NewReno } from './new-reno.ts'
import { Prr } from './prr.ts'
import { Repeats } from './repeats.ts'
import type { RttEstimator } from './rtt.ts'
import type { Scoreboard } from './scoreboard.ts'
import type { Flight, Transmission } from './transmissions.ts'

export class Recovery {
  readonly #flight: Flight
  readonly #rtt: RttEstimator
  readonly #congestion: CongestionControl
  readonly #rack: Rack
  readonly #prr = new Prr()
  readonly #repeats = new Repeats()
  readonly frto = new Frto()
  #active = false
  #beganAt = Number.NEGATIVE_INFINITY
  /** The same before the last time-out. */
  #beganBefore = Number.NEGATIVE_INFINITY
  /** The recovery from a time-out lasts until all that was sent before it is acknowledged. */
  #timeoutEnd = 0
  /** The one segment that goes whatever the window: a repetition or a probe must not wait for it. */
  #grantBytes = 0
  /** Newly delivered by the acknowledgement at hand, on this path. */
  #deliveredBytes = 0

  constructor(flight: Flight, rtt: RttEstimator, congestion: CongestionControl) {
    this.#flight = flight
    this.#rtt = rtt
    this.#congestion = congestion
    this.#rack = new Rack(flight, rtt)
  }

  /** A loss that showed is being repaired; not that of a time-out, behind which the window grows at once. */
  get active(): boolean {
    return this.#active
  }

  /** Nothing is being repaired, and nothing was learnt that a new one would have to find out again. */
  get isForgettable(): boolean {
    return !this.#active && this.#timeoutEnd === 0 && !this.#rack.hasLearnt
  }

  /** How much may be sent now. */
  get allowanceBytes(): number {
    const bytes = this.#prr.active ? this.#prr.creditBytes : this.#congestion.windowBytes - this.#flight.bytes
    return Math.max(bytes, this.#grantBytes)
  }

  handleMss(mss: number): void {
    this.#grantBytes = Math.min(this.#grantBytes, mss)
  }

  handleSent(transmission: Transmission): void {
    this.#grantBytes = 0
    if (this.#prr.active) this.#prr.handleSent(transmission.bytes)
    if (transmission.retransmitted) this.#repeats.handleRepeated(transmission.start, transmission.end)
  }

  /**
   * Takes what an acknowledgement has newly reported of this path's flight. True if that shows that the last time-out
   * was for nothing: `undoTimeout` follows.
   */
  handleDeliveries(ack: number, advanced: boolean, nowMs: number): boolean {
    const flight = this.#flight
    this.#deliveredBytes = flight.deliveredBytes
    if (flight.deliveredBytes === 0) return false
    this.#rack.update(nowMs)
    if (this.#active && Math.max(flight.originalSentAt, flight.repeatSentAt) >= this.#beganAt) this.#end()
    if (this.#timeoutEnd > 0 && ack >= this.#timeoutEnd) {
      this.#timeoutEnd = 0
      this.#rack.handleRecoveryEnd()
    }
    return this.frto.handleAcknowledgement(ack, advanced, flight)
  }

  /**
   * The peer has received `[start, end)` twice (RFC 2883). `una` is after the acknowledgement. True if it now is known
   * that nothing was lost in this recovery: `undo` follows.
   */
  handleDuplicate(start: number, end: number, una: number, nxt: number): boolean {
    this.#repeats.handleDuplicate(start, end)
    if (this.#repeats.dubious) return false
    this.#rack.handleDuplicate(una, nxt)
    return this.#repeats.needless
  }

  /** What was in flight elsewhere is sent again here: that it comes twice says nothing of this path. */
  handleSwitched(nxt: number): void {
    this.#rack.ignoreDuplicatesUntil(nxt)
    this.#repeats.end()
    this.frto.abandon()
  }

  /**
   * Marks what is lost, and counts what that and the acknowledgement at hand let go. Returns when to look again.
   * `newReno`: of a peer without SACK. `flightBytes`: what was outstanding. `advanced`: the acknowledgement is cumulative.
   */
  detectLosses(
    board: Scoreboard,
    newReno: NewReno | undefined,
    flightBytes: number,
    advanced: boolean,
    mss: number,
    nowMs: number,
  ): number {
    const againAt = this.#markLost(board, newReno, mss, nowMs)
    const { newestLostSentAt } = newReno ?? this.#rack
    if (newestLostSentAt > this.#beganAt) {
      const recoverFlightBytes = this.#flight.bytes + board.lostBytes + this.#deliveredBytes
      this.reduce(flightBytes, mss, nowMs)
      // An algorithm that has a rate of its own knows better.
      if (this.#congestion.pacingBytesPerMs === undefined) this.#prr.begin(recoverFlightBytes)
    }
    if (this.#prr.active) {
      const safe = advanced && newestLostSentAt === Number.NEGATIVE_INFINITY
      const { windowBytes } = this.#congestion
      this.#prr.handleAcknowledgement(this.#deliveredBytes, this.#flight.bytes, windowBytes, safe, mss)
    }
    this.#deliveredBytes = 0
    return againAt
  }

  /** Shrinks the window for data that was sent before now: once, until something sent from now on is lost. */
  reduce(flightBytes: number, mss: number, nowMs: number): void {
    this.#congestion.handleLoss(Math.min(flightBytes, this.#congestion.windowBytes), nowMs)
    this.#beganAt = nowMs
    this.#active = true
    this.#grantBytes = mss
    this.#repeats.begin()
  }

  /** The RTO has passed (RFC 6298 section 5, RFC 8985 section 6.3). */
  handleTimeout(board: Scoreboard, flightBytes: number, mss: number, nowMs: number): void {
    const first = this.#rtt.backoffs === 0
    const reneged = board.forgetReneged()
    this.#congestion.handleTimeout(Math.min(flightBytes, this.#congestion.windowBytes), first, nowMs)
    this.#rack.detectOnTimeout(board, nowMs)
    this.#rtt.backOff()
    // RFC 5682 section 3.1, step 1: not while an earlier time-out is being recovered from; nor when the peer's SACKs
    // are worth nothing
    if (board.una >= this.#timeoutEnd && !reneged) this.frto.begin(board.nxt)
    else this.frto.abandon()
    if (first) this.#repeats.begin()
    this.#timeoutEnd = board.nxt
    if (first) this.#beganBefore = this.#beganAt
    this.#beganAt = nowMs
    this.#active = false
    this.#prr.end()
    this.#grantBytes = mss
  }

  /**
   * The time-out was for nothing (RFC 5682 section 4, RFC 4015 section 3.2): what it has taken for lost is under way. If
   * some of it is lost all the same, that is a loss of its own.
   */
  undoTimeout(board: Scoreboard, nowMs: number): void {
    board.restoreLost(this.#flight)
    this.#rtt.resetBackoff()
    this.#beganAt = this.#beganBefore
    this.undo(nowMs)
  }

  /** Nothing was lost: as if it had never been thought so (RFC 3708 section 3). */
  undo(nowMs: number): void {
    this.#congestion.undo(nowMs)
    this.#repeats.end()
    this.frto.abandon()
    this.#timeoutEnd = 0
    if (this.#active) this.#end()
  }

  #markLost(board: Scoreboard, newReno: NewReno | undefined, mss: number, nowMs: number): number {
    if (newReno === undefined) {
      const eager = this.#active || board.una < this.#timeoutEnd
      return this.#rack.detect(board, eager, mss, nowMs)
    }
    newReno.detect(board)
    return Number.POSITIVE_INFINITY
  }

  #end(): void {
    this.#active = false
    this.#prr.end()
    this.#rack.handleRecoveryEnd()
  }
}
