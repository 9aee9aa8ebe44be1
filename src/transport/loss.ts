/**
 * RACK (RFC 8985 section 6): data is lost when data sent later on the same path has arrived, and a little
 * time for reordering has passed. One detector a path.
 *
 * All of section 6 is here or in recovery.ts, but RACK.min_RTT is that of the path's life, not of some last minutes: a
 * new address gets a new path, and where only the way behind an address has grown longer the window is too short until
 * the first DSACK doubles it.
 */
import type { RttEstimator } from './rtt.ts'
import type { Scoreboard } from './scoreboard.ts'
import { type Flight, sentBefore, type Transmission } from './transmissions.ts'

/** So many segments SACKed above a hole are taken for loss, not for reordering (RFC 5681 section 3.2). */
const DUP_THRESH = 3
/** RFC 8985 section 6.2, step 4: how many recoveries without DSACK bring the reordering window back. */
const REORDERING_PERSISTENCE = 16

export class Rack {
  readonly #flight: Flight
  readonly #rtt: RttEstimator
  /** Of the delivered data that was sent last: when, the offset behind it, and its round-trip time. */
  #sentAt = -1
  #end = -1
  #rttMs = 0
  /** The offset behind the highest data delivered (RACK.fack). */
  #highestEnd = 0
  #reorderingSeen = false
  #windowMultiplier = 1
  #recoveriesToKeep = 0
  /** DSACKs count once a round: until what was unsent then is acknowledged. */
  #dsackRoundEnd = 0
  /** When the newest of the data found lost by the last `detect` was sent; -Infinity if none was. */
  newestLostSentAt = Number.NEGATIVE_INFINITY

  constructor(flight: Flight, rtt: RttEstimator) {
    this.#flight = flight
    this.#rtt = rtt
  }

  /** This path reorders packets. */
  get hasLearnt(): boolean {
    return this.#reorderingSeen || this.#windowMultiplier > 1
  }

  /** Takes what an acknowledgement has newly reported of this path's flight (steps 2 and 3). */
  update(nowMs: number): void {
    const { originalSentAt, originalEnd, repeatSentAt, repeatEnd, lowestOriginalEnd } = this.#flight
    if (originalSentAt >= 0) this.#advance(originalSentAt, originalEnd, nowMs)
    // An answer to a repetition that comes sooner than any before it answers the original (step 2).
    if (repeatSentAt >= 0 && nowMs - repeatSentAt >= this.#rtt.minRttMs) {
      this.#advance(repeatSentAt, repeatEnd, nowMs)
    }
    if (lowestOriginalEnd < this.#highestEnd) this.#reorderingSeen = true
    this.#highestEnd = Math.max(this.#highestEnd, originalEnd, repeatEnd)
  }

  /** A DSACK says that the reordering window was too short (step 4). `una`, `nxt`: as offsets. */
  handleDuplicate(una: number, nxt: number): void {
    if (una < this.#dsackRoundEnd) return
    this.#dsackRoundEnd = nxt
    this.#windowMultiplier++
    this.#recoveriesToKeep = REORDERING_PERSISTENCE
  }

  /** What is sent again up to `end` is so for another reason than loss. */
  ignoreDuplicatesUntil(end: number): void {
    this.#dsackRoundEnd = end
  }

  handleRecoveryEnd(): void {
    if (this.#recoveriesToKeep > 0 && --this.#recoveriesToKeep === 0) this.#windowMultiplier = 1
  }

  /** Marks what is lost (step 5). Returns when to look again, Infinity if there is nothing to wait for. */
  detect(board: Scoreboard, inRecovery: boolean, mss: number, nowMs: number): number {
    this.newestLostSentAt = Number.NEGATIVE_INFINITY
    const eager = inRecovery || board.sackedBytes >= DUP_THRESH * mss
    const waitMs = this.#rttMs + this.#reorderingWindowMs(eager)
    let next = this.#flight.oldest
    while (next !== undefined && sentBefore(next.sentAt, next.end, this.#sentAt, this.#end)) {
      const transmission: Transmission = next
      if (transmission.sentAt + waitMs > nowMs) return transmission.sentAt + waitMs
      next = transmission.newer
      this.newestLostSentAt = Math.max(this.newestLostSentAt, transmission.sentAt)
      board.markLost(transmission)
    }
    return Number.POSITIVE_INFINITY
  }

  /** After an RTO: the first transmission, and all whose time has passed (section 6.3). */
  detectOnTimeout(board: Scoreboard, nowMs: number): void {
    if (board.first !== undefined) board.markLost(board.first)
    const waitMs = this.#rttMs + this.#reorderingWindowMs(false)
    let next = this.#flight.oldest
    while (next !== undefined && next.sentAt + waitMs <= nowMs) {
      const transmission: Transmission = next
      next = transmission.newer
      board.markLost(transmission)
    }
  }

  #advance(sentAt: number, end: number, nowMs: number): void {
    if (!sentBefore(this.#sentAt, this.#end, sentAt, end)) return
    this.#sentAt = sentAt
    this.#end = end
    this.#rttMs = nowMs - sentAt
  }

  #reorderingWindowMs(eager: boolean): number {
    if (!this.#reorderingSeen && eager) return 0
    const { minRttMs, srttMs } = this.#rtt
    if (srttMs === undefined) return 0
    return Math.min((this.#windowMultiplier * minRttMs) / 4, srttMs)
  }
}
