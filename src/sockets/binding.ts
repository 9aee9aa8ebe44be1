/** One call of `listen`: from the choice of a port to the withdrawal of the service. */
import { randomInt } from 'node:crypto'
import { isIP } from 'node:net'
import { ServalError } from '../errors.ts'
import type { AnyFlow } from '../flow/any-flow.ts'
import { dynamicPorts } from '../id/port-service.ts'
import type { FlowHandler, ListenOptions as ServiceOptions, Stack, StackListener } from '../net/stack.ts'
import { isOwnAddress } from './host-lookup.ts'
import { type AddressInfo, socketAddress } from './socket-address.ts'
import { portTarget, serviceTarget, type Target } from './target.ts'

export class Binding {
  readonly stack: Stack
  readonly #options: ServiceOptions
  readonly #onFlow: (flow: AnyFlow) => FlowHandler
  /** The program has left the choice of a port to us. */
  readonly isAnyPort: boolean
  #target: Target
  #listener: StackListener | undefined
  #isClosed = false

  /** The port, where any will do, is chosen at once: programs read it before `listening`. */
  constructor(stack: Stack, target: Target, options: ServiceOptions, onFlow: (flow: AnyFlow) => FlowHandler) {
    this.stack = stack
    this.#options = options
    this.#onFlow = onFlow
    this.isAnyPort = target.port === 0
    this.#target = this.isAnyPort ? anyPort(target) : target
  }

  /**
   * Resolves when the service can be reached; waits for `before`. Rejects with EADDRINUSE, or what a controller has
   * against it.
   */
  open(before: Promise<void> | undefined): Promise<void> {
    const opened = this.#open(before)
    const isOpening = (opening.get(this.stack) ?? new Map()).set(this.#target.service, opened)
    opening.set(this.stack, isOpening)
    const forget = () => isOpening.delete(this.#target.service)
    opened.then(forget, forget)
    return opened
  }

  /** Resolves when nobody is sent here any more. */
  async close(): Promise<void> {
    this.#isClosed = true
    await this.#listener?.close()
  }

  /** What it serves. */
  get target(): Target {
    return this.#target
  }

  /** Undefined until it is open. */
  get listener(): StackListener | undefined {
    return this.#listener
  }

  get address(): AddressInfo {
    const { service, port, host } = this.#target
    if (port === undefined) return { ...socketAddress(this.stack.endpoints[0] ?? NO_ENDPOINT), service }
    const address = host === undefined ? ANY_ADDRESS : isIP(host) ? host : LOOPBACK
    return { ...socketAddress({ address, port }), service }
  }

  async #open(before: Promise<void> | undefined): Promise<void> {
    await before
    const { host = '' } = this.#target
    if (isIP(host) !== 0 && !isOwnAddress(host, this.stack))
      throw new ServalError('EADDRNOTAVAIL', {
        syscall: this.#options.datagrams ? 'bind' : 'listen',
        address: host,
      })
    for (let tries = 1; ; tries++) {
      try {
        this.#listener = await this.stack.listen(serviceTarget(this.#target), this.#options, this.#onFlow)
        if (this.#isClosed) await this.#listener.close()
        return
      } catch (error) {
        const isTaken = error instanceof ServalError && error.code === 'EADDRINUSE'
        if (!isTaken || !this.isAnyPort || tries >= dynamicPorts.tries) throw error
        this.#target = anyPort(this.#target)
      }
    }
  }
}

/** What becomes of a `listen` under way for a service: a connect from the same program waits for it, as Node's need not. */
export function openingOf(stack: Stack, service: string): Promise<void> | undefined {
  return opening.get(stack)?.get(service)
}

const opening = new WeakMap<Stack, Map<string, Promise<void>>>()

const ANY_ADDRESS = '::'
const LOOPBACK = '127.0.0.1'
const NO_ENDPOINT = { address: ANY_ADDRESS, port: 0 }

function anyPort({ host }: Target): Target {
  return portTarget(randomInt(dynamicPorts.first, dynamicPorts.end), host)
}
