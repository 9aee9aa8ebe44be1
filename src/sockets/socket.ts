/**
 * An active socket: a flow with the shape, events and order of a `net.Socket`. Where it differs from Node's is listed in
 * test/compliance/differences.test.ts.
 */
import type * as net from 'node:net'
import { addAbortSignal } from 'node:stream'
import { ServalError } from '../errors.ts'
import type { AnyFlow } from '../flow/any-flow.ts'
import type { FlowInfo } from '../flow/flow-info.ts'
import type { FlowHandler, MigrateTarget, Stack } from '../net/stack.ts'
import { checkCongestion, type NormalizedArguments, splitArguments } from './arguments.ts'
import { accept, call, connectionOf, FlowDuplex } from './flow-duplex.ts'
import type { WriteCallback } from './flow-writer.ts'
import { checkAddressOptions } from './host-lookup.ts'
import type { AddressInfo } from './socket-address.ts'
import type { AcceptOptions, ConnectOptions, SocketOptions } from './socket-options.ts'
import { connectError } from './system-error.ts'
import { connectTarget, type Target } from './target.ts'

/** A socket over a flow that a listener has accepted, and what hears of the flow's signals. For servers. */
export let acceptSocket: (
  stack: Stack,
  flow: AnyFlow,
  served: Target,
  options: AcceptOptions,
) => { readonly socket: Socket; readonly handler: FlowHandler }

export class Socket extends FlowDuplex implements net.Socket {
  /** The server that took it, if any. */
  server: net.Server | null = null

  readonly #ownStack: Stack | undefined
  /** A server's: the connection is no longer counted. */
  #onRelease: (() => void) | undefined

  static {
    acceptSocket = (stack, flow, served, options) => {
      const socket = new Socket({ ...options, stack })
      if (options.pauseOnConnect) socket.pause()
      socket.server = options.server
      socket.#onRelease = options.onRelease
      return { socket, handler: accept(socket, served, stack, flow) }
    }
  }

  constructor(given?: SocketOptions | null) {
    const options = given ?? {}
    super(options)
    this.#ownStack = options.stack
    // Last, for it may destroy the socket at once.
    if (options.signal) addAbortSignal(options.signal, this)
  }

  // ---- connecting -------------------------------------------------------------------------------------------------

  /**
   * Connects to a service; a socket that was closed may be used again. Throws on malformed arguments (ERR_*,
   * ESERVICENAME). Emits `error`: ENOSERVICE or ENOROUTER if nobody serves the name, ECONNREFUSED if an instance refuses
   * or a number stood for the name, ETIMEDOUT, EHOSTUNREACH; EALREADY or EISCONN, and the end of the connection that there
   * is, while it is in use.
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
    checkCongestion(options.congestion)
    if (connectionOf(this)?.isInUse) this.#refuseCall(target)
    else call(this, target, this.#ownStack, options)
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
    return this.connecting || connectionOf(this)?.flow === undefined
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

  get bufferSize(): number {
    return this.writableLength
  }

  // ---- the flow ---------------------------------------------------------------------------------------------------

  /** What the stack knows of the flow under this socket; undefined without one. */
  get flow(): FlowInfo | undefined {
    return connectionOf(this)?.flow?.info()
  }

  /**
   * Moves to another of this host's addresses. Resolves when the peer has confirmed it; `migrate` is emitted then, as for
   * moves that nobody asked for. Rejects with EADDRNOTAVAIL, or ERR_SOCKET_CLOSED if there is no flow.
   */
  async migrate(target: MigrateTarget): Promise<void> {
    const { stack, flow } = connectionOf(this) ?? {}
    if (stack === undefined || flow === undefined || this.connecting) {
      throw new ServalError('ERR_SOCKET_CLOSED', {})
    }
    await stack.migrate(flow, target)
  }

  /** This end of the active path, and the service; `{}` before and after. */
  address(): AddressInfo | Record<string, never> {
    const { local, flow } = connectionOf(this) ?? {}
    return local && flow ? { ...local, service: flow.info().service } : {}
  }

  get localAddress(): string | undefined {
    return connectionOf(this)?.local?.address
  }

  get localPort(): number | undefined {
    return connectionOf(this)?.local?.port
  }

  get localFamily(): string | undefined {
    return connectionOf(this)?.local?.family
  }

  get remoteAddress(): string | undefined {
    return connectionOf(this)?.remote?.address
  }

  get remotePort(): number | undefined {
    return connectionOf(this)?.remote?.port
  }

  get remoteFamily(): string | undefined {
    return connectionOf(this)?.remote?.family
  }

  // ---- what the streams call --------------------------------------------------------------------------------------

  override _destroy(error: Error | null, callback: WriteCallback): void {
    super._destroy(error, callback)
    this.#onRelease?.()
    this.#onRelease = undefined
  }

  // ---- details ----------------------------------------------------------------------------------------------------

  /** It has one connection at a time, as the kernel's sockets have. */
  #refuseCall(target: Target): void {
    const { service } = target
    const code = this.connecting ? 'EALREADY' : 'EISCONN'
    const error = connectError(new ServalError(code, { syscall: 'connect', service }), target)
    process.nextTick(() => this.destroy(error))
  }
}
