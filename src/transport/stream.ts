/**
 * A reliable stream of bytes each way between two ends of a flow: TCP's behaviour (RFC 9293) behind a segment
 * header that the profile chooses. Synchronous and total: it has no clock and no socket, takes segments in,
 * fills batches, and says when it wants to be woken.
 *
 * It knows nothing of addresses, flowIDs or control packets. Set-up, end and reset are theirs; the end of the
 * stream comes as a number (`handleFinalOffset`). Inside, offsets count from 0 and never wrap.
 */
import { nativeSegment, type SegmentCodec, type SegmentFields, segmentFlags } from '../wire/segment.ts'
import type { TransmitBatch } from '../wire/transmit-batch.ts'
import { Emitter } from './emit.ts'
import { Liveness } from './liveness.ts'
import type { TransportPath } from './path.ts'
import type { ReceiveBudget } from './receive-budget.ts'
import { ReceiveWindow } from './receive-window.ts'
import { Receiver } from './receiver.ts'
import { REST_AFTER_MS, RestingStream, type StreamPosition } from './resting-stream.ts'
import { SegmentInput, segmentNews } from './segment-input.ts'
import { Sender } from './sender.ts'
import { Silence } from './silence.ts'
import { DEFAULT_BUFFER_BYTES, DEFAULT_DEAD_PEER_MS, type StreamOptions } from './stream-options.ts'
import { StreamSignal, StreamSignals } from './stream-signals.ts'
import type { StreamStats } from './stream-stats.ts'
import { type StreamTimer, streamTimers, TimerTable } from './timers.ts'

export class Stream {
  readonly stats: StreamStats
  readonly #sendIsn: number
  readonly #receiveIsn: number
  readonly #codec: SegmentCodec
  readonly #budget: ReceiveBudget | undefined
  readonly #timers = new TimerTable()
  readonly #sender: Sender
  readonly #receiver: Receiver
  readonly #input: SegmentInput
  readonly #emitter: Emitter
  readonly #liveness: Liveness
  readonly #signals: StreamSignals
  readonly #silence = new Silence(this.#timers)
  /** The stream's length, once `end` was called. */
  #finalOffset: number | undefined
  #newestDataPath: TransportPath
  #keepAliveDue = false
  #suspended = false

  /** Goes on `from` where it stands. */
  constructor(options: StreamOptions, from: RestingStream) {
    const { path, codec = nativeSegment, delayedAckMs = 25, budget } = options
    const { receiveBufferBytes = DEFAULT_BUFFER_BYTES, sendBufferBytes = DEFAULT_BUFFER_BYTES } = options
    const { burstBytes = Number.POSITIVE_INFINITY, deadPeerMs = DEFAULT_DEAD_PEER_MS } = options
    const hasSack = codec.maxSackRanges > 0
    this.stats = from.stats
    this.#sendIsn = from.sendIsn
    this.#receiveIsn = from.receiveIsn
    this.#codec = codec
    this.#budget = budget
    this.#newestDataPath = path
    this.#sender = new Sender(from, path, delayedAckMs, this.#timers, this.stats, hasSack)
    const window = new ReceiveWindow(receiveBufferBytes, burstBytes, from.readBytes, from.windowBytes)
    this.#receiver = new Receiver(from, window, delayedAckMs, this.#timers, this.stats, !hasSack, budget)
    if (from.acknowledgementDue) this.#receiver.requestAcknowledgement()
    this.#input = new SegmentInput(codec, from, this.#sender, this.#receiver, this.stats)
    this.#emitter = new Emitter(
      codec,
      this.#sendIsn,
      this.#receiveIsn,
      this.#sender,
      this.#receiver,
      this.stats,
    )
    this.#liveness = new Liveness(from, this.#timers, deadPeerMs)
    this.#signals = new StreamSignals(this.#sender, this.#receiver, sendBufferBytes)
  }

  // ---- the program's side ---------------------------------------------------------------------------------

  /** Queues a copy of `chunk` behind what was written before. */
  write(chunk: Uint8Array): void {
    if (this.#finalOffset !== undefined) return
    this.#sender.buffer.write(chunk)
    this.#signals.handleWritten()
  }

  /** Nothing more will be written: `finalOffset` is fixed. */
  end(): void {
    if (this.#finalOffset !== undefined) return
    this.#finalOffset = this.#sender.buffer.endOffset
    if (this.#codec.endsInBand) this.#sender.endInBand()
    // Nothing comes any more that Nagle's algorithm could wait for.
    this.#sender.flowControl.noDelay = true
  }

  /** The next bytes in order, which the caller owns from now on; undefined if there are none now. */
  read(): Uint8Array | undefined {
    return this.#receiver.read()
  }

  get readableBytes(): number {
    return this.#receiver.readableBytes
  }

  /** Every byte of the peer's stream, up to its end, is here; not all may have been read. */
  get receivedAll(): boolean {
    return this.#receiver.complete
  }

  /** Written and not yet acknowledged. */
  get bufferedBytes(): number {
    return this.#sender.buffer.bytes
  }

  /** Written and never sent. */
  get unsentBytes(): number {
    return this.#sender.buffer.endOffset - this.#sender.nxt
  }

  /** Advice: more may be written without filling memory. Whoever reads that it is not so is signalled when it is. */
  get writable(): boolean {
    return this.#signals.writable
  }

  /** Bytes of the whole stream we send, once `end` was called: what FIN tells the peer. */
  get finalOffset(): number | undefined {
    return this.#finalOffset
  }

  /** The peer has every byte that was written. */
  get acknowledgedAll(): boolean {
    return this.#sender.buffer.bytes === 0
  }

  /** The flow is over: its peer sends no more. What is here can still be read. */
  forgo(): void {
    this.#receiver.forgo()
  }

  setNoDelay(noDelay: boolean): void {
    this.#sender.flowControl.noDelay = noDelay
  }

  /** After `intervalMs` of silence the peer is asked for a sign of life; 0 switches that off. */
  setKeepAlive(intervalMs: number, nowMs: number): void {
    this.#liveness.setKeepAlive(intervalMs, nowMs)
  }

  // ---- the peer's side ------------------------------------------------------------------------------------

  /**
   * HOT. Takes one segment, whose payload is `buffer[fields.payloadStart, fields.payloadEnd)`. The buffer is
   * the stream's from now on, which moves payloads within it: `handleBatchEnd` must be called before another
   * flow's packet of the same buffer is handled, and at the buffer's end.
   */
  handleSegment(fields: SegmentFields, buffer: Uint8Array, path: TransportPath, nowMs: number): void {
    if (this.#liveness.handleHeard(nowMs)) this.#sender.handleReachable(nowMs)
    const news = this.#input.handleSegment(fields, buffer, nowMs)
    if ((news & segmentNews.acknowledgement) !== 0) {
      this.#handleAcknowledged((news & segmentNews.drained) !== 0, nowMs)
    }
    if ((news & segmentNews.data) !== 0) {
      this.#newestDataPath = path
      this.#silence.handleData((news & segmentNews.pushed) !== 0)
    } else if (news === segmentNews.lie) {
      this.stats.badAcknowledgements++
      this.#signals.raise(StreamSignal.badAck)
    }
  }

  /** Whether a segment begins where this end expects the peer to go on. */
  isNext(fields: SegmentFields): boolean {
    return this.#input.isNext(fields)
  }

  /** Bytes of the peer's stream that are here without a gap. */
  get receivedBytes(): number {
    return this.#receiver.nextOffset
  }

  /** The segments at hand are all handled: decides whether to acknowledge them. */
  handleBatchEnd(nowMs: number): void {
    this.#receiver.handleBatchEnd(this.#srttMs(), nowMs)
    this.#silence.handleBatchEnd(this.#receiver.complete, this.#srttMs(), nowMs)
    this.#signals.announceReceived()
  }

  /** The peer's stream is `offset` bytes long. `conflict`: it said otherwise before, or has sent more. */
  handleFinalOffset(offset: number): 'ok' | 'conflict' {
    const verdict = this.#receiver.setFinalOffset(offset)
    this.#signals.announceEnd()
    return verdict
  }

  /** The peer's state is in doubt, or it has asked: the next packet acknowledges what is here. */
  acknowledgeNow(): void {
    this.#receiver.requestAcknowledgement()
  }

  /** Where the newest data came from: acknowledgements go out there (src/wire/README.md, "Set-up and keys"). */
  get newestDataPath(): TransportPath {
    return this.#newestDataPath
  }

  // ---- output ---------------------------------------------------------------------------------------------

  wantsToSend(nowMs: number): boolean {
    if (this.#suspended) return false
    return this.#receiver.acknowledgeNow || this.#probeDue() || this.#sender.wantsToSend(nowMs)
  }

  /**
   * Fills `batch` with what leaves next on `path`: data to send again, new data, or when there is neither an
   * acknowledgement or a probe of one packet. Each packet is `prefix` (shim, SAL header, extensions; the
   * shim's length is filled in), segment header, payload. Data goes out on the active path only. False if
   * nothing may leave now.
   */
  emitBatch(batch: TransmitBatch, prefix: Uint8Array, path: TransportPath, nowMs: number): boolean {
    if (this.#suspended) return false
    // SACK ranges go in a packet of their own, not into every segment of a batch.
    const sack = this.#receiver.acknowledgeNow && this.#receiver.hasSack
    if (!sack && path === this.#sender.path && this.#emitter.emitData(batch, prefix, path, nowMs)) {
      this.#liveness.update(true, nowMs)
      this.#signals.announceRoom()
      return true
    }
    this.#liveness.update(this.#sender.outstanding || this.#keepAliveDue, nowMs)
    if (this.#probeDue()) this.#emitProbe(batch, prefix)
    else if (this.#receiver.acknowledgeNow) this.#emitter.emitAcknowledgement(batch, prefix)
    else return false
    return true
  }

  /**
   * Writes one segment at `buffer[offset...]` inside a packet that the flow builds (SYN-ACK, third ACK, FIN):
   * with the data that may leave now, if it is at most `maxPayloadBytes` and a segment. Returns the bytes
   * written.
   */
  emitSegment(buffer: Uint8Array, offset: number, nowMs: number, maxPayloadBytes = 0): number {
    const length = this.#emitter.emitSegment(buffer, offset, this.#suspended ? 0 : maxPayloadBytes, nowMs)
    this.#liveness.update(this.#sender.outstanding, nowMs)
    return length
  }

  // ---- time -----------------------------------------------------------------------------------------------

  /** When `handleTimeout` is due; Infinity if nothing waits. */
  get nextTimeoutAt(): number {
    return this.#suspended ? Number.POSITIVE_INFINITY : this.#timers.nextAt
  }

  handleTimeout(nowMs: number): void {
    if (this.#suspended) return
    for (let timer = this.#timers.takeExpired(nowMs); timer !== undefined; ) {
      this.#handleTimer(timer, nowMs)
      timer = this.#timers.takeExpired(nowMs)
    }
    this.#liveness.update(this.#sender.outstanding, nowMs)
  }

  // ---- moves ----------------------------------------------------------------------------------------------

  get path(): TransportPath {
    return this.#sender.path
  }

  /** Sends on `path` from now on; what was in flight is taken for lost, at no cost to the new path's window. */
  switchPath(path: TransportPath, nowMs: number): void {
    this.#sender.switchPath(path, nowMs)
  }

  /** The segments of `path` have become smaller. */
  handleShrunk(path: TransportPath): void {
    if (path === this.#sender.path) this.#sender.handleShrunk()
  }

  /** There is no way to the peer: nothing is sent, no timer runs, and nothing is counted against the peer. */
  suspend(): void {
    this.#suspended = true
  }

  /** There is a way again. The peer may have missed our acknowledgements: it gets one. */
  resume(path: TransportPath, nowMs: number): void {
    this.#suspended = false
    this.#liveness.restart(nowMs)
    this.#silence.stop()
    this.#receiver.requestAcknowledgement()
    this.#sender.switchPath(path, nowMs)
  }

  // ---- rest -----------------------------------------------------------------------------------------------

  /**
   * What to go on from later, if there is nothing to do and has been nothing for longer than an answer takes; then this
   * stream is done with. Undefined: not now.
   */
  rest(nowMs: number): RestingStream | undefined {
    const sinceMs = nowMs - Math.max(REST_AFTER_MS, this.path.rtt.rtoMs)
    const isIdle = this.#liveness.heardAt <= sinceMs && this.path.isIdleSince(sinceMs)
    if (!isIdle || !this.#isAtRest() || this.#isTicking()) return undefined
    this.path.rest()
    return new RestingStream(this.#position(), this.#codec, this.#budget, this.stats)
  }

  /** `StreamSignal` since the last call. */
  takeSignals(): number {
    return this.#signals.take()
  }

  // ---- details --------------------------------------------------------------------------------------------

  #isAtRest(): boolean {
    const isOpen = this.#finalOffset === undefined && !this.#suspended
    const isAnswered = this.acknowledgedAll && this.#liveness.isAtRest && !this.#probeDue()
    return isOpen && isAnswered && this.#receiver.isAtRest && this.#signals.pending === 0
  }

  /** A timer runs that a stream at rest does not keep. */
  #isTicking(): boolean {
    return this.#timers.nextAt < this.#timers.at(streamTimers.keepAlive)
  }

  #position(): StreamPosition {
    return {
      sendIsn: this.#sendIsn,
      receiveIsn: this.#receiveIsn,
      sentBytes: this.#sender.nxt,
      readBytes: this.#receiver.nextOffset,
      peerEdge: this.#sender.flowControl.peerEdge,
      largestWindowBytes: this.#sender.flowControl.largestWindowBytes,
      windowBytes: this.#receiver.windowBytes,
      advertisedEdge: this.#receiver.advertisedEdge,
      noDelay: this.#sender.flowControl.noDelay,
      keepAliveMs: this.#liveness.keepAliveMs,
      keepAliveAt: this.#timers.at(streamTimers.keepAlive),
      heardAt: this.#liveness.heardAt,
    }
  }

  #handleAcknowledged(drained: boolean, nowMs: number): void {
    this.#liveness.update(this.#sender.outstanding, nowMs)
    if (drained) this.#signals.raise(StreamSignal.allAcknowledged)
    this.#signals.announceRoom()
  }

  /** Of the path that data comes on. */
  #srttMs(): number {
    return this.#newestDataPath.rtt.srttMs ?? UNKNOWN_RTT_MS
  }

  #probeDue(): boolean {
    return this.#sender.flowControl.windowProbeDue || this.#keepAliveDue
  }

  #emitProbe(batch: TransmitBatch, prefix: Uint8Array): void {
    if (this.#sender.flowControl.windowProbeDue) this.#sender.handleWindowProbeSent()
    if (this.#keepAliveDue) this.stats.keepAlives++
    this.#keepAliveDue = false
    this.#emitter.emitAcknowledgement(batch, prefix, segmentFlags.PROBE)
  }

  #handleTimer(timer: StreamTimer, nowMs: number): void {
    switch (timer) {
      case streamTimers.retransmit:
        this.#sender.handleRetransmitTimer(nowMs)
        break
      case streamTimers.probe:
        this.#sender.handleProbeTimer(nowMs)
        break
      case streamTimers.reorder:
        this.#sender.handleReorderTimer(nowMs)
        break
      case streamTimers.persist:
        this.#sender.handlePersistTimer(nowMs)
        break
      case streamTimers.silence:
        if (this.#silence.handleTimer(this.#receiver.complete, this.#srttMs(), nowMs)) this.acknowledgeNow()
        break
      case streamTimers.pace:
        // Its time has come: `wantsToSend` says so.
        break
      case streamTimers.acknowledge:
        this.#receiver.requestAcknowledgement()
        break
      case streamTimers.keepAlive:
        this.#keepAliveDue ||= this.#liveness.handleKeepAliveTimer(nowMs)
        break
      case streamTimers.deadPeer:
        this.#handleSilence(nowMs)
        break
    }
  }

  #handleSilence(nowMs: number): void {
    const verdict = this.#liveness.handleDeadPeerTimer(nowMs)
    if (verdict === 'dead') this.#signals.raise(StreamSignal.dead)
    else if (verdict === 'ask') this.#keepAliveDue = true
  }
}

/** Of a path that nothing was measured on: less than most have, so that the reader is looked at often. */
const UNKNOWN_RTT_MS = 10
