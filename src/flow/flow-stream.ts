/**
 * The stream of a flow, whatever there is of it: what the program has written before the set-up is done; then a
 * `RestingStream`, and in its place a `Stream` for as long as something happens on it. While its flow has no address to
 * send from it is suspended.
 */
import type { FlowKeys } from '../security/keys.ts'
import type { TransportPath } from '../transport/path.ts'
import type { RestingStream } from '../transport/resting-stream.ts'
import { Stream } from '../transport/stream.ts'
import { openStream } from '../transport/stream-options.ts'
import { protocols } from '../wire/sal-header.ts'
import type { TransmitBatch } from '../wire/transmit-batch.ts'
import type { WireError } from '../wire/wire-error.ts'
import type { FlowParts } from './flow-parts.ts'
import type { FlowTransport, TransportStats } from './flow-transport.ts'
import type { SegmentSource } from './outbox.ts'
import type { Path } from './path.ts'

export class FlowStream<F> implements FlowTransport {
  readonly protocol = protocols.STREAM
  readonly peerPort = 0
  readonly #parts: FlowParts<F>
  /** One of them, once the peer is known. */
  #awake: Stream | undefined
  #resting: RestingStream | undefined
  /** Written and set before. */
  #early: Uint8Array[] | undefined
  #keepAliveMs = 0
  #noDelay = true
  #isSuspended = false
  #isOver = false

  constructor(parts: FlowParts<F>) {
    this.#parts = parts
  }

  get stats(): TransportStats | undefined {
    return this.#held()?.stats
  }

  // ---- the program's side ---------------------------------------------------------------------------------

  get readableBytes(): number {
    return this.#awake?.readableBytes ?? 0
  }

  get bufferedBytes(): number {
    return this.#awake?.bufferedBytes ?? (this.#early ?? []).reduce((sum, chunk) => sum + chunk.length, 0)
  }

  get unsentBytes(): number {
    return this.#awake?.unsentBytes ?? this.bufferedBytes
  }

  get writable(): boolean {
    return this.#awake?.writable ?? this.bufferedBytes < this.#parts.context.limits.sendBufferBytes
  }

  write(chunk: Uint8Array): void {
    const stream = this.#roused()
    if (stream) stream.write(chunk)
    else if (this.#early) this.#early.push(new Uint8Array(chunk))
    else this.#early = [new Uint8Array(chunk)]
  }

  read(): Uint8Array | undefined {
    return this.#awake?.read()
  }

  setKeepAlive(intervalMs: number, nowMs: number): void {
    this.#keepAliveMs = intervalMs
    this.#held()?.setKeepAlive(intervalMs, nowMs)
  }

  setNoDelay(noDelay: boolean): void {
    this.#noDelay = noDelay
    this.#held()?.setNoDelay(noDelay)
  }

  // ---- the end, of either side ----------------------------------------------------------------------------

  end(): void {
    this.#roused()?.end()
  }

  get acknowledgedAll(): boolean {
    return this.#awake ? this.#awake.acknowledgedAll : this.#resting !== undefined
  }

  get receivedAll(): boolean {
    return this.#awake?.receivedAll ?? false
  }

  get owesReading(): boolean {
    return this.readableBytes > 0
  }

  handleFinalOffset(finalOffset: number): 'conflict' | 'ok' {
    return this.#roused()?.handleFinalOffset(finalOffset) === 'conflict' ? 'conflict' : 'ok'
  }

  fitsBehindFin(payloadBytes: number): boolean {
    return this.#awake !== undefined && this.#awake.unsentBytes <= payloadBytes
  }

  // ---- the peer's side ------------------------------------------------------------------------------------

  handlePayload(
    buffer: Uint8Array,
    start: number,
    end: number,
    path: TransportPath,
    nowMs: number,
    segmentBytes = 0,
  ): WireError | undefined {
    const { profile, segmentFields } = this.#parts.context
    const error = profile.segment.parseInto(segmentFields, buffer, start, end)
    if (error !== undefined) return error
    if (segmentBytes > 0) segmentFields.segmentBytes = segmentBytes
    if (!this.#resting?.handleSegment(segmentFields, nowMs)) {
      this.#roused()?.handleSegment(segmentFields, buffer, path, nowMs)
    }
    return undefined
  }

  handleRider(payload: Uint8Array, path: TransportPath, nowMs: number): WireError | 'lie' | undefined {
    const before = this.#held()?.stats.badAcknowledgements ?? 0
    const error = this.handlePayload(payload, 0, payload.length, path, nowMs)
    if (error !== undefined) return error
    return (this.#held()?.stats.badAcknowledgements ?? 0) > before ? 'lie' : undefined
  }

  acknowledgeNow(): void {
    this.#held()?.acknowledgeNow()
  }

  handleBatchEnd(nowMs: number): void {
    this.#awake?.handleBatchEnd(nowMs)
  }

  /** What it asks is answered by acknowledgements. */
  isAnsweredBy(_echo: Uint8Array): boolean {
    return false
  }

  takeSignals(): number {
    return this.#awake?.takeSignals() ?? 0
  }

  // ---- output ---------------------------------------------------------------------------------------------

  get riders(): SegmentSource | undefined {
    return this.#held()
  }

  emitBatch(batch: TransmitBatch, path: Path, nowMs: number): boolean {
    const { dataPrefix } = this.#parts.writer
    const stream = this.#awake
    if (stream === undefined) return this.#resting?.emitBatch(batch, dataPrefix) ?? false
    return !path.local.isHeld && stream.emitBatch(batch, dataPrefix, path.transport, nowMs)
  }

  fills(segmentBytes: number, packetBytes: number): boolean {
    return segmentBytes >= packetBytes
  }

  handleShrunk(path: TransportPath): void {
    this.#awake?.handleShrunk(path)
  }

  // ---- its life -------------------------------------------------------------------------------------------

  open(keys: FlowKeys, nowMs: number): void {
    const { role, context } = this.#parts
    const client = role === 'client'
    this.#resting = openStream({
      ...context.limits,
      budget: context.receiveBudget,
      sendIsn: client ? keys.clientIsn : keys.serverIsn,
      receiveIsn: client ? keys.serverIsn : keys.clientIsn,
      nowMs,
    })
    this.#resting.noDelay = this.#noDelay
    this.#resting.setKeepAlive(this.#keepAliveMs, nowMs)
    for (const chunk of this.#early ?? []) this.#roused()?.write(chunk)
    this.#early = undefined
  }

  rest(nowMs: number): boolean {
    this.#resting ??= this.#awake?.rest(nowMs)
    if (this.#resting === undefined) return false
    this.#awake = undefined
    return true
  }

  get isSuspended(): boolean {
    return this.#isSuspended
  }

  suspend(): void {
    if (this.#isSuspended) return
    this.#isSuspended = true
    this.#awake?.suspend()
  }

  adopt(path: TransportPath, nowMs: number): void {
    if (this.#isSuspended) {
      this.#isSuspended = false
      this.#roused()?.resume(path, nowMs)
    } else this.#awake?.switchPath(path, nowMs)
  }

  close(): void {
    this.#isOver = true
    this.#early = undefined
    this.#awake?.forgo()
    this.#resting?.forgo()
  }

  get nextTimeoutAt(): number {
    if (this.#isSuspended || this.#isOver) return NEVER
    return this.#held()?.nextTimeoutAt ?? NEVER
  }

  handleTimeout(nowMs: number): boolean {
    const stream = this.nextTimeoutAt <= nowMs ? this.#roused() : undefined
    stream?.handleTimeout(nowMs)
    return stream !== undefined
  }

  /** For whoever asks for no more than it can tell in its sleep. */
  #held(): Stream | RestingStream | undefined {
    return this.#awake ?? this.#resting
  }

  /** For whoever has something for it to do: that ends its rest. */
  #roused(): Stream | undefined {
    return this.#awake ?? this.#rouse()
  }

  #rouse(): Stream | undefined {
    const { context, flow, paths } = this.#parts
    const resting = this.#resting
    const path = paths.active?.transport
    if (resting === undefined || path === undefined || this.#isOver) return undefined
    this.#resting = undefined
    this.#awake = new Stream({ ...context.limits, budget: context.receiveBudget, path }, resting)
    if (this.#isSuspended) this.#awake.suspend()
    context.awake(flow)
    return this.#awake
  }
}

const NEVER = Number.POSITIVE_INFINITY
