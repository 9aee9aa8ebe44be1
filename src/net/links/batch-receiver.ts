/**
 * HOT: receives many datagrams with one call, `recvmmsg`, where the kernel may not merge them, and gives those of one sender
 * that follow each other as the kernel would have merged them: in one buffer, all of one length but the last. So all that
 * is done a buffer is done once for them.
 *
 * Each comes into a slot of a slab. A slot is as long as datagrams are now, so that they lie back to back; the slab is given
 * away with them when they fill much of it, else they are copied out. What is longer than a slot has a second part: it is
 * rare, and pages that nobody touches cost nothing. The structures are those of message-block.ts:
 *
 *    SLOTS x struct mmsghdr (64) | SLOTS x struct sockaddr (32) | SLOTS x 2 struct iovec (32)
 */
import { shimLength } from '../../wire/encapsulation.ts'
import type { Endpoint } from '../../wire/endpoint.ts'
import {
  HEADER_BYTES,
  MESSAGE_LENGTH,
  MessageBlock,
  NAME,
  NAME_LENGTH,
  VECTOR_BYTES,
  VECTOR_COUNT,
  VECTORS,
} from './message-block.ts'
import type { Offload } from './offload.ts'
import { SenderReader, SOCKET_ADDRESS_BYTES } from './socket-address.ts'

/** Datagrams of one call. */
const SLOTS = 32
/** A slot is no shorter, so that a few small datagrams do not make the next large one come in two parts. */
const MIN_SLOT_BYTES = 1024
/** Of a slot: for longer ones, a call for each is as good. */
const MAX_SLOT_BYTES = 16_384
const NAME_BYTES = 32
const FIRST_NAME = SLOTS * HEADER_BYTES
const FIRST_VECTOR = FIRST_NAME + SLOTS * NAME_BYTES
const BLOCK_BYTES = FIRST_VECTOR + SLOTS * 2 * VECTOR_BYTES
const OVERFLOW_BYTES = 1 << 16

export class BatchReceiver {
  readonly #offload: Offload
  readonly #fd: number
  readonly #sender: SenderReader
  readonly #block: MessageBlock
  readonly #overflow = new Uint8Array(SLOTS * OVERFLOW_BYTES)
  #slab: Uint8Array = new Uint8Array(0)
  #slotBytes = 0
  /** Where those of the last call were copied to; undefined: they are in the slab, and it is theirs. */
  #copies: Uint8Array | undefined
  #copied = 0
  /** How many came with the last call, and how many of them `receive` has given. */
  #count = 0
  #given = 0

  /** Whether an interface of that MTU carries datagrams for which it is worth it. */
  static suits(mtu: number): boolean {
    return mtu <= MAX_SLOT_BYTES
  }

  constructor(offload: Offload, fd: number, local: Endpoint) {
    this.#offload = offload
    this.#fd = fd
    this.#sender = new SenderReader(local)
    const block = new MessageBlock(BLOCK_BYTES, bytes => offload.addressOf(bytes))
    this.#block = block
    const overflow = offload.addressOf(this.#overflow)
    for (let i = 0; i < SLOTS; i++) {
      const header = HEADER_BYTES * i
      block.putAddress(header + NAME, block.address + nameAt(i))
      // The kernel writes the address's own length there: the same each time, as a socket has one family.
      block.putLength(header + NAME_LENGTH, SOCKET_ADDRESS_BYTES)
      block.putAddress(header + VECTORS, block.address + vectorsAt(i))
      block.putLength(header + VECTOR_COUNT, 2)
      block.putVector(vectorsAt(i) + VECTOR_BYTES, overflow + OVERFLOW_BYTES * i, OVERFLOW_BYTES)
    }
    this.#renewSlab(MIN_SLOT_BYTES)
  }

  /** Whether `receive` has some without asking the kernel. */
  get hasMore(): boolean {
    return this.#given < this.#count
  }

  /** The next datagram, or several as one; undefined when there is none. */
  receive(): Uint8Array | undefined {
    if (!this.hasMore && !this.#fill()) return undefined
    const first = this.#given
    const length = this.#lengthOf(first)
    this.#given = this.#runEnd(first, length)
    this.#sender.bytes.set(this.#block.bytes.subarray(nameAt(first), nameAt(first) + SOCKET_ADDRESS_BYTES))
    if (length > this.#slotBytes) return this.#joined(first, length)
    const bytes = (this.#given - 1 - first) * length + this.#lengthOf(this.#given - 1)
    if (this.#copies === undefined) {
      const start = this.#slotBytes * first
      return this.#slab.subarray(start, start + bytes)
    }
    const start = this.#copied
    for (let i = first; i < this.#given; i++) this.#copy(i)
    return this.#copies.subarray(start, start + bytes)
  }

  /** Who sent what `receive` gave last. */
  remote(): Endpoint {
    return this.#sender.read()
  }

  /** Where the datagrams end that can be given as one with the `first`, of `length` bytes: each is one whole packet. */
  #runEnd(first: number, length: number): number {
    const isBackToBack = this.#copies !== undefined || length === this.#slotBytes
    let i = first
    while (
      isBackToBack &&
      length <= this.#slotBytes &&
      shimLength(this.#slab, this.#slotBytes * i) === length
    ) {
      const next = i + 1
      if (next === this.#count || this.#lengthOf(next) > length || !this.#isOfSameSender(first, next)) break
      i = next
      if (this.#lengthOf(next) < length) break
    }
    return i + 1
  }

  #isOfSameSender(a: number, b: number): boolean {
    const { words } = this.#block
    const from = nameAt(a) / 4
    const other = nameAt(b) / 4
    let same = 0
    while (same < SOCKET_ADDRESS_BYTES / 4 && words[from + same] === words[other + same]) same++
    return same === SOCKET_ADDRESS_BYTES / 4
  }

  /** Asks the kernel. */
  #fill(): boolean {
    if (this.#count > 0) this.#prepareSlab()
    this.#given = 0
    this.#count = Math.max(0, this.#offload.receiveMany(this.#fd, this.#block.address, SLOTS))
    let bytes = 0
    for (let i = 0; i < this.#count; i++) bytes += Math.min(this.#lengthOf(i), this.#slotBytes)
    this.#copies = bytes < this.#slab.length / 2 ? uncleared(bytes) : undefined
    this.#copied = 0
    return this.#count > 0
  }

  /** The datagrams of the last call may have taken the slab, and may have been of another size than its slots. */
  #prepareSlab(): void {
    let longest = MIN_SLOT_BYTES
    for (let i = 0; i < this.#count; i++) longest = Math.max(longest, this.#lengthOf(i))
    const slotBytes = Math.min(longest, MAX_SLOT_BYTES)
    if (this.#copies === undefined || slotBytes !== this.#slotBytes) this.#renewSlab(slotBytes)
  }

  #renewSlab(slotBytes: number): void {
    this.#slab = uncleared(SLOTS * slotBytes)
    this.#slotBytes = slotBytes
    const address = this.#offload.addressOf(this.#slab)
    for (let i = 0; i < SLOTS; i++) this.#block.putVector(vectorsAt(i), address + slotBytes * i, slotBytes)
  }

  #lengthOf(i: number): number {
    return this.#block.words[(HEADER_BYTES * i + MESSAGE_LENGTH) >> 2]!
  }

  #copy(i: number): void {
    const start = this.#slotBytes * i
    const length = this.#lengthOf(i)
    this.#copies!.set(this.#slab.subarray(start, start + length), this.#copied)
    this.#copied += length
  }

  #joined(i: number, length: number): Uint8Array {
    const whole = uncleared(length)
    const rest = length - this.#slotBytes
    whole.set(this.#slab.subarray(this.#slotBytes * i, this.#slotBytes * (i + 1)))
    whole.set(this.#overflow.subarray(OVERFLOW_BYTES * i, OVERFLOW_BYTES * i + rest), this.#slotBytes)
    return whole
  }
}

function nameAt(i: number): number {
  return FIRST_NAME + NAME_BYTES * i
}

function vectorsAt(i: number): number {
  return FIRST_VECTOR + 2 * VECTOR_BYTES * i
}

/** Every byte that is given away has been received. */
function uncleared(bytes: number): Uint8Array {
  return new Uint8Array(Buffer.allocUnsafeSlow(bytes).buffer)
}
