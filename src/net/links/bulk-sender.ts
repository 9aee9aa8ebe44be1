/**
 * HOT: hands a batch to the kernel in one call, without dgram, which allocates a request and three closures for each
 * datagram. The kernel reads headers from the batch and payload from the program's own buffers. With `sendmsg` it cuts the
 * whole into datagrams (UDP_SEGMENT, udp(7)); where it may not, `sendmmsg` takes each packet as a message of its own.
 *
 * All that a call needs lies in one block (message-block.ts):
 *
 *     0 struct msghdr | 56 struct cmsghdr + uint16 | 80 struct sockaddr | 112 struct mmsghdr ... | struct iovec ...
 */
import type { Endpoint } from '../../wire/endpoint.ts'
import type { TransmitBatch } from '../../wire/transmit-batch.ts'
import {
  HEADER_BYTES,
  MessageBlock,
  NAME,
  NAME_LENGTH,
  SEGMENT_CONTROL_BYTES,
  SINGLE_HEADER_BYTES,
  VECTOR_BYTES,
  VECTOR_COUNT,
  VECTORS,
} from './message-block.ts'
import type { Offload } from './offload.ts'
import { socketAddressOf } from './socket-address.ts'

/** What one message takes (UIO_MAXIOV). */
const MAX_VECTORS = 1024
/** What one call of `sendmmsg` is given: more than a batch has packets, unless they are tiny. */
const MAX_MESSAGES = 64

const MESSAGE = 0
const SEGMENT_CONTROL = MESSAGE + SINGLE_HEADER_BYTES
const ADDRESS = SEGMENT_CONTROL + SEGMENT_CONTROL_BYTES
const FIRST_PACKET = ADDRESS + 32
const FIRST_VECTOR = FIRST_PACKET + HEADER_BYTES * MAX_MESSAGES
const BLOCK_BYTES = FIRST_VECTOR + VECTOR_BYTES * MAX_VECTORS

export class BulkSender {
  readonly #offload: Offload
  readonly #fd: number
  /** By identity: paths keep their endpoint. */
  readonly #addresses = new WeakMap<Endpoint, Uint8Array>()
  readonly #block: MessageBlock
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
    this.#block = new MessageBlock(BLOCK_BYTES, bytes => offload.addressOf(bytes))
    this.#block.putAddress(MESSAGE + VECTORS, this.#block.address + FIRST_VECTOR)
    this.#block.putSegmentControl(SEGMENT_CONTROL)
    this.#block.putAddress(MESSAGE + NAME, this.#block.address + ADDRESS)
    for (let i = 0; i < MAX_MESSAGES; i++) {
      this.#block.putAddress(packetAt(i) + NAME, this.#block.address + ADDRESS)
    }
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
    for (let i = 0; i < count; i++) this.#putMessage(packetAt(i), isGathered ? first + i : i)
    return this.#offload.sendMany(this.#fd, this.#block.address + FIRST_PACKET, count)
  }

  #send(remote: Endpoint, segmentBytes: number): number {
    if (remote !== this.#remote) this.#setRemote(remote)
    const block = this.#block
    block.words[(MESSAGE + VECTOR_COUNT) >> 2] = this.#vectors
    if (segmentBytes > 0) block.cutEvery(segmentBytes, MESSAGE, SEGMENT_CONTROL)
    else block.dontCut(MESSAGE)
    return this.#offload.send(this.#fd, block.address + MESSAGE)
  }

  /** The message whose header is at `header` is a packet whose vectors are laid out. */
  #putMessage(header: number, packet: number): void {
    const { words, address } = this.#block
    const vector = this.#firstVectors[packet]!
    words[(header + NAME_LENGTH) >> 2] = words[(MESSAGE + NAME_LENGTH) >> 2]!
    this.#block.putAddress(header + VECTORS, address + FIRST_VECTOR + VECTOR_BYTES * vector)
    words[(header + VECTOR_COUNT) >> 2] = this.#firstVectors[packet + 1]! - vector
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
    this.#block.putVector(FIRST_VECTOR + VECTOR_BYTES * this.#vectors++, address, length)
  }

  #setRemote(remote: Endpoint): void {
    let address = this.#addresses.get(remote)
    if (address === undefined) {
      address = socketAddressOf(remote)
      this.#addresses.set(remote, address)
    }
    this.#remote = remote
    this.#block.bytes.set(address, ADDRESS)
    this.#block.words[(MESSAGE + NAME_LENGTH) >> 2] = address.length
  }

  #addressOf(buffer: Uint8Array): number {
    if (buffer !== this.#buffer) {
      this.#buffer = buffer
      this.#bufferAddress = this.#offload.addressOf(buffer)
    }
    return this.#bufferAddress
  }
}

/** Where the header of the i-th message of a call of `sendmmsg` is. */
function packetAt(i: number): number {
  return FIRST_PACKET + HEADER_BYTES * i
}
