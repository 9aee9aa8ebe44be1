/**
 * HOT: memory that holds what sendmsg(2), sendmmsg(2) and recvmmsg(2) are given, laid out as on 64-bit little-endian Linux:
 *
 *    struct mmsghdr (64)   0 name | 8 its length | 16 vectors | 24 their count | 32 control | 40 its length | 48 flags |
 *                          56 bytes that came. Up to there it is a struct msghdr.
 *    struct iovec (16)     0 start | 8 length
 *    struct cmsghdr (16)   0 length, itself included | 8 level | 12 type; the value follows
 */
export const HEADER_BYTES = 64
export const NAME = 0
export const NAME_LENGTH = 8
export const VECTORS = 16
export const VECTOR_COUNT = 24
export const CONTROL = 32
export const CONTROL_LENGTH = 40
export const MESSAGE_LENGTH = 56
/** Of a struct msghdr alone. */
export const SINGLE_HEADER_BYTES = 56

export const VECTOR_BYTES = 16

/** A struct cmsghdr with the 16 bits of UDP_SEGMENT behind it (udp(7)), padded to the next word. */
export const SEGMENT_CONTROL_BYTES = 24
const SEGMENT_SIZE = 16
const IPPROTO_UDP = 17
const UDP_SEGMENT = 103

const TWO_TO_32 = 2 ** 32

export class MessageBlock {
  readonly bytes: Uint8Array
  readonly words: Uint32Array
  /** Where the kernel finds it. */
  readonly address: number

  constructor(length: number, addressOf: (bytes: Uint8Array) => number) {
    this.bytes = new Uint8Array(length)
    this.words = new Uint32Array(this.bytes.buffer)
    this.address = addressOf(this.bytes)
  }

  putAddress(at: number, address: number): void {
    this.words[at >> 2] = address
    this.words[(at + 4) >> 2] = address / TWO_TO_32
  }

  putLength(at: number, length: number): void {
    this.words[at >> 2] = length
    this.words[(at + 4) >> 2] = 0
  }

  /** A struct iovec. */
  putVector(at: number, address: number, length: number): void {
    this.putAddress(at, address)
    this.putLength(at + 8, length)
  }

  /** All of the control message at `at` but the size. */
  putSegmentControl(at: number): void {
    this.putLength(at, SEGMENT_SIZE + 2)
    this.words[(at + 8) >> 2] = IPPROTO_UDP
    this.words[(at + 12) >> 2] = UDP_SEGMENT
  }

  /** Has the kernel cut the message whose header is at `header` every so many bytes, by the control message at `at`. */
  cutEvery(segmentBytes: number, header: number, at: number): void {
    this.words[(at + SEGMENT_SIZE) >> 2] = segmentBytes
    this.putAddress(header + CONTROL, this.address + at)
    this.words[(header + CONTROL_LENGTH) >> 2] = SEGMENT_CONTROL_BYTES
  }

  /** Leaves the message whose header is at `header` as it is. */
  dontCut(header: number): void {
    this.putLength(header + CONTROL, 0)
    this.words[(header + CONTROL_LENGTH) >> 2] = 0
  }
}
