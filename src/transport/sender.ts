/**
 * The sending half of a stream: decides what leaves next, and keeps what left until the peer has it. Flow
 * control is RFC 9293's with an unscaled window; loss recovery RFC 8985's and RFC 6298's; congestion control
 * the path's.
 */
import { NewReno } from './new-reno.ts'
import type { TransportPath } from './path.ts'
import type { StreamPosition } from './resting-stream.ts'
import { Scoreboard } from './scoreboard.ts'
import { SendBuffer } from './send-buffer.ts'
import type { StreamStats } from './stream-stats.ts'
import { TailProbe } from './tail-probe.ts'
import { streamTimers, type TimerTable } from './timers.ts'
import { type Transmission, transmissionStates } from './transmissions.ts'

/** What `plan` has found to send. */
const plans = { nothing: 0, new: 1, lost: 2, tail: 3, forward: 4 } as const

export class Sender {
  readonly buffer: SendBuffer
  readonly #board: Scoreboard
  readonly #timers: TimerTable
  readonly #stats: StreamStats
  /** The peer may hold an acknowledgement of less than two full segments back for so long. */
  readonly #peerAckDelayMs: number
  #path: TransportPath
  /** The first byte that the peer does not admit yet. It only grows: a window is not taken back. */
  #peerEdge: number
  /** The largest window seen (RFC 9293 section 3.8.6.2.1, Max(SND.WND)). */
  #largestWindowBytes: number
  #persistBackoffs = 0
  /** A part of a segment may go although the window cuts it (the override of section 3.8.6.2.1). */
  #overrideSilly = false
  #windowProbeDue = false
  readonly #tailProbe = new TailProbe()
  /** What the acknowledgement at hand says came twice; empty: nothing. */
  #duplicateStart = 0
  #duplicateEnd = 0
  /** Of a peer that does not say by SACK what it has. */
  readonly #newReno: NewReno | undefined
  /** Behind the stand-in for the stream's end; Infinity: not ended, or not in band. */
  #inBandEnd = Number.POSITIVE_INFINITY
  #plan: (typeof plans)[keyof typeof plans] = plans.nothing
  /** Nagle's algorithm off (RFC 9293 section 3.7.4). */
  noDelay: boolean

  constructor(
    position: StreamPosition,
    path: TransportPath,
    peerAckDelayMs: number,
    timers: TimerTable,
    stats: StreamStats,
    hasSack = true,
  ) {
    this.#newReno = hasSack ? undefined : new NewReno()
    this.buffer = new SendBuffer(position.sentBytes)
    this.#board = new Scoreboard(position.sentBytes)
    this.#peerEdge = position.peerEdge
    this.#largestWindowBytes = position.largestWindowBytes
    this.noDelay = position.noDelay
    this.#peerAckDelayMs = peerAckDelayMs
    this.#path = path
    this.#timers = timers
    this.#stats = stats
  }

  get path(): TransportPath {
    return this.#path
  }

  get una(): number {
    return this.#board.una
  }

  get nxt(): number {
    return this.#board.nxt
  }

  /** The peer owes an answer. */
  get outstanding(): boolean {
    return this.#board.una < this.#board.nxt || this.#timers.armed(streamTimers.persist)
  }

  get peerEdge(): number {
    return this.#peerEdge
  }

  get largestWindowBytes(): number {
    return this.#largestWindowBytes
  }

  get windowProbeDue(): boolean {
    return this.#windowProbeDue
  }

  /** Whether `end` is that of the stream's end, whose number goes with a flag instead of a byte. */
  isInBandEnd(end: number): boolean {
    return end === this.#inBandEnd
  }

  /** The stream's end takes a number: to the buffer and the scoreboard it is one more byte. */
  endInBand(): void {
    this.buffer.write(END_STAND_IN)
    this.#inBandEnd = this.buffer.endOffset
  }

  /** Whether the data that may leave now is not more than `maxBytes`, nor than a segment. */
  fits(maxBytes: number, nowMs: number): boolean {
    this.#path.noteIdle(nowMs)
    const bytes = this.#planBytes(1, nowMs)
    return bytes > 0 && bytes <= maxBytes
  }

  /** Whether `take` would return something. */
  wantsToSend(nowMs: number): boolean {
    this.#path.noteIdle(nowMs)
    if (this.#planBytes(1, nowMs) > 0) return true
    this.#armPersist(nowMs)
    return false
  }

  /**
   * Takes the bytes that leave next, at most `maxSegments` full segments of the active path, and remembers
   * them as sent; undefined if there is nothing or it must wait.
   */
  take(maxSegments: number, nowMs: number): Transmission | undefined {
    this.#path.noteIdle(nowMs)
    const bytes = this.#planBytes(maxSegments, nowMs)
    if (bytes === 0) {
      this.#armPersist(nowMs)
      return undefined
    }
    const transmission = this.#launch(bytes, nowMs)
    this.#path.handleSent(transmission, nowMs)
    if (this.#tailProbe.due) this.#handleTailProbeSent(transmission, nowMs)
    else this.#armAfterSending(transmission, nowMs)
    this.#count(transmission)
    return transmission
  }

  /** The peer takes bytes before `edge`. */
  handleWindow(windowBytes: number, edge: number): void {
    this.#largestWindowBytes = Math.max(this.#largestWindowBytes, windowBytes)
    if (edge <= this.#peerEdge) return
    this.#peerEdge = edge
    this.#persistBackoffs = 0
    this.#windowProbeDue = false
    this.#timers.disarm(streamTimers.persist)
  }

  /**
   * A SACK range, as offsets of which nothing is beyond `nxt`. Before `handleAcknowledgement` of its segment.
   */
  handleSack(start: number, end: number): void {
    this.#board.sack(Math.max(start, this.#board.una), end)
  }

  /** The peer has received `[start, end)` twice (RFC 2883). Before `handleAcknowledgement` of its segment. */
  handleDuplicate(start: number, end: number): void {
    this.#duplicateStart = start
    this.#duplicateEnd = end
  }

  /** The cumulative acknowledgement; not beyond `nxt`. */
  handleAcknowledgement(ack: number, nowMs: number): void {
    const una = this.#board.una
    const flightBytes = this.#board.nxt - una
    const advanced = ack > una
    if (advanced) {
      this.#board.acknowledge(ack)
      this.buffer.release(ack)
      this.#newReno?.handleAdvance(ack)
    }
    const needless = this.#path.handleDeliveries(una, ack, nowMs)
    if (advanced) this.#path.rtt.resetBackoff()
    if (needless) this.#path.recovery.undoTimeout(this.#board, nowMs)
    const unneeded = this.#handleDuplicate()
    if (unneeded) this.#path.recovery.undo(nowMs)
    if (needless || unneeded) this.#stats.undone++
    if (this.#tailProbe.handleAcknowledgement(ack, this.#duplicateStart, this.#duplicateEnd)) {
      this.#path.recovery.reduce(flightBytes, this.#path.mss, nowMs)
    }
    this.#duplicateStart = this.#duplicateEnd = 0
    this.#detectLosses(flightBytes, advanced, nowMs)
    this.#armAfterAcknowledgement(advanced, nowMs)
  }

  /** Without SACK: the same acknowledgement once more, in a segment with nothing else. */
  handleDuplicateAck(nowMs: number): void {
    if (this.#newReno === undefined || this.#board.una === this.#board.nxt) return
    this.#newReno.handleDuplicate(this.#board)
    this.handleAcknowledgement(this.#board.una, nowMs)
  }

  handleRetransmitTimer(nowMs: number): void {
    if (this.#board.una === this.#board.nxt) return
    this.#newReno?.handleTimeout(this.#board)
    this.#stats.timeouts++
    this.#tailProbe.forget()
    const flightBytes = this.#board.nxt - this.#board.una
    this.#path.recovery.handleTimeout(this.#board, flightBytes, this.#path.mss, nowMs)
    this.#timers.arm(streamTimers.retransmit, nowMs + this.#path.rtt.rtoMs)
  }

  /**
   * The peer is there again: a time-out that was doubled in its silence says nothing of the path any more.
   */
  handleReachable(nowMs: number): void {
    const { rtt } = this.#path
    if (this.#board.una === this.#board.nxt || rtt.backoffs === 0) return
    rtt.resetBackoff()
    this.#timers.arm(streamTimers.retransmit, nowMs + rtt.rtoMs)
  }

  handleProbeTimer(nowMs: number): void {
    this.#tailProbe.handleTimer()
    // Should the probe not get away, the time-out still comes.
    this.#armRetransmit(nowMs)
  }

  handleReorderTimer(nowMs: number): void {
    this.#detectLosses(this.#board.nxt - this.#board.una, false, nowMs)
    this.#armAfterAcknowledgement(false, nowMs)
  }

  /** RFC 9293 section 3.8.6.1: ask for the window; or send into it what it holds, little as that is. */
  handlePersistTimer(nowMs: number): void {
    this.#persistBackoffs++
    if (this.#peerEdge > this.#board.nxt) this.#overrideSilly = true
    else this.#windowProbeDue = true
    this.#armPersist(nowMs)
  }

  handleWindowProbeSent(): void {
    this.#windowProbeDue = false
    this.#stats.windowProbes++
  }

  /** Moves to `path`: what is in flight elsewhere is sent again there. */
  switchPath(path: TransportPath, nowMs: number): void {
    this.stop()
    this.#path = path
    path.flight.forgetDeliveries()
    path.recovery.handleSwitched(this.#board.nxt)
    this.#board.markAllLost()
    this.#persistBackoffs = 0
    if (this.#board.una < this.#board.nxt) this.#timers.arm(streamTimers.retransmit, nowMs + path.rtt.rtoMs)
  }

  /**
   * The path takes smaller segments than what was sent has: that is sent again, and as it was too large rather than too
   * much, the window stays (RFC 8899 section 3, item 7).
   */
  handleShrunk(): void {
    this.#board.markLongerLost(this.#path.mss)
  }

  /** Disarms every timer of this half; `switchPath` starts it again. */
  stop(): void {
    for (const timer of [
      streamTimers.retransmit,
      streamTimers.probe,
      streamTimers.reorder,
      streamTimers.persist,
      streamTimers.pace,
    ] as const) {
      this.#timers.disarm(timer)
    }
    this.#windowProbeDue = this.#overrideSilly = false
    this.#tailProbe.cancel()
    this.#tailProbe.forget()
  }

  /** How many bytes may leave now, at most `maxSegments` segments; `#plan` says which. */
  #planBytes(maxSegments: number, nowMs: number): number {
    const { mss, allowanceBytes } = this.#path
    this.#timers.disarm(streamTimers.pace)
    if (this.#tailProbe.due) return this.#planTailProbe(mss)
    // Whole segments; less only for what is less by itself.
    const maxBytes = maxSegments * mss
    const budget =
      allowanceBytes < mss ? allowanceBytes : Math.min(allowanceBytes - (allowanceBytes % mss), maxBytes)
    const waiting = this.#waitingBytes(maxBytes)
    if (waiting === 0) {
      if (budget > 0 && this.buffer.endOffset - this.#board.nxt < mss) this.#path.noteApplicationLimited()
      return 0
    }
    if (budget >= waiting) return this.#paced(waiting, allowanceBytes, nowMs)
    this.#path.noteLimited(this.#board.nxt)
    return budget < mss ? 0 : this.#paced(budget, allowanceBytes, nowMs)
  }

  #waitingBytes(maxBytes: number): number {
    const { frto } = this.#path.recovery
    if (frto.forward) {
      this.#plan = plans.forward
      const bytes = this.#sendableBytes(Math.min(maxBytes, frto.forwardSegments * this.#path.mss))
      if (bytes > 0 || frto.forwardSent) return bytes
      // RFC 5682 section 3.1, step 2: there is no new data, or no room for it.
      frto.abandon()
    }
    const lostBytes = this.#board.lostBytes === 0 ? 0 : this.#board.lostRunBytes(maxBytes)
    // RFC 6675 section 5 (C): lost data before new data
    this.#plan = lostBytes > 0 ? plans.lost : plans.new
    return lostBytes > 0 ? lostBytes : this.#sendableBytes(maxBytes)
  }

  /** Of `bytes` what pacing lets go now, in whole segments. */
  #paced(bytes: number, allowanceBytes: number, nowMs: number): number {
    const { mss } = this.#path
    const unsentBytes = Math.min(this.buffer.endOffset, this.#peerEdge) - this.#board.nxt
    const waitingBytes = Math.min(this.#board.lostBytes + Math.max(unsentBytes, 0), allowanceBytes)
    const credit = this.#path.pacedBytes(waitingBytes, nowMs)
    if (credit >= bytes) return bytes
    // RFC 9002 section 7.8: who would have used all of the window but for the pacing is not limited by the program.
    if (waitingBytes > allowanceBytes - mss) this.#path.noteLimited(this.#board.nxt)
    if (credit >= mss) return credit - (credit % mss)
    this.#timers.arm(streamTimers.pace, this.#path.pacedAt(waitingBytes))
    return 0
  }

  /** New bytes that flow control, silly-window avoidance and Nagle let go. */
  #sendableBytes(maxBytes: number): number {
    const { una, nxt } = this.#board
    const unsent = this.buffer.endOffset - nxt
    const usable = Math.min(unsent, this.#peerEdge - nxt)
    if (usable <= 0) return 0
    if (usable >= maxBytes) return maxBytes
    const tail = usable % this.#path.mss
    if (tail === 0) return usable
    // RFC 9293 section 3.8.6.2.1: a part of a segment goes if it is all there is (2), or half the peer's
    // window (3).
    if (usable === unsent && (this.noDelay || una === nxt)) return usable
    if (tail >= this.#largestWindowBytes / 2 || this.#overrideSilly) return usable
    return usable - tail
  }

  /** RFC 8985 section 7.3: a new segment if there is one, else the last one again. */
  #planTailProbe(mss: number): number {
    const fresh = Math.min(this.buffer.endOffset - this.#board.nxt, this.#peerEdge - this.#board.nxt, mss)
    if (fresh > 0) {
      this.#plan = plans.new
      return fresh
    }
    const last = this.#board.last
    if (last?.state === transmissionStates.inFlight) {
      this.#plan = plans.tail
      return mss
    }
    this.#tailProbe.cancel()
    return 0
  }

  #launch(bytes: number, nowMs: number): Transmission {
    const { mss, flight } = this.#path
    if (this.#plan === plans.lost) return this.#board.resendLost(bytes, mss, flight, nowMs)
    if (this.#plan === plans.tail) return this.#board.resendTail(mss, flight, nowMs)
    if (this.#plan === plans.forward) this.#path.recovery.frto.handleForwardSent(Math.ceil(bytes / mss))
    this.#overrideSilly = false
    return this.#board.send(bytes, mss, flight, nowMs)
  }

  #handleTailProbeSent(transmission: Transmission, nowMs: number): void {
    this.#stats.tailProbes++
    this.#tailProbe.handleSent(this.#board.nxt, transmission.retransmitted)
    this.#timers.disarm(streamTimers.probe)
    this.#timers.arm(streamTimers.retransmit, nowMs + this.#path.rtt.rtoMs)
  }

  /** True if it shows that nothing was lost. */
  #handleDuplicate(): boolean {
    if (this.#duplicateStart >= this.#duplicateEnd) return false
    const { una, nxt } = this.#board
    return this.#path.recovery.handleDuplicate(this.#duplicateStart, this.#duplicateEnd, una, nxt)
  }

  #detectLosses(flightBytes: number, advanced: boolean, nowMs: number): void {
    const { recovery, mss } = this.#path
    const episode = recovery.active
    const againAt = recovery.detectLosses(this.#board, this.#newReno, flightBytes, advanced, mss, nowMs)
    if (recovery.active && !episode) {
      this.#stats.lossEpisodes++
      // The probe has shown the loss; its answer would count it once more.
      this.#tailProbe.forget()
    }
    this.#timers.arm(streamTimers.reorder, againAt)
  }

  #armAfterSending(transmission: Transmission, nowMs: number): void {
    this.#timers.disarm(streamTimers.persist)
    // The oldest data leaves again: it has an RTO from now (RFC 6298 (5.1)), not from when it left first.
    const repeatsOldest = transmission.start === this.#board.una && transmission.retransmitted
    if (this.#mayProbeTail) this.#armProbe(nowMs)
    else if (repeatsOldest || !this.#timers.armed(streamTimers.retransmit)) this.#armRetransmit(nowMs)
  }

  /**
   * RFC 6298 (5.2) and (5.3); RFC 8985 section 7.2. Either the probe's timer runs or the retransmission's.
   */
  #armAfterAcknowledgement(advanced: boolean, nowMs: number): void {
    const { retransmit, probe } = streamTimers
    if (this.#board.una === this.#board.nxt) {
      this.#timers.disarm(retransmit)
      this.#timers.disarm(probe)
      this.#tailProbe.cancel()
      this.#armPersist(nowMs)
    } else if (this.#mayProbeTail) {
      if (advanced) this.#armProbe(nowMs)
    } else if (advanced || !this.#timers.armed(retransmit)) {
      this.#armRetransmit(nowMs)
    }
  }

  /**
   * RFC 8985 section 7.2: one probe at a time, and none while something is known to be missing. But for what it says,
   * the recovery from a time-out does not exclude it once everything has left again: a repetition that is lost as the
   * last of all would wait for another time-out. With it, RTO Restart (RFC 7765) has nothing left to hasten.
   */
  get #mayProbeTail(): boolean {
    const { lostBytes, sackedBytes } = this.#board
    const recovering = this.#path.recovery.active || this.#path.rtt.backoffs > 0
    return lostBytes === 0 && sackedBytes === 0 && !this.#tailProbe.out && !recovering
  }

  #armProbe(nowMs: number): void {
    const { rtt } = this.#path
    this.#timers.disarm(streamTimers.retransmit)
    this.#timers.arm(streamTimers.probe, nowMs + Math.min(rtt.ptoMs, rtt.rtoMs) + this.#ackDelayMs)
  }

  #armRetransmit(nowMs: number): void {
    this.#timers.disarm(streamTimers.probe)
    this.#timers.arm(streamTimers.retransmit, nowMs + this.#path.rtt.rtoMs + this.#ackDelayMs)
  }

  /** RFC 8985 section 7.2, WCDelAckT */
  get #ackDelayMs(): number {
    return this.#path.bytesInFlight < 2 * this.#path.mss ? this.#peerAckDelayMs : 0
  }

  /** With nothing in flight, only the peer's next window lets the rest go, and that may have been lost. */
  #armPersist(nowMs: number): void {
    const { una, nxt } = this.#board
    const blocked = una === nxt && this.buffer.endOffset > nxt && this.#sendableBytes(this.#path.mss) === 0
    if (!blocked) this.#timers.disarm(streamTimers.persist)
    else if (!this.#timers.armed(streamTimers.persist)) {
      const waitMs = Math.min(this.#path.rtt.backedOffMs(this.#persistBackoffs), MAX_PERSIST_MS)
      this.#timers.arm(streamTimers.persist, nowMs + waitMs)
    }
  }

  #count(transmission: Transmission): void {
    const segments = Math.ceil(transmission.bytes / transmission.segmentBytes)
    this.#stats.segmentsOut += segments
    if (transmission.retransmitted) {
      this.#stats.retransmittedSegments += segments
      this.#stats.retransmittedBytes += transmission.bytes
    } else {
      this.#stats.bytesOut += transmission.bytes
    }
  }
}

const END_STAND_IN = new Uint8Array(1)
/**
 * A probe costs one small packet, and a reader that has made room should not wait a minute for a lost update.
 */
const MAX_PERSIST_MS = 10_000
