/**
 * HOT (bench/segments.ts): writes segments. A batch holds up to 44 packets of one size back to back, which the kernel
 * cuts apart; nothing is allocated a segment.
 *
 * Where the link gathers, only headers are written, and the payload stays in the send buffer. Elsewhere the bytes
 * of a batch are copied once as a whole to the batch's end, and from there moved to their places behind the
 * headers, first to last: a move within the buffer needs no view, and stays in the cache.
 */
import { setLength } from '../wire/encapsulation.ts'
import { emitSackRange, SACK_RANGE_BYTES, type SegmentCodec, segmentFlags } from '../wire/segment.ts'
import { MAX_BATCH_BYTES, type TransmitBatch } from '../wire/transmit-batch.ts'
import type { TransportPath } from './path.ts'
import type { Receiver } from './receiver.ts'
import type { Sender } from './sender.ts'
import type { StreamStats } from './stream-stats.ts'
import type { Transmission } from './transmissions.ts'

/** Of full size: as many as fit. */
export const MAX_BATCH_PACKETS = 44

export class Emitter {
  readonly #codec: SegmentCodec
  readonly #sendIsn: number
  readonly #receiveIsn: number
  readonly #sender: Sender
  readonly #receiver: Receiver
  readonly #stats: StreamStats

  constructor(
    codec: SegmentCodec,
    sendIsn: number,
    receiveIsn: number,
    sender: Sender,
    receiver: Receiver,
    stats: StreamStats,
  ) {
    this.#codec = codec
    this.#sendIsn = sendIsn
    this.#receiveIsn = receiveIsn
    this.#sender = sender
    this.#receiver = receiver
    this.#stats = stats
  }

  /** Fills `batch` with data of the active path; false if none may leave. */
  emitData(batch: TransmitBatch, prefix: Uint8Array, path: TransportPath, nowMs: number): boolean {
    const packetBytes = prefix.length + this.#codec.headerBytes + path.mss
    const maxPackets = Math.min(MAX_BATCH_PACKETS, Math.max(1, Math.floor(MAX_BATCH_BYTES / packetBytes)))
    const transmission = this.#sender.take(maxPackets, nowMs)
    if (transmission === undefined) return false
    this.#fill(batch, prefix, transmission)
    this.#receiver.handleAcknowledged()
    return true
  }

  /** Fills `batch` with one packet without payload: an acknowledgement with its SACK ranges. */
  emitAcknowledgement(batch: TransmitBatch, prefix: Uint8Array, flags = 0): void {
    const { buffer } = batch
    const at = prefix.length
    const { maxSackRanges } = this.#codec
    const duplicate = this.#receiver.hasDuplicate && maxSackRanges > 0 ? segmentFlags.DSACK : 0
    const sackCount = this.#receiver.takeSack(maxSackRanges, (index, start, end) => {
      emitSackRange(buffer, at, index, this.#wireAck(start), this.#wireAck(end))
    })
    const length = at + this.#codec.headerBytes + sackCount * SACK_RANGE_BYTES
    buffer.set(prefix, 0)
    setLength(buffer, 0, length)
    this.#emitHeader(buffer, at, this.#sender.nxt, this.#receiver.advertise(), flags | duplicate, sackCount)
    batch.setPacket(length)
    this.#stats.acknowledgementsOut++
    this.#receiver.handleAcknowledged()
  }

  /**
   * Writes one segment at `buffer[offset...]`, inside a packet of the caller's: with the next data if all
   * that may leave fits `maxPayloadBytes`. Returns its length.
   */
  emitSegment(buffer: Uint8Array, offset: number, maxPayloadBytes: number, nowMs: number): number {
    const { headerBytes } = this.#codec
    const carries = maxPayloadBytes > 0 && this.#sender.fits(maxPayloadBytes, nowMs)
    const transmission = carries ? this.#sender.take(1, nowMs) : undefined
    const window = this.#receiver.advertise()
    if (transmission === undefined) {
      this.#emitHeader(buffer, offset, this.#sender.nxt, window, 0, 0)
    } else {
      const { start, bytes } = transmission
      this.#emitHeader(buffer, offset, start, window, this.#lastFlags(transmission), 0)
      this.#sender.buffer.copyTo(start, bytes, buffer, offset + headerBytes)
      if (this.#sender.isInBandEnd(transmission.end)) return headerBytes + bytes - 1
    }
    // SACK ranges have no room here: an acknowledgement that has some still follows.
    if (!this.#receiver.hasSack) this.#receiver.handleAcknowledged()
    return headerBytes + (transmission?.bytes ?? 0)
  }

  #fill(batch: TransmitBatch, prefix: Uint8Array, transmission: Transmission): void {
    const { buffer } = batch
    const { start, bytes, segmentBytes } = transmission
    const headerBytes = prefix.length + this.#codec.headerBytes
    const packets = Math.ceil(bytes / segmentBytes)
    const packetBytes = headerBytes + Math.min(segmentBytes, bytes)
    const length = packets * headerBytes + bytes
    const gathers = batch.mayGather && packets > 1
    const stride = gathers ? headerBytes : packetBytes
    const last = (packets - 1) * stride
    const window = this.#receiver.advertise()
    const ack = this.#wireAck(this.#receiver.ackOffset)

    let from = length - bytes
    if (gathers) this.#sender.buffer.viewsOf(start, bytes, batch.pieces)
    else this.#sender.buffer.copyTo(start, bytes, buffer, from)
    let offset = start
    for (let at = 0; at < last; at += stride) {
      buffer.set(prefix, at)
      setLength(buffer, at, packetBytes)
      this.#codec.emitHeader(buffer, at + prefix.length, this.#wireSeq(offset), ack, window, segmentFlags.ACK)
      offset += segmentBytes
      if (gathers) continue
      buffer.copyWithin(at + headerBytes, from, from + segmentBytes)
      from += segmentBytes
    }
    // The last one may be shorter; its payload is in its place already.
    const lengthOnWire = this.#sender.isInBandEnd(transmission.end) ? length - 1 : length
    buffer.set(prefix, last)
    setLength(buffer, last, lengthOnWire - (packets - 1) * packetBytes)
    this.#emitHeader(buffer, last + prefix.length, offset, window, this.#lastFlags(transmission), 0)
    batch.setPackets(packets, packetBytes, lengthOnWire)
    if (gathers) batch.headerBytes = headerBytes
  }

  /** The program has written no more than this; or will not, and the end's number goes with a flag. */
  #lastFlags({ end }: Transmission): number {
    if (this.#sender.isInBandEnd(end)) return segmentFlags.FIN
    return end === this.#sender.buffer.endOffset ? segmentFlags.PSH : 0
  }

  #wireSeq(offset: number): number {
    return this.#codec.wrap(this.#sendIsn + offset)
  }

  #wireAck(offset: number): number {
    return this.#codec.wrap(this.#receiveIsn + offset)
  }

  #emitHeader(
    buffer: Uint8Array,
    at: number,
    offset: number,
    window: number,
    flags: number,
    sackCount: number,
  ): void {
    const seq = this.#wireSeq(offset)
    const ack = this.#wireAck(this.#receiver.ackOffset)
    this.#codec.emitHeader(buffer, at, seq, ack, window, flags | segmentFlags.ACK, sackCount)
  }
}
