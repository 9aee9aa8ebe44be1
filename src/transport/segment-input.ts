/**
 * Reads the peer's segments, and hands what they say to the half of the stream that it concerns: acknowledgements to the
 * sender, payload to the receiver. Emitter writes what this reads (emit.ts).
 */
import { type SegmentCodec, type SegmentFields, segmentFlags } from '../wire/segment.ts'
import type { Receiver } from './receiver.ts'
import type { StreamPosition } from './resting-stream.ts'
import type { Sender } from './sender.ts'
import type { StreamStats } from './stream-stats.ts'

/** What a segment has brought, as a bit mask. */
export const segmentNews = {
  /** An acknowledgement that is not the same as the one before. */
  acknowledgement: 0x01,
  /** With it the peer has all that was written. */
  drained: 0x02,
  /** It acknowledges what was never sent: nothing else in it counts. */
  lie: 0x04,
  data: 0x08,
  /** The data is all that the peer had. */
  pushed: 0x10,
} as const

export class SegmentInput {
  readonly #codec: SegmentCodec
  readonly #sendIsn: number
  readonly #receiveIsn: number
  readonly #sender: Sender
  readonly #receiver: Receiver
  readonly #stats: StreamStats
  #lastAck = -1
  #lastWindow = -1

  constructor(
    codec: SegmentCodec,
    from: Pick<StreamPosition, 'sendIsn' | 'receiveIsn'>,
    sender: Sender,
    receiver: Receiver,
    stats: StreamStats,
  ) {
    this.#codec = codec
    this.#sendIsn = from.sendIsn
    this.#receiveIsn = from.receiveIsn
    this.#sender = sender
    this.#receiver = receiver
    this.#stats = stats
  }

  /** HOT. Takes one segment; returns bits of `segmentNews`. */
  handleSegment(fields: SegmentFields, buffer: Uint8Array, nowMs: number): number {
    const { payloadStart, payloadEnd, segmentBytes, flags } = fields
    const bytes = payloadEnd - payloadStart
    this.#stats.segmentsIn += bytes <= segmentBytes ? 1 : Math.ceil(bytes / segmentBytes)
    // Segments of one batch all carry the same acknowledgement.
    const isNew =
      fields.ack !== this.#lastAck || fields.windowBytes !== this.#lastWindow || fields.sackCount > 0
    let news = 0
    if (isNew && (flags & segmentFlags.ACK) !== 0) {
      news = this.#handleAcknowledgement(fields, nowMs)
      if (news === segmentNews.lie) return news
    }
    if (this.#codec.endsInBand && this.#handleInBand(fields, isNew, nowMs)) return news
    if ((flags & segmentFlags.PROBE) !== 0) {
      // What it carries is padding.
      this.#receiver.requestAcknowledgement()
    } else if (bytes > 0) {
      const offset = this.#receivedOffset(fields.seq)
      const pushed = (flags & segmentFlags.PSH) !== 0
      this.#receiver.handlePayload(offset, buffer, payloadStart, payloadEnd, segmentBytes, pushed)
      news |= pushed ? segmentNews.data | segmentNews.pushed : segmentNews.data
    }
    return news
  }

  /** Whether a segment begins where this end expects the peer to go on. */
  isNext(fields: SegmentFields): boolean {
    return fields.seq === this.#codec.wrap(this.#receiveIsn + this.#receiver.ackOffset)
  }

  #handleAcknowledgement(fields: SegmentFields, nowMs: number): number {
    const sender = this.#sender
    const ack = this.#sentOffset(fields.ack)
    if (ack > sender.nxt) return segmentNews.lie
    for (let i = 0; i < fields.sackCount; i++) {
      if (this.#sentOffset(fields.sackEnds[i]!) > sender.nxt) return segmentNews.lie
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
    sender.flowControl.handleWindow(fields.windowBytes, ack + fields.windowBytes)
    const waiting = sender.buffer.bytes > 0
    sender.handleAcknowledgement(Math.max(ack, sender.una), nowMs)
    const drained = waiting && sender.buffer.bytes === 0
    return drained ? segmentNews.acknowledgement | segmentNews.drained : segmentNews.acknowledgement
  }

  /**
   * What a header without SACK, PROBE and FIN's own packet says in other ways: the end of the stream by a flag, loss by
   * an acknowledgement that is repeated, a question by an old number. True if that was all.
   */
  #handleInBand(fields: SegmentFields, isNew: boolean, nowMs: number): boolean {
    const { flags, payloadStart, payloadEnd } = fields
    if ((flags & segmentFlags.FIN) !== 0) {
      const endOffset = this.#receivedOffset(fields.seq) + payloadEnd - payloadStart
      if (this.#receiver.handleInBandEnd(endOffset) === 'conflict') this.#stats.badAcknowledgements++
    } else if (payloadStart === payloadEnd) {
      // RFC 5681 section 2, DUPLICATE ACKNOWLEDGMENT
      if (!isNew && (flags & segmentFlags.ACK) !== 0) this.#sender.handleDuplicateAck(nowMs)
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
}
