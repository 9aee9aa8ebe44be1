/**
 * One service that is being served: its listener at the SAL, the names that lead to it, and their registration with a
 * controller. A port of all addresses has a name for each, which come and go with them.
 */
import type { ServiceLoad } from '../control/messages.ts'
import { ServalError } from '../errors.ts'
import type { AnyFlow } from '../flow/any-flow.ts'
import type { ServiceName } from '../id/name.ts'
import { parsePortService } from '../id/port-service.ts'
import { ServicePrefix } from '../id/service-prefix.ts'
import type { IncomingDatagram, Listener } from '../sal/listener.ts'
import type { Sal } from '../sal/sal.ts'
import { DEFAULT_PRIORITY, DEFAULT_WEIGHT } from '../service/rule.ts'
import type { CongestionName } from '../transport/congestion/congestion.ts'
import { protocols } from '../wire/sal-header.ts'
import type { AgentLink } from './agent-link.ts'
import { nowMs } from './clock.ts'
import { isLocalName, type ListenNames, namesOfListener, type ServiceTarget } from './names.ts'
import { type PortHold, portKey } from './port-claims.ts'
import { type FlowHandler, ListenerScope } from './program-scope.ts'
import type { ServiceStatus } from './status.ts'

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

/** What a listener needs of its stack. */
export interface ListenerHost {
  readonly sal: Sal
  readonly agent: AgentLink
  /** Addresses of this host that other hosts may know, for the names of ports. */
  addresses(): readonly string[]
  /** The SAL may have something to do. */
  wake(): void
}

export interface StackListenerOptions {
  readonly host: ListenerHost
  readonly target: ServiceTarget
  /** What it is known as now. */
  readonly names: ListenNames
  readonly options: ListenOptions
  /** Where it is a port: by which others know that its names are taken. */
  readonly hold: PortHold | undefined
  readonly onFlow: (flow: AnyFlow) => FlowHandler
  readonly onClosed: () => void
}

export class StackListener {
  /** Its canonical name. */
  readonly name: string
  /** Where it is a port. */
  readonly port: number | undefined
  readonly #onFlow: (flow: AnyFlow) => FlowHandler
  readonly #scope = new ListenerScope()
  readonly #host: ListenerHost
  readonly #target: ServiceTarget
  readonly #name: ServiceName
  readonly #listener: Listener
  readonly #weight: number
  readonly #priority: number
  readonly #datagrams: DatagramOptions | undefined
  readonly #since = Date.now()
  readonly #hold: PortHold | undefined
  readonly #onClosed: () => void
  /** Those that lead here. */
  #aliases: readonly ServiceName[]
  /** Registrations with the controller, by name. */
  readonly #registrations = new Map<string, number>()
  #acknowledged: Promise<unknown>
  #isClosed = false

  constructor({ host, target, names, options, hold, onFlow, onClosed }: StackListenerOptions) {
    const { weight = DEFAULT_WEIGHT, priority = DEFAULT_PRIORITY, backlog, congestion, datagrams } = options
    this.#host = host
    this.#target = target
    this.#name = names.name
    this.#aliases = names.aliases
    this.#weight = weight
    this.#priority = priority
    this.#datagrams = datagrams
    this.#hold = hold
    this.#onClosed = onClosed
    this.name = names.name.text
    this.port = parsePortService(this.name)?.port
    this.#onFlow = onFlow
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

  /** Hands a flow over that has been set up. */
  accept(flow: AnyFlow): void {
    try {
      flow.owner = this.#scope.newFlowScope().take(this.#onFlow, flow)
    } finally {
      // A program that failed to take the flow will not answer on it.
      if (flow.owner === undefined) flow.reset(nowMs())
    }
  }

  /** Something has come that belongs to no flow. */
  handleMessages(): void {
    if (this.#datagrams !== undefined) this.#scope.runInAsyncScope(this.#datagrams.onMessages)
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
    this.#hold?.release()
    this.#onClosed()
    const { agent, sal, wake } = this.#host
    // Who is sent here meanwhile is refused, and asks again.
    sal.unlisten(this.#listener, nowMs())
    wake()
    const withdrawn = [...this.#registrations.values()].map(id => agent.unregister(id))
    await Promise.race([Promise.all(withdrawn), withdrawnWithin()])
  }

  /** The addresses of this host have changed. */
  refreshAliases(): void {
    const wanted = this.#wantedAliases
    for (const gone of this.#aliases.filter(alias => !isIn(wanted, alias))) this.#dropAlias(gone)
    for (const added of wanted.filter(alias => !isIn(this.#aliases, alias))) void this.#addAlias(added)
  }

  get #wantedAliases(): readonly ServiceName[] {
    return namesOfListener(this.#target, this.#host.addresses()).aliases
  }

  /** As the kernel, which lets nobody have a port at an address that is new where it is taken at all of them. */
  async #addAlias(alias: ServiceName): Promise<void> {
    const { sal, wake } = this.#host
    const hold = this.#isPrivate ? undefined : this.#hold
    if (hold && !(await hold.add(this.#keyOf(alias)))) return
    if (this.#isClosed || isIn(this.#aliases, alias)) return
    if (!isIn(this.#wantedAliases, alias)) return hold?.drop(this.#keyOf(alias))
    const { id: listenerId, protocol } = this.#listener
    const prefix = new ServicePrefix(alias.id, 256)
    if (sal.serviceTable.find(prefix)?.listener(protocol) !== undefined) return
    const origin = { source: 'local', owner: String(listenerId), name: alias.text } as const
    sal.serviceTable.insert(prefix, { type: 'DEMUX', listenerId, protocol }, origin)
    this.#aliases = [...this.#aliases, alias]
    if (!this.#isPrivate) this.#register(alias).catch(() => undefined)
    wake()
  }

  #dropAlias(alias: ServiceName): void {
    const { sal, agent } = this.#host
    this.#aliases = this.#aliases.filter(({ text }) => text !== alias.text)
    const owner = String(this.#listener.id)
    sal.serviceTable.remove(new ServicePrefix(alias.id, 256), { source: 'local', owner })
    const registration = this.#registrations.get(alias.text)
    if (registration !== undefined) void agent.unregister(registration)
    this.#registrations.delete(alias.text)
    this.#hold?.drop(this.#keyOf(alias))
  }

  #keyOf({ text }: ServiceName): string {
    return portKey(this.#datagrams && 'datagram', text)
  }

  get #isPrivate(): boolean {
    return this.#datagrams?.isPrivate === true
  }

  /** Names that mean something on other hosts. */
  get #publicNames(): ServiceName[] {
    if (this.#isPrivate) return []
    return [this.#name, ...this.#aliases].filter(({ text }) => !isLocalName(text))
  }

  #listen(backlog: number | undefined, congestion: CongestionName | undefined): Listener {
    try {
      return this.#host.sal.listen({
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
    const registration = this.#host.agent.register({
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

function isIn(names: readonly ServiceName[], name: ServiceName): boolean {
  return names.some(({ text }) => text === name.text)
}

/** A controller that does not answer is told no longer. */
const WITHDRAW_MS = 1000

function withdrawnWithin(): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, WITHDRAW_MS).unref())
}

/** Of a service that somebody has. */
export function taken(service: string, owner: string): ServalError {
  return new ServalError('EADDRINUSE', { syscall: 'listen', service, owner })
}
