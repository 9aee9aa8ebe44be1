/**
 * An active socket: a flow with the shape, events and order of a `net.Socket`. Where it differs from Node's is listed in
 * test/compliance/differences.test.ts.
 *
 *   program -- write, end --> Writable --> FlowWriter --> flow
 *   program <-- data, end --- Readable <-- FlowReader <-- flow
 */
import type * as net from 'node:net'
import { addAbortSignal, Duplex } from 'node:stream'
import { ServalError } from '../errors.ts'
import type { AnyFlow } from '../flow/any-flow.ts'
import type { FlowInfo } from '../flow/flow-info.ts'
import { FlowSignal } from '../flow/states.ts'
import { nowMs } from '../net/clock.ts'
import { defaultStack } from '../net/default-stack.ts'
import type { FlowHandler, MigrateTarget, Stack } from '../net/stack.ts'
import type { CongestionName } from '../transport/congestion/congestion.ts'
import type { Endpoint } from '../wire/endpoint.ts'
import { checkCongestion, checkFunction, type NormalizedArguments, splitArguments } from './arguments.ts'
import { openingOf } from './binding.ts'
import { adopting } from './callable.ts'
import { FlowReader, type Sink } from './flow-reader.ts'
import { FlowWriter, type WriteCallback } from './flow-writer.ts'
import { type AddressOptions, checkAddressOptions, foundError, isOwnAddress, lookUp } from './host-lookup.ts'
import { checkDuration, IdleTimer } from './idle-timer.ts'
import { type AddressInfo, type SocketAddressInfo, socketAddress } from './socket-address.ts'
import {
  type AcceptOptions,
  type ConnectOptions,
  checkOptions,
  keepAliveMs,
  type SocketOptions,
  streamOptions,
} from './socket-options.ts'
import { connectError, systemError } from './system-error.ts'
import { connectTarget, foundTarget, serviceTarget, type Target } from './target.ts'

/** A socket over a flow that a listener has accepted, and what hears of the flow's signals. For servers. */
export let acceptSocket: (
  stack: Stack,
  flow: AnyFlow,
  served: Target,
  options: AcceptOptions,
) => { readonly socket: Socket; readonly handler: FlowHandler }

/** What a socket's own parts may do with it: they are for no program. */
let sink: Sink<Socket>
let handleSignals: (socket: Socket, flow: AnyFlow, signals: number) => void
let readAll: (socket: Socket) => void
let handlePeerEnd: (this: Socket) => void

/** Hears of a flow for its socket. */
class Handler implements FlowHandler {
  readonly #socket: Socket

  constructor(socket: Socket) {
    this.#socket = socket
  }

  onSignals(flow: AnyFlow, signals: number): void {
    handleSignals(this.#socket, flow, signals)
  }
}

export class Socket extends adopting(Duplex) implements net.Socket {
  /** The server that took it, if any. */
  server: net.Server | null = null
  /** Whether `connect` was called and is not done. */
  connecting = false
  /** As last given to `setTimeout`. */
  timeout?: number

  readonly #ownStack: Stack | undefined
  readonly #reader: FlowReader<Socket>
  readonly #writer = new FlowWriter()
  /** Made by `setTimeout`. */
  #idle: IdleTimer | undefined
  #stack: Stack | undefined
  #flow: AnyFlow | undefined
  /** What it connects to, or what was served to the one that has. */
  #target: Target | undefined
  #congestion: CongestionName | undefined
  #lastRemote: SocketAddressInfo | undefined
  /** A server's: the connection is no longer counted. */
  #onRelease: (() => void) | undefined
  #isReferenced = true
  #isHeld = false
  #isResetting = false
  /** Between `_final` and its callback. */
  #isFinishing = false
  #noDelay: boolean | undefined
  #keepAlive: boolean
  #keepAliveMs: number

  static {
    acceptSocket = (stack, flow, target, options) => {
      const socket = new Socket({ ...options, stack })
      socket.#target = target
      if (options.pauseOnConnect) socket.pause()
      socket.server = options.server
      socket.#onRelease = options.onRelease
      socket.#adopt(stack, flow)
      socket.#begin(flow)
      socket.#beginReading(flow)
      return { socket, handler: new Handler(socket) }
    }
    sink = {
      push: (socket, chunk) => socket.push(chunk),
      touch: socket => socket.#idle?.refresh(),
      end: socket => socket.#pushEnd(),
      fail: (socket, error) => socket.destroy(error),
    }
    handleSignals = (socket, flow, signals) => socket.#handleSignals(flow, signals)
    readAll = socket => {
      socket.#reader.readAll()
      socket.#hold()
    }
    handlePeerEnd = function () {
      if (!this.allowHalfOpen) this.write = this.#writeAfterEnd
    }
  }

  constructor(given?: SocketOptions | null) {
    const options = given ?? {}
    checkOptions(options)
    super(streamOptions(options))
    this.#ownStack = options.stack
    this.#noDelay = options.noDelay === undefined ? undefined : Boolean(options.noDelay)
    this.#keepAlive = Boolean(options.keepAlive)
    this.#keepAliveMs = keepAliveMs(options.keepAliveInitialDelay)
    this.#reader = new FlowReader<Socket>(sink, this, options.onread)
    this.on('end', handlePeerEnd)
    // Last, for it may destroy the socket at once.
    if (options.signal) addAbortSignal(options.signal, this)
  }

  // ---- connecting -------------------------------------------------------------------------------------------------

  /**
   * Connects to a service; a socket that was closed may be used again. Throws on malformed arguments (ERR_*,
   * ESERVICENAME). Emits `error`: ENOSERVICE or ENOROUTER if nobody serves the name, ECONNREFUSED if an instance refuses
   * or a number stood for the name, ETIMEDOUT, EHOSTUNREACH.
   */
  connect(service: string, onConnect?: () => void): this
  connect(port: number, host: string, onConnect?: () => void): this
  connect(port: number, onConnect?: () => void): this
  connect(options: ConnectOptions | net.SocketConnectOpts, onConnect?: () => void): this
  connect(normalized: NormalizedArguments): this
  connect(...args: unknown[]): this {
    const { options, callback } = splitArguments<ConnectOptions>(args)
    if (callback) this.once('connect', callback)
    checkAddressOptions(options)
    const target = connectTarget(options)
    this.#congestion = checkCongestion(options.congestion)
    if (this.destroyed) this.#reuse()
    this.#target = target
    this.#idle?.refresh()
    this.connecting = true
    if (target.hostToFind === undefined)
      process.nextTick(() => this.#isConnectingTo(target) && this.#open(target))
    else this.#find(target, target.hostToFind, options)
    return this
  }

  /** What Node's has only while it is open: there is no descriptor below. */
  get _handle(): null {
    return null
  }

  /** As programs of old ask for it. */
  get _connecting(): boolean {
    return this.connecting
  }

  get pending(): boolean {
    return this.#flow === undefined || this.connecting
  }

  /** Node tries the addresses of a host; here the stack resolves the service. */
  get autoSelectFamilyAttemptedAddresses(): string[] {
    return []
  }

  get readyState(): net.SocketReadyState {
    if (this.connecting) return 'opening'
    if (this.readable) return this.writable ? 'open' : 'readOnly'
    return this.writable ? 'writeOnly' : 'closed'
  }

  // ---- the flow ---------------------------------------------------------------------------------------------------

  /** What the stack knows of the flow under this socket; undefined without one. */
  get flow(): FlowInfo | undefined {
    return this.#flow?.info()
  }

  /**
   * Moves to another of this host's addresses. Resolves when the peer has confirmed it; `migrate` is emitted then, as for
   * moves that nobody asked for. Rejects with EADDRNOTAVAIL, or ERR_SOCKET_CLOSED if there is no flow.
   */
  async migrate(target: MigrateTarget): Promise<void> {
    if (this.#stack === undefined || this.#flow === undefined || this.connecting) {
      throw new ServalError('ERR_SOCKET_CLOSED', {})
    }
    await this.#stack.migrate(this.#flow, target)
  }

  /** This end of the active path, and the service; `{}` before and after. */
  address(): AddressInfo | Record<string, never> {
    const local = this.#local
    return local && this.#flow ? { ...local, service: this.#flow.info().service } : {}
  }

  get localAddress(): string | undefined {
    return this.#local?.address
  }

  get localPort(): number | undefined {
    return this.#local?.port
  }

  get localFamily(): string | undefined {
    return this.#local?.family
  }

  get remoteAddress(): string | undefined {
    return this.#remote?.address
  }

  get remotePort(): number | undefined {
    return this.#remote?.port
  }

  get remoteFamily(): string | undefined {
    return this.#remote?.family
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
    this.#flow?.setNoDelay(this.#noDelay)
    return this
  }

  /** Probes a silent peer each `initialDelayMs`; 0 stands for the two hours of RFC 1122 section 4.2.3.6. */
  setKeepAlive(enable = false, initialDelayMs?: number): this {
    this.#keepAlive = Boolean(enable)
    this.#keepAliveMs = keepAliveMs(initialDelayMs)
    if (this.#flow && !this.connecting) this.#applyKeepAlive(this.#flow)
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

  get bufferSize(): number {
    return this.writableLength
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
    else if (this.#flow) this.#reset()
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
    if (this.pending) {
      this.once('connect', () => this._final(callback))
      return
    }
    this.#flow?.end(nowMs())
    this.#stack?.wake()
    // Never in the same turn: programs hear of an error that follows, rather than of `finish`.
    this.#isFinishing = true
    setImmediate(() => {
      this.#isFinishing = false
      callback()
    })
  }

  override _destroy(error: Error | null, callback: WriteCallback): void {
    const wasUsed = this.connecting || !this.pending
    this.connecting = false
    this.#idle?.stop()
    const emitClose = (...hadError: boolean[]) => {
      this.emit('close', ...hadError)
      this.#writer.dropHeld()
    }
    if (this.#flow) this.#letGo(this.#flow)
    callback(error)
    if (wasUsed) setImmediate(emitClose, error !== null)
    else process.nextTick(emitClose)
    this.#writer.detach()
    this.#onRelease?.()
    this.#onRelease = undefined
  }

  // ---- details ----------------------------------------------------------------------------------------------------

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

  /** The program itself finds the host's address, or it is known, or the name can be none. */
  #find(target: Target, host: string, options: AddressOptions): void {
    lookUp(host, options, (error, address, family) => {
      this.emit('lookup', error, address, family, host)
      if (!this.#isConnectingTo(target)) return
      const failure = error ?? foundError(address, family, { host, port: target.port })
      const found = failure === undefined ? foundTarget(target, address) : target
      this.#target = found
      process.nextTick(() => {
        if (!this.#isConnectingTo(found)) return
        if (failure) this.destroy(failure)
        else this.#open(found)
      })
    })
  }

  #open(target: Target): void {
    try {
      if (target.port === 0)
        throw new ServalError('ECONNREFUSED', { service: 'port 0', reason: 'nobody can serve it' })
      const stack = this.#ownStack ?? defaultStack()
      const { localAddress: address } = target
      if (address && !isOwnAddress(address, stack))
        throw new ServalError('EADDRNOTAVAIL', { syscall: 'bind', address })
      const opening = openingOf(stack, target.service)
      if (opening === undefined)
        return this.#adopt(
          stack,
          stack.connect(serviceTarget(target), { congestion: this.#congestion }, new Handler(this)),
        )
      const openAgain = () => process.nextTick(() => this.#isConnectingTo(target) && this.#open(target))
      opening.then(openAgain, openAgain)
    } catch (error) {
      this.destroy(error instanceof ServalError ? connectError(error, target) : (error as Error))
    }
  }

  #isConnectingTo(target: Target): boolean {
    return this.connecting && this.#target === target
  }

  #adopt(stack: Stack, flow: AnyFlow): void {
    this.#stack = stack
    this.#flow = flow
    this.#hold()
  }

  #handleSignals(flow: AnyFlow, signals: number): void {
    if (flow === this.#flow && signals & FlowSignal.connected) this.#handleConnected(flow)
    if (flow !== this.#flow) return
    if (signals & FlowSignal.moved) this.#handleMoved()
    if (signals & FlowSignal.writable) this.#writer.handleRoom()
    if (signals & (FlowSignal.readable | FlowSignal.end)) this.#reader.readAll()
    if (flow === this.#flow && signals & FlowSignal.closed) this.#handleClosed(flow.error)
    this.#hold()
  }

  #handleConnected(flow: AnyFlow): void {
    this.connecting = false
    this.#idle?.refresh()
    this.#begin(flow)
    this.emit('connect')
    this.#writer.writeHeld()
    this.emit('ready')
    if (flow === this.#flow) this.#beginReading(flow)
  }

  /** The flow is set up. */
  #begin(flow: AnyFlow): void {
    if (this.#noDelay !== undefined) flow.setNoDelay(this.#noDelay)
    if (this.#keepAlive) this.#applyKeepAlive(flow)
    if (this.#stack) this.#writer.attach(this.#stack, flow)
  }

  #beginReading(flow: AnyFlow): void {
    this.#reader.attach(flow)
    if (!this.isPaused()) this.read(0)
  }

  #handleMoved(): void {
    this.#lastRemote = undefined
    this.emit(
      'migrate',
      this.flow?.paths.find(path => path.active),
    )
  }

  #handleClosed(error: ServalError | undefined): void {
    if (this.connecting) this.destroy(error && this.#target ? connectError(error, this.#target) : error)
    else if (!this.#writer.handleClosed(error) && error) this.#reader.fail(systemError(error, {}))
  }

  #send(chunks: readonly Uint8Array[], callback: WriteCallback): void {
    if (this.connecting) return this.#writer.hold(chunks, callback)
    this.#idle?.refresh()
    this.#writer.write(chunks, callback)
    this.#hold()
  }

  #reset(): void {
    this.#isResetting = true
    this.destroy()
  }

  /** What was written still goes out; the stack keeps the process alive until it has. */
  #letGo(flow: AnyFlow): void {
    this.#lastRemote = this.#remote
    this.#flow = undefined
    this.#reader.detach()
    if (this.#isResetting) flow.reset(nowMs())
    else this.#stack?.letGo(flow)
    this.#isResetting = false
    this.#stack?.wake()
    this.#hold()
  }

  /** Node lets a closed socket connect again, and programs that reconnect rely on it. */
  #reuse(): void {
    undestroy(this)
    this.write = Socket.prototype.write
    this.#lastRemote = undefined
    this.#reader.bytesRead = this.#writer.bytesSent = 0
  }

  /**
   * The stack counts the sockets for which the process waits: those that read, unless the program says otherwise, and
   * those that connect or write. It is the same with libuv's handles and requests.
   */
  #hold(): void {
    const isBusy = this.connecting || this.#writer.isWaiting || (this.#isReferenced && this.#reader.isReading)
    const isHeld = this.#flow !== undefined && isBusy
    if (isHeld === this.#isHeld) return
    this.#isHeld = isHeld
    if (isHeld) this.#stack?.ref()
    else this.#stack?.unref()
  }

  #applyKeepAlive(flow: AnyFlow): void {
    flow.setKeepAlive(this.#keepAlive ? this.#keepAliveMs : 0, nowMs())
    this.#stack?.wake()
  }

  /** The port is that of the service, where a number stands for it. */
  get #local(): SocketAddressInfo | undefined {
    const flow = this.#flow
    if (!flow?.activePath) return undefined
    const { endpoint } = flow.activePath.local
    return socketAddress(flow.role === 'server' ? this.#atPort(endpoint) : endpoint)
  }

  /** It stays known after the end, for programs that write a log. */
  get #remote(): SocketAddressInfo | undefined {
    const flow = this.#flow
    if (!flow?.activePath) return this.#lastRemote
    const { remote } = flow.activePath
    return socketAddress(flow.role === 'client' ? this.#atPort(remote) : remote)
  }

  #atPort(endpoint: Endpoint): Endpoint {
    const port = this.#target?.port
    return port === undefined ? endpoint : { address: endpoint.address, port }
  }
}

/** What Node's own sockets call; all Duplex streams have it. */
function undestroy(stream: Duplex & { _undestroy?: () => void }): void {
  stream._undestroy?.()
}
