/**
 * HOT: hands a batch to the kernel in one call, without dgram, which allocates a request and three closures for each
 * datagram. The kernel reads headers from the batch and payload from the program's own buffers. With `sendmsg` it cuts the
 * whole into datagrams (UDP_SEGMENT, udp(7)); where it may not, `sendmmsg` takes each packet as a message of its own.
 *
 * All that a call needs lies in one block, laid out as on 64-bit little-endian Linux (sendmsg(2), cmsg(3), sendmmsg(2)):
 *
 *     0 struct msghdr | 56 struct cmsghdr + uint16 | 80 struct sockaddr | 112 struct mmsghdr ... | struct iovec ...
 */
import type { Endpoint } from '../../wire/endpoint.ts'
import type { TransmitBatch } from '../../wire/transmit-batch.ts'
import type { Offload } from './offload.ts'
import { socketAddressOf } from './socket-address.ts'

/** What one message takes (UIO_MAXIOV). */
const MAX_VECTORS = 1024
/** What one call of `sendmmsg` is given: more than a batch has packets, unless they are tiny. */
const MAX_MESSAGES = 64

const NAME = 0
const NAME_BYTES = 8
const VECTORS = 16
const VECTOR_COUNT = 24
const CONTROL = 32
const CONTROL_BYTES = 40
const CMSG = 56
const SEGMENT_BYTES = CMSG + 16
const CMSG_SPACE = 24
const ADDRESS = CMSG + CMSG_SPACE
const FIRST_MESSAGE = 112
const MESSAGE_BYTES = 64
const FIRST_VECTOR = FIRST_MESSAGE + MESSAGE_BYTES * MAX_MESSAGES
const VECTOR_BYTES = 16
const BLOCK_BYTES = FIRST_VECTOR + VECTOR_BYTES * MAX_VECTORS
const IPPROTO_UDP = 17
const UDP_SEGMENT = 103
const TWO_TO_32 = 2 ** 32

export class BulkSender {
  readonly #offload: Offload
  readonly #fd: number
  /** By identity: paths keep their endpoint. */
  readonly #addresses = new WeakMap<Endpoint, Uint8Array>()
  readonly #bytes = new Uint8Array(BLOCK_BYTES)
  readonly #words = new Uint32Array(this.#bytes.buffer)
  readonly #block: number
  #remote: Endpoint | undefined
  /** The batch's buffer whose address is known. */
  #buffer: Uint8Array | undefined
  #bufferAddress = 0
  #vectors = 0
  /** Number of each packet's first vector, and behind the last packet that of all. */
  readonly #firstVectors = new Uint16Array(MAX_VECTORS + 1)

  constructor(offload: Offload, fd: number) {
    this.#offload = offload
    this.#fd = fd
    this.#block = offload.addressOf(this.#bytes)
    this.#putAddress(NAME, this.#block + ADDRESS)
    this.#putAddress(VECTORS, this.#block + FIRST_VECTOR)
    const words = this.#words
    words[CMSG / 4] = 18
    words[CMSG / 4 + 2] = IPPROTO_UDP
    words[CMSG / 4 + 3] = UDP_SEGMENT
  }

  /** Sends the whole batch, cut by the kernel. 0, or the system's error number. */
  send(batch: TransmitBatch): number {
    this.#vectors = 0
    if (2 * batch.packets + batch.pieces.length > MAX_VECTORS) batch.flatten()
    if (batch.headerBytes > 0) this.#addGathered(batch)
    else this.#add(this.#addressOf(batch.buffer), batch.length)
    return this.#send(batch.remote, batch.packets > 1 ? batch.segmentBytes : 0)
  }

  /**
   * Sends packets of the batch, each a datagram as it is, from the `first` on and at most `limit`. How many the kernel has
   * taken, which may be fewer than there are, or the negative error number if it took none.
   */
  sendPackets(batch: TransmitBatch, first: number, limit = MAX_MESSAGES): number {
    this.#vectors = 0
    if (2 * batch.packets + batch.pieces.length > MAX_VECTORS) batch.flatten()
    const count = Math.min(batch.packets - first, limit, MAX_MESSAGES)
    const isGathered = batch.headerBytes > 0
    if (isGathered) this.#addGathered(batch)
    else this.#addPackets(batch, first, count)
    if (batch.remote !== this.#remote) this.#setRemote(batch.remote)
    for (let i = 0; i < count; i++) this.#putMessage(i, isGathered ? first + i : i)
    return this.#offload.sendMany(this.#fd, this.#block + FIRST_MESSAGE, count)
  }

  #send(remote: Endpoint, segmentBytes: number): number {
    const words = this.#words
    if (remote !== this.#remote) this.#setRemote(remote)
    words[VECTOR_COUNT / 4] = this.#vectors
    words[SEGMENT_BYTES / 4] = segmentBytes
    if (segmentBytes > 0) this.#putAddress(CONTROL, this.#block + CMSG)
    else words[CONTROL / 4] = words[CONTROL / 4 + 1] = 0
    words[CONTROL_BYTES / 4] = segmentBytes > 0 ? CMSG_SPACE : 0
    return this.#offload.send(this.#fd, this.#block)
  }

  /** The i-th message of a call: one packet, whose vectors are laid out. */
  #putMessage(i: number, packet: number): void {
    const words = this.#words
    const at = FIRST_MESSAGE + MESSAGE_BYTES * i
    const vector = this.#firstVectors[packet]!
    this.#putAddress(at + NAME, this.#block + ADDRESS)
    words[(at + NAME_BYTES) / 4] = words[NAME_BYTES / 4]!
    this.#putAddress(at + VECTORS, this.#block + FIRST_VECTOR + VECTOR_BYTES * vector)
    words[(at + VECTOR_COUNT) / 4] = this.#firstVectors[packet + 1]! - vector
  }

  #addPackets({ buffer, segmentBytes, length }: TransmitBatch, first: number, count: number): void {
    const start = this.#addressOf(buffer)
    for (let i = 0, at = first * segmentBytes; i < count; i++, at += segmentBytes) {
      this.#firstVectors[i] = i
      this.#add(start + at, Math.min(segmentBytes, length - at))
    }
    this.#firstVectors[count] = count
  }

  /** Each packet is its header, and as much of the pieces as is its turn. */
  #addGathered({ buffer, headerBytes, segmentBytes, pieces, length }: TransmitBatch): void {
    const headers = this.#addressOf(buffer)
    let index = 0
    let from = this.#offload.addressOf(pieces[0]!)
    let left = pieces[0]!.length
    let packet = 0
    for (let at = 0, header = 0; at < length; at += segmentBytes, header += headerBytes) {
      this.#firstVectors[packet++] = this.#vectors
      this.#add(headers + header, headerBytes)
      let wanted = Math.min(segmentBytes, length - at) - headerBytes
      while (wanted > 0) {
        if (left === 0) {
          const piece = pieces[++index]!
          from = this.#offload.addressOf(piece)
          left = piece.length
        }
        const bytes = Math.min(wanted, left)
        this.#add(from, bytes)
        from += bytes
        left -= bytes
        wanted -= bytes
      }
    }
    this.#firstVectors[packet] = this.#vectors
  }

  #add(address: number, length: number): void {
    const at = (FIRST_VECTOR >> 2) + 4 * this.#vectors++
    const words = this.#words
    words[at] = address
    words[at + 1] = address / TWO_TO_32
    words[at + 2] = length
    words[at + 3] = 0
  }

  #putAddress(offset: number, address: number): void {
    this.#words[offset / 4] = address
    this.#words[offset / 4 + 1] = address / TWO_TO_32
  }

  #setRemote(remote: Endpoint): void {
    let address = this.#addresses.get(remote)
    if (address === undefined) {
      address = socketAddressOf(remote)
      this.#addresses.set(remote, address)
    }
    this.#remote = remote
    this.#bytes.set(address, ADDRESS)
    this.#words[NAME_BYTES / 4] = address.length
  }

  #addressOf(buffer: Uint8Array): number {
    if (buffer !== this.#buffer) {
      this.#buffer = buffer
      this.#bufferAddress = this.#offload.addressOf(buffer)
    }
    return this.#bufferAddress
  }
}
