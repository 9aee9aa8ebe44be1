/**
 * The datagrams of a flow: borders are kept, nothing is repeated, nothing waits for anything but a path. What the peer has
 * not read in time, and what found no way out, is dropped, the oldest first. There is no window and no congestion
 * control: how much is sent is the program's business, as with UDP (RFC 8085 section 3.1).
 */
import { ServalError } from '../errors.ts'
import type { FlowKeys } from '../security/keys.ts'
import type { TransportPath } from '../transport/path.ts'
import { StreamSignal } from '../transport/stream-signals.ts'
import { emitDatagram, parseDatagram } from '../wire/datagram.ts'
import { DATA_PREFIX_BYTES, setLength } from '../wire/encapsulation.ts'
import { protocols } from '../wire/sal-header.ts'
import type { TransmitBatch } from '../wire/transmit-batch.ts'
import { UDP_HEADER_BYTES } from '../wire/udp-header.ts'
import { WireError } from '../wire/wire-error.ts'
import { fillBatch } from './datagram-batch.ts'
import { DatagramQueue, DEFAULT_DATAGRAM_LIMITS } from './datagram-queue.ts'
import { DatagramSilence } from './datagram-silence.ts'
import type { FlowParts } from './flow-parts.ts'
import type { FlowTransport } from './flow-transport.ts'
import type { SegmentSource } from './outbox.ts'
import type { Path } from './path.ts'
import { sameBytes } from './setup.ts'

/** What stands in front of each payload. */
const OVERHEAD_BYTES = DATA_PREFIX_BYTES + UDP_HEADER_BYTES

interface Queued {
  readonly payload: Uint8Array
}

export class FlowDatagrams<F> implements FlowTransport, SegmentSource {
  readonly protocol = protocols.DATAGRAM
  readonly stats = { bytesIn: 0, bytesOut: 0, retransmittedSegments: 0 }
  peerPort = 0
  /** Where FIN says that a stream ends; nobody counts datagrams. */
  readonly finalOffset = 0

  readonly #parts: FlowParts<F>
  readonly #port: number
  readonly #service: string
  readonly #outgoing = new DatagramQueue<Queued>()
  readonly #incoming: DatagramQueue<Queued>
  #silence: DatagramSilence | undefined
  #challenge: Uint8Array | undefined
  #keepAliveMs = 0
  #signals = 0
  #isSuspended = false
  #isOver = false

  /** `port`: that of this host that they are from, 0: none. `service`: as errors call it. */
  constructor(parts: FlowParts<F>, port: number, service: string) {
    this.#parts = parts
    this.#incoming = new DatagramQueue(DEFAULT_DATAGRAM_LIMITS, parts.context.receiveBudget)
    this.#port = port
    this.#service = service
  }

  // ---- the program's side ---------------------------------------------------------------------------------

  get readableBytes(): number {
    return this.#incoming.payloadBytes
  }

  get bufferedBytes(): number {
    return this.#outgoing.payloadBytes
  }

  get unsentBytes(): number {
    return this.#outgoing.payloadBytes
  }

  /** They take no room for long. */
  get writable(): boolean {
    return true
  }

  write(chunk: Uint8Array): void {
    const limit = this.#limit()
    if (chunk.length > limit) throw tooLong(this.#service, chunk.length, limit)
    for (const _ of this.#outgoing.put({ payload: chunk })) this.#parts.context.count('datagramQueueFull')
  }

  read(): Uint8Array | undefined {
    return this.#incoming.take()?.payload
  }

  setKeepAlive(intervalMs: number): void {
    this.#keepAliveMs = intervalMs
    this.#silence?.setInterval(intervalMs)
  }

  /** Nothing ever waits for more to go with it. */
  setNoDelay(): void {}

  // ---- the end, of either side ----------------------------------------------------------------------------

  end(): void {}

  /** Whatever has left may be lost. */
  get acknowledgedAll(): boolean {
    return true
  }

  get receivedAll(): boolean {
    return true
  }

  get owesReading(): boolean {
    return false
  }

  handleFinalOffset(): 'ok' {
    return 'ok'
  }

  fitsBehindFin(): boolean {
    return this.#outgoing.size === 0
  }

  // ---- the peer's side ------------------------------------------------------------------------------------

  handlePayload(
    buffer: Uint8Array,
    start: number,
    end: number,
    _path: TransportPath,
    nowMs: number,
  ): WireError | undefined {
    const datagram = parseDatagram(buffer, start, end)
    if (datagram instanceof WireError) return datagram
    this.peerPort = datagram.srcPort
    this.#silence?.handleHeard(nowMs)
    this.#take(datagram.payload)
    return undefined
  }

  handleRider(payload: Uint8Array, path: TransportPath, nowMs: number): WireError | undefined {
    const datagram = parseDatagram(payload, 0, payload.length)
    // An empty one stands in front of padding, or (2014) where nothing is to be said.
    const isNone = !(datagram instanceof WireError) && datagram.payload.length === 0
    return isNone ? undefined : this.handlePayload(payload, 0, payload.length, path, nowMs)
  }

  acknowledgeNow(): void {
    const { outbox, paths } = this.#parts
    if (paths.active) outbox.put({ kind: 'ACK', path: paths.active })
  }

  handleBatchEnd(): void {}

  isAnsweredBy(echo: Uint8Array, nowMs: number): boolean {
    if (this.#challenge === undefined || !sameBytes(this.#challenge, echo)) return false
    this.#challenge = undefined
    this.#silence?.handleHeard(nowMs)
    return true
  }

  takeSignals(): number {
    const signals = this.#signals
    this.#signals = 0
    return signals
  }

  #take(payload: Uint8Array): void {
    if (this.#isOver) return
    this.stats.bytesIn += payload.length
    // The link's buffer is used again.
    for (const _ of this.#incoming.put({ payload: new Uint8Array(payload) })) {
      this.#parts.context.count('datagramInboxFull')
    }
    this.#signals |= StreamSignal.readable
  }

  // ---- output ---------------------------------------------------------------------------------------------

  get riders(): SegmentSource | undefined {
    return this.#silence && this
  }

  /** The first one, if it fits and would not be taken for none: behind the third ACK it is there as soon as the flow is. */
  emitSegment(buffer: Uint8Array, offset: number, nowMs: number, maxPayloadBytes: number): number {
    const bytes = this.#outgoing.first?.payload.length ?? 0
    const payload = bytes > 0 && bytes <= maxPayloadBytes ? this.#outgoing.take()?.payload : undefined
    if (payload === undefined) return 0
    this.stats.bytesOut += payload.length
    this.#silence?.handleSent(nowMs)
    return emitDatagram({ srcPort: this.#port, payload }, 'nothing', buffer, offset)
  }

  emitBatch(batch: TransmitBatch, path: Path, nowMs: number): boolean {
    if (path.local.isHeld) return false
    this.#dropTooLong()
    const { dataPrefix } = this.#parts.writer
    const write = ({ payload }: Queued, buffer: Uint8Array, offset: number) => {
      buffer.set(dataPrefix, offset)
      setLength(buffer, offset, OVERHEAD_BYTES + payload.length)
      emitDatagram({ srcPort: this.#port, payload }, 'nothing', buffer, offset + DATA_PREFIX_BYTES)
    }
    if (fillBatch(this.#outgoing, batch, OVERHEAD_BYTES, write) === undefined) return false
    this.stats.bytesOut += batch.length - batch.packets * OVERHEAD_BYTES
    this.#silence?.handleSent(nowMs)
    return true
  }

  /** Whoever fills half of a packet would soon like larger ones, and datagrams have no full size. */
  fills(segmentBytes: number, packetBytes: number): boolean {
    return 2 * segmentBytes > packetBytes
  }

  /** What does not fit any more is dropped when its turn comes. */
  handleShrunk(): void {}

  /** What the path takes, as far as there is one. */
  #limit(): number {
    const path = this.#parts.paths.active
    return path === undefined ? Number.POSITIVE_INFINITY : path.mtu.packetBytes - OVERHEAD_BYTES
  }

  /** Written before the path was known, or for a larger one. */
  #dropTooLong(): void {
    const limit = this.#limit()
    for (
      let first = this.#outgoing.first;
      first && first.payload.length > limit;
      first = this.#outgoing.first
    ) {
      this.#outgoing.take()
      this.#parts.context.count('datagramTooLong')
    }
  }

  // ---- its life -------------------------------------------------------------------------------------------

  open(_keys: FlowKeys, nowMs: number): void {
    this.#silence = new DatagramSilence(this.#parts.context.limits.deadPeerMs, nowMs)
    this.#silence.setInterval(this.#keepAliveMs)
  }

  get isSuspended(): boolean {
    return this.#isSuspended
  }

  suspend(): void {
    this.#isSuspended = true
  }

  adopt(_path: TransportPath, nowMs: number): void {
    this.#isSuspended = false
    this.#silence?.handleHeard(nowMs)
  }

  close(): void {
    this.#isOver = true
    this.#outgoing.clear()
    this.#incoming.forgo()
  }

  /** There is nothing more to it than what is kept. */
  rest(): boolean {
    return true
  }

  get nextTimeoutAt(): number {
    if (this.#isSuspended || this.#isOver) return Number.POSITIVE_INFINITY
    return this.#silence?.nextAt ?? Number.POSITIVE_INFINITY
  }

  handleTimeout(nowMs: number): boolean {
    if (nowMs < this.nextTimeoutAt) return false
    if (this.#silence?.handleTimeout(nowMs) === 'dead') this.#signals |= StreamSignal.dead
    else this.#ask()
    return false
  }

  #ask(): void {
    const { outbox, paths, context } = this.#parts
    if (paths.active === undefined) return
    this.#challenge ??= context.randomBytes(8)
    outbox.put({ kind: 'PROBE', path: paths.active, challenge: this.#challenge })
  }
}

/** The path takes less than what the program gave. */
export function tooLong(service: string, bytes: number, limit: number): ServalError {
  return new ServalError('EMSGSIZE', { syscall: 'send', service, bytes, limit })
}
