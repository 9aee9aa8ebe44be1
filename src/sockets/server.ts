/**
 * A server of a service: a `net.Server` over a stack's listener. `listening` fires when the service can be reached and,
 * where there is a controller, when that has acknowledged it.
 */
import { EventEmitter } from 'node:events'
import type * as net from 'node:net'
import { promisify } from 'node:util'
import { ServalError } from '../errors.ts'
import type { AnyFlow } from '../flow/any-flow.ts'
import { defaultStack } from '../net/default-stack.ts'
import type { FlowHandler, Stack } from '../net/stack.ts'
import type { CongestionName } from '../transport/congestion/congestion.ts'
import {
  checkCongestion,
  checkLoad,
  checkNumber,
  checkShare,
  checkSignal,
  splitArguments,
  type TargetOptions,
  wrongType,
} from './arguments.ts'
import { Binding } from './binding.ts'
import { adopting } from './callable.ts'
import { closeOn } from './close-on.ts'
import { Hold } from './hold.ts'
import { acceptSocket, type Socket } from './socket.ts'
import { type AddressInfo, socketAddress } from './socket-address.ts'
import type { AcceptOptions } from './socket-options.ts'
import { systemError } from './system-error.ts'
import { listenTarget, type Target } from './target.ts'

export interface ServerOptions {
  /** As for a socket; so are the others. */
  allowHalfOpen?: boolean | undefined
  /** Sockets are not read until the program resumes them. */
  pauseOnConnect?: boolean | undefined
  noDelay?: boolean | undefined
  keepAlive?: boolean | undefined
  keepAliveInitialDelay?: number | undefined
  highWaterMark?: number | undefined
  /** Default: the process's own. */
  stack?: Stack | undefined
}

/** What concerns the kernel's files is Node's, and ignored; `fd` is refused, with EINVAL. */
export interface ListenOptions extends TargetOptions {
  /** Share of the connections that this instance gets, >= 0; default 1. */
  weight?: number | undefined
  /** Only the living instances of the highest priority get any; default 1. */
  priority?: number | undefined
  /** Connections that may be half open at once; default 511. */
  backlog?: number | undefined
  /** What sets the window of its connections; default: the stack's. */
  congestion?: CongestionName | undefined
  fd?: number | undefined
  /** Aborting it closes the server. */
  signal?: AbortSignal | undefined
}

export class Server extends adopting(EventEmitter) implements net.Server {
  /** Connections beyond are ended at once, with the event `drop`; undefined: no limit. */
  maxConnections!: number

  /** What is the same for each of its sockets. */
  readonly #accepting: AcceptOptions
  #binding: Binding | undefined
  /** The service that was served last is being withdrawn. */
  #withdrawal: Promise<void> | undefined
  #connections = 0
  #load: number | undefined
  #isReferenced = true
  readonly #held = new Hold()

  constructor(onConnection?: (socket: Socket) => void)
  constructor(options?: ServerOptions | null, onConnection?: (socket: Socket) => void)
  constructor(first?: ServerOptions | ((socket: Socket) => void) | null, second?: (socket: Socket) => void) {
    super()
    const onConnection = typeof first === 'function' ? first : second
    const options = typeof first === 'function' ? {} : (first ?? {})
    if (typeof options !== 'object') throw wrongType('options', 'of type object', options)
    for (const name of ['keepAliveInitialDelay', 'highWaterMark'] as const) {
      if (options[name] !== undefined) checkNumber(options[name], `options.${name}`)
    }
    this.#accepting = { ...options, server: this, onRelease: () => this.#handleRelease() }
    if (typeof onConnection === 'function') this.on('connection', onConnection)
  }

  /**
   * Serves a service; a number stands for a port of this host, 0 or nothing for any free one. Throws on malformed
   * arguments (ERR_*, ESERVICENAME) and ERR_SERVER_ALREADY_LISTEN. Emits `error`: EADDRINUSE, or what the controller has
   * against it.
   */
  listen(service: string, backlog?: number, onListening?: () => void): this
  listen(service: string, onListening?: () => void): this
  listen(port?: number, host?: string, backlog?: number, onListening?: () => void): this
  listen(port?: number, host?: string, onListening?: () => void): this
  listen(port?: number, backlog?: number, onListening?: () => void): this
  listen(port?: number, onListening?: () => void): this
  listen(options: ListenOptions, onListening?: () => void): this
  listen(onListening?: () => void): this
  listen(...args: unknown[]): this {
    const { options, callback } = splitArguments<ListenOptions>(args)
    if (this.#binding) throw new ServalError('ERR_SERVER_ALREADY_LISTEN', {})
    if (callback) this.once('listening', callback)
    if (options.signal !== undefined)
      closeOn(checkSignal(options.signal, 'options.signal'), this, () => this.close())
    if (Number.isInteger(options.fd) && Number(options.fd) >= 0) return this.#refuseDescriptor()
    const target = listenTarget(args.length === 0 || typeof args[0] === 'function' ? { port: 0 } : options)
    const { weight, priority } = checkShare(options)
    const { backlog = positionalBacklog(args) } = options
    const congestion = checkCongestion(options.congestion)
    const stack = this.#accepting.stack ?? defaultStack()
    const binding: Binding = new Binding(stack, target, { weight, priority, backlog, congestion }, flow =>
      this.#accept(stack, flow, binding.target),
    )
    this.#binding = binding
    this.#hold()
    binding.open(this.#withdrawal).then(
      () => process.nextTick(() => this.#handleListening(binding)),
      error => process.nextTick(() => this.#handleFailure(binding, error)),
    )
    return this
  }

  /** Takes no more connections; `close` fires when the last one has ended and the service is withdrawn. */
  close(callback?: (error?: Error) => void): this {
    const binding = this.#binding
    if (typeof callback === 'function') {
      this.once('close', () => callback(binding ? undefined : new ServalError('ERR_SERVER_NOT_RUNNING', {})))
    }
    this.#binding = undefined
    if (binding) this.#withdraw(binding)
    else this.#emitCloseIfDrained()
    return this
  }

  get listening(): boolean {
    return this.#binding !== undefined
  }

  /**
   * What is served, from the call of `listen` on. `port` is the number that stands for the service, or that of this
   * process's own UDP socket where a name does.
   */
  address(): AddressInfo | null {
    return this.#binding?.address ?? null
  }

  /** What a cluster of Node's tells servers apart by, and programs have come to read. */
  get _connectionKey(): string | undefined {
    if (this.#binding === undefined) return undefined
    const {
      address: { address, family, port },
      isAnyPort,
    } = this.#binding
    return `${family === 'IPv6' ? 6 : 4}:${address}:${isAnyPort ? 0 : port}`
  }

  getConnections(callback: (error: Error | null, count: number) => void): this {
    process.nextTick(callback, null, this.#connections)
    return this
  }

  get connections(): number {
    return this.#connections
  }

  /**
   * How busy this instance is, from 0, idle, to 1, no more, where the program knows better than the number of its
   * connections tells; `balance=least-loaded` and `locality` steer by it. Undefined, as at first: it does not say.
   */
  get load(): number | undefined {
    return this.#load
  }

  /** Throws ERR_INVALID_ARG_TYPE, ERR_OUT_OF_RANGE. */
  set load(load: number | undefined) {
    this.#load = checkLoad(load)
    this.#reportLoad()
  }

  /** The process waits for this server, as it does by default. */
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

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#binding) await promisify(this.close).call(this)
  }

  /** With `captureRejections`, a listener's rejection ends the connection that it was for. */
  override [EventEmitter.captureRejectionSymbol](error: Error, event: string, ...args: unknown[]): void {
    if (event === 'connection') (args[0] as Socket).destroy(error)
    else this.emit('error', error)
  }

  #accept(stack: Stack, flow: AnyFlow, target: Target): FlowHandler {
    if (this.maxConnections && this.#connections >= this.maxConnections) return this.#drop(stack, flow)
    this.#connections++
    const { socket, handler } = acceptSocket(stack, flow, target, this.#accepting)
    try {
      this.emit('connection', socket)
    } catch (error) {
      // The program's own; the flow has its handler all the same.
      process.nextTick(() => {
        throw error
      })
    }
    return handler
  }

  #handleRelease(): void {
    this.#connections--
    this.#emitCloseIfDrained()
  }

  #drop(stack: Stack, flow: AnyFlow): FlowHandler {
    const local = flow.activePath && socketAddress(flow.activePath.local.endpoint)
    const remote = flow.activePath && socketAddress(flow.activePath.remote)
    stack.letGo(flow)
    this.emit('drop', {
      localAddress: local?.address,
      localPort: local?.port,
      localFamily: local?.family,
      remoteAddress: remote?.address,
      remotePort: remote?.port,
      remoteFamily: remote?.family,
    })
    return { onSignals: () => undefined }
  }

  /** Of the system's, on which nothing of a service could come. */
  #refuseDescriptor(): this {
    const error = systemError(new ServalError('EINVAL', { syscall: 'listen' }), {})
    process.nextTick(() => this.emit('error', error))
    return this
  }

  #handleListening(binding: Binding): void {
    if (this.#binding !== binding) return
    this.#reportLoad()
    this.emit('listening')
  }

  #reportLoad(): void {
    const listener = this.#binding?.listener
    if (listener !== undefined) listener.load = this.#load
  }

  #handleFailure(binding: Binding, error: Error): void {
    if (this.#binding !== binding) return
    this.#binding = undefined
    this.#hold()
    const { address, port } = binding.address
    const details = { syscall: 'listen', address, port }
    this.emit('error', error instanceof ServalError ? systemError(error, details) : error)
  }

  #withdraw(binding: Binding): void {
    const wasDrained = this.#connections === 0
    const withdrawal = binding.close().then(() => {
      if (this.#withdrawal === withdrawal) this.#withdrawal = undefined
      this.#hold()
      // A server that listens again by now has closed all the same.
      if (wasDrained && this.#connections === 0) process.nextTick(() => this.emit('close'))
      else this.#emitCloseIfDrained()
    })
    this.#withdrawal = withdrawal
  }

  #emitCloseIfDrained(): void {
    if (this.#binding || this.#withdrawal || this.#connections > 0) return
    process.nextTick(() => this.emit('close'))
  }

  /** The process waits for servers that serve or withdraw. */
  #hold(): void {
    const isHeld = this.#isReferenced && (this.#binding !== undefined || this.#withdrawal !== undefined)
    this.#held.take(isHeld ? (this.#binding?.stack ?? this.#held.stack) : undefined)
  }
}

/** `(port, backlog)`, `(service, backlog)` or `(port, host, backlog)`. */
function positionalBacklog(args: readonly unknown[]): number | undefined {
  const backlog = [args[1], args[2]].find(arg => Number(arg) > 0)
  return backlog === undefined ? undefined : Number(backlog)
}
