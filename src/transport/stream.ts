/**
 * A reliable stream of bytes each way between two ends of a flow: TCP's behaviour (RFC 9293) behind a segment
 * header that the profile chooses. Synchronous and total: it has no clock and no socket, takes segments in,
 * fills batches, and says when it wants to be woken.
 *
 * It knows nothing of addresses, flowIDs or control packets. Set-up, end and reset are theirs; the end of the
 * stream comes as a number (`handleFinalOffset`). Inside, offsets count from 0 and never wrap.
 */
import type { SegmentCodec, SegmentFields } from '../wire/segment.ts'
import { nativeSegment, segmentFlags } from '../wire/segment.ts'
import type { TransmitBatch } from '../wire/transmit-batch.ts'
import { Emitter } from './emit.ts'
import { Liveness } from './liveness.ts'
import type { TransportPath } from './path.ts'
import { firstWindowBytes, ReceiveWindow } from './receive-window.ts'
import { Receiver } from './receiver.ts'
import { RestingStream, type StreamPosition } from './resting-stream.ts'
import { Sender } from './sender.ts'
import { Silence } from './silence.ts'
import type { StreamStats } from './stream-stats.ts'
import { type StreamTimer, streamTimers, TimerTable } from './timers.ts'

/** What has happened since the last `takeSignals`, as a bit mask. */
export const StreamSignal = {
  /** `read` has more. */
  readable: 0x01,
  /** `writable` has become true again. */
  writable: 0x02,
  /** Every byte of the peer's stream is here, read or not. */
  end: 0x04,
  /** All that was written is acknowledged. */
  allAcknowledged: 0x08,
  /** The peer has owed an answer for `deadPeerMs`. */
  dead: 0x10,
  /** An acknowledgement of what was never sent came; its segment was dropped. */
  badAck: 0x20,
} as const

/** What is the same for many streams. */
export interface StreamLimits {
  /** Default: the native segment. */
  readonly codec?: SegmentCodec
  /** The largest window; default 16 MiB. */
  readonly receiveBufferBytes?: number
  /** What comes in at once at most without loss, where that is known. */
  readonly burstBytes?: number
  /**
   * `writable` turns false at 4 MiB, or later on a path that takes more at once, and never later than here; default
   * 16 MiB. `write` never refuses.
   */
  readonly sendBufferBytes?: number
  /** How long a peer may owe an answer; default 120,000. */
  readonly deadPeerMs?: number
  /** How long an acknowledgement may wait, here and at the peer; default 25. */
  readonly delayedAckMs?: number
}

export interface StreamOptions extends StreamLimits {
  readonly path: TransportPath
}

/** Where one begins. */
export interface StreamBeginning {
  /** The number on the wire of the first byte that we send, and of the first that we receive. */
  readonly sendIsn: number
  readonly receiveIsn: number
  readonly nowMs: number
}

/** A stream at its beginning, at rest until there is something to do. */
export function openStream(options: StreamBeginning & StreamLimits): RestingStream {
  const { sendIsn, receiveIsn, nowMs, codec = nativeSegment } = options
  const { receiveBufferBytes = DEFAULT_BUFFER_BYTES, burstBytes = Number.POSITIVE_INFINITY } = options
  const windowBytes = firstWindowBytes(receiveBufferBytes, burstBytes)
  return RestingStream.fresh({ sendIsn, receiveIsn, windowBytes, heardAt: nowMs }, codec)
}

export class Stream {
  readonly stats: StreamStats
  readonly #sendIsn: number
  readonly #receiveIsn: number
  readonly #codec: SegmentCodec
  readonly #sendBufferBytes: number
  readonly #timers = new TimerTable()
  readonly #sender: Sender
  readonly #receiver: Receiver
  readonly #emitter: Emitter
  readonly #liveness: Liveness
  readonly #silence = new Silence(this.#timers)
  /** The stream's length, once `end` was called. */
  #finalOffset: number | undefined
  #newestDataPath: TransportPath
  #keepAliveDue = false
  #suspended = false
  /** `writable` was false when last looked at. */
  #full = false
  /** The reader knows of the bytes before. */
  #announcedOffset: number
  #endAnnounced = false
  #signals = 0
  #lastAck = -1
  #lastWindow = -1

  /** Goes on `from` where it stands. */
  constructor(options: StreamOptions, from: RestingStream) {
    const { path, codec = nativeSegment, delayedAckMs = 25 } = options
    const { receiveBufferBytes = DEFAULT_BUFFER_BYTES, burstBytes = Number.POSITIVE_INFINITY } = options
    this.stats = from.stats
    this.#sendIsn = from.sendIsn
    this.#receiveIsn = from.receiveIsn
    this.#codec = codec
    this.#sendBufferBytes = options.sendBufferBytes ?? DEFAULT_BUFFER_BYTES
    this.#newestDataPath = path
    this.#announcedOffset = from.readBytes
    this.#sender = new Sender(from, path, delayedAckMs, this.#timers, this.stats, codec.maxSackRanges > 0)
    const window = new ReceiveWindow(receiveBufferBytes, burstBytes, from.readBytes, from.windowBytes)
    const repeatsAcks = codec.maxSackRanges === 0
    this.#receiver = new Receiver(from, window, delayedAckMs, this.#timers, this.stats, repeatsAcks)
    if (from.acknowledgementDue) this.#receiver.requestAcknowledgement()
    this.#emitter = new Emitter(
      codec,
      this.#sendIsn,
      this.#receiveIsn,
      this.#sender,
      this.#receiver,
      this.stats,
    )
    this.#liveness = new Liveness(from, this.#timers, options.deadPeerMs ?? DEFAULT_DEAD_PEER_MS)
  }

  // ---- the program's side ---------------------------------------------------------------------------------

  /**
   * Queues bytes behind those written before. A large chunk is kept, not copied, until it is acknowledged.
   */
  write(chunk: Uint8Array): void {
    if (this.#finalOffset !== undefined) return
    this.#sender.buffer.write(chunk)
    if (!this.writable) this.#full = true
  }

  /** Nothing more will be written: `finalOffset` is fixed. */
  end(): void {
    if (this.#finalOffset !== undefined) return
    this.#finalOffset = this.#sender.buffer.endOffset
    if (this.#codec.endsInBand) this.#sender.endInBand()
    // Nothing comes any more that Nagle's algorithm could wait for.
    this.#sender.noDelay = true
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

  /** Advice: more may be written without filling memory. */
  get writable(): boolean {
    const { bytes } = this.#sender.buffer
    if (bytes < SEND_AHEAD_BYTES) return bytes < this.#sendBufferBytes
    return bytes < Math.min(this.#sendBufferBytes, 2 * this.path.congestion.windowBytes)
  }

  /** Bytes of the whole stream we send, once `end` was called: what FIN tells the peer. */
  get finalOffset(): number | undefined {
    return this.#finalOffset
  }

  /** The peer has every byte that was written. */
  get acknowledgedAll(): boolean {
    return this.#sender.buffer.bytes === 0
  }

  setNoDelay(noDelay: boolean): void {
    this.#sender.noDelay = noDelay
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
    const { payloadStart, payloadEnd, segmentBytes } = fields
    const bytes = payloadEnd - payloadStart
    this.stats.segmentsIn += bytes <= segmentBytes ? 1 : Math.ceil(bytes / segmentBytes)
    if (this.#liveness.handleHeard(nowMs)) this.#sender.handleReachable(nowMs)
    // Segments of one batch all carry the same acknowledgement.
    const news =
      fields.ack !== this.#lastAck || fields.windowBytes !== this.#lastWindow || fields.sackCount > 0
    if (news && (fields.flags & segmentFlags.ACK) !== 0 && !this.#handleAcknowledgement(fields, nowMs)) {
      this.stats.badAcknowledgements++
      this.#signals |= StreamSignal.badAck
      return
    }
    if (this.#codec.endsInBand && this.#handleInBand(fields, news, nowMs)) return
    if ((fields.flags & segmentFlags.PROBE) !== 0) {
      // What it carries is padding.
      this.#receiver.requestAcknowledgement()
    } else if (bytes > 0) {
      const offset = this.#receivedOffset(fields.seq)
      const pushed = (fields.flags & segmentFlags.PSH) !== 0
      this.#receiver.handlePayload(offset, buffer, payloadStart, payloadEnd, segmentBytes, pushed)
      this.#newestDataPath = path
      this.#silence.handleData(pushed)
    }
  }

  /** Whether a segment begins where this end expects the peer to go on. */
  isNext(fields: SegmentFields): boolean {
    return fields.seq === this.#codec.wrap(this.#receiveIsn + this.#receiver.ackOffset)
  }

  /** Bytes of the peer's stream that are here without a gap. */
  get receivedBytes(): number {
    return this.#receiver.nextOffset
  }

  /** The segments at hand are all handled: decides whether to acknowledge them. */
  handleBatchEnd(nowMs: number): void {
    this.#receiver.handleBatchEnd(this.#srttMs, nowMs)
    this.#silence.handleBatchEnd(this.#receiver.complete, this.#srttMs, nowMs)
    if (this.#receiver.nextOffset > this.#announcedOffset) {
      this.#announcedOffset = this.#receiver.nextOffset
      this.#signals |= StreamSignal.readable
    }
    this.#announceEnd()
  }

  /** The peer's stream is `offset` bytes long. `conflict`: it said otherwise before, or has sent more. */
  handleFinalOffset(offset: number): 'ok' | 'conflict' {
    const verdict = this.#receiver.setFinalOffset(offset)
    this.#announceEnd()
    return verdict
  }

  /** The peer's state is in doubt, or it has asked: the next packet acknowledges what is here. */
  acknowledgeNow(): void {
    this.#receiver.requestAcknowledgement()
  }

  /**
   * Where the newest data came from: acknowledgements go out there (src/wire/README.md, "Set-up and keys").
   */
  get newestDataPath(): TransportPath {
    return this.#newestDataPath
  }

  // ---- output ---------------------------------------------------------------------------------------------

  wantsToSend(nowMs: number): boolean {
    if (this.#suspended) return false
    return this.#receiver.acknowledgeNow || this.#probeDue || this.#sender.wantsToSend(nowMs)
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
      return true
    }
    this.#liveness.update(this.#sender.outstanding || this.#keepAliveDue, nowMs)
    if (this.#probeDue) this.#emitProbe(batch, prefix)
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

  /**
   * Sends on `path` from now on; what was in flight is taken for lost, at no cost to the new path's window.
   */
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
    if (!isIdle || !this.#isAtRest || this.#isTicking) return undefined
    this.path.rest()
    return new RestingStream(this.#position, this.#codec, this.stats)
  }

  /** `StreamSignal` since the last call. */
  takeSignals(): number {
    const signals = this.#signals
    this.#signals = 0
    return signals
  }

  // ---- details --------------------------------------------------------------------------------------------

  get #isAtRest(): boolean {
    const isOpen = this.#finalOffset === undefined && !this.#suspended
    const isAnswered = this.acknowledgedAll && this.#liveness.isAtRest && !this.#probeDue
    return isOpen && isAnswered && this.#receiver.isAtRest && this.#signals === 0
  }

  /** A timer runs that a stream at rest does not keep. */
  get #isTicking(): boolean {
    return this.#timers.nextAt < this.#timers.at(streamTimers.keepAlive)
  }

  get #position(): StreamPosition {
    return {
      sendIsn: this.#sendIsn,
      receiveIsn: this.#receiveIsn,
      sentBytes: this.#sender.nxt,
      readBytes: this.#receiver.nextOffset,
      peerEdge: this.#sender.peerEdge,
      largestWindowBytes: this.#sender.largestWindowBytes,
      windowBytes: this.#receiver.windowBytes,
      advertisedEdge: this.#receiver.advertisedEdge,
      noDelay: this.#sender.noDelay,
      keepAliveMs: this.#liveness.keepAliveMs,
      keepAliveAt: this.#timers.at(streamTimers.keepAlive),
      heardAt: this.#liveness.heardAt,
    }
  }

  #announceEnd(): void {
    if (this.#endAnnounced || !this.#receiver.complete) return
    this.#endAnnounced = true
    this.#signals |= StreamSignal.end
  }

  /** False if the segment acknowledges what was never sent. */
  #handleAcknowledgement(fields: SegmentFields, nowMs: number): boolean {
    const sender = this.#sender
    const ack = this.#sentOffset(fields.ack)
    if (ack > sender.nxt) return false
    for (let i = 0; i < fields.sackCount; i++) {
      if (this.#sentOffset(fields.sackEnds[i]!) > sender.nxt) return false
    }
    this.#lastAck = fields.ack
    this.#lastWindow = fields.windowBytes
    const duplicate = (fields.flags & segmentFlags.DSACK) !== 0 && fields.sackCount > 0
    if (duplicate) {
      sender.handleDuplicate(this.#sentOffset(fields.sackStarts[0]!), this.#sentOffset(fields.sackEnds[0]!))
    }
    for (let i = duplicate ? 1 : 0; i < fields.sackCount; i++) {
      sender.handleSack(this.#sentOffset(fields.sackStarts[i]!), this.#sentOffset(fields.sackEnds[i]!))
    }
    sender.handleWindow(fields.windowBytes, ack + fields.windowBytes)
    const waiting = sender.buffer.bytes > 0
    sender.handleAcknowledgement(Math.max(ack, sender.una), nowMs)
    this.#liveness.update(sender.outstanding, nowMs)
    if (waiting && sender.buffer.bytes === 0) this.#signals |= StreamSignal.allAcknowledged
    if (this.#full && this.writable) {
      this.#full = false
      this.#signals |= StreamSignal.writable
    }
    return true
  }

  /**
   * What a header without SACK, PROBE and FIN's own packet says in other ways: the end of the stream by a flag, loss by
   * an acknowledgement that is repeated, a question by an old number. True if that was all.
   */
  #handleInBand(fields: SegmentFields, news: boolean, nowMs: number): boolean {
    const { flags, payloadStart, payloadEnd } = fields
    if ((flags & segmentFlags.FIN) !== 0) {
      const endOffset = this.#receivedOffset(fields.seq) + payloadEnd - payloadStart
      if (this.#receiver.handleInBandEnd(endOffset) === 'conflict') this.stats.badAcknowledgements++
      this.#announceEnd()
    } else if (payloadStart === payloadEnd) {
      // RFC 5681 section 2, DUPLICATE ACKNOWLEDGMENT
      if (!news && (flags & segmentFlags.ACK) !== 0) this.#sender.handleDuplicateAck(nowMs)
      // RFC 9293 section 3.10.7.4: what is not acceptable is answered
      if (this.#receivedOffset(fields.seq) < this.#receiver.nextOffset)
        this.#receiver.requestAcknowledgement()
    }
    return payloadStart === payloadEnd
  }

  #receivedOffset(wire: number): number {
    return this.#codec.unwrap(wire, this.#receiveIsn + this.#receiver.nextOffset) - this.#receiveIsn
  }

  #sentOffset(wire: number): number {
    return this.#codec.unwrap(wire, this.#sendIsn + this.#sender.una) - this.#sendIsn
  }

  /** Of the path that data comes on. */
  get #srttMs(): number {
    return this.#newestDataPath.rtt.srttMs ?? UNKNOWN_RTT_MS
  }

  get #probeDue(): boolean {
    return this.#sender.windowProbeDue || this.#keepAliveDue
  }

  #emitProbe(batch: TransmitBatch, prefix: Uint8Array): void {
    if (this.#sender.windowProbeDue) this.#sender.handleWindowProbeSent()
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
        if (this.#silence.handleTimer(this.#receiver.complete, this.#srttMs, nowMs)) this.acknowledgeNow()
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
    if (verdict === 'dead') this.#signals |= StreamSignal.dead
    else if (verdict === 'ask') this.#keepAliveDue = true
  }
}

const DEFAULT_BUFFER_BYTES = 16 * 1_024 * 1_024
/** What a program may write ahead on any path. */
const SEND_AHEAD_BYTES = 4 * 1_024 * 1_024
/** Of a path that nothing was measured on: less than most have, so that the reader is looked at often. */
const UNKNOWN_RTT_MS = 10
/** Shorter pauses are not worth the making of it all anew. */
export const REST_AFTER_MS = 1_000
const DEFAULT_DEAD_PEER_MS = 120_000
