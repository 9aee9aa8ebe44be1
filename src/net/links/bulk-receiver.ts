/**
 * Receives what a busy socket has in store without dgram, which allocates, clears and copies for each datagram: one call
 * into a slab of which each datagram keeps its part. dgram still says when there is something, and gets what is small.
 */
import { addressText } from '../../id/address.ts'
import { type Endpoint, endpointFamily } from '../../wire/endpoint.ts'
import type { Offload } from './offload.ts'

/** The largest UDP datagram; a merged buffer is no larger. */
const MAX_DATAGRAM_BYTES = 65_536
const SLAB_BYTES = 16 * MAX_DATAGRAM_BYTES
/** Less than this is copied out, so that no small chunk that a program keeps keeps a slab. */
const SMALL_BYTES = 8192

export class BulkReceiver {
  readonly #offload: Offload
  readonly #fd: number
  readonly #isV6: boolean
  /** Of the socket's own address, and so of every link-local one that it hears from. */
  readonly #zone: string
  #slab: Uint8Array = NOTHING
  #used = 0
  /** struct sockaddr_in or sockaddr_in6 of who sent it, and of who sent the one before. */
  readonly #from = new Uint8Array(128)
  readonly #lastFrom = new Uint8Array(128)
  #remote: Endpoint = { address: '', port: 0 }

  constructor(offload: Offload, fd: number, local: Endpoint) {
    this.#offload = offload
    this.#fd = fd
    this.#isV6 = endpointFamily(local) === 6
    this.#zone = local.address.match(/%.*/)?.[0] ?? ''
  }

  /** Who sent what `receive` gave last. */
  get remote(): Endpoint {
    return this.#remote
  }

  /** The next datagram, or several merged; undefined when there is none. */
  receive(): Uint8Array | undefined {
    if (this.#slab.length - this.#used < MAX_DATAGRAM_BYTES) {
      this.#slab = new Uint8Array(Buffer.allocUnsafeSlow(SLAB_BYTES).buffer)
      this.#used = 0
    }
    const room = this.#slab.subarray(this.#used, this.#used + MAX_DATAGRAM_BYTES)
    const length = this.#offload.receive(this.#fd, room, this.#from)
    if (length < 0) return undefined
    this.#noteRemote()
    if (length < SMALL_BYTES) return room.slice(0, length)
    this.#used += length
    return room.subarray(0, length)
  }

  #noteRemote(): void {
    const from = this.#from
    const last = this.#lastFrom
    let same = 0
    while (same < SOCKET_ADDRESS_BYTES && from[same] === last[same]) same++
    if (same === SOCKET_ADDRESS_BYTES) return
    last.set(from)
    const port = (from[2]! << 8) | from[3]!
    const address = addressText(this.#isV6 ? from.subarray(8, 24) : from.subarray(4, 8))
    this.#remote = { address: address.startsWith('fe80:') ? address + this.#zone : address, port }
  }
}

/** sizeof(struct sockaddr_in6), the longer of the two. */
const SOCKET_ADDRESS_BYTES = 28
const NOTHING = new Uint8Array(0)
