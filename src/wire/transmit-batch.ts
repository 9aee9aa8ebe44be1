/**
 * What a core hands to a link in one call: packets behind their shims, all of one size but the last, from one local
 * address to one remote. The kernel cuts them apart (UDP_SEGMENT). Made once and filled again and again by `pollTransmit`.
 *
 * Most lie back to back in `buffer`. Of a gathered batch only the headers do, and the payload stays where the program's
 * bytes are, for a link that reads from there:
 *
 *    buffer   | header 1 | header 2 | ... | header n |            each of headerBytes
 *    pieces   | payload 1 ........ payload 2 ... | ... payload n |  wherever the chunks end
 */
import { MAX_ENCAPSULATED_BYTES } from './encapsulation.ts'
import { type Endpoint, sameEndpoint } from './endpoint.ts'

/** What one IPv4 datagram holds, which a batch is to the kernel until it is cut. */
export const MAX_BATCH_BYTES = 65_507
/** What the kernel cuts it into at most (UDP_MAX_SEGMENTS, Linux 4.18). */
const MAX_PACKETS = 64

export class TransmitBatch {
  readonly buffer = new Uint8Array(MAX_ENCAPSULATED_BYTES + 1)
  /** Bytes of all packets. */
  length = 0
  /** Size of each packet, the last may be shorter. */
  segmentBytes = 0
  packets = 0
  /** The local socket to send from, by the number that the shell gave it. */
  localId = 0
  remote: Endpoint = NOWHERE
  /** Whether it may be filled with pieces: the shell says so where every link takes them. */
  mayGather = false
  /** Of a gathered batch; 0: the packets are in the buffer as they are. */
  headerBytes = 0
  /** Of a gathered batch. They must not be used once the link's `send` has returned. */
  readonly pieces: Uint8Array[] = []

  /** The buffer holds whole packets, each of `segmentBytes`, the last as long as `length` leaves it. */
  setPackets(packets: number, segmentBytes: number, length: number): void {
    this.packets = packets
    this.segmentBytes = segmentBytes
    this.length = length
    this.headerBytes = 0
  }

  /** The buffer holds one packet. */
  setPacket(length: number): void {
    this.setPackets(1, length, length)
  }

  setRoute(localId: number, remote: Endpoint): void {
    this.localId = localId
    this.remote = remote
  }

  /**
   * Takes the packet of a batch of one behind its own, whosever they are, where it goes the same way and the kernel could tell
   * them apart: none but the last one is shorter than the first. Returns whether it did.
   */
  append(other: TransmitBatch): boolean {
    const { packets, length, segmentBytes } = this
    if (packets === 0 || packets === MAX_PACKETS || other.packets !== 1 || this.headerBytes > 0) return false
    if (length !== packets * segmentBytes || other.length > segmentBytes) return false
    if (length + other.length > MAX_BATCH_BYTES) return false
    if (other.localId !== this.localId || !sameEndpoint(other.remote, this.remote)) return false
    this.buffer.set(other.buffer.subarray(0, other.length), length)
    this.packets++
    this.length += other.length
    return true
  }

  /** Puts the payload of a gathered batch behind its headers. Rare: what gathers should not have to. */
  flatten(): void {
    const { buffer, headerBytes, segmentBytes, length } = this
    if (headerBytes === 0) return
    const headers = buffer.slice(0, this.packets * headerBytes)
    const payload = joined(this.pieces, length - headers.length)
    for (let i = 0, at = 0, from = 0; at < length; i++, at += segmentBytes) {
      const to = from + Math.min(segmentBytes, length - at) - headerBytes
      buffer.set(headers.subarray(i * headerBytes, (i + 1) * headerBytes), at)
      buffer.set(payload.subarray(from, to), at + headerBytes)
      from = to
    }
    this.forgetPieces()
  }

  /** They are the program's memory. */
  forgetPieces(): void {
    this.headerBytes = 0
    this.pieces.length = 0
  }
}

function joined(pieces: readonly Uint8Array[], bytes: number): Uint8Array {
  const whole = new Uint8Array(bytes)
  let at = 0
  for (const piece of pieces) {
    whole.set(piece, at)
    at += piece.length
  }
  return whole
}

const NOWHERE: Endpoint = { address: '0.0.0.0', port: 0 }
