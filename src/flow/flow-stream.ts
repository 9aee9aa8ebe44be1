/**
 * The stream of a flow, whatever there is of it: what the program has written before the set-up is done; then a
 * `RestingStream`, and in its place a `Stream` for as long as something happens on it. While its flow has no address to
 * send from it is suspended.
 */
import type { FlowKeys } from '../security/keys.ts'
import type { TransportPath } from '../transport/path.ts'
import type { RestingStream } from '../transport/resting-stream.ts'
import { openStream, Stream } from '../transport/stream.ts'
import type { SegmentFields } from '../wire/segment.ts'
import type { TransmitBatch } from '../wire/transmit-batch.ts'
import type { FlowParts } from './flow-parts.ts'

export class FlowStream<F> {
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

  /** HOT. Undefined while it rests, and before the set-up is done. */
  get awake(): Stream | undefined {
    return this.#awake
  }

  /** For whoever asks for no more than it can tell in its sleep. */
  get held(): Stream | RestingStream | undefined {
    return this.#awake ?? this.#resting
  }

  /** For whoever has something for it to do: that ends its rest. */
  get roused(): Stream | undefined {
    return this.#awake ?? this.#rouse()
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

  get acknowledgedAll(): boolean {
    return this.#awake ? this.#awake.acknowledgedAll : this.#resting !== undefined
  }

  write(chunk: Uint8Array): void {
    const stream = this.roused
    if (stream) stream.write(chunk)
    else if (this.#early) this.#early.push(chunk)
    else this.#early = [chunk]
  }

  setKeepAlive(intervalMs: number, nowMs: number): void {
    this.#keepAliveMs = intervalMs
    this.held?.setKeepAlive(intervalMs, nowMs)
  }

  setNoDelay(noDelay: boolean): void {
    this.#noDelay = noDelay
    this.held?.setNoDelay(noDelay)
  }

  // ---- the peer's side ------------------------------------------------------------------------------------

  /** HOT. */
  handleSegment(fields: SegmentFields, buffer: Uint8Array, path: TransportPath, nowMs: number): void {
    if (this.#resting?.handleSegment(fields, nowMs)) return
    this.roused?.handleSegment(fields, buffer, path, nowMs)
  }

  /** Whether the segment acknowledges something that was never sent. */
  handleLie(fields: SegmentFields, buffer: Uint8Array, path: TransportPath, nowMs: number): boolean {
    if (this.#resting?.handleSegment(fields, nowMs)) return false
    const stream = this.roused
    if (stream === undefined) return false
    const { badAcknowledgements } = stream.stats
    stream.handleSegment(fields, buffer, path, nowMs)
    return stream.stats.badAcknowledgements > badAcknowledgements
  }

  /** Writes what a stream at rest has to say, if it has. */
  emitAtRest(batch: TransmitBatch, prefix: Uint8Array): boolean {
    return this.#resting?.emitBatch(batch, prefix) ?? false
  }

  // ---- its life -------------------------------------------------------------------------------------------

  /** The set-up is done: what was written before goes out. */
  open(keys: FlowKeys, nowMs: number): void {
    const { role, context } = this.#parts
    const client = role === 'client'
    this.#resting = openStream({
      ...context.limits,
      sendIsn: client ? keys.clientIsn : keys.serverIsn,
      receiveIsn: client ? keys.serverIsn : keys.clientIsn,
      nowMs,
    })
    this.#resting.noDelay = this.#noDelay
    this.#resting.setKeepAlive(this.#keepAliveMs, nowMs)
    for (const chunk of this.#early ?? []) this.roused?.write(chunk)
    this.#early = undefined
  }

  /** Keeps only where it stands, if nothing has happened on it for a while; returns whether it rests now. */
  rest(nowMs: number): boolean {
    this.#resting ??= this.#awake?.rest(nowMs)
    if (this.#resting === undefined) return false
    this.#awake = undefined
    return true
  }

  get isSuspended(): boolean {
    return this.#isSuspended
  }

  /** Nothing can be sent until a path is adopted. */
  suspend(): void {
    if (this.#isSuspended) return
    this.#isSuspended = true
    this.#awake?.suspend()
  }

  /** Sends on `path` from now on, and again. */
  adopt(path: TransportPath, nowMs: number): void {
    if (this.#isSuspended) {
      this.#isSuspended = false
      this.roused?.resume(path, nowMs)
    } else this.#awake?.switchPath(path, nowMs)
  }

  /** Nothing is sent or expected any more; what has come can still be read. */
  close(): void {
    this.#isOver = true
    this.#early = undefined
  }

  /** Infinity: never by itself. */
  get nextTimeoutAt(): number {
    if (this.#isSuspended || this.#isOver) return NEVER
    return this.held?.nextTimeoutAt ?? NEVER
  }

  /** Returns the stream if something was due. */
  handleTimeout(nowMs: number): Stream | undefined {
    const stream = this.nextTimeoutAt <= nowMs ? this.roused : undefined
    stream?.handleTimeout(nowMs)
    return stream
  }

  #rouse(): Stream | undefined {
    const { context, flow, paths } = this.#parts
    const resting = this.#resting
    const path = paths.active?.transport
    if (resting === undefined || path === undefined || this.#isOver) return undefined
    this.#resting = undefined
    this.#awake = new Stream({ ...context.limits, path }, resting)
    if (this.#isSuspended) this.#awake.suspend()
    context.awake(flow)
    return this.#awake
  }
}

const NEVER = Number.POSITIVE_INFINITY
