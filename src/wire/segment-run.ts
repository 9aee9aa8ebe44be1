/**
 * HOT (bench/segments.ts). Segments of one stream that follow one another in a buffer that the kernel has merged (UDP_GRO):
 * a sender cuts what it sends into them (UDP_SEGMENT), so that nothing in their headers differs but the sequence number,
 * and in the last one the length and PSH. They are put together again, as the kernel does it with TCP's (GRO): one header
 * is read for all.
 *
 *     | shim | SAL | segment header | payload |   | shim | SAL | segment header | payload |   ...
 *     |<------------- length --------------->|    |<------------- length --------------->|
 *                                  becomes
 *     | shim | SAL | segment header | payload payload ...                              |
 */
import { DATA_PREFIX_BYTES } from './encapsulation.ts'
import { SEGMENT_HEADER_BYTES, segmentFlags } from './segment.ts'

export class SegmentRun {
  /** The joined payload ends here. */
  payloadEnd = 0
  /** The first packet that is none of the run's begins here. */
  end = 0
  /** The last one is shorter than the others. */
  endsShort = false

  /**
   * Joins to the packet of data whose shim is at `first` what continues it before `end`. Its shim and its SAL header must
   * have been found good. Returns whether there was any.
   */
  join(buffer: Uint8Array, first: number, end: number): boolean {
    const view = new DataView(buffer.buffer, buffer.byteOffset + first, end - first)
    const length = view.getUint16(LENGTH)
    const header = length - HEADERS_BYTES <= 0 ? 0 : view.getUint32(FLAGS)
    // Payload there is, and neither ranges of SACK, nor a flag that says more than of the acknowledgement.
    if (header >>> 16 !== segmentFlags.ACK << 8 || length + HEADERS_BYTES > end - first) return false
    const versionAndHops = view.getUint16(0)
    const source = view.getUint32(4)
    const destination = view.getUint32(8)
    const check = view.getUint32(12)
    const ack = view.getUint16(ACK)
    const ackLow = view.getUint32(ACK + 2)
    const window = view.getUint32(WINDOW)
    const payloadBytes = length - HEADERS_BYTES

    let seq = view.getUint16(SEQ) * TWO_32 + view.getUint32(SEQ + 2)
    let at = length
    let payloadEnd = first + length
    this.endsShort = false
    while (at + HEADERS_BYTES < end - first) {
      const bytes = view.getUint16(at + LENGTH)
      seq += payloadBytes
      if (
        bytes > length ||
        bytes <= HEADERS_BYTES ||
        at + bytes > end - first ||
        view.getUint16(at) !== versionAndHops ||
        view.getUint32(at + 4) !== source ||
        view.getUint32(at + 8) !== destination ||
        view.getUint32(at + 12) !== check ||
        view.getUint16(at + SEQ) * TWO_32 + view.getUint32(at + SEQ + 2) !== seq ||
        view.getUint16(at + ACK) !== ack ||
        view.getUint32(at + ACK + 2) !== ackLow ||
        view.getUint32(at + WINDOW) !== window
      )
        break
      const difference = view.getUint32(at + FLAGS) ^ header
      if (difference !== 0 && difference !== PSH_ALONE) break
      buffer.copyWithin(payloadEnd, first + at + HEADERS_BYTES, first + at + bytes)
      payloadEnd += bytes - HEADERS_BYTES
      at += bytes
      if (difference === 0 && bytes === length) continue
      // The last one: it is short, or the writer has no more for now.
      this.endsShort = bytes < length
      view.setUint32(FLAGS, header | difference)
      break
    }
    this.payloadEnd = payloadEnd
    this.end = first + at
    return at > length
  }
}

const TWO_32 = 2 ** 32
const HEADERS_BYTES = DATA_PREFIX_BYTES + SEGMENT_HEADER_BYTES
/** Offsets from the shim. */
const LENGTH = 2
const SEQ = DATA_PREFIX_BYTES
const ACK = DATA_PREFIX_BYTES + 6
const WINDOW = DATA_PREFIX_BYTES + 12
const FLAGS = DATA_PREFIX_BYTES + 16
const PSH_ALONE = (segmentFlags.PSH << 24) >>> 0
