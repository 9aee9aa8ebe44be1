/**
 * What a host does with a name that is not its own, as rules of the service table:
 *
 *   this stack's listeners      DEMUX              exact names, and so before all others
 *   rules that are known        FORWARD            of the controller, of the runtime directory
 *   *.localhost.inet            DELAY              ports of this host: the runtime directory
 *   everything else             FORWARD            to the configured routers, else to those that the controller tells,
 *                               DELAY              else: the controller, where there is one, else the runtime directory
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { AgentEvent } from '../control/agent-events.ts'
import type { NamedPrefix, RouterInfo } from '../control/messages.ts'
import { ServalError } from '../errors.ts'
import { canonicalAddress } from '../id/address.ts'
import { parseServicePattern } from '../id/name.ts'
import type { ServiceId } from '../id/service-id.ts'
import { ServicePrefix } from '../id/service-prefix.ts'
import type { Sal } from '../sal/sal.ts'
import { protocolOfName } from '../service/rule.ts'
import { type Endpoint, formatEndpoint, parseEndpoint } from '../wire/endpoint.ts'
import { type Protocol, protocols } from '../wire/sal-header.ts'
import type { AgentLink } from './agent-link.ts'
import { nowMs } from './clock.ts'
import { bestOf, ControlRules } from './control-rules.ts'
import { isLocalName, LOCAL_NAMES } from './names.ts'
import type { RuntimeDirectory } from './runtime-dir.ts'
import type { ServiceStatus, StackStatus } from './status.ts'
import { askStacks } from './status-client.ts'

/** What the runtime directory told is believed for so long, then asked for again. */
const RUNTIME_TTL_MS = 2000
/** A router that has withdrawn may still forward what it was sent: it is believed for so long. */
const TRUST_AFTER_MS = 30_000
/** A router's name that could not be looked up is tried again after this. */
const LOOKUP_RETRY_MS = 2000
/** The system lists an interface up to a second after it is up; so often, and so many times, is looked for one. */
const SUBNET_LOOK_MS = 250
const SUBNET_LOOKS = 10

export interface ResolutionOptions {
  readonly sal: Sal
  readonly agent: AgentLink
  readonly runtimeDirectory: RuntimeDirectory
  /** As configured; an address may be a host name. */
  readonly routers: readonly Endpoint[]
  readonly hostId: string
  /** This stack's own status socket. */
  readonly statusSocket: string | undefined
  isReachable(endpoint: Endpoint): boolean
  /** Whom to ask where nobody is known: all hosts of a subnet, one address for each. Default: such a name is given up. */
  readonly broadcast?: (() => readonly Endpoint[]) | undefined
  /** The SAL may have something to do. */
  wake(): void
}

export class Resolution {
  readonly #options: ResolutionOptions
  readonly #controlRules: ControlRules
  /** Configured routers whose addresses are known. */
  #configured: Endpoint[] = []
  /** Why others are not. */
  readonly #lookupFailures = new Map<string, string>()
  #lookups: Promise<void>
  #told: readonly (readonly Endpoint[])[] = []
  /** Every endpoint at which a told router was, and when it was last told of. */
  readonly #toldAt = new Map<string, { readonly endpoint: Endpoint; readonly at: number }>()
  #isClosed = false

  constructor(options: ResolutionOptions) {
    this.#options = options
    const { sal, isReachable } = options
    this.#controlRules = new ControlRules({
      table: sal.serviceTable,
      isReachable,
      onChanged: prefix => this.#release(prefix),
      rest: nextTurn,
    })
    for (const prefix of [ServicePrefix.all, parseServicePattern(LOCAL_NAMES)]) {
      sal.serviceTable.insert(prefix, { type: 'DELAY' }, { source: 'config', owner: 'resolution' })
    }
    this.#lookups = this.#lookUpRouters()
  }

  /** Resolves when the routers' names have been looked up, found or not. */
  get ready(): Promise<void> {
    return this.#lookups
  }

  /** The SAL holds flows or datagrams to a service. */
  async handleResolve(serviceId: ServiceId, name: string | undefined, protocol: Protocol): Promise<void> {
    const { agent, routers } = this.#options
    const text = name ?? serviceId.toString()
    if (isLocalName(text)) return this.#askRuntimeDirectory(serviceId, text, protocol)
    if (routers.length > 0) {
      await this.#lookups
      if (this.#configured.length > 0) return this.#release(new ServicePrefix(serviceId, 256))
    }
    if (agent.hasController) agent.resolve({ name: text, prefix: new ServicePrefix(serviceId, 256) })
    else await this.#askRuntimeDirectory(serviceId, text, protocol)
  }

  handleAgentEvent(event: AgentEvent): void {
    const { sal, agent } = this.#options
    switch (event.type) {
      case 'rules':
        void this.#controlRules.apply(event.remove, event.add)
        return
      case 'loads':
        return this.#controlRules.report(event.loads, nowMs())
      case 'routers':
        this.#tell(event.routers)
        return this.#installRouters()
      case 'resolved':
        this.#release(event.service.prefix)
        return void this.#giveUpOthers(event.service)
      case 'unresolved': {
        const { name, prefix } = event.service
        const notFound =
          event.reason === 'not-found'
            ? new ServalError('ENOSERVICE', { service: name, asked: event.asked, syscall: 'connect' })
            : undefined
        if (notFound !== undefined && agent.isConfigured) return this.#giveUp(prefix.id, notFound)
        // A controller of this host that has just begun has not heard yet of programs that were there before.
        for (const protocol of Object.values(protocols)) {
          void this.#askRuntimeDirectory(prefix.id, name, protocol, notFound)
        }
        return
      }
      case 'gone':
        // A silent one may be cut off from the controller alone: flows that go on need no help.
        if (event.reason === 'died') sal.peersGone(event.endpoints, nowMs())
        return this.#options.wake()
    }
  }

  /** The addresses of this host have changed. */
  handleLocalsChanged(): void {
    void this.#controlRules.refresh()
    this.#installRouters()
  }

  close(): void {
    this.#isClosed = true
  }

  #tell(routers: readonly RouterInfo[]): void {
    const now = nowMs()
    const before = this.#told.flat()
    this.#told = routers.map(({ endpoints }) => endpoints)
    for (const endpoint of [...before, ...this.#told.flat()]) {
      this.#toldAt.set(formatEndpoint(endpoint), { endpoint, at: now })
    }
    for (const [key, { at }] of this.#toldAt) if (at < now - TRUST_AFTER_MS) this.#toldAt.delete(key)
  }

  async #lookUpRouters(): Promise<void> {
    const found = await Promise.all(this.#options.routers.map(router => this.#lookUp(router)))
    this.#configured = found.filter(endpoint => endpoint !== undefined)
    this.#installRouters()
    if (this.#configured.length === found.length || this.#isClosed) return
    setTimeout(() => {
      if (!this.#isClosed) this.#lookups = this.#lookUpRouters()
    }, LOOKUP_RETRY_MS).unref()
  }

  async #lookUp({ address, port }: Endpoint): Promise<Endpoint | undefined> {
    if (canonicalAddress(address) !== undefined) return { address, port }
    try {
      const { lookup } = await import('node:dns/promises')
      const found = await lookup(address)
      this.#lookupFailures.delete(address)
      return { address: found.address, port }
    } catch (error) {
      this.#lookupFailures.set(address, (error as NodeJS.ErrnoException).code ?? String(error))
      return undefined
    }
  }

  /** The routers to ask are the rule for everything that no other rule matches. */
  #installRouters(): void {
    const { sal, isReachable } = this.#options
    const told = this.#told.flatMap(endpoints => bestOf(endpoints, isReachable) ?? [])
    const routers = this.#options.routers.length > 0 ? this.#configured : told
    const source = this.#options.routers.length > 0 ? 'config' : 'controller'
    const targets = unique(routers).map(endpoint => ({ endpoint }))
    const rules = targets.length > 0 ? [{ type: 'FORWARD', targets } as const] : []
    sal.serviceTable.removeEverywhere({ owner: 'routers' })
    sal.serviceTable.replace(ServicePrefix.all, rules, { source, owner: 'routers', name: '*' })
    sal.trustRouters([...this.#configured, ...[...this.#toldAt.values()].map(({ endpoint }) => endpoint)])
    if (routers.length > 0) this.#release(ServicePrefix.all)
  }

  /** `notFound`: what the controller has said, which holds if nobody of this host serves it. */
  async #askRuntimeDirectory(
    serviceId: ServiceId,
    name: string,
    protocol: Protocol,
    notFound?: ServalError,
  ): Promise<void> {
    const { runtimeDirectory, statusSocket, sal } = this.#options
    const prefix = new ServicePrefix(serviceId, 256)
    const request = { ask: 'service', serviceId: serviceId.toString() } as const
    const isEnough = (answer: StackStatus) => this.#targetIn(answer, protocol) !== undefined
    const answers = await askStacks(runtimeDirectory, request, { except: statusSocket, isEnough })
    if (this.#isClosed) return
    const source = 'runtime'
    sal.serviceTable.remove(prefix, { source, protocol })
    let found = false
    for (const answer of answers) {
      const target = this.#targetIn(answer, protocol)
      if (target === undefined) continue
      found = true
      const origin = { source, owner: answer.instance, name, expiresAt: nowMs() + RUNTIME_TTL_MS } as const
      sal.serviceTable.insert(prefix, { type: 'FORWARD', targets: [target] }, origin)
    }
    if (found || (!notFound && (await this.#broadcast(prefix, name, protocol)))) this.#release(prefix)
    else this.#giveUp(serviceId, notFound ?? this.#nobody(name), protocol)
  }

  /** As the 2014 profile does without a router, but in all subnets at once: who serves it answers from its own address. */
  async #broadcast(prefix: ServicePrefix, name: string, protocol: Protocol): Promise<boolean> {
    const { sal, broadcast, routers } = this.#options
    if (broadcast === undefined || routers.length > 0 || isLocalName(name)) return false
    const targets = (await this.#subnets(broadcast)).map(endpoint => ({ endpoint, protocol }))
    if (targets.length === 0 || this.#isClosed) return false
    const origin = {
      source: 'runtime',
      owner: 'broadcast',
      name,
      expiresAt: nowMs() + RUNTIME_TTL_MS,
    } as const
    sal.serviceTable.insert(prefix, { type: 'FORWARD', targets, sharing: { toAll: true } }, origin)
    return true
  }

  async #subnets(broadcast: () => readonly Endpoint[]): Promise<Endpoint[]> {
    for (let looks = 1; ; looks++) {
      const subnets = broadcast().filter(this.#options.isReachable)
      if (subnets.length > 0 || looks >= SUBNET_LOOKS || this.#isClosed) return subnets
      await new Promise(resolve => setTimeout(resolve, SUBNET_LOOK_MS))
    }
  }

  /** Where and how a stack serves what was asked for; undefined: it does not, not for this, or it cannot be reached. */
  #targetIn({ hostId, endpoints, services }: StackStatus, protocol: Protocol) {
    const service = services.find(
      (service: ServiceStatus) =>
        service.state === 'listening' && protocolOfName(service.protocol ?? 'stream') === protocol,
    )
    if (service === undefined || hostId !== this.#options.hostId) return undefined
    const parsed = endpoints.map(text => parseEndpoint(text)).filter(endpoint => endpoint !== undefined)
    const endpoint = parsed.find(this.#options.isReachable)
    return endpoint && { endpoint, weight: service.weight, priority: service.priority, protocol }
  }

  #nobody(service: string): ServalError {
    const { agent, runtimeDirectory } = this.#options
    if (isLocalName(service)) {
      return new ServalError('ECONNREFUSED', {
        service,
        reason: `no program on this host serves it (runtime directory ${runtimeDirectory.path})`,
        syscall: 'connect',
      })
    }
    const names = [...this.#lookupFailures].map(([host, code]) => `router ${host} (${code})`)
    const routers = names.length > 0 ? names : ['no router configured']
    const tried = [...routers, agent.description, `runtime directory ${runtimeDirectory.path}`]
    return new ServalError('ENOROUTER', { service, tried, syscall: 'connect' })
  }

  #release(prefix: ServicePrefix): void {
    this.#options.sal.resolved(prefix, nowMs())
    this.#options.wake()
  }

  /** The controller has said all that it knows: who still waits wants what nobody takes, as datagrams where streams are served. */
  async #giveUpOthers({ name, prefix }: NamedPrefix): Promise<void> {
    await this.#controlRules.apply([], [])
    const asked = this.#options.agent.description
    this.#giveUp(prefix.id, new ServalError('ENOSERVICE', { service: name, asked, syscall: 'connect' }))
  }

  #giveUp(serviceId: ServiceId, error: ServalError, protocol?: Protocol): void {
    this.#options.sal.unresolved(serviceId, error, nowMs(), protocol)
    this.#options.wake()
  }
}

function unique(endpoints: readonly Endpoint[]): Endpoint[] {
  return [...new Map(endpoints.map(endpoint => [formatEndpoint(endpoint), endpoint])).values()]
}
