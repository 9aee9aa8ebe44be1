/**
 * HOT: the one block of memory in which a worker's datagrams come in, are rewritten and go out, with all that recvmmsg(2)
 * and sendmmsg(2) need around them, laid out as on 64-bit little-endian Linux:
 *
 *    received   BATCH x struct mmsghdr (64) | BATCH x struct sockaddr (32) | BATCH x 2 struct iovec (32)
 *    sent       BATCH x struct mmsghdr (64) | BATCH x struct sockaddr (32) | BATCH x struct cmsghdr + uint16 (24) | struct iovec (16) ...
 *    slots      BATCH x (headroom, PACKET_BYTES, tailroom)
 *    overflow   BATCH x 64 KiB: what is longer than a slot; pages that nobody touches cost nothing
 *
 * A message to be sent is made of packets where they lie: each is a struct iovec, and the kernel cuts between them
 * (UDP_SEGMENT), so that 64 packets for one target cost little more than one.
 */
import { HEADROOM_BYTES } from '../../router/fast-path.ts'
import {
  HEADER_BYTES,
  MESSAGE_LENGTH,
  MessageBlock,
  NAME,
  NAME_LENGTH,
  SEGMENT_CONTROL_BYTES,
  VECTOR_BYTES,
  VECTOR_COUNT,
  VECTORS,
} from '../links/message-block.ts'
import { SOCKET_ADDRESS_BYTES } from '../links/socket-address.ts'

/** Datagrams that are received at once. */
export const BATCH = 128
/** Longer ones, on networks of jumbo frames or over loopback, lie in two parts. */
const PACKET_BYTES = 1536
/** An odd number of cache lines, so that not all packets fall into the same few sets of the cache. */
const SLOT_BYTES = PACKET_BYTES + 2 * HEADROOM_BYTES
const OVERFLOW_BYTES = 1 << 16

const NAME_BYTES = 32

const RECEIVED = 0
const RECEIVED_NAMES = RECEIVED + BATCH * HEADER_BYTES
const RECEIVED_VECTORS = RECEIVED_NAMES + BATCH * NAME_BYTES
const SENT = RECEIVED_VECTORS + BATCH * 2 * VECTOR_BYTES
const SENT_NAMES = SENT + BATCH * HEADER_BYTES
const SENT_CONTROLS = SENT_NAMES + BATCH * NAME_BYTES
const SENT_VECTORS = SENT_CONTROLS + BATCH * SEGMENT_CONTROL_BYTES
const SLOTS = SENT_VECTORS + BATCH * VECTOR_BYTES
const OVERFLOWS = SLOTS + BATCH * SLOT_BYTES
const SLAB_BYTES = OVERFLOWS + BATCH * OVERFLOW_BYTES

export class MessageSlab {
  readonly bytes: Uint8Array
  /** Where the kernel finds the headers, those of one message 64 bytes behind those of the one before. */
  readonly received: number
  readonly sent: number
  /** Messages, and packets in them, that wait to be sent. */
  messages = 0
  #packets = 0
  /** Of each message. */
  readonly #firstOf = new Uint16Array(BATCH)
  readonly #block: MessageBlock
  readonly #words: Uint32Array
  readonly #address: number

  constructor(addressOf: (bytes: Uint8Array) => number) {
    this.#block = new MessageBlock(SLAB_BYTES, addressOf)
    this.bytes = this.#block.bytes
    this.#words = this.#block.words
    this.#address = this.#block.address
    this.received = this.#address + RECEIVED
    this.sent = this.#address + SENT
    for (let i = 0; i < BATCH; i++) {
      const header = RECEIVED + HEADER_BYTES * i
      const vectors = RECEIVED_VECTORS + 2 * VECTOR_BYTES * i
      this.#putAddress(header + NAME, this.addressAt(i))
      this.#block.putLength(header + NAME_LENGTH, SOCKET_ADDRESS_BYTES)
      this.#putAddress(header + VECTORS, vectors)
      this.#block.putLength(header + VECTOR_COUNT, 2)
      this.#putVector(vectors, this.packetAt(i), PACKET_BYTES)
      this.#putVector(vectors + VECTOR_BYTES, OVERFLOWS + OVERFLOW_BYTES * i, OVERFLOW_BYTES)
      this.#block.putSegmentControl(SENT_CONTROLS + SEGMENT_CONTROL_BYTES * i)
    }
  }

  /** Bytes of the i-th datagram that came. */
  lengthOf(i: number): number {
    return this.#words[(RECEIVED + HEADER_BYTES * i + MESSAGE_LENGTH) >> 2]!
  }

  /** Whether it is in its slot as a whole. */
  isWhole(i: number): boolean {
    return this.lengthOf(i) <= PACKET_BYTES
  }

  /** Where it begins in `bytes`. */
  packetAt(i: number): number {
    return SLOTS + SLOT_BYTES * i + HEADROOM_BYTES
  }

  /** Where the socket address of its sender begins in `bytes`. */
  addressAt(i: number): number {
    return RECEIVED_NAMES + NAME_BYTES * i
  }

  /** A view of it, or a copy if it is in two parts. */
  datagram(i: number): Uint8Array {
    const start = this.packetAt(i)
    const length = this.lengthOf(i)
    if (this.isWhole(i)) return this.bytes.subarray(start, start + length)
    const overflow = OVERFLOWS + OVERFLOW_BYTES * i
    const whole = new Uint8Array(length)
    whole.set(this.bytes.subarray(start, start + PACKET_BYTES))
    whole.set(this.bytes.subarray(overflow, overflow + length - PACKET_BYTES), PACKET_BYTES)
    return whole
  }

  /** The kernel has put other lengths where the room was told: makes the first `count` headers good again. */
  renew(count: number): void {
    for (let i = 0; i < count; i++) {
      this.#words[(RECEIVED + HEADER_BYTES * i + NAME_LENGTH) >> 2] = SOCKET_ADDRESS_BYTES
    }
  }

  /** Begins a message to a socket address; there is room for as many as datagrams came. */
  beginMessage(socketAddress: Uint8Array): void {
    const header = SENT + HEADER_BYTES * this.messages
    const name = SENT_NAMES + NAME_BYTES * this.messages
    this.bytes.set(socketAddress, name)
    this.#putAddress(header + NAME, name)
    this.#words[(header + NAME_LENGTH) >> 2] = socketAddress.length
    this.#firstOf[this.messages] = this.#packets
    this.#putAddress(header + VECTORS, SENT_VECTORS + VECTOR_BYTES * this.#packets)
    this.#words[(header + VECTOR_COUNT) >> 2] = 0
    this.#block.dontCut(header)
    this.messages++
  }

  /** Adds `bytes[start, end)` to the last message. */
  addPacket(start: number, end: number): void {
    this.#putVector(SENT_VECTORS + VECTOR_BYTES * this.#packets++, start, end - start)
    this.#words[(SENT + HEADER_BYTES * (this.messages - 1) + VECTOR_COUNT) >> 2]!++
  }

  /** Adds a packet from elsewhere, while no slot is in use. */
  addCopy(buffer: Uint8Array, length: number): void {
    this.bytes.set(buffer.subarray(0, length), SLOTS)
    this.addPacket(SLOTS, SLOTS + length)
  }

  /** Has the kernel cut the last message every so many bytes. */
  cutEvery(segmentBytes: number): void {
    const header = SENT + HEADER_BYTES * (this.messages - 1)
    this.#block.cutEvery(segmentBytes, header, SENT_CONTROLS + SEGMENT_CONTROL_BYTES * (this.messages - 1))
  }

  /** How many packets the i-th message is made of. */
  packetsOf(message: number): number {
    return this.#words[(SENT + HEADER_BYTES * message + VECTOR_COUNT) >> 2]!
  }

  /** Leaves of a message its p-th packet, in one piece; may be called again for another. */
  reduceTo(message: number, p: number): void {
    const header = SENT + HEADER_BYTES * message
    this.#putAddress(header + VECTORS, SENT_VECTORS + VECTOR_BYTES * (this.#firstOf[message]! + p))
    this.#words[(header + VECTOR_COUNT) >> 2] = 1
    this.#block.dontCut(header)
  }

  /** Forgets what has been sent. */
  clear(): void {
    this.messages = this.#packets = 0
  }

  #putVector(vector: number, start: number, length: number): void {
    this.#block.putVector(vector, this.#address + start, length)
  }

  #putAddress(at: number, offset: number): void {
    this.#block.putAddress(at, this.#address + offset)
  }
}
