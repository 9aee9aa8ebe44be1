/**
 * One UDP socket of one local address, over node:dgram. Where the kernel can, it cuts batches apart and merges what
 * comes in (offload.ts); elsewhere each packet is a call.
 *
 * A send over dgram is synchronous, given an address that needs no look-up: afterwards the kernel has the bytes, or libuv
 * holds a pointer to them and its queue is not empty. Then the batch's buffer is the link's, and the link is full until
 * the queue is empty again. Errors come only by callback.
 */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { type Endpoint, endpointFamily } from '../../wire/endpoint.ts'
import type { TransmitBatch } from '../../wire/transmit-batch.ts'
import { BulkReceiver } from './bulk-receiver.ts'
import type { Link, LinkEvents } from './link.ts'
import type { Offload } from './offload.ts'
import { checkSocketBuffer, SOCKET_BUFFER_BYTES } from './socket-buffers.ts'

/** The kernel's help, with the descriptor that it is for. */
interface Segmenting {
  readonly offload: Offload
  readonly fd: number
}

/** Where so much comes at once there is more behind it. */
const BULK_BYTES = 16_384
/** Datagrams that are received in one go. */
const BULK_LIMIT = 16

export class UdpLink implements Link {
  readonly id: number
  readonly endpoint: Endpoint
  /** What the kernel keeps until it is received, as it counts: with its own overhead. */
  readonly receiveBufferBytes: number
  readonly #socket: Socket
  readonly #events: LinkEvents
  readonly #sent: (error: Error | null) => void
  readonly #receiver: BulkReceiver | undefined
  #segmenting: Segmenting | undefined
  /** What UDP_SEGMENT is set to. */
  #segmentBytes = 0
  #lastRemote: Endpoint
  #full = false
  #isClosed = false

  /** Binds; port 0 is any free one. Throws the system's error. */
  constructor(id: number, local: Endpoint, events: LinkEvents, offload: Offload | undefined) {
    const { address, port } = local
    this.#socket = newSocket(local)
    if (offload === undefined) {
      bind(this.#socket, { address, port, exclusive: true })
      this.#socket.setRecvBufferSize(SOCKET_BUFFER_BYTES)
      this.#socket.setSendBufferSize(SOCKET_BUFFER_BYTES)
    } else this.#segmenting = bindSegmenting(this.#socket, local, offload)
    this.receiveBufferBytes = this.#socket.getRecvBufferSize()
    checkSocketBuffer(this.receiveBufferBytes)
    this.id = id
    this.endpoint = { address, port: this.#socket.address().port }
    this.#lastRemote = this.endpoint
    this.#events = events
    // One function for all sends, so that none allocates.
    this.#sent = error => this.#handleSent(error)
    this.#receiver =
      this.#segmenting && new BulkReceiver(this.#segmenting.offload, this.#segmenting.fd, local)
    this.#socket.on('message', (buffer: Uint8Array, from: RemoteInfo) => this.#handleMessage(buffer, from))
    this.#socket.on('error', error => this.#handleError(error))
  }

  get full(): boolean {
    return this.#full
  }

  get queuedBytes(): number {
    return this.#isClosed ? 0 : this.#socket.getSendQueueSize()
  }

  send(batch: TransmitBatch): boolean {
    if (this.#isClosed) return true
    const { length } = batch
    if (this.#segmenting && this.#prepareSegmenting(this.#segmenting, batch)) this.#sendPart(batch, 0, length)
    else {
      for (let at = 0; at < length; at += batch.segmentBytes) {
        this.#sendPart(batch, at, Math.min(batch.segmentBytes, length - at))
      }
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

  #handleMessage(buffer: Uint8Array, from: RemoteInfo): void {
    this.#events.onDatagram(this, buffer, buffer.length, this.#remoteOf(from))
    if (this.#receiver !== undefined && buffer.length >= BULK_BYTES) this.#receiveBulk(this.#receiver)
  }

  #receiveBulk(receiver: BulkReceiver): void {
    for (let i = 0; i < BULK_LIMIT && !this.#isClosed; i++) {
      const bytes = receiver.receive()
      if (bytes === undefined) return
      this.#events.onDatagram(this, bytes, bytes.length, receiver.remote)
    }
  }

  /** Datagrams come in runs: one value stands for all of a run. */
  #remoteOf({ address, port }: RemoteInfo): Endpoint {
    const last = this.#lastRemote
    if (last.port === port && last.address === address) return last
    this.#lastRemote = { address, port }
    return this.#lastRemote
  }

  #sendPart({ buffer, remote }: TransmitBatch, offset: number, length: number): void {
    this.#socket.send(buffer, offset, length, remote.port, remote.address, this.#sent)
  }

  /** Whether the batch can go in one call: its segments are of the size set, or it is one that must not be cut. */
  #prepareSegmenting({ offload, fd }: Segmenting, { length, packets, segmentBytes }: TransmitBatch): boolean {
    const wantedBytes = packets > 1 ? segmentBytes : 0
    if (this.#segmentBytes === wantedBytes || (packets === 1 && length <= this.#segmentBytes)) return true
    if (offload.setSegmentBytes(fd, wantedBytes)) {
      this.#segmentBytes = wantedBytes
      return true
    }
    this.#segmenting = undefined
    return false
  }

  #handleSent(error: Error | null): void {
    if (this.#isClosed) return
    if (error !== null) this.#handleError(error)
    if (this.#full && this.#socket.getSendQueueCount() === 0) {
      this.#full = false
      this.#events.onDrain(this)
    }
  }

  #handleError(error: NodeJS.ErrnoException): void {
    if (this.#isClosed) return
    // The path or the device refuses to cut (udp(7)), or the address has gone: what was sent is lost, as on the wire.
    if (error.code === 'EIO' || error.code === 'EINVAL') this.#stopSegmenting()
    this.#events.onError(this, error.code ?? 'UNKNOWN', destinationOf(error))
  }

  #stopSegmenting(): void {
    if (this.#segmenting === undefined || this.#segmentBytes === 0) return
    this.#segmenting.offload.setSegmentBytes(this.#segmenting.fd, 0)
    this.#segmentBytes = 0
    this.#segmenting = undefined
  }
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

/** dgram's bind with its error thrown: nothing in it waits. */
function bind(socket: Socket, options: NonNullable<Exclude<Parameters<Socket['bind']>[0], number>>): void {
  let failure: Error | undefined
  const onError = (error: Error) => {
    failure = error
  }
  socket.once('error', onError)
  socket.bind(options as never)
  socket.off('error', onError)
  if (failure === undefined) return
  socket.close()
  throw failure
}

function bindSegmenting(socket: Socket, { address, port }: Endpoint, offload: Offload): Segmenting {
  const fd = offload.openSocket(address, port)
  try {
    bind(socket, { fd, exclusive: true })
  } catch (error) {
    offload.closeSocket(fd)
    throw error
  }
  return { offload, fd }
}
