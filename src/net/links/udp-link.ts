/**
 * One UDP socket of one local address. Where the kernel can, a batch is one call, and what comes merged is received so
 * (bulk-sender.ts, bulk-receiver.ts). Where it may not cut and merge, a call still takes many datagrams
 * (batch-receiver.ts), and a turn of the event loop ends when it has taken in enough (socket-gate.ts). Without help, and while
 * the kernel's buffer is full, each packet is a call of dgram's.
 *
 * A send over dgram is synchronous, given an address that needs no look-up: afterwards the kernel has the bytes, or libuv
 * holds a pointer to them and its queue is not empty. Then the batch's buffer is the link's, and the link is full until
 * the queue is empty again. Errors come only by callback.
 */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { constants } from 'node:os'
import { getSystemErrorName } from 'node:util'
import { type Endpoint, endpointFamily } from '../../wire/endpoint.ts'
import type { TransmitBatch } from '../../wire/transmit-batch.ts'
import { nowMs } from '../clock.ts'
import { BatchReceiver } from './batch-receiver.ts'
import { BulkReceiver } from './bulk-receiver.ts'
import { BulkSender } from './bulk-sender.ts'
import type { Link, LinkEvents } from './link.ts'
import type { Offload } from './offload.ts'
import { checkSocketBuffer, SOCKET_BUFFER_BYTES } from './socket-buffers.ts'
import { SocketGate } from './socket-gate.ts'

/** Where so much comes merged there is more behind it. */
const MERGED_BYTES = 16_384
/** Where datagrams of this size come, each by itself, there are more. */
const SINGLE_BYTES = 1000
/** Buffers that are received in one go: of a merged datagram, or as much as a call brings. */
const BULK_LIMIT = 16
/** A way on which the kernel would not cut is asked again after this: routes and devices change. */
const REFUSAL_MS = 30_000

const { EAGAIN, EIO, EINVAL } = constants.errno

/** What the kernel may do for a link. */
export interface KernelHelp {
  readonly offload: Offload
  /** Whether it cuts and merges; else a call takes many datagrams as they are. */
  readonly cuts: boolean
  /** Of the link's interface, bytes. */
  readonly mtu: number
}

export class UdpLink implements Link {
  readonly id: number
  readonly endpoint: Endpoint
  /** What the kernel keeps until it is received, as it counts: with its own overhead. */
  readonly receiveBufferBytes: number
  readonly #socket: Socket
  readonly #events: LinkEvents
  readonly #sent: (error: Error | null) => void
  readonly #gate: SocketGate | undefined
  readonly #sender: BulkSender | undefined
  readonly #receiver: BulkReceiver | BatchReceiver | undefined
  /** The receiver, if it takes many with a call. */
  readonly #batches: BatchReceiver | undefined
  readonly #cuts: boolean
  /** Until when batches to a remote are not left to the kernel to cut. */
  readonly #refusals = new WeakMap<Endpoint, number>()
  #hasRefusals = false
  #lastRemote: Endpoint
  #full = false
  #isClosed = false

  /** Binds; port 0 is any free one. Throws the system's error. */
  constructor(id: number, local: Endpoint, events: LinkEvents, help: KernelHelp | undefined) {
    const { address, port } = local
    this.#socket = newSocket(local)
    this.#cuts = help?.cuts === true
    if (help === undefined) {
      bind(this.#socket, { address, port, exclusive: true })
      this.#socket.setRecvBufferSize(SOCKET_BUFFER_BYTES)
      this.#socket.setSendBufferSize(SOCKET_BUFFER_BYTES)
    } else {
      const { offload, mtu } = help
      this.#gate = bindBehindGate(this.#socket, local, help)
      const { fd } = this.#gate
      this.#sender = new BulkSender(offload, fd)
      this.#batches =
        !help.cuts && BatchReceiver.suits(mtu) ? new BatchReceiver(offload, fd, local) : undefined
      this.#receiver = this.#batches ?? new BulkReceiver(offload, fd, local)
    }
    this.receiveBufferBytes = this.#socket.getRecvBufferSize()
    checkSocketBuffer(this.receiveBufferBytes)
    this.id = id
    this.endpoint = { address, port: this.#socket.address().port }
    this.#lastRemote = this.endpoint
    this.#events = events
    // One function for all sends, so that none allocates.
    this.#sent = error => this.#handleSent(error)
    this.#socket.on('message', (buffer: Uint8Array, from: RemoteInfo) => this.#handleMessage(buffer, from))
    this.#socket.on('error', error => this.#handleError(codeOf(error)))
  }

  get full(): boolean {
    return this.#full
  }

  get gathers(): boolean {
    return this.#sender !== undefined
  }

  get queuedBytes(): number {
    return this.#isClosed ? 0 : this.#socket.getSendQueueSize()
  }

  send(batch: TransmitBatch): boolean {
    if (this.#isClosed) return true
    const sender = this.#sender
    if (sender === undefined || this.#full) return this.#sendByDgram(batch, 0)
    const isCut = batch.packets > 1
    if (isCut && (!this.#cuts || (this.#hasRefusals && this.#refuses(batch.remote)))) {
      return this.#sendSingly(sender, batch, 0)
    }
    const error = sender.send(batch)
    if (error === 0) return true
    if (isCut && (error === EIO || error === EINVAL)) return this.#sendUncut(sender, batch)
    return this.#handleRefused(batch, 0, error)
  }

  hold(isRef: boolean): void {
    if (isRef) this.#socket.ref()
    else this.#socket.unref()
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#gate?.close()
    this.#socket.close()
  }

  #handleMessage(buffer: Uint8Array, from: RemoteInfo): void {
    const isEnough = this.#events.onDatagram(this, buffer, buffer.length, this.#remoteOf(from))
    if (this.#receiver === undefined || this.#isClosed) return
    const isBulk = buffer.length >= (this.#batches ? SINGLE_BYTES : MERGED_BYTES)
    if (isEnough || (isBulk && this.#receiveBulk(this.#receiver))) this.#gate?.shut()
  }

  /** What has come with a call is told, even when it is enough. Returns whether there may be more. */
  #receiveBulk(receiver: BulkReceiver | BatchReceiver): boolean {
    let isEnough: boolean | undefined = false
    for (let i = 0; ; ) {
      if (this.#isClosed) return false
      if (!this.#batches?.hasMore && (isEnough || i++ === BULK_LIMIT)) return true
      const bytes = receiver.receive()
      if (bytes === undefined) return false
      isEnough = this.#events.onDatagram(this, bytes, bytes.length, receiver.remote()) || isEnough
    }
  }

  /** Datagrams come in runs: one value stands for all of a run. */
  #remoteOf({ address, port }: RemoteInfo): Endpoint {
    const last = this.#lastRemote
    if (last.port === port && last.address === address) return last
    this.#lastRemote = { address, port }
    return this.#lastRemote
  }

  /** The path or the device refuses to cut (udp(7)), or the address has gone: one packet tells which. */
  #sendUncut(sender: BulkSender, batch: TransmitBatch): boolean {
    const sent = sender.sendPackets(batch, 0, 1)
    if (sent < 0) return this.#handleRefused(batch, 0, -sent)
    this.#refusals.set(batch.remote, nowMs() + REFUSAL_MS)
    this.#hasRefusals = true
    return this.#sendSingly(sender, batch, sent)
  }

  /** From packet `first` on. */
  #sendSingly(sender: BulkSender, batch: TransmitBatch, first: number): boolean {
    for (let i = first; i < batch.packets; ) {
      const sent = sender.sendPackets(batch, i)
      if (sent < 0) return this.#handleRefused(batch, i * batch.segmentBytes, -sent)
      i += sent
    }
    return true
  }

  /** From `at` on the kernel has not taken the batch: its buffer is full, or what is left is lost as on the wire. */
  #handleRefused(batch: TransmitBatch, at: number, error: number): boolean {
    if (error === EAGAIN) return this.#sendByDgram(batch, at)
    const code = getSystemErrorName(-error)
    const { remote } = batch
    process.nextTick(() => this.#handleError(code, remote))
    return true
  }

  /** A callback costs: the first packet's tells of errors, which are those of all, the last one's of the queue. */
  #sendByDgram(batch: TransmitBatch, from: number): boolean {
    this.#gate?.open()
    batch.flatten()
    const { buffer, length, segmentBytes, remote } = batch
    for (let at = from; at < length; at += segmentBytes) {
      const bytes = Math.min(segmentBytes, length - at)
      const callback = at === from || at + bytes === length ? this.#sent : undefined
      this.#socket.send(buffer, at, bytes, remote.port, remote.address, callback)
    }
    this.#full = this.#socket.getSendQueueCount() > 0
    return !this.#full
  }

  #refuses(remote: Endpoint): boolean {
    return (this.#refusals.get(remote) ?? 0) > nowMs()
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

/** Makes dgram take over a descriptor of ours. */
function bindBehindGate(socket: Socket, local: Endpoint, { offload, cuts }: KernelHelp): SocketGate {
  const fd = offload.openSocket(local, { merges: cuts })
  try {
    bind(socket, { fd, exclusive: true })
  } catch (error) {
    offload.closeSocket(fd)
    throw error
  }
  try {
    return new SocketGate(offload, fd)
  } catch (error) {
    socket.close()
    throw error
  }
}
