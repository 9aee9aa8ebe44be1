/**
 * A TCP sender by the book, which always has data: loss recovery with SACK (RFC 6675), limited transmit (RFC 3042) and a
 * retransmission timer (RFC 6298). Nothing newer: no RACK, no tail loss probe, no PRR, no pacing.
 */
import type { EventQueue } from '../event-queue.ts'
import type { TwinAck } from './receiver.ts'
import type { TwinWindow } from './window.ts'

const DUP_THRESH = 3
/** As the stack's: RFC 6298's whole second would make the twin a straw man. */
const MIN_RTO_MS = 200
const INITIAL_RTO_MS = 1_000
const MAX_RTO_MS = 60_000

export class TwinSender {
  retransmits = 0
  timeouts = 0
  readonly #queue: EventQueue
  readonly #window: TwinWindow
  readonly #transmit: (segment: number) => void
  #una = 0
  #nxt = 0
  readonly #sacked = new Set<number>()
  #highestSacked = -1
  #dupAcks = 0
  #inRecovery = false
  /** Recovery is over when this is acknowledged. */
  #recoveryPoint = -1
  #highRxt = -1
  /** After a time-out what was sent before is sent again, from here on. */
  #resendFrom = Number.POSITIVE_INFINITY
  #srttMs = 0
  #rttvarMs = 0
  #rtoMs = INITIAL_RTO_MS
  #rtoAt = Number.POSITIVE_INFINITY
  #timerAt = Number.POSITIVE_INFINITY

  constructor(queue: EventQueue, window: TwinWindow, transmit: (segment: number) => void) {
    this.#queue = queue
    this.#window = window
    this.#transmit = transmit
  }

  start(): void {
    this.#sendWhatFits()
  }

  receive({ ack, sack, echoMs }: TwinAck): void {
    if (ack < this.#una) return
    this.#measure(this.#queue.nowMs - echoMs)
    const newlySacked = this.#note(sack)
    const acked = ack - this.#una
    if (acked > 0) this.#advance(ack)
    else if (newlySacked) this.#dupAcks++
    const isBehind = this.#una > this.#recoveryPoint
    if (this.#inRecovery) {
      // RFC 6675 section 5, (A). What recovery has delivered has not grown the window (RFC 5681 section 3.2, step 6).
      this.#inRecovery = !isBehind
    } else if (isBehind && this.#hasLoss) this.#enterRecovery()
    else if (acked > 0) this.#window.grow(acked, this.#srttMs / 1_000, this.#queue.nowMs / 1_000)
    this.#sendWhatFits()
  }

  #advance(ack: number): void {
    for (let segment = this.#una; segment < ack; segment++) this.#sacked.delete(segment)
    this.#una = ack
    this.#nxt = Math.max(this.#nxt, ack)
    this.#dupAcks = 0
    this.#restartTimer()
  }

  /** RFC 6675 section 5, (1) and (2): enough duplicates, or enough SACKed above the first. */
  get #hasLoss(): boolean {
    return this.#sacked.size > 0 && (this.#dupAcks >= DUP_THRESH || this.#una < this.#lostBelow)
  }

  /** RFC 6675 section 5, (4). */
  #enterRecovery(): void {
    this.#inRecovery = true
    this.#recoveryPoint = this.#nxt - 1
    this.#window.reduce(this.#nxt - this.#una)
    this.#highRxt = this.#una
    this.#retransmit(this.#una)
    this.#restartTimer()
  }

  #sendWhatFits(): void {
    let pipe = this.#pipe
    // Limited transmit (RFC 3042): one more for each of the first two duplicates.
    const extra = this.#inRecovery ? 0 : Math.min(this.#dupAcks, DUP_THRESH - 1)
    const room = () => Math.floor(this.#window.segments) + extra - pipe >= 1
    while (room()) {
      const segment = this.#nextSegment()
      if (segment === this.#nxt) this.#nxt++
      else this.retransmits++
      this.#transmit(segment)
      if (this.#rtoAt === Number.POSITIVE_INFINITY) this.#restartTimer()
      pipe++
    }
  }

  /** RFC 6675 section 4, NextSeg: what is lost and was not sent again, else new data. */
  #nextSegment(): number {
    if (this.#resendFrom < this.#nxt) {
      const segment = this.#firstUnsacked(Math.max(this.#resendFrom, this.#una))
      // What leaves for the first time is not among what is sent again.
      this.#resendFrom = segment + 1 < this.#nxt ? segment + 1 : Number.POSITIVE_INFINITY
      if (segment < this.#nxt) return segment
    }
    if (!this.#inRecovery) return this.#nxt
    const segment = this.#firstUnsacked(Math.max(this.#highRxt + 1, this.#una))
    if (segment >= this.#lostBelow) return this.#nxt
    this.#highRxt = segment
    return segment
  }

  #firstUnsacked(from: number): number {
    let segment = from
    while (this.#sacked.has(segment)) segment++
    return segment
  }

  #retransmit(segment: number): void {
    this.retransmits++
    this.#transmit(segment)
  }

  /** RFC 6675 section 4, IsLost: below the third SACKed segment from above. */
  get #lostBelow(): number {
    let found = 0
    for (let segment = this.#highestSacked; segment >= this.#una; segment--) {
      if (this.#sacked.has(segment) && ++found === DUP_THRESH) return segment
    }
    return this.#una
  }

  /** RFC 6675 section 4, SetPipe; after a time-out what has not been sent again is not in the network. */
  get #pipe(): number {
    const outstanding = this.#nxt - this.#una
    if (this.#resendFrom < this.#nxt) {
      let pipe = 0
      for (let segment = this.#una; segment < this.#resendFrom; segment++) {
        if (!this.#sacked.has(segment)) pipe++
      }
      return pipe
    }
    if (!this.#inRecovery) return outstanding - this.#sacked.size
    const lostBelow = this.#lostBelow
    let pipe = outstanding - this.#sacked.size
    for (let segment = Math.max(this.#una, this.#highRxt + 1); segment < lostBelow; segment++) {
      if (!this.#sacked.has(segment)) pipe--
    }
    return pipe
  }

  #note(sack: TwinAck['sack']): boolean {
    const before = this.#sacked.size
    for (const [start, end] of sack) {
      for (let segment = Math.max(start, this.#una); segment < end; segment++) this.#sacked.add(segment)
      this.#highestSacked = Math.max(this.#highestSacked, end - 1)
    }
    return this.#sacked.size > before
  }

  // ---- RFC 6298 -------------------------------------------------------------------------------------------

  #measure(rttMs: number): void {
    if (this.#srttMs === 0) {
      this.#srttMs = rttMs
      this.#rttvarMs = rttMs / 2
    } else {
      this.#rttvarMs = 0.75 * this.#rttvarMs + 0.25 * Math.abs(this.#srttMs - rttMs)
      this.#srttMs = 0.875 * this.#srttMs + 0.125 * rttMs
    }
    this.#rtoMs = Math.max(this.#srttMs + 4 * this.#rttvarMs, MIN_RTO_MS)
  }

  #restartTimer(): void {
    this.#rtoAt = this.#una === this.#nxt ? Number.POSITIVE_INFINITY : this.#queue.nowMs + this.#rtoMs
    if (this.#rtoAt < this.#timerAt) this.#armTimer()
  }

  /** One event at a time: when it comes too early it is put off. */
  #armTimer(): void {
    const at = this.#rtoAt
    this.#timerAt = at
    this.#queue.at(at, () => {
      if (this.#timerAt !== at) return
      this.#timerAt = Number.POSITIVE_INFINITY
      if (this.#rtoAt <= this.#queue.nowMs) this.#handleTimeout()
      else if (this.#rtoAt !== Number.POSITIVE_INFINITY) this.#armTimer()
    })
  }

  /** RFC 6298 (5.4) to (5.7), RFC 6675 section 5.1. */
  #handleTimeout(): void {
    this.timeouts++
    this.#window.collapse(this.#nxt - this.#una)
    this.#rtoMs = Math.min(2 * this.#rtoMs, MAX_RTO_MS)
    this.#inRecovery = false
    this.#recoveryPoint = this.#nxt - 1
    this.#dupAcks = 0
    this.#resendFrom = this.#una
    this.#rtoAt = Number.POSITIVE_INFINITY
    this.#sendWhatFits()
    this.#restartTimer()
  }
}
