/**
 * A stream at rest: nothing is on its way, nothing waits to be sent, read or acknowledged. Most flows, most of the time,
 * are so; what remains of their stream is where it stands, in a tenth of the memory. A `Stream` goes on from there, with
 * the same numbers, when there is something to do, and comes back here when there has been nothing for a while.
 *
 * It answers what a set-up asks, and takes what that says, so that a flow which says nothing never makes more.
 */
import { setLength } from '../wire/encapsulation.ts'
import { type SegmentCodec, type SegmentFields, segmentFlags } from '../wire/segment.ts'
import type { TransmitBatch } from '../wire/transmit-batch.ts'
import type { ReceiveBudget } from './receive-budget.ts'
import { advancedEdge } from './receive-window.ts'
import { StreamStats } from './stream-stats.ts'

/** Where a stream stands while nothing is on its way. Offsets count from 0. */
export interface StreamPosition {
  /** The number on the wire of the first byte that we send, and of the first that we receive. */
  readonly sendIsn: number
  readonly receiveIsn: number
  /** So much was sent, and acknowledged; so much came, and was read. */
  readonly sentBytes: number
  readonly readBytes: number
  /** The first byte that the peer does not admit yet, and its largest window so far. */
  readonly peerEdge: number
  readonly largestWindowBytes: number
  /** What we offer, and the first byte that the peer has not been allowed to send. */
  readonly windowBytes: number
  readonly advertisedEdge: number
  readonly noDelay: boolean
  /** 0: off. */
  readonly keepAliveMs: number
  readonly keepAliveAt: number
  /** When something of the peer's came last. */
  readonly heardAt: number
}

type Beginning = Pick<StreamPosition, 'sendIsn' | 'receiveIsn' | 'windowBytes' | 'heardAt'>

export class RestingStream implements StreamPosition {
  readonly sendIsn: number
  readonly receiveIsn: number
  readonly sentBytes: number
  readonly readBytes: number
  readonly windowBytes: number
  peerEdge: number
  largestWindowBytes: number
  advertisedEdge: number
  noDelay: boolean
  keepAliveMs: number
  keepAliveAt: number
  heardAt: number
  readonly #codec: SegmentCodec
  #budget: ReceiveBudget | undefined
  /** Undefined: there is nothing yet to tell but what follows. */
  readonly #stats: StreamStats | undefined
  #segmentsIn = 0
  #acknowledgementsOut = 0
  #acknowledgementDue = false

  constructor(position: StreamPosition, codec: SegmentCodec, budget?: ReceiveBudget, stats?: StreamStats) {
    this.sendIsn = position.sendIsn
    this.receiveIsn = position.receiveIsn
    this.sentBytes = position.sentBytes
    this.readBytes = position.readBytes
    this.windowBytes = position.windowBytes
    this.peerEdge = position.peerEdge
    this.largestWindowBytes = position.largestWindowBytes
    this.advertisedEdge = position.advertisedEdge
    this.noDelay = position.noDelay
    this.keepAliveMs = position.keepAliveMs
    this.keepAliveAt = position.keepAliveAt
    this.heardAt = position.heardAt
    this.#codec = codec
    this.#budget = budget
    this.#stats = stats
  }

  /** At its beginning. */
  static fresh(beginning: Beginning, codec: SegmentCodec, budget?: ReceiveBudget): RestingStream {
    const { sendIsn, receiveIsn, windowBytes, heardAt } = beginning
    const position = {
      sendIsn,
      receiveIsn,
      sentBytes: 0,
      readBytes: 0,
      peerEdge: 0,
      largestWindowBytes: 0,
      windowBytes,
      advertisedEdge: 0,
      noDelay: true,
      keepAliveMs: 0,
      keepAliveAt: Number.POSITIVE_INFINITY,
      heardAt,
    }
    return new RestingStream(position, codec, budget)
  }

  get stats(): StreamStats {
    const stats = this.#stats ?? new StreamStats()
    stats.segmentsIn += this.#segmentsIn
    stats.acknowledgementsOut += this.#acknowledgementsOut
    // Counted in now; what nobody keeps is made again.
    if (this.#stats !== undefined) this.#segmentsIn = this.#acknowledgementsOut = 0
    return stats
  }

  /** When `Stream` has to go on; Infinity: never by itself. */
  get nextTimeoutAt(): number {
    return this.keepAliveAt
  }

  /** The end is not known, or there were something to do. */
  get finalOffset(): undefined {
    return undefined
  }

  setNoDelay(noDelay: boolean): void {
    this.noDelay = noDelay
  }

  setKeepAlive(intervalMs: number, nowMs: number): void {
    this.keepAliveMs = intervalMs
    this.keepAliveAt = intervalMs > 0 ? nowMs + intervalMs : Number.POSITIVE_INFINITY
  }

  /** The peer has asked: the next packet acknowledges what is here. */
  acknowledgeNow(): void {
    this.#acknowledgementDue = true
  }

  get acknowledgementDue(): boolean {
    return this.#acknowledgementDue
  }

  /** Takes a segment that tells nothing but the peer's window. False if it is more: then it is for `Stream`. */
  handleSegment(fields: SegmentFields, nowMs: number): boolean {
    const { flags, windowBytes, ack, payloadStart, payloadEnd, sackCount } = fields
    const isPlain = (flags & QUESTIONS) === segmentFlags.ACK && payloadStart >= payloadEnd && sackCount === 0
    if (!isPlain || ack !== this.#codec.wrap(this.sendIsn + this.sentBytes)) return false
    this.#segmentsIn++
    this.heardAt = nowMs
    this.largestWindowBytes = Math.max(this.largestWindowBytes, windowBytes)
    this.peerEdge = Math.max(this.peerEdge, this.sentBytes + windowBytes)
    return true
  }

  /** Fills `batch`, as `Stream` does; there is never more than an acknowledgement. */
  emitBatch(batch: TransmitBatch, prefix: Uint8Array): boolean {
    if (!this.#acknowledgementDue) return false
    const { buffer } = batch
    const length = prefix.length + this.#codec.headerBytes
    buffer.set(prefix, 0)
    setLength(buffer, 0, length)
    this.emitSegment(buffer, prefix.length)
    batch.setPacket(length)
    this.#acknowledgementsOut++
    return true
  }

  /** Writes the segment of a packet that the flow builds; returns its length. */
  emitSegment(buffer: Uint8Array, offset: number): number {
    const { headerBytes, wrap } = this.#codec
    const seq = wrap(this.sendIsn + this.sentBytes)
    const ack = wrap(this.receiveIsn + this.readBytes)
    const window = this.#advertise()
    this.#codec.emitHeader(buffer, offset, seq, ack, window, segmentFlags.ACK)
    this.#acknowledgementDue = false
    return headerBytes
  }

  /** Nothing more is wanted: what was promised is not kept for it any longer. */
  forgo(): void {
    this.#budget?.release(this.advertisedEdge - this.readBytes)
    this.#budget = undefined
  }

  #advertise(): number {
    const before = this.advertisedEdge
    const openBytes = this.#budget?.windowBytes(this.windowBytes, before - this.readBytes) ?? this.windowBytes
    this.advertisedEdge = advancedEdge(before, this.readBytes, openBytes)
    this.#budget?.promise(this.advertisedEdge - before)
    return this.advertisedEdge - this.readBytes
  }
}

/** What a segment may ask for or carry. */
const QUESTIONS = segmentFlags.ACK | segmentFlags.PROBE | segmentFlags.DSACK
/** Shorter pauses are not worth the making of it all anew. */
export const REST_AFTER_MS = 1_000
