/**
 * What this process serves: listeners of the SAL, with the names that lead to them, and their registration with a
 * controller. A name may be served by several processes of a host, as replicas; a port by one alone (`port-claims.ts`).
 */
import type { ServiceLoad } from '../control/messages.ts'
import { ServalError } from '../errors.ts'
import type { AnyFlow } from '../flow/any-flow.ts'
import type { ServiceName } from '../id/name.ts'
import { dynamicPorts, parsePortService } from '../id/port-service.ts'
import { ServicePrefix } from '../id/service-prefix.ts'
import type { IncomingDatagram, Listener } from '../sal/listener.ts'
import type { Sal } from '../sal/sal.ts'
import { DEFAULT_PRIORITY, DEFAULT_WEIGHT } from '../service/rule.ts'
import type { CongestionName } from '../transport/congestion/congestion.ts'
import { protocols } from '../wire/sal-header.ts'
import type { AgentLink } from './agent-link.ts'
import { nowMs } from './clock.ts'
import { isLocalName, type ListenNames, namesOfListener, type ServiceTarget } from './names.ts'
import type { PortClaims, PortHold } from './port-claims.ts'
import type { ServiceStatus, StackStatus } from './status.ts'

export interface FlowHandler {
  /** `signals`: bits of FlowSignal that have gathered. */
  onSignals(flow: AnyFlow, signals: number): void
}

export interface ListenOptions {
  /** Share of what the service's instances get, >= 0; default 1. */
  readonly weight?: number | undefined
  /** Only the instances of the highest priority that lives are used; default 1. */
  readonly priority?: number | undefined
  /** Half-open flows at once; default 511. */
  readonly backlog?: number | undefined
  /** Of the flows that it accepts; default: the stack's. */
  readonly congestion?: CongestionName | undefined
  /** Datagrams, with flows and without; default: streams. */
  readonly datagrams?: DatagramOptions | undefined
}

/** What a listener of datagrams adds. */
export interface DatagramOptions {
  /** Something has come that belongs to no flow: `StackListener.read` has it. */
  readonly onMessages: () => void
  /** Known to who has heard from it, and not to the controller. */
  readonly isPrivate?: boolean | undefined
}

export interface ServicesOptions {
  readonly sal: Sal
  readonly agent: AgentLink
  /** Addresses of this host that other hosts may know, for the names of ports. */
  addresses(): readonly string[]
  /** The stacks of this host's other programs that say something of a serviceID. */
  askOthers(serviceId: string): Promise<readonly StackStatus[]>
  readonly ports: PortClaims
  randomBytes(n: number): Uint8Array
  /** The SAL may have something to do. */
  wake(): void
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
      const listener = new StackListener(this.#options, target, names, options, onFlow, () => {
        this.#listeners.delete(listener)
        hold?.release()
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
    const outcome = await this.#options.ports.take(names.map(({ text }) => `${protocol ?? 'stream'} ${text}`))
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
    return { release: settle, settle }
  }
}

/** A port that this program may listen at. */
interface TakenPort extends PortHold {
  /** It listens now, or could not: others see it by themselves. */
  settle?(): void
}

function claimKey({ name, protocol }: ServiceStatus): string {
  return `${protocol ?? 'stream'} ${name}`
}

/** One service that is being served. */
export class StackListener {
  /** Its canonical name. */
  readonly name: string
  /** Where it is a port. */
  readonly port: number | undefined
  readonly onFlow: (flow: AnyFlow) => FlowHandler
  readonly #options: ServicesOptions
  readonly #target: ServiceTarget
  readonly #name: ServiceName
  readonly #listener: Listener
  readonly #weight: number
  readonly #priority: number
  readonly #datagrams: DatagramOptions | undefined
  readonly #since = Date.now()
  readonly #onClosed: () => void
  #aliases: readonly ServiceName[]
  /** Registrations with the controller, by name. */
  readonly #registrations = new Map<string, number>()
  #acknowledged: Promise<unknown>
  #isClosed = false

  constructor(
    options: ServicesOptions,
    target: ServiceTarget,
    { name, aliases }: ListenNames,
    { weight = DEFAULT_WEIGHT, priority = DEFAULT_PRIORITY, backlog, congestion, datagrams }: ListenOptions,
    onFlow: (flow: AnyFlow) => FlowHandler,
    onClosed: () => void,
  ) {
    this.#options = options
    this.#target = target
    this.#name = name
    this.#aliases = aliases
    this.#weight = weight
    this.#priority = priority
    this.#datagrams = datagrams
    this.#onClosed = onClosed
    this.name = name.text
    this.port = parsePortService(name.text)?.port
    this.onFlow = onFlow
    this.#listener = this.#listen(backlog, congestion)
    this.#listener.owner = this
    this.#acknowledged = Promise.all(this.#publicNames.map(alias => this.#register(alias)))
  }

  get serviceId(): string {
    return this.#name.id.toString()
  }

  get status(): ServiceStatus {
    return {
      name: this.name,
      serviceIds: [this.#name, ...this.#aliases].map(({ id }) => id.toString()),
      weight: this.#weight,
      priority: this.#priority,
      since: this.#since,
      state: 'listening',
      protocol: this.#datagrams && 'datagram',
    }
  }

  /**
   * How busy the program is, from 0, idle, to 1, no more, where it knows better than the number of its flows tells: who
   * shares flows by load hears of it within some 2 seconds. Undefined, as at first: it does not say.
   */
  load: number | undefined

  /** By each of the names that the controller knows. */
  loads(): ServiceLoad[] {
    const { flows } = this.#listener
    return this.#publicNames.map(({ text, id }) => {
      return { name: text, prefix: new ServicePrefix(id, 256), flows, load: this.load }
    })
  }

  /** The next datagram that belongs to no flow. */
  read(): IncomingDatagram | undefined {
    return this.#listener.inbox.take()
  }

  /** Something has come that belongs to no flow. */
  handleMessages(): void {
    this.#datagrams?.onMessages()
  }

  /** How much may wait to be read, bytes. */
  get inboxBytes(): number {
    return this.#listener.inbox.limits.bytes
  }

  set inboxBytes(bytes: number) {
    this.#listener.inbox.limits = { ...this.#listener.inbox.limits, bytes }
  }

  /** As the source of datagrams. */
  get source(): Listener {
    return this.#listener
  }

  /** Resolves when the controller has it, where there is one; when it refuses, the listener is closed. */
  async registered(): Promise<void> {
    try {
      await this.#acknowledged
    } catch (error) {
      await this.close()
      throw error
    }
  }

  /** Takes no more flows, and lets nobody be sent here; those that are set up go on. */
  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#onClosed()
    const { agent, sal, wake } = this.#options
    // Who is sent here meanwhile is refused, and asks again.
    sal.unlisten(this.#listener, nowMs())
    wake()
    const withdrawn = [...this.#registrations.values()].map(id => agent.unregister(id))
    await Promise.race([Promise.all(withdrawn), withdrawnWithin()])
  }

  refreshAliases(): void {
    const { sal, agent, addresses } = this.#options
    const { aliases } = namesOfListener(this.#target, addresses())
    const isIn = (names: readonly ServiceName[], name: ServiceName) =>
      names.some(({ text }) => text === name.text)
    const owner = String(this.#listener.id)
    for (const gone of this.#aliases.filter(alias => !isIn(aliases, alias))) {
      sal.serviceTable.remove(new ServicePrefix(gone.id, 256), { source: 'local', owner })
      const id = this.#registrations.get(gone.text)
      if (id !== undefined) void agent.unregister(id)
      this.#registrations.delete(gone.text)
    }
    const { id: listenerId, protocol } = this.#listener
    const rule = { type: 'DEMUX', listenerId, protocol } as const
    for (const added of aliases.filter(alias => !isIn(this.#aliases, alias))) {
      const prefix = new ServicePrefix(added.id, 256)
      if (sal.serviceTable.find(prefix)?.listener(protocol) !== undefined) continue
      sal.serviceTable.insert(prefix, rule, { source: 'local', owner, name: added.text })
      if (!this.#datagrams?.isPrivate) this.#register(added).catch(() => undefined)
    }
    this.#aliases = aliases
  }

  /** Names that mean something on other hosts. */
  get #publicNames(): ServiceName[] {
    if (this.#datagrams?.isPrivate) return []
    return [this.#name, ...this.#aliases].filter(({ text }) => !isLocalName(text))
  }

  #listen(backlog: number | undefined, congestion: CongestionName | undefined): Listener {
    try {
      return this.#options.sal.listen({
        serviceId: this.#name.id,
        name: this.name,
        aliases: this.#aliases.map(({ id }) => id),
        backlog,
        congestion,
        protocol: this.#datagrams === undefined ? protocols.STREAM : protocols.DATAGRAM,
        port: this.port,
      })
    } catch (error) {
      if (!(error instanceof ServalError) || error.code !== 'EADDRINUSE') throw error
      throw taken(this.name, `this program (pid ${process.pid})`)
    }
  }

  #register({ text, id }: ServiceName): Promise<void> {
    const registration = this.#options.agent.register({
      name: text,
      prefix: new ServicePrefix(id, 256),
      weight: this.#weight,
      priority: this.#priority,
      protocol: this.#listener.protocol,
    })
    this.#registrations.set(text, registration.id)
    return registration.acknowledged
  }
}

/** A controller that does not answer is told no longer. */
const WITHDRAW_MS = 1000

function withdrawnWithin(): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, WITHDRAW_MS).unref())
}

function taken(service: string, owner: string): ServalError {
  return new ServalError('EADDRINUSE', { syscall: 'listen', service, owner })
}
