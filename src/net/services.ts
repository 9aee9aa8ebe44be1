/**
 * What this process serves: listeners of the SAL, with the names that lead to them, and their registration with a
 * controller. A name may be served by several processes of a host, as replicas; a port by one alone (`port-claims.ts`).
 */
import type { ServiceLoad } from '../control/messages.ts'
import { ServalError } from '../errors.ts'
import type { AnyFlow } from '../flow/any-flow.ts'
import type { ServiceName } from '../id/name.ts'
import { dynamicPorts } from '../id/port-service.ts'
import { DEFAULT_PRIORITY } from '../service/rule.ts'
import { type ListenNames, namesOfListener, type ServiceTarget } from './names.ts'
import { type PortClaims, type PortHold, portKey } from './port-claims.ts'
import type { FlowHandler } from './program-scope.ts'
import { type ListenerHost, type ListenOptions, StackListener, taken } from './stack-listener.ts'
import type { ServiceStatus, StackStatus } from './status.ts'

export interface ServicesOptions extends ListenerHost {
  /** The stacks of this host's other programs that say something of a serviceID. */
  askOthers(serviceId: string): Promise<readonly StackStatus[]>
  readonly ports: PortClaims
  randomBytes(n: number): Uint8Array
}

export class Services {
  readonly #options: ServicesOptions
  readonly #listeners = new Set<StackListener>()
  /** Ports that are about to be taken, by name, where others can only be asked. */
  readonly #claims = new Map<string, ServiceStatus>()

  constructor(options: ServicesOptions) {
    this.#options = options
  }

  get all(): readonly StackListener[] {
    return [...this.#listeners]
  }

  /** Those that have a serviceID, or all. */
  status(serviceId?: string): ServiceStatus[] {
    const all = [...this.#claims.values(), ...this.all.map(listener => listener.status)]
    return serviceId === undefined ? all : all.filter(({ serviceIds }) => serviceIds.includes(serviceId))
  }

  /** As `Stack.listen`. */
  async listen(
    target: ServiceTarget,
    options: ListenOptions,
    onFlow: (flow: AnyFlow) => FlowHandler,
  ): Promise<StackListener> {
    const isPort = typeof target === 'object' && 'port' in target
    if (isPort && target.port === 0) return this.#listenOnFreePort(target.host, options, onFlow)
    const { addresses } = this.#options
    const names = namesOfListener(target, addresses())
    const hold = isPort ? await this.#takePort(names, options) : undefined
    try {
      const listener = new StackListener({
        host: this.#options,
        target,
        names,
        options,
        hold,
        onFlow,
        onClosed: () => this.#listeners.delete(listener),
      })
      this.#listeners.add(listener)
      await listener.registered()
      return listener
    } catch (error) {
      hold?.release()
      throw error
    } finally {
      hold?.settle?.()
    }
  }

  /** How busy this process is with what it has registered. */
  *loads(): Generator<ServiceLoad, void> {
    for (const listener of this.#listeners) yield* listener.loads()
  }

  /** The addresses of this host have changed, and with them the names of its ports. */
  handleLocalsChanged(): void {
    for (const listener of this.#listeners) listener.refreshAliases()
  }

  async #listenOnFreePort(
    host: string | undefined,
    options: ListenOptions,
    onFlow: (flow: AnyFlow) => FlowHandler,
  ): Promise<StackListener> {
    const { first, end } = dynamicPorts
    for (let tries = 1; ; tries++) {
      const [high, low] = this.#options.randomBytes(2)
      const port = first + (((high! << 8) | low!) % (end - first))
      try {
        return await this.listen({ port, host }, options, onFlow)
      } catch (error) {
        const isTaken = error instanceof ServalError && error.code === 'EADDRINUSE'
        if (!isTaken || tries >= dynamicPorts.tries) throw error
      }
    }
  }

  /** A port with all the names that lead to it: no other program may have one of them. */
  async #takePort({ name, aliases }: ListenNames, { datagrams }: ListenOptions): Promise<TakenPort> {
    const protocol = datagrams && 'datagram'
    const own = this.status(name.id.toString()).find(status => status.protocol === protocol)
    if (own !== undefined) throw taken(name.text, `this program (pid ${process.pid})`)
    // Nobody else is told the port of a socket that only asks, and there may be many of them.
    const names = datagrams?.isPrivate ? [name] : [name, ...aliases]
    const outcome = await this.#options.ports.take(names.map(({ text }) => portKey(protocol, text)))
    if (outcome === 'unsupported') return this.#claim(name, protocol)
    if ('release' in outcome) return outcome
    const rival = names.find(({ text }) => outcome.taken.endsWith(` ${text}`)) ?? name
    throw taken(name.text, await this.#holderOf(rival, protocol))
  }

  /** For people. */
  async #holderOf(name: ServiceName, protocol: ServiceStatus['protocol']): Promise<string> {
    const others = await this.#options.askOthers(name.id.toString())
    const holder = others.find(({ services }) => services.some(service => service.protocol === protocol))
    return holder === undefined ? 'another program of this host' : `pid ${holder.pid} (${holder.program})`
  }

  /**
   * Of several programs that want a port at once the one that claimed it first gets it: each makes its claim known
   * before it looks at those of the others, so that at least the later of two sees the earlier.
   */
  async #claim(name: ServiceName, protocol: ServiceStatus['protocol']): Promise<TakenPort> {
    const claim: ServiceStatus = {
      name: name.text,
      serviceIds: [name.id.toString()],
      weight: 0,
      priority: DEFAULT_PRIORITY,
      since: Date.now(),
      state: 'claimed',
      protocol,
    }
    this.#claims.set(claimKey(claim), claim)
    for (const { pid, instance, program, services } of await this.#options.askOthers(name.id.toString())) {
      const rival = services.find(
        other =>
          other.protocol === protocol &&
          (other.state === 'listening' ||
            other.since < claim.since ||
            (other.since === claim.since && instance < this.#options.agent.instance)),
      )
      if (rival === undefined) continue
      this.#claims.delete(claimKey(claim))
      throw taken(name.text, `pid ${pid} (${program})`)
    }
    const settle = () => void this.#claims.delete(claimKey(claim))
    return { release: settle, settle, add: async () => true, drop: () => undefined }
  }
}

/** A port that this program may listen at. */
interface TakenPort extends PortHold {
  /** It listens now, or could not: others see it by themselves. */
  settle?(): void
}

function claimKey({ name, protocol }: ServiceStatus): string {
  return portKey(protocol, name)
}
