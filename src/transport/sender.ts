/**
 * The sending half of a stream: decides what leaves next, and keeps what left until the peer has it. What the peer lets
 * go is for flow-control.ts to say, what the network lets go for the path, what is lost for its recovery, and how long an
 * answer may take for answer-timers.ts.
 */
import { AnswerTimers } from './answer-timers.ts'
import { FlowControl } from './flow-control.ts'
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
  readonly #flowControl: FlowControl
  readonly #answerTimers: AnswerTimers
  #path: TransportPath
  readonly #tailProbe = new TailProbe()
  /** What the acknowledgement at hand says came twice; empty: nothing. */
  #duplicateStart = 0
  #duplicateEnd = 0
  /** Of a peer that does not say by SACK what it has. */
  readonly #newReno: NewReno | undefined
  /** Behind the stand-in for the stream's end; Infinity: not ended, or not in band. */
  #inBandEnd = Number.POSITIVE_INFINITY
  #plan: (typeof plans)[keyof typeof plans] = plans.nothing
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
    this.#flowControl = new FlowControl(position, this.buffer, this.#board, timers)
    this.#answerTimers = new AnswerTimers(this.#board, this.#tailProbe, timers, peerAckDelayMs)
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

  get flowControl(): FlowControl {
    return this.#flowControl
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
    this.#flowControl.armPersist(this.#path, nowMs)
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
      this.#flowControl.armPersist(this.#path, nowMs)
      return undefined
    }
    const transmission = this.#launch(bytes, nowMs)
    this.#path.handleSent(transmission, nowMs)
    if (this.#tailProbe.due) this.#handleTailProbeSent(transmission, nowMs)
    else {
      this.#timers.disarm(streamTimers.persist)
      this.#answerTimers.handleSent(transmission, this.#path, nowMs)
    }
    this.#count(transmission)
    return transmission
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
    this.#answerTimers.armRetransmit(this.#path, nowMs)
  }

  handleReorderTimer(nowMs: number): void {
    this.#detectLosses(this.#board.nxt - this.#board.una, false, nowMs)
    this.#armAfterAcknowledgement(false, nowMs)
  }

  handlePersistTimer(nowMs: number): void {
    this.#flowControl.handlePersistTimer(this.#path, nowMs)
  }

  handleWindowProbeSent(): void {
    this.#flowControl.handleWindowProbeSent()
    this.#stats.windowProbes++
  }

  /** Moves to `path`: what is in flight elsewhere is sent again there. */
  switchPath(path: TransportPath, nowMs: number): void {
    this.#stop()
    this.#path = path
    path.flight.forgetDeliveries()
    path.recovery.handleSwitched(this.#board.nxt)
    this.#board.markAllLost()
    if (this.#board.una < this.#board.nxt) this.#timers.arm(streamTimers.retransmit, nowMs + path.rtt.rtoMs)
  }

  /**
   * The path takes smaller segments than what was sent has: that is sent again, and as it was too large rather than too
   * much, the window stays (RFC 8899 section 3, item 7).
   */
  handleShrunk(): void {
    this.#board.markLongerLost(this.#path.mss)
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
    const { mss, recovery } = this.#path
    const { frto } = recovery
    if (frto.forward) {
      this.#plan = plans.forward
      const bytes = this.#flowControl.sendableBytes(Math.min(maxBytes, frto.forwardSegments * mss), mss)
      if (bytes > 0 || frto.forwardSent) return bytes
      // RFC 5682 section 3.1, step 2: there is no new data, or no room for it.
      frto.abandon()
    }
    const lostBytes = this.#board.lostBytes === 0 ? 0 : this.#board.lostRunBytes(maxBytes)
    // RFC 6675 section 5 (C): lost data before new data
    this.#plan = lostBytes > 0 ? plans.lost : plans.new
    return lostBytes > 0 ? lostBytes : this.#flowControl.sendableBytes(maxBytes, mss)
  }

  /** Of `bytes` what pacing lets go now, in whole segments. */
  #paced(bytes: number, allowanceBytes: number, nowMs: number): number {
    const { mss } = this.#path
    const unsentBytes = Math.max(this.#flowControl.admittedBytes, 0)
    const waitingBytes = Math.min(this.#board.lostBytes + unsentBytes, allowanceBytes)
    const credit = this.#path.pacedBytes(waitingBytes, nowMs)
    if (credit >= bytes) return bytes
    // RFC 9002 section 7.8: who would have used all of the window but for the pacing is not limited by the program.
    if (waitingBytes > allowanceBytes - mss) this.#path.noteLimited(this.#board.nxt)
    if (credit >= mss) return credit - (credit % mss)
    this.#timers.arm(streamTimers.pace, this.#path.pacedAt(waitingBytes))
    return 0
  }

  /** RFC 8985 section 7.3: a new segment if there is one, else the last one again. */
  #planTailProbe(mss: number): number {
    const fresh = Math.min(this.#flowControl.admittedBytes, mss)
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
    this.#flowControl.handleSent()
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

  #armAfterAcknowledgement(advanced: boolean, nowMs: number): void {
    this.#answerTimers.handleAcknowledgement(advanced, this.#path, nowMs)
    if (this.#board.una === this.#board.nxt) this.#flowControl.armPersist(this.#path, nowMs)
  }

  /** Nothing is waited for any more, on the path that is left. */
  #stop(): void {
    for (const timer of PATH_TIMERS) this.#timers.disarm(timer)
    this.#flowControl.restart()
    this.#tailProbe.cancel()
    this.#tailProbe.forget()
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
const PATH_TIMERS = [
  streamTimers.retransmit,
  streamTimers.probe,
  streamTimers.reorder,
  streamTimers.pace,
] as const
