/**
 * A flow as one of Node's streams: data both ways, the end of each, time-outs, failures, and how long the process waits
 * for it. A `Socket` is one that programs can call a service by.
 *
 *   program -- write, end --> Writable --> FlowWriter --> flow
 *   program <-- data, end --- Readable <-- FlowReader <-- flow
 */
import { Duplex } from 'node:stream'
import { ServalError } from '../errors.ts'
import type { AnyFlow } from '../flow/any-flow.ts'
import { FlowSignal } from '../flow/states.ts'
import { nowMs } from '../net/clock.ts'
import { FlowScope } from '../net/program-scope.ts'
import type { FlowHandler, Stack } from '../net/stack.ts'
import { checkFunction } from './arguments.ts'
import { adopting } from './callable.ts'
import { type CallOptions, Connection, type ConnectionEvents } from './connection.ts'
import { FlowReader, type Sink } from './flow-reader.ts'
import { FlowWriter, type WriteCallback } from './flow-writer.ts'
import { checkDuration, IdleTimer } from './idle-timer.ts'
import { checkOptions, keepAliveMs, type SocketOptions, streamOptions } from './socket-options.ts'
import { connectError, systemError } from './system-error.ts'
import type { Target } from './target.ts'

/** What a `Socket` does with the stream that it is; it is for no program. */
export let connectionOf: (stream: FlowDuplex) => Connection<FlowDuplex> | undefined
/** Connects it; what was closed is as new. */
export let call: (stream: FlowDuplex, target: Target, stack: Stack | undefined, options: CallOptions) => void
/** It is the other end of `flow`. Yields what hears of the flow. */
export let accept: (stream: FlowDuplex, target: Target, stack: Stack, flow: AnyFlow) => FlowHandler

/** What the parts of a stream do with it. */
let sink: Sink<FlowDuplex>
let events: ConnectionEvents<FlowDuplex>
let readAll: (stream: FlowDuplex) => void
let handlePeerEnd: (this: FlowDuplex) => void

export class FlowDuplex extends adopting(Duplex) {
  /** Whether `connect` was called and is not done. */
  connecting = false
  /** As last given to `setTimeout`. */
  timeout?: number

  readonly #reader: FlowReader<FlowDuplex>
  readonly #writer = new FlowWriter()
  #connection: Connection<FlowDuplex> | undefined
  /** Made by `setTimeout`. */
  #idle: IdleTimer | undefined
  #noDelay: boolean | undefined
  /** 0: a silent peer is not probed. */
  #keepAliveMs: number
  #isReferenced = true
  #isResetting = false
  /** Between `_final` and its callback. */
  #isFinishing = false

  static {
    connectionOf = stream => stream.#connection
    call = (stream, target, stack, options) => {
      if (stream.destroyed) stream.#reuse()
      const connection = new Connection(events, stream, target, stack)
      stream.#connection = connection
      stream.#idle?.refresh()
      stream.connecting = true
      connection.call(options)
    }
    accept = (stream, target, stack, flow) => {
      const connection = new Connection(events, stream, target, stack)
      stream.#connection = connection
      connection.take(flow)
      stream.#begin(flow)
      stream.#beginReading(flow)
      return connection
    }
    events = {
      onLookup: (stream, ...found) => stream.emit('lookup', ...found),
      onFailed: (stream, error) => stream.destroy(error),
      onSignals: (stream, flow, signals) => stream.#handleSignals(flow, signals),
    }
    sink = {
      push: (stream, chunk) => stream.push(chunk),
      touch: stream => stream.#idle?.refresh(),
      end: stream => stream.#pushEnd(),
      fail: (stream, error) => stream.destroy(error),
    }
    readAll = stream => {
      stream.#reader.readAll()
      stream.#hold()
    }
    handlePeerEnd = function () {
      if (!this.allowHalfOpen) this.write = this.#writeAfterEnd
    }
  }

  constructor(options: SocketOptions) {
    checkOptions(options)
    super(streamOptions(options))
    this.#noDelay = options.noDelay === undefined ? undefined : Boolean(options.noDelay)
    this.#keepAliveMs = options.keepAlive ? keepAliveMs(options.keepAliveInitialDelay) : 0
    this.#reader = new FlowReader<FlowDuplex>(sink, this, options.onread)
    this.on('end', handlePeerEnd)
  }

  // ---- settings and figures ---------------------------------------------------------------------------------------

  setTimeout(timeoutMs: number, onTimeout?: () => void): this {
    if (this.destroyed) return this
    this.timeout = timeoutMs
    const ms = checkDuration(timeoutMs, 'msecs')
    this.#idle ??= new IdleTimer(() => this._onTimeout())
    this.#idle.start(ms)
    if (onTimeout === undefined) return this
    checkFunction(onTimeout, 'callback')
    return ms === 0 ? this.removeListener('timeout', onTimeout) : this.once('timeout', onTimeout)
  }

  /** Nothing has happened for as long: called by the timer, and by programs that stand in for it. */
  _onTimeout(): void {
    if (this.#writer.hasProgressed()) this.#idle?.refresh()
    else this.emit('timeout')
  }

  /** Small writes leave at once unless this is set to false (RFC 896): a flow's default, which is not TCP's. */
  setNoDelay(noDelay = true): this {
    this.#noDelay = Boolean(noDelay)
    this.#flow()?.setNoDelay(this.#noDelay)
    return this
  }

  /** Probes a silent peer each `initialDelayMs`; 0 stands for the two hours of RFC 1122 section 4.2.3.6. */
  setKeepAlive(enable = false, initialDelayMs?: number): this {
    this.#keepAliveMs = enable ? keepAliveMs(initialDelayMs) : 0
    const flow = this.#flow()
    if (flow !== undefined && !this.connecting) this.#applyKeepAlive(flow)
    return this
  }

  /** The process waits for what this socket reads, as it does by default. */
  ref(): this {
    this.#isReferenced = true
    this.#hold()
    return this
  }

  unref(): this {
    this.#isReferenced = false
    this.#hold()
    return this
  }

  get bytesRead(): number {
    return this.#reader.bytesRead
  }

  /** Bytes that the program has written, sent or not. */
  get bytesWritten(): number {
    return this.#writer.bytesSent + this.writableLength - this.#writer.waitingBytes
  }

  // ---- ending -----------------------------------------------------------------------------------------------------

  /** Ends writing, and destroys the socket when all has been handed to the stack. */
  destroySoon(): void {
    if (this.writable) this.end()
    if (this.writableFinished) this.destroy()
    else this.once('finish', this.destroy)
  }

  /** Ends the flow at once: the peer's socket fails with ECONNRESET. */
  resetAndDestroy(): this {
    if (this.connecting) this.once('connect', () => this.#reset())
    else if (this.#flow()) this.#reset()
    else this.destroy(new ServalError('ERR_SOCKET_CLOSED', {}))
    return this
  }

  // ---- what the streams call --------------------------------------------------------------------------------------

  override pause(): this {
    if (this.#reader.usesOwnBuffer) {
      this.#reader.stop()
      this.#hold()
    }
    return super.pause()
  }

  override resume(): this {
    if (this.#reader.usesOwnBuffer) this._read()
    return super.resume()
  }

  /** What is there comes by itself, as from a kernel: each chunk is then an event, and none waits in the stream. */
  override _read(): void {
    this.#reader.start()
    if (this.#reader.hasMore) process.nextTick(readAll, this)
    this.#hold()
  }

  override _write(chunk: Uint8Array, _encoding: BufferEncoding, callback: WriteCallback): void {
    this.#send([chunk], callback)
  }

  override _writev(writes: readonly { readonly chunk: Uint8Array }[], callback: WriteCallback): void {
    this.#send(
      writes.map(({ chunk }) => chunk),
      callback,
    )
  }

  override _final(callback: WriteCallback): void {
    const flow = this.#flow()
    if (this.connecting || flow === undefined) {
      this.once('connect', () => this._final(callback))
      return
    }
    flow.end(nowMs())
    this.#connection?.stack?.wake()
    // Never in the same turn: programs hear of an error that follows, rather than of `finish`.
    this.#isFinishing = true
    setImmediate(() => {
      this.#isFinishing = false
      callback()
    })
  }

  override _destroy(error: Error | null, callback: WriteCallback): void {
    const wasUsed = this.connecting || this.#flow() !== undefined
    this.connecting = false
    this.#idle?.stop()
    const emitClose = (...hadError: boolean[]) => {
      this.emit('close', ...hadError)
      this.#writer.dropHeld()
    }
    const scope = this.#flow()?.owner
    this.#reader.detach()
    this.#connection?.letGo(this.#isResetting)
    this.#isResetting = false
    callback(error)
    // In the async context of the flow, as a handle's end is told, not in that of whoever destroys it.
    if (wasUsed && scope instanceof FlowScope) {
      scope.runInAsyncScope(setImmediate, undefined, emitClose, error !== null)
    } else if (wasUsed) setImmediate(emitClose, error !== null)
    else process.nextTick(emitClose)
    this.#writer.detach()
  }

  // ---- details ----------------------------------------------------------------------------------------------------

  #flow(): AnyFlow | undefined {
    return this.#connection?.flow
  }

  #handleSignals(flow: AnyFlow, signals: number): void {
    if (signals & FlowSignal.connected) this.#handleConnected(flow)
    if (flow !== this.#flow()) return
    if (signals & FlowSignal.moved) this.#handleMoved(flow)
    if (signals & FlowSignal.writable) this.#writer.handleRoom()
    if (signals & (FlowSignal.readable | FlowSignal.end)) this.#reader.readAll()
    if (flow === this.#flow() && signals & FlowSignal.closed) this.#handleClosed(flow.error)
    this.#hold()
  }

  #handleConnected(flow: AnyFlow): void {
    this.connecting = false
    this.#idle?.refresh()
    this.#begin(flow)
    this.emit('connect')
    this.#writer.writeHeld()
    this.emit('ready')
    if (flow === this.#flow()) this.#beginReading(flow)
  }

  /** The flow is set up. */
  #begin(flow: AnyFlow): void {
    if (this.#noDelay !== undefined) flow.setNoDelay(this.#noDelay)
    if (this.#keepAliveMs > 0) this.#applyKeepAlive(flow)
    const stack = this.#connection?.stack
    if (stack) this.#writer.attach(stack, flow)
  }

  #beginReading(flow: AnyFlow): void {
    this.#reader.attach(flow)
    if (!this.isPaused()) this.read(0)
  }

  #handleMoved(flow: AnyFlow): void {
    const { paths } = flow.info()
    this.emit(
      'migrate',
      paths.find(path => path.active),
    )
  }

  #handleClosed(error: ServalError | undefined): void {
    const target = this.#connection?.target
    if (this.connecting) this.destroy(error && target ? connectError(error, target) : error)
    else if (!this.#writer.handleClosed(error) && error) this.#reader.fail(systemError(error, {}))
  }

  #applyKeepAlive(flow: AnyFlow): void {
    flow.setKeepAlive(this.#keepAliveMs, nowMs())
    this.#connection?.stack?.wake()
  }

  #send(chunks: readonly Uint8Array[], callback: WriteCallback): void {
    if (this.connecting) return this.#writer.hold(chunks, callback)
    this.#idle?.refresh()
    this.#writer.write(chunks, callback)
    this.#hold()
  }

  /** In place of `write` when the peer has ended: EPIPE once this end has, by itself, too. */
  #writeAfterEnd(
    chunk: unknown,
    encoding?: BufferEncoding | WriteCallback,
    callback?: WriteCallback,
  ): boolean {
    if (!this.writableEnded) return super.write(chunk, encoding as BufferEncoding, callback)
    const onWrite = typeof encoding === 'function' ? encoding : callback
    const message = 'This socket has been ended by the other party'
    const error = systemError(new ServalError('EPIPE', { message }), {})
    if (onWrite) process.nextTick(onWrite, error)
    // One that has finished in this very turn is closed for whoever hears of it.
    if (!this.#isFinishing) this.destroy(error)
    return false
  }

  /** A peer in this very process can answer an end within the turn; `finish` is told first nevertheless, as by Node. */
  #pushEnd(): void {
    if (this.#isFinishing) {
      setImmediate(() => this.#pushEnd())
      return
    }
    this.push(null)
    this.read(0)
  }

  #reset(): void {
    this.#isResetting = true
    this.destroy()
  }

  /** Node lets a closed socket connect again, and programs that reconnect rely on it. */
  #reuse(): void {
    undestroy(this)
    this.write = FlowDuplex.prototype.write
    this.#reader.bytesRead = this.#writer.bytesSent = 0
  }

  /**
   * The process waits for sockets that read, unless the program says otherwise, and for those that connect or write. It is
   * the same with libuv's handles and requests.
   */
  #hold(): void {
    const isBusy = this.connecting || this.#writer.isWaiting || (this.#isReferenced && this.#reader.isReading)
    this.#connection?.hold(isBusy && this.#flow() !== undefined)
  }
}

/** What Node's own sockets call; all Duplex streams have it. */
function undestroy(stream: Duplex & { _undestroy?: () => void }): void {
  stream._undestroy?.()
}
