/**
 * What a datagram socket is to others: a service, or a port of this host, from `bind` or from its first message on; and
 * what waits until that can be reached.
 */
import { ServalError } from '../errors.ts'
import type { AnyFlow } from '../flow/any-flow.ts'
import type { FlowHandler, Stack, StackListener } from '../net/stack.ts'
import { checkShare } from './arguments.ts'
import { Binding } from './binding.ts'
import type { BindOptions, SocketType } from './dgram-arguments.ts'
import { Hold } from './hold.ts'
import type { AddressInfo } from './socket-address.ts'
import { systemError } from './system-error.ts'
import type { Target } from './target.ts'

export interface DatagramBindingEvents {
  onListening(): void
  /** It may be bound again. */
  onFailed(error: Error): void
  onMessages(): void
  onFlow(flow: AnyFlow): FlowHandler
}

export class DatagramBinding {
  /** Asked for when it is needed: the process's own is opened by that. */
  readonly #stack: () => Stack
  readonly #type: SocketType
  readonly #events: DatagramBindingEvents
  #inboxBytes: number
  #load: number | undefined
  #binding: Binding | undefined
  #isBound = false
  #isClosed = false
  #waiting: (() => void)[] = []
  #isReferenced = true
  readonly #held = new Hold()

  constructor(stack: () => Stack, type: SocketType, inboxBytes: number, events: DatagramBindingEvents) {
    this.#stack = stack
    this.#type = type
    this.#inboxBytes = inboxBytes
    this.#events = events
  }

  /** `isPrivate`: nobody asks for it by name. `onFailed` is called before the event. */
  bind(
    target: Target,
    options: BindOptions,
    isPrivate: boolean,
    onFailed: () => void = () => undefined,
  ): void {
    const { onMessages, onFlow } = this.#events
    const listen = { ...checkShare(options), datagrams: { isPrivate, onMessages } }
    const binding: Binding = new Binding(this.#stack(), target, listen, onFlow)
    this.#binding = binding
    this.#hold()
    binding.open(undefined).then(
      () => process.nextTick(() => this.#handleListening(binding)),
      error => process.nextTick(() => this.#handleFailure(binding, error, onFailed)),
    )
  }

  /** Binds it to any free port where `bind` was not called. */
  whenBound(act: () => void): void {
    if (this.#isBound) return act()
    this.#waiting.push(act)
    // Known to those who hear from it.
    if (!this.#binding) this.bind({ service: '', port: 0, host: undefined }, {}, true)
  }

  /** How much waits for that. */
  get waitingCount(): number {
    return this.#waiting.length
  }

  /** Resolves when nobody is sent here any more. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#waiting = []
    await this.#binding?.close()
  }

  /** The process may end: what was held for this is let go of. */
  release(): void {
    this.#held.take(undefined)
  }

  /** Whether the process waits for it, as it does by default. */
  hold(isReferenced: boolean): void {
    this.#isReferenced = isReferenced
    this.#hold()
  }

  /** Undefined where it is not, and is not to be, bound. */
  get address(): AddressInfo | undefined {
    return this.#binding && this.#addressOf(this.#binding)
  }

  /** Undefined until it is bound. */
  get listener(): StackListener | undefined {
    return this.#binding?.listener
  }

  get inboxBytes(): number {
    return this.#inboxBytes
  }

  /** What may wait until the program takes it. */
  set inboxBytes(bytes: number) {
    this.#inboxBytes = bytes
    if (this.listener) this.listener.inboxBytes = bytes
  }

  get load(): number | undefined {
    return this.#load
  }

  set load(load: number | undefined) {
    this.#load = load
    if (this.listener) this.listener.load = load
  }

  #handleListening(binding: Binding): void {
    if (this.#isClosed || this.#binding !== binding) return
    this.#isBound = true
    if (binding.listener) {
      binding.listener.inboxBytes = this.#inboxBytes
      binding.listener.load = this.#load
    }
    this.#events.onListening()
    for (const act of this.#waiting.splice(0)) act()
  }

  #handleFailure(binding: Binding, error: Error, onFailed: () => void): void {
    onFailed()
    if (this.#isClosed || this.#binding !== binding) return
    const { address, port } = this.#addressOf(binding)
    this.#binding = undefined
    this.#waiting = []
    this.#hold()
    const details = { syscall: 'bind', address, port: binding.isAnyPort ? undefined : port }
    this.#events.onFailed(error instanceof ServalError ? systemError(error, details) : error)
  }

  #addressOf(binding: Binding): AddressInfo {
    const { address, family, port, service } = binding.address
    const isAny = address === '::' && this.#type === 'udp4'
    return isAny ? { address: '0.0.0.0', family: 'IPv4', port, service } : { address, family, port, service }
  }

  #hold(): void {
    this.#held.take(this.#isReferenced && this.#binding && !this.#isClosed ? this.#stack() : undefined)
  }
}
