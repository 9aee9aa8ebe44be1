/**
 * The writing half of a socket: hands chunks to the flow, which keeps them until the peer has acknowledged them. A write is
 * done when the flow has it and has room for more.
 */
import { AsyncResource } from 'node:async_hooks'
import { ServalError } from '../errors.ts'
import type { AnyFlow } from '../flow/any-flow.ts'
import type { Stack } from '../net/stack.ts'
import { systemError } from './system-error.ts'

export type WriteCallback = (error?: Error | null) => void

export class FlowWriter {
  /** Bytes that a flow has taken. */
  bytesSent = 0
  #stack: Stack | undefined
  #flow: AnyFlow | undefined
  /** A write before there is a flow. The stream has one write under way at a time, so there is one at most. */
  #early: { readonly chunks: readonly Uint8Array[]; readonly callback: WriteCallback } | undefined
  /** A write that waits for room, its bytes, and how many bytes were unacknowledged when last looked at. */
  #waiting: { readonly callback: ScopedCallback; readonly bytes: number; bufferedBytes: number } | undefined

  /** Bytes that the flow has taken in a write that is not done. */
  get waitingBytes(): number {
    return this.#waiting?.bytes ?? 0
  }

  /** Whether a write waits for room. */
  get isWaiting(): boolean {
    return this.#waiting !== undefined
  }

  attach(stack: Stack, flow: AnyFlow): void {
    this.#stack = stack
    this.#flow = flow
  }

  /** Does what was held. */
  writeHeld(): void {
    const early = this.#early
    this.#early = undefined
    if (early) this.write(early.chunks, early.callback)
  }

  /** The flow is let go of: a write that waited for room is with the stack. */
  detach(): void {
    this.#flow = undefined
    this.#finish()
  }

  /** The socket is closed: a write that waited for the flow will never be done. */
  dropHeld(): void {
    const early = this.#early
    this.#early = undefined
    early?.callback(new ServalError('ERR_SOCKET_CLOSED_BEFORE_CONNECTION', {}))
  }

  /** Holds the write until there is a flow. */
  hold(chunks: readonly Uint8Array[], callback: WriteCallback): void {
    this.#early = { chunks, callback }
  }

  write(chunks: readonly Uint8Array[], callback: WriteCallback): void {
    const flow = this.#flow
    if (flow === undefined) return callback(new ServalError('ERR_SOCKET_CLOSED', {}))
    let bytes = 0
    try {
      for (const chunk of chunks) {
        flow.write(chunk)
        bytes += chunk.length
      }
    } catch (error) {
      return callback(writeError(flow.error ?? (error as ServalError)))
    }
    this.bytesSent += bytes
    this.#stack?.wake()
    if (flow.writable) callback()
    else this.#waiting = { callback: new ScopedCallback(callback), bytes, bufferedBytes: flow.bufferedBytes }
  }

  /** There is room again. */
  handleRoom(): void {
    if (this.#flow?.writable) this.#finish()
  }

  /** The flow is over. Returns whether a write failed by that. */
  handleClosed(error: ServalError | undefined): boolean {
    return this.#finish(error && writeError(error))
  }

  /** Whether a write is under way and has come on since this was last asked. */
  hasProgressed(): boolean {
    const waiting = this.#waiting
    const bufferedBytes = this.#flow?.bufferedBytes ?? 0
    if (waiting === undefined || waiting.bufferedBytes === bufferedBytes) return false
    waiting.bufferedBytes = bufferedBytes
    return true
  }

  #finish(error?: ServalError): boolean {
    const waiting = this.#waiting
    this.#waiting = undefined
    waiting?.callback.call(error)
    return waiting !== undefined
  }
}

/** Is called in the async context of the write, as with `node:net`. */
class ScopedCallback extends AsyncResource {
  readonly #callback: WriteCallback

  constructor(callback: WriteCallback) {
    super('SERVALWRITE')
    this.#callback = callback
  }

  call(error?: Error | null): void {
    this.runInAsyncScope(this.#callback, undefined, error)
  }
}

// A count that is large from the beginning, as transport/rehearsal.ts says.
new FlowWriter().bytesSent = 2 ** 44

/** The flow's error is told to readers as well, whose call is another. */
function writeError(error: ServalError): ServalError {
  if (error.code !== 'ECONNRESET') return systemError(error, { syscall: 'write' })
  return systemError(new ServalError('ECONNRESET', { syscall: 'write' }, { cause: error }), {})
}
