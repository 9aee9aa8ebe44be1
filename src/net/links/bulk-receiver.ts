/**
 * HOT: receives datagrams one by one, or merged by the kernel: large ones into the buffer that is then given away.
 */
import type { Endpoint } from '../../wire/endpoint.ts'
import type { Offload } from './offload.ts'
import { SenderReader } from './socket-address.ts'

/** The largest UDP datagram; a merged buffer is no larger. */
const MAX_DATAGRAM_BYTES = 65_536
/** Less than this is copied out: who keeps it should not keep far more memory. */
const SMALL_BYTES = MAX_DATAGRAM_BYTES / 2

export class BulkReceiver {
  readonly #offload: Offload
  readonly #fd: number
  readonly #sender: SenderReader
  readonly #from: number
  #buffer = newBuffer()
  #address: number

  constructor(offload: Offload, fd: number, local: Endpoint) {
    this.#offload = offload
    this.#fd = fd
    this.#sender = new SenderReader(local)
    this.#from = offload.addressOf(this.#sender.bytes)
    this.#address = offload.addressOf(this.#buffer)
  }

  /** The next datagram, or several merged; undefined when there is none. */
  receive(): Uint8Array | undefined {
    const buffer = this.#buffer
    const length = this.#offload.receive(this.#fd, this.#address, MAX_DATAGRAM_BYTES, this.#from)
    if (length < 0) return undefined
    if (length < SMALL_BYTES) return buffer.slice(0, length)
    this.#buffer = newBuffer()
    this.#address = this.#offload.addressOf(this.#buffer)
    return buffer.subarray(0, length)
  }

  /** Who sent what `receive` gave last. */
  remote(): Endpoint {
    return this.#sender.read()
  }
}

/** Not cleared: every byte that is given away has been received. */
function newBuffer(): Uint8Array {
  return new Uint8Array(Buffer.allocUnsafeSlow(MAX_DATAGRAM_BYTES).buffer)
}
