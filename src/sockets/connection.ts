/**
 * What is below a socket: a flow, from the search for the host and the call of the service to its end, and where its two
 * ends are. A socket that connects again has another one.
 */
import { ServalError } from '../errors.ts'
import type { AnyFlow } from '../flow/any-flow.ts'
import { nowMs } from '../net/clock.ts'
import { defaultStack } from '../net/default-stack.ts'
import type { FlowHandler, Stack } from '../net/stack.ts'
import type { CongestionName } from '../transport/congestion/congestion.ts'
import type { Endpoint } from '../wire/endpoint.ts'
import { openingOf } from './binding.ts'
import { type AddressOptions, foundError, isOwnAddress, lookUp, type OnFound } from './host-lookup.ts'
import { type SocketAddressInfo, socketAddress } from './socket-address.ts'
import { connectError } from './system-error.ts'
import { foundTarget, serviceTarget, type Target } from './target.ts'

/** What hears of connections; one for all of them, each of which says for whom: `T`, a socket. */
export interface ConnectionEvents<T> {
  /** The host has been looked up, or can be none. */
  onLookup(socket: T, ...found: [...Parameters<OnFound>, host: string]): void
  /** There will be no flow. */
  onFailed(socket: T, error: Error): void
  /** Of the flow, until it is let go of. */
  onSignals(socket: T, flow: AnyFlow, signals: number): void
}

export interface CallOptions extends AddressOptions {
  /** What sets the window; default: the stack's. */
  readonly congestion?: CongestionName | undefined
}

export class Connection<T> implements FlowHandler {
  readonly #events: ConnectionEvents<T>
  readonly #socket: T
  #target: Target
  /** Given, or the process's own once it is needed. */
  #stack: Stack | undefined
  #flow: AnyFlow | undefined
  #isHeld = false
  #isOver = false
  #lastRemote: SocketAddressInfo | undefined

  /** To `target`, or of the one that has been called there. */
  constructor(events: ConnectionEvents<T>, socket: T, target: Target, stack: Stack | undefined) {
    this.#events = events
    this.#socket = socket
    this.#target = target
    this.#stack = stack
  }

  /** Calls the service, in another turn. */
  call(options: CallOptions): void {
    const { hostToFind } = this.#target
    if (hostToFind === undefined) process.nextTick(() => this.#open(options))
    else this.#find(hostToFind, options)
  }

  /** The service has been called, by this flow. */
  take(flow: AnyFlow): void {
    this.#flow = flow
    this.hold(true)
  }

  /** Nothing more is told of it. What was written still goes out, unless it is reset. */
  letGo(isReset: boolean): void {
    this.#isOver = true
    const flow = this.#flow
    if (flow === undefined) return
    this.#lastRemote = this.remote
    this.#flow = undefined
    if (isReset) flow.reset(nowMs())
    else this.#stack?.letGo(flow)
    this.#stack?.wake()
    this.hold(false)
  }

  /** Whether the process waits for it. */
  hold(isHeld: boolean): void {
    if (isHeld === this.#isHeld) return
    this.#isHeld = isHeld
    if (isHeld) this.#stack?.ref()
    else this.#stack?.unref()
  }

  onSignals(flow: AnyFlow, signals: number): void {
    if (flow === this.#flow) this.#events.onSignals(this.#socket, flow, signals)
  }

  /** Until it is let go of. */
  get isInUse(): boolean {
    return !this.#isOver
  }

  /** Undefined before and after. */
  get flow(): AnyFlow | undefined {
    return this.#flow
  }

  get stack(): Stack | undefined {
    return this.#stack
  }

  get target(): Target {
    return this.#target
  }

  /** The port is that of the service, where a number stands for it. */
  get local(): SocketAddressInfo | undefined {
    const flow = this.#flow
    if (!flow?.activePath) return undefined
    const { endpoint } = flow.activePath.local
    return socketAddress(flow.role === 'server' ? this.#atPort(endpoint) : endpoint)
  }

  /** It stays known after the end, for programs that write a log. */
  get remote(): SocketAddressInfo | undefined {
    const flow = this.#flow
    if (!flow?.activePath) return this.#lastRemote
    const { remote } = flow.activePath
    return socketAddress(flow.role === 'client' ? this.#atPort(remote) : remote)
  }

  /** The program itself finds the host's address, or it is known, or the name can be none. */
  #find(host: string, options: CallOptions): void {
    lookUp(host, options, (error, address, family) => {
      this.#events.onLookup(this.#socket, error, address, family, host)
      if (this.#isOver) return
      const failure = error ?? foundError(address, family, { host, port: this.#target.port })
      if (failure === undefined) this.#target = foundTarget(this.#target, address)
      process.nextTick(() => {
        if (failure === undefined) this.#open(options)
        else if (!this.#isOver) this.#events.onFailed(this.#socket, failure)
      })
    })
  }

  #open(options: CallOptions): void {
    if (this.#isOver) return
    try {
      const target = this.#target
      if (target.port === 0)
        throw new ServalError('ECONNREFUSED', { service: 'port 0', reason: 'nobody can serve it' })
      this.#stack ??= defaultStack()
      const { localAddress: address } = target
      if (address && !isOwnAddress(address, this.#stack))
        throw new ServalError('EADDRNOTAVAIL', { syscall: 'bind', address })
      const opening = openingOf(this.#stack, target.service)
      if (opening === undefined) {
        const { congestion } = options
        this.take(this.#stack.connect(serviceTarget(target), { congestion }, this))
      } else {
        const openAgain = () => process.nextTick(() => this.#open(options))
        opening.then(openAgain, openAgain)
      }
    } catch (error) {
      const isOurs = error instanceof ServalError
      this.#events.onFailed(this.#socket, isOurs ? connectError(error, this.#target) : (error as Error))
    }
  }

  #atPort(endpoint: Endpoint): Endpoint {
    const { port } = this.#target
    return port === undefined ? endpoint : { address: endpoint.address, port }
  }
}
