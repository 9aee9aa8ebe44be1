/**
 * The reading half of a socket: takes views from the flow and hands them on, for as long as the other side takes them.
 * What is not read stays with the stack, whose window closes, and so with the peer.
 */
import { types } from 'node:util'
import type { ServalError } from '../errors.ts'
import type { AnyFlow } from '../flow/any-flow.ts'

/** Node's `onread`: one buffer, or a function that gives the next one, in place of `data` events. */
export interface OnReadOptions {
  readonly buffer: Uint8Array | (() => Uint8Array)
  /** `buffer` holds `bytes` bytes. False: no more for now, until `resume`. */
  readonly callback: (bytes: number, buffer: Uint8Array) => unknown
}

/** What takes what is read; one for all readers, each of which says for whom: `T`, a socket. */
export interface Sink<T> {
  /** False: no more for now. */
  push(target: T, chunk: Buffer): boolean
  /** Bytes have come. */
  touch(target: T): void
  end(target: T): void
  /** The flow has failed, and all that came before has been read. */
  fail(target: T, error: ServalError): void
}

export class FlowReader<T> {
  bytesRead = 0
  readonly #sink: Sink<T>
  readonly #target: T
  readonly #onread: OnReadOptions | undefined
  #flow: AnyFlow | undefined
  #isReading = false
  /** What did not fit into the program's own buffer, or into a chunk. */
  #rest: Uint8Array | undefined
  #failure: ServalError | undefined

  constructor(sink: Sink<T>, target: T, onread: OnReadOptions | undefined) {
    this.#sink = sink
    this.#target = target
    this.#onread = isOnRead(onread) ? onread : undefined
  }

  /** Whether the program's own buffer is filled, rather than the stream's. */
  get usesOwnBuffer(): boolean {
    return this.#onread !== undefined
  }

  /** Whether more is wanted, and may come. */
  get isReading(): boolean {
    return this.#isReading
  }

  attach(flow: AnyFlow): void {
    this.#flow = flow
    this.#failure = this.#rest = undefined
    this.readAll()
  }

  /** Whether there is something for the other side, were it to read. */
  get hasMore(): boolean {
    const flow = this.#flow
    if (flow === undefined) return false
    const isOver = flow.endReceived || this.#failure !== undefined
    return isOver || this.#rest !== undefined || flow.readableBytes > 0
  }

  detach(): void {
    this.#flow = undefined
    this.#isReading = false
  }

  start(): void {
    this.#isReading = true
  }

  stop(): void {
    this.#isReading = false
  }

  /** The flow is over: a program that does not read hears of it, as of all else, when it reads again. */
  fail(error: ServalError): void {
    this.#failure = error
    this.readAll()
  }

  /** HOT. */
  readAll(): void {
    const flow = this.#flow
    while (this.#isReading && flow !== undefined && flow === this.#flow) {
      const first = this.#rest ?? flow.read()
      if (first === undefined) return this.#readEnd(flow)
      this.#rest = undefined
      this.#sink.touch(this.#target)
      if (this.#onread) this.#fill(this.#onread, first)
      else {
        const chunk = first.length < WORTH_BYTES && flow.readableBytes > 0 ? this.#gather(flow, first) : first
        this.bytesRead += chunk.length
        const view = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length)
        if (!this.#sink.push(this.#target, view)) this.#isReading = false
      }
    }
  }

  /** What has waited, in one: a program that takes its time over each chunk would be the slower for small ones. */
  #gather(flow: AnyFlow, first: Uint8Array): Uint8Array {
    const parts = [first]
    let bytes = first.length
    for (let next = flow.read(); next !== undefined; next = flow.read()) {
      if (bytes + next.length > CHUNK_BYTES) {
        this.#rest = next
        break
      }
      parts.push(next)
      bytes += next.length
    }
    return parts.length === 1 ? first : Buffer.concat(parts, bytes)
  }

  #readEnd(flow: AnyFlow): void {
    if (flow.endReceived) {
      this.#isReading = false
      // libuv takes a buffer before it sees that there is no more.
      if (typeof this.#onread?.buffer === 'function') this.#onread.buffer()
      this.#sink.end(this.#target)
    } else if (this.#failure) {
      this.#isReading = false
      this.#sink.fail(this.#target, this.#failure)
    }
  }

  #fill({ buffer, callback }: OnReadOptions, chunk: Uint8Array): void {
    const target = typeof buffer === 'function' ? buffer() : buffer
    const bytes = Math.min(chunk.length, target.length)
    target.set(chunk.subarray(0, bytes))
    this.#rest = bytes < chunk.length ? chunk.subarray(bytes) : undefined
    this.bytesRead += bytes
    if (callback.call(this.#target, bytes, target) === false) this.#isReading = false
  }
}

/** What libuv reads at once; and what is not copied to make more of it. */
const CHUNK_BYTES = 65_536
const WORTH_BYTES = CHUNK_BYTES / 2

// A count that is large from the beginning, as transport/rehearsal.ts says.
new FlowReader({} as Sink<undefined>, undefined, undefined).bytesRead = 2 ** 44

/** Node takes anything else for absent. */
function isOnRead(value: OnReadOptions | undefined): boolean {
  if (typeof value !== 'object' || value === null || typeof value.callback !== 'function') return false
  return types.isUint8Array(value.buffer) || typeof value.buffer === 'function'
}
