/**
 * HOT: one UDP socket of one local address, by the kernel's own calls (offload.ts). Where the kernel may cut and merge, a batch
 * is one call, and what comes merged is received so (bulk-sender.ts, bulk-receiver.ts); where it may not, a call still takes
 * many datagrams (batch-receiver.ts).
 *
 *   poll phase    the socket has something: `#serve` is due
 *   check phase   what waits for room is sent; what has come is received, until the turn has had enough
 *
 * What is left makes the next poll phase tell again. To receive in the check phase costs an immediate, and is what makes
 * a program's own callbacks, ticks and errors behave as anywhere else (descriptor-watch.ts).
 *
 * A batch for which the kernel has no room is the link's until it has left, and the link is full for so long.
 */
import { constants } from 'node:os'
import { getSystemErrorName } from 'node:util'
import type { Endpoint } from '../../wire/endpoint.ts'
import type { TransmitBatch } from '../../wire/transmit-batch.ts'
import { nowMs } from '../clock.ts'
import { BatchReceiver } from './batch-receiver.ts'
import { BulkReceiver } from './bulk-receiver.ts'
import { BulkSender } from './bulk-sender.ts'
import type { Watch } from './descriptor-watch.ts'
import type { Link, LinkEvents } from './link.ts'
import type { Offload } from './offload.ts'
import { SenderRun } from './socket-address.ts'
import { checkSocketBuffer } from './socket-buffers.ts'

/** Buffers that are received in one turn: of a merged datagram, or as much as a call brings. */
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

/** What the kernel has had no room for, from packet `first` on. */
interface Waiting {
  readonly batch: TransmitBatch
  first: number
}

export class KernelLink implements Link {
  readonly id: number
  readonly endpoint: Endpoint
  readonly gathers = true
  /** What the kernel keeps until it is received, as it counts: with its own overhead. */
  readonly receiveBufferBytes: number
  readonly #events: LinkEvents
  readonly #cuts: boolean
  readonly #watch: Watch
  readonly #sender: BulkSender
  readonly #receiver: BulkReceiver | BatchReceiver
  /** The receiver, if it takes many with a call. */
  readonly #batches: BatchReceiver | undefined
  /** Until when batches to a remote are not left to the kernel to cut. */
  readonly #refusals = new WeakMap<Endpoint, number>()
  #hasRefusals = false
  readonly #waiting: Waiting[] = []
  #immediate: NodeJS.Immediate | undefined
  #isClosed = false

  /** Binds; port 0 is any free one. Throws the system's error. */
  constructor(id: number, local: Endpoint, events: LinkEvents, { offload, cuts, mtu }: KernelHelp) {
    const fd = offload.openSocket(local, { merges: cuts })
    const senders = new SenderRun()
    this.receiveBufferBytes = offload.receiveBufferBytes(fd)
    checkSocketBuffer(this.receiveBufferBytes)
    this.endpoint = { address: local.address, port: offload.portOf(fd) }
    this.#watch = offload.watch(fd, local, {
      onReady: () => this.#wake(),
      onReceived: (bytes, from) => {
        this.#wake()
        this.#events.onDatagram(this, bytes, bytes.length, senders.endpointOf(from))
      },
    })
    this.id = id
    this.#events = events
    this.#cuts = cuts
    this.#sender = new BulkSender(offload, fd)
    this.#batches = !cuts && BatchReceiver.suits(mtu) ? new BatchReceiver(offload, fd, local) : undefined
    this.#receiver = this.#batches ?? new BulkReceiver(offload, fd, local)
  }

  get full(): boolean {
    return this.#waiting.length > 0
  }

  get queuedBytes(): number {
    return this.#waiting.reduce(
      (bytes, { batch, first }) => bytes + batch.length - first * batch.segmentBytes,
      0,
    )
  }

  send(batch: TransmitBatch): boolean {
    if (this.#isClosed) return true
    if (this.full) return this.#keep(batch, 0)
    const isCut = batch.packets > 1
    if (isCut && (!this.#cuts || (this.#hasRefusals && this.#refuses(batch.remote)))) {
      return this.#sendSingly(batch, 0)
    }
    const error = this.#sender.send(batch)
    if (error === 0) return true
    if (isCut && (error === EIO || error === EINVAL)) return this.#sendUncut(batch)
    return this.#handleRefused(batch, 0, error)
  }

  look(): void {
    if (this.#immediate === undefined && !this.#isClosed) this.#serve()
  }

  hold(isRef: boolean): void {
    this.#watch.hold(isRef)
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#waiting.length = 0
    if (this.#immediate !== undefined) clearImmediate(this.#immediate)
    this.#watch.close()
  }

  #wake(): void {
    if (!this.#isClosed) this.#immediate ??= setImmediate(this.#serve)
  }

  readonly #serve = (): void => {
    this.#immediate = undefined
    if (this.full) this.#sendWaiting()
    try {
      this.#receive()
    } finally {
      // A handler's exception is on its way up; the kernel does not tell of what has been received already.
      if (this.#batches?.hasMore) this.#wake()
    }
  }

  /** What has come with a call is told, even when it is enough. */
  #receive(): void {
    const receiver = this.#receiver
    let isEnough: boolean | undefined = false
    for (let i = 0; !this.#isClosed; ) {
      if (!this.#batches?.hasMore && (isEnough || i++ === BULK_LIMIT)) return
      const bytes = receiver.receive()
      if (bytes === undefined) return
      isEnough = this.#events.onDatagram(this, bytes, bytes.length, receiver.remote()) || isEnough
    }
  }

  /** The path or the device refuses to cut (udp(7)), or the address has gone: one packet tells which. */
  #sendUncut(batch: TransmitBatch): boolean {
    const sent = this.#sender.sendPackets(batch, 0, 1)
    if (sent < 0) return this.#handleRefused(batch, 0, -sent)
    this.#refusals.set(batch.remote, nowMs() + REFUSAL_MS)
    this.#hasRefusals = true
    return this.#sendSingly(batch, sent)
  }

  /** From packet `first` on. */
  #sendSingly(batch: TransmitBatch, first: number): boolean {
    for (let i = first; i < batch.packets; ) {
      const sent = this.#sender.sendPackets(batch, i)
      if (sent < 0) return this.#handleRefused(batch, i, -sent)
      i += sent
    }
    return true
  }

  /** From packet `first` on the kernel has not taken the batch: its buffer is full, or what is left is lost as on the wire. */
  #handleRefused(batch: TransmitBatch, first: number, error: number): boolean {
    if (error === EAGAIN) return this.#keep(batch, first)
    const { remote } = batch
    process.nextTick(() => {
      if (!this.#isClosed) this.#events.onError(this, getSystemErrorName(-error), remote)
    })
    return true
  }

  /** The batch is the link's from now on. */
  #keep(batch: TransmitBatch, first: number): boolean {
    batch.flatten()
    this.#waiting.push({ batch, first })
    if (this.#waiting.length === 1) this.#watch.awaitRoom(true)
    return false
  }

  #sendWaiting(): void {
    for (;;) {
      const oldest = this.#waiting[0]
      if (oldest === undefined) break
      const { batch } = oldest
      while (oldest.first < batch.packets) {
        const sent = this.#sender.sendPackets(batch, oldest.first)
        if (sent === -EAGAIN) return
        if (sent < 0) {
          this.#handleRefused(batch, oldest.first, -sent)
          break
        }
        oldest.first += sent
      }
      this.#waiting.shift()
    }
    this.#watch.awaitRoom(false)
    this.#events.onDrain(this)
  }

  #refuses(remote: Endpoint): boolean {
    return (this.#refusals.get(remote) ?? 0) > nowMs()
  }
}
