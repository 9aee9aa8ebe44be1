/**
 * Receives what a busy socket has in store without dgram, which allocates, copies and frees for each datagram: large ones
 * are received into the buffer that is then given away. dgram still says when there is something, and gets what is small.
 */
import { addressText } from '../../id/address.ts'
import { type Endpoint, endpointFamily } from '../../wire/endpoint.ts'
import type { Offload } from './offload.ts'

/** The largest UDP datagram; a merged buffer is no larger. */
const MAX_DATAGRAM_BYTES = 65_536
/** Less than this is copied out: who keeps it should not keep far more memory. */
const SMALL_BYTES = MAX_DATAGRAM_BYTES / 2

export class BulkReceiver {
  readonly #offload: Offload
  readonly #fd: number
  readonly #isV6: boolean
  /** Of the socket's own address, and so of every link-local one that it hears from. */
  readonly #zone: string
  #buffer = newBuffer()
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
    const buffer = this.#buffer
    const length = this.#offload.receive(this.#fd, buffer, this.#from)
    if (length < 0) return undefined
    this.#noteRemote()
    if (length < SMALL_BYTES) return buffer.slice(0, length)
    this.#buffer = newBuffer()
    return buffer.subarray(0, length)
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

/** Not cleared: every byte that is given away has been received. */
function newBuffer(): Uint8Array {
  return new Uint8Array(Buffer.allocUnsafeSlow(MAX_DATAGRAM_BYTES).buffer)
}
