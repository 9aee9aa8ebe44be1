/**
 * Whom a datagram socket is connected to: a flow, from its set-up to its end. The socket is told of what comes, until it
 * lets go.
 */
import { ServalError } from '../errors.ts'
import type { AnyFlow } from '../flow/any-flow.ts'
import type { PathInfo } from '../flow/flow-info.ts'
import { FlowSignal } from '../flow/states.ts'
import type { Stack } from '../net/stack.ts'
import { type Endpoint, sameEndpoint } from '../wire/endpoint.ts'
import { type AddressInfo, socketAddress } from './socket-address.ts'
import { connectError, systemError } from './system-error.ts'
import { serviceTarget, type Target } from './target.ts'

export interface ConnectionEvents {
  /** An instance has taken it. */
  onConnected(): void
  onReadable(flow: AnyFlow): void
  /** It is on this path now. */
  onMoved(path: PathInfo | undefined): void
  /** Nobody has taken it. */
  onFailed(error: Error): void
  /** The peer has ended it, or it has failed since. */
  onEnded(error: Error | undefined): void
}

export class Connection {
  readonly #stack: Stack
  readonly #target: Target
  readonly #events: ConnectionEvents
  #flow: AnyFlow | undefined
  #isUp = false
  #isOver = false

  constructor(stack: Stack, target: Target, events: ConnectionEvents) {
    this.#stack = stack
    this.#target = target
    this.#events = events
  }

  /** From `port` of this host; 0: from none. */
  open(port: number): void {
    if (this.#isOver) return
    const handler = { onSignals: (flow: AnyFlow, signals: number) => this.#handleSignals(flow, signals) }
    try {
      this.#flow = this.#stack.connect(serviceTarget(this.#target), { datagrams: { port } }, handler)
    } catch (error) {
      this.#handleFailure(error as Error)
    }
  }

  get flow(): AnyFlow | undefined {
    return this.#flow
  }

  /** Whether it is set up. */
  get isUp(): boolean {
    return this.#isUp
  }

  /** Undefined where the peer is not known. */
  get remoteAddress(): AddressInfo | undefined {
    const remote = this.#flow?.activePath?.remote
    const { port, service } = this.#target
    return this.#isUp && remote
      ? { ...socketAddress({ ...remote, port: port ?? remote.port }), service }
      : undefined
  }

  /** Whether what is from there, and from that port of its host, is from the peer. */
  isPeer(remote: Endpoint, port: number): boolean {
    const peer = this.#flow?.activePath?.remote
    if (!peer || !sameEndpoint(peer, remote)) return false
    return this.#target.port === undefined || this.#target.port === port
  }

  /** Nothing more is told of it. */
  letGo(): void {
    this.#isOver = true
    if (this.#flow) this.#stack.letGo(this.#flow)
  }

  #handleSignals(flow: AnyFlow, signals: number): void {
    if (this.#isOver) return
    if (signals & FlowSignal.connected) {
      this.#isUp = true
      this.#events.onConnected()
    }
    if (signals & FlowSignal.readable) this.#events.onReadable(flow)
    if (signals & FlowSignal.moved) this.#events.onMoved(flow.info().paths.find(({ active }) => active))
    if ((signals & (FlowSignal.end | FlowSignal.closed)) === 0 || this.#isOver) return
    if (!this.#isUp) return this.#handleFailure(flow.error)
    this.letGo()
    this.#events.onEnded(flow.error && systemError(flow.error, {}))
  }

  #handleFailure(error: Error | undefined): void {
    this.#isOver = true
    if (error === undefined) return
    this.#events.onFailed(error instanceof ServalError ? connectError(error, this.#target) : error)
  }
}
