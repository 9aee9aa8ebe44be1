/**
 * One UDP socket of one local address, by way of node:dgram: where there is no native code, each packet is a call.
 *
 * A send over dgram is synchronous, given an address that needs no look-up: afterwards the kernel has the bytes, or libuv
 * holds a pointer to them and its queue is not empty. Then the batch's buffer is the link's, and the link is full until
 * the queue is empty again. Errors come only by callback.
 */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { type Endpoint, endpointFamily } from '../../wire/endpoint.ts'
import type { TransmitBatch } from '../../wire/transmit-batch.ts'
import { bindNow } from './descriptor-watch.ts'
import type { Link, LinkEvents } from './link.ts'
import { SenderRun } from './socket-address.ts'
import { checkSocketBuffer, SOCKET_BUFFER_BYTES } from './socket-buffers.ts'

export class DgramLink implements Link {
  readonly id: number
  readonly endpoint: Endpoint
  /** What the kernel keeps until it is received, as it counts: with its own overhead. */
  readonly receiveBufferBytes: number
  readonly #socket: Socket
  readonly #events: LinkEvents
  readonly #sent: (error: Error | null) => void
  readonly #senders = new SenderRun()
  #full = false
  #isClosed = false

  /** Binds; port 0 is any free one. Throws the system's error. */
  constructor(id: number, local: Endpoint, events: LinkEvents) {
    const { address, port } = local
    this.#socket = newSocket(local)
    try {
      bindNow(this.#socket, { address, port, exclusive: true })
    } catch (error) {
      this.#socket.close()
      throw error
    }
    this.#socket.setRecvBufferSize(SOCKET_BUFFER_BYTES)
    this.#socket.setSendBufferSize(SOCKET_BUFFER_BYTES)
    this.receiveBufferBytes = this.#socket.getRecvBufferSize()
    checkSocketBuffer(this.receiveBufferBytes)
    this.id = id
    this.endpoint = { address, port: this.#socket.address().port }
    this.#events = events
    // One function for all sends, so that none allocates.
    this.#sent = error => this.#handleSent(error)
    this.#socket.on('message', (buffer: Uint8Array, from: RemoteInfo) => {
      this.#events.onDatagram(this, buffer, buffer.length, this.#senders.endpointOf(from))
    })
    this.#socket.on('error', error => this.#handleError(codeOf(error)))
  }

  get full(): boolean {
    return this.#full
  }

  get queuedBytes(): number {
    return this.#isClosed ? 0 : this.#socket.getSendQueueSize()
  }

  /** A callback costs: the first packet's tells of errors, which are those of all, the last one's of the queue. */
  send({ buffer, length, segmentBytes, remote }: TransmitBatch): boolean {
    if (this.#isClosed) return true
    for (let at = 0; at < length; at += segmentBytes) {
      const bytes = Math.min(segmentBytes, length - at)
      const callback = at === 0 || at + bytes === length ? this.#sent : undefined
      this.#socket.send(buffer, at, bytes, remote.port, remote.address, callback)
    }
    this.#full = this.#socket.getSendQueueCount() > 0
    return !this.#full
  }

  hold(isRef: boolean): void {
    if (isRef) this.#socket.ref()
    else this.#socket.unref()
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#socket.close()
  }

  #handleSent(error: Error | null): void {
    if (this.#isClosed) return
    if (error !== null) this.#handleError(codeOf(error), destinationOf(error))
    if (this.#full && this.#socket.getSendQueueCount() === 0) {
      this.#full = false
      this.#events.onDrain(this)
    }
  }

  #handleError(code: string, remote?: Endpoint): void {
    if (!this.#isClosed) this.#events.onError(this, code, remote)
  }
}

function codeOf(error: NodeJS.ErrnoException): string {
  return error.code ?? 'UNKNOWN'
}

/** dgram tells where what could not be sent was going to. */
function destinationOf(
  error: NodeJS.ErrnoException & { address?: string; port?: number },
): Endpoint | undefined {
  const { address, port } = error
  return address === undefined || port === undefined ? undefined : { address, port }
}

function newSocket(local: Endpoint): Socket {
  const isV6 = endpointFamily(local) === 6
  // Addresses are literal here; answering at once makes dgram's calls synchronous.
  const lookup = (host: string, _options: unknown, callback: LookupCallback) =>
    callback(null, host, isV6 ? 6 : 4)
  return createSocket({ type: isV6 ? 'udp6' : 'udp4', ipv6Only: isV6, lookup: lookup as never })
}

type LookupCallback = (error: null, address: string, family: number) => void
