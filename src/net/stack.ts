/**
 * A stack: the SAL of a host with everything that it needs of the world. Programs have one for the whole process
 * (`default-stack.ts`), or open their own.
 *
 *   program --- connect, listen, migrate ---> Stack ---> Sal (all protocol)
 *   program <-- FlowHandler.onSignals ------- Driver <-> Sal <-> links, one for each local address (LocalLinks)
 *   Resolution, Services --- rules ---> the SAL's service table <--- the controller (AgentLink), the runtime directory
 *
 * The constructor binds the links and is done; only routers' host names and the status socket take longer (`ready`), and
 * what needs them waits by itself.
 */
import { hostname } from 'node:os'
import { basename } from 'node:path'
import { ServalError } from '../errors.ts'
import type { AnyFlow } from '../flow/any-flow.ts'
import type { FlowLimits } from '../flow/flow-context.ts'
import type { FlowInfo } from '../flow/flow-info.ts'
import { FlowSignal, type FlowState } from '../flow/states.ts'
import { isLoopback } from '../id/address.ts'
import { reaches } from '../sal/locals.ts'
import type { SalEvent } from '../sal/news.ts'
import { Sal } from '../sal/sal.ts'
import { DEFAULT_LIMITS } from '../sal/sal-options.ts'
import type { TraceOutcome } from '../sal/tracer.ts'
import type { ServiceTable } from '../service/service-table.ts'
import type { CongestionName } from '../transport/congestion/congestion.ts'
import { rehearse } from '../transport/rehearsal.ts'
import { type Endpoint, formatEndpoint } from '../wire/endpoint.ts'
import { protocols } from '../wire/sal-header.ts'

import { AgentLink } from './agent-link.ts'
import { atExit } from './at-exit.ts'
import { nowMs } from './clock.ts'
import { type Config, type ConfigOptions, DEFAULT_ROUTER_PORT, loadConfig } from './config.ts'
import { controllerOf } from './controller-address.ts'
import { Driver } from './driver.ts'
import { hostId } from './host-id.ts'
import { captured } from './links/capture.ts'
import type { Network } from './links/link.ts'
import { LocalLinks } from './local-links.ts'
import { type Message, Messages, type OnSent } from './messages.ts'
import { type MigrateTarget, Moves } from './moves.ts'
import { nameOfTarget, type ServiceTarget } from './names.ts'
import { Neighbours } from './neighbours.ts'
import { PortClaims } from './port-claims.ts'
import { type ProfileNetwork, profileParts } from './profile-parts.ts'
import { randomBytes } from './random.ts'
import { Resolution } from './resolution.ts'
import type { RuleDesk } from './rule-desk.ts'
import { RuntimeDirectory } from './runtime-dir.ts'
import { type FlowHandler, type ListenOptions, Services, type StackListener } from './services.ts'
import type { StackStatus, StatusRequest } from './status.ts'
import { askStacks } from './status-client.ts'
import { newStatusServer, type StatusServer } from './status-server.ts'
import { version } from './version.ts'

export type { MigrateTarget } from './moves.ts'
export type { ServiceTarget } from './names.ts'
export type { FlowHandler, ListenOptions, StackListener } from './services.ts'

export interface StackOptions extends ConfigOptions {
  /** Default: UDP from the addresses of this host. */
  readonly network?: Network | undefined
  /** Memory that a flow may take, and how long its peer may be silent. */
  readonly limits?: Partial<FlowLimits> | undefined
}

export interface ConnectOptions {
  /** How long set-up may take, ms; default 10,000. */
  readonly timeoutMs?: number | undefined
  /** Of the flow's paths; default: the stack's. */
  readonly congestion?: CongestionName | undefined
  /** A flow of datagrams, from a port of this host, or 0; default: a stream. */
  readonly datagrams?: { readonly port: number } | undefined
}

export interface TraceOptions {
  /** How many routers may send the SYN on: the next one answers. */
  readonly hops: number
  /** How long an answer is waited for. */
  readonly timeoutMs: number
}

/** A stack of the program's own. Throws ERR_INVALID_ARG_VALUE for bad configuration, EADDRINUSE for a taken UDP port. */
export function openStack(options: StackOptions = {}): Stack {
  return new Stack(options)
}

export class Stack {
  readonly config: Config
  /** Resolves when this stack can be found by others of its host, and its routers' names are looked up. */
  readonly ready: Promise<void>
  readonly #sal: Sal
  readonly #driver: Driver<SalEvent>
  readonly #links: LocalLinks
  readonly #runtimeDirectory: RuntimeDirectory
  readonly #hostId: string
  readonly #agent: AgentLink
  readonly #services: Services
  readonly #resolution: Resolution
  readonly #moves: Moves
  readonly #messages: Messages
  readonly #neighbours: Neighbours
  readonly #statusServer: StatusServer | undefined
  #users = 0
  /** Flows that their programs have let go of, and that still have something to say. */
  readonly #lingering = new Set<AnyFlow>()
  #closing: Promise<void> | undefined
  #onFinished: (() => void) | undefined
  readonly #forgetExit: () => void

  constructor(options: StackOptions = {}) {
    const { network: given, limits, ...configOptions } = options
    this.config = loadConfig(configOptions)
    const parts = profileParts(this.config.profile)
    const bare: ProfileNetwork = given ?? parts.newNetwork(this.config.offload)
    const network = captured(bare, this.config.pcap)
    // Stacks of different networks are no company for each other.
    this.#hostId = network.id === 'udp' ? hostId() : `${hostId()}/${network.id}`
    this.#runtimeDirectory = new RuntimeDirectory(this.config.runtimeDir)
    rehearse()
    this.#sal = new Sal({
      dialect: parts.dialect,
      randomBytes,
      congestion: this.config.congestion,
      limits: { burstBytes: burstBytesOf(network), ...limits },
      trace: (flow, _from, to) => this.#handleState(flow, to),
      speaksForHost: () => bare.isAlone?.() ?? true,
    })
    this.#messages = new Messages(this.#sal)
    this.#driver = new Driver(
      this.#sal,
      event => this.#handleEvent(event),
      (link, code, remote) => this.#handleSendError(link.id, code, remote),
    )
    this.#driver.hold(false)
    this.#agent = new AgentLink({
      agent: {
        kind: 'host',
        hostId: this.#hostId,
        hostName: hostname(),
        program: programName(),
        pid: process.pid,
        randomBytes,
        loads: () => this.#services.loads(),
      },
      isConfigured: this.config.controller !== undefined,
      where: () => controllerOf(this.config.controller, this.#runtimeDirectory),
      onEvent: event => this.#resolution.handleAgentEvent(event),
    })
    this.#services = new Services({
      sal: this.#sal,
      agent: this.#agent,
      addresses: () => this.#publicEndpoints.map(({ address }) => address),
      askOthers: serviceId => this.#askOthers({ ask: 'service', serviceId }),
      ports: new PortClaims(this.#hostId, this.#runtimeDirectory.path),
      randomBytes,
      wake: () => this.wake(),
    })
    this.#statusServer = newStatusServer(this.#runtimeDirectory, {
      answer: request => this.#status(request),
      rules: () => this.#openRuleDesk(),
      packets: {
        isRawIp: network.isRawIp === true,
        setTap: tap => {
          this.#driver.tap = tap
        },
      },
    })
    this.#resolution = new Resolution({
      sal: this.#sal,
      agent: this.#agent,
      runtimeDirectory: this.#runtimeDirectory,
      routers: this.config.router,
      hostId: this.#hostId,
      statusSocket: this.#statusServer?.path,
      isReachable: remote => this.#sal.locals.some(local => reaches(local, remote)),
      broadcast: bare.broadcastEndpoints?.bind(bare),
      wake: () => this.wake(),
    })
    this.#neighbours = new Neighbours({
      runtimeDirectory: this.#runtimeDirectory,
      hostId: this.#hostId,
      statusSocket: this.#statusServer?.path,
      isOwn: address =>
        isLoopback(address) || this.#sal.locals.some(local => local.endpoint.address === address),
      onGone: endpoints => {
        this.#sal.peersGone(endpoints, nowMs())
        this.wake()
      },
    })
    this.#links = new LocalLinks({
      network,
      bind: this.config.bind,
      defaultPort: 0,
      events: this.#driver,
      onAdded: (local, link) => {
        this.#driver.attach(link)
        this.#sal.addLocal(local, nowMs())
        this.#handleLocalsChanged()
      },
      onRemoved: (local, link) => {
        this.#sal.removeLocal(local.id, nowMs())
        this.#driver.detach(link)
        this.#handleLocalsChanged()
      },
      onChanged: local => {
        this.#sal.localChanged(local)
        this.wake()
      },
    })
    this.#moves = new Moves(this.#sal, this.#links, () => this.wake())
    this.#links.start()
    this.#agent.start()
    this.#forgetExit = atExit(
      () => this.#handleExit(),
      () => this.#isSending,
    )
    this.ready = Promise.all([this.#statusServer?.open(), this.#resolution.ready]).then(() => undefined)
  }

  // ---- programs -------------------------------------------------------------------------------------------

  /**
   * A new flow to a service. `handler` is told by `FlowSignal.connected` when it is set up, or by `closed` when it is not
   * (`flow.error`: ENOSERVICE, ENOROUTER, ECONNREFUSED, ETIMEDOUT ...). Throws ESERVICENAME, ERR_SOCKET_BAD_PORT.
   */
  connect(target: ServiceTarget, options: ConnectOptions, handler: FlowHandler): AnyFlow {
    const { text, id } = nameOfTarget(target)
    const { datagrams, ...rest } = options
    const carried = datagrams && { protocol: protocols.DATAGRAM, port: datagrams.port }
    const flow = this.#sal.connect({ serviceId: id, name: text, ...rest, ...carried }, nowMs())
    flow.owner = handler
    this.wake()
    return flow
  }

  /**
   * Asks who comes into the hands of a SYN for a service after so many routers: a router, or the instance that would take
   * it. Throws ESERVICENAME, ERR_SOCKET_BAD_PORT; what else fails is an outcome.
   */
  async trace(target: ServiceTarget, { hops, timeoutMs }: TraceOptions): Promise<TraceOutcome> {
    const { text, id } = nameOfTarget(target)
    this.ref()
    try {
      await this.ready
      return await new Promise<TraceOutcome>(resolve => {
        const probe = this.#sal.trace({ serviceId: id, name: text, hops, timeoutMs }, nowMs())
        if (probe === undefined) throw unsupportedProfile(this.config.profile)
        probe.owner = resolve
        this.wake()
      })
    } finally {
      this.unref()
    }
  }

  /**
   * Serves a service: `onFlow` is called with each flow that has been set up, and returns who is told of its signals.
   * Resolves when the service can be reached: the rule is in, and the controller, where one is configured or connected,
   * has it. Rejects with ESERVICENAME, ERR_SOCKET_BAD_PORT, EADDRINUSE (this process serves it already, or, for a port,
   * another one of this host).
   */
  async listen(
    target: ServiceTarget,
    options: ListenOptions,
    onFlow: (flow: AnyFlow) => FlowHandler,
  ): Promise<StackListener> {
    this.ref()
    try {
      await this.ready
      return await this.#services.listen(target, options, onFlow)
    } finally {
      this.unref()
    }
  }

  /**
   * Sends a datagram without a flow, from a listener of datagrams. `onSent` is told why it could not be sent: EMSGSIZE,
   * ENOSERVICE, ENOROUTER, EHOSTUNREACH, ETIMEDOUT. Throws ESERVICENAME, ERR_SOCKET_BAD_PORT.
   */
  send(message: Message, onSent: OnSent = () => undefined): void {
    this.#messages.send(message, onSent)
    this.wake()
  }

  /**
   * Moves a flow to another of this host's addresses; resolves when the peer has confirmed it. Rejects with EADDRNOTAVAIL
   * (which says what there is), EHOSTUNREACH, ERR_SOCKET_CLOSED (no established flow), or with what ended the flow.
   */
  migrate(flow: AnyFlow, target: MigrateTarget): Promise<void> {
    return this.#moves.migrate(flow, target)
  }

  /**
   * The program is done with a flow: what it wrote still goes out, what comes in is not wanted. The process lives until
   * the peer has everything, unless it is told to end; for the peer's own end it does not wait.
   */
  letGo(flow: AnyFlow): void {
    flow.close(nowMs())
    if (!hasSaidAll(flow.state)) this.#lingering.add(flow)
    this.#hold()
    this.wake()
  }

  /** There may be something to send: to be called after commands to flows. */
  wake(): void {
    this.#driver.wake()
  }

  /** Counts somebody who waits for what may come: the process stays alive for them. */
  ref(): void {
    this.#users++
    this.#hold()
  }

  /** Takes back one `ref`. */
  unref(): void {
    this.#users = Math.max(0, this.#users - 1)
    this.#hold()
  }

  // ---- what is told of a stack ----------------------------------------------------------------------------

  /** UDP endpoints at which it answers, those that other hosts may know first. */
  get endpoints(): readonly Endpoint[] {
    const all = this.#sal.locals.map(({ endpoint }) => endpoint)
    return [...this.#publicEndpoints, ...all.filter(({ address }) => isLoopback(address))]
  }

  /** The rules by which it resolves names; changing them is the program's own risk. */
  get serviceTable(): ServiceTable {
    return this.#sal.serviceTable
  }

  services(): readonly StackListener[] {
    return this.#services.all
  }

  flows(): FlowInfo[] {
    return [...this.#sal.flows].map(flow => flow.info())
  }

  /** What was dropped, refused or odd, by kind. */
  get counters(): Readonly<Record<string, number>> {
    return { ...this.#sal.counters, ...this.#driver.counters }
  }

  // ---- end ------------------------------------------------------------------------------------------------

  /** Stops serving, lets flows finish for `graceMs` (default 0), resets the rest. */
  close({ graceMs = 0 }: { readonly graceMs?: number } = {}): Promise<void> {
    this.#closing ??= this.#close(graceMs)
    return this.#closing
  }

  get isClosed(): boolean {
    return this.#closing !== undefined
  }

  async #close(graceMs: number): Promise<void> {
    await this.ready
    await Promise.all(this.#services.all.map(listener => listener.close()))
    if (graceMs > 0) await this.#finished(graceMs)
    this.#forgetExit()
    this.#resetFlows([...this.#sal.flows])
    await this.#driver.settled()
    this.#agent.stop()
    this.#resolution.close()
    this.#neighbours.close()
    this.#statusServer?.close()
    this.#driver.close()
    this.#links.close()
  }

  /** Resolves when no flow has anything to say any more, or after `graceMs`. */
  #finished(graceMs: number): Promise<void> {
    if (![...this.#sal.flows].some(flow => flow.unfinished)) return Promise.resolve()
    return new Promise(resolve => {
      const timer = setTimeout(resolve, graceMs)
      this.#onFinished = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  /** The process ends: peers need not find out by themselves. */
  #handleExit(): void {
    this.#agent.stop()
    const flows = [...this.#sal.flows].filter(flow => flow.unfinished)
    // What may leave at once does, with the end of the stream behind it.
    for (const flow of flows) flow.close(nowMs())
    this.#driver.flush()
    // A kernel would send the rest. We cannot, and the peer must not take what it has for all there was. Nor would there be
    // anybody to refuse what it still sends where it has not ended.
    this.#resetFlows(flows.filter(flow => flow.unsentBytes > 0 || hasSaidAll(flow.state)))
    this.#driver.flush()
  }

  /** A kernel would go on with this when the program is gone. */
  get #isSending(): boolean {
    return [...this.#sal.flows].some(
      flow => flow.protocol === protocols.STREAM && flow.unfinished && flow.bufferedBytes > 0,
    )
  }

  #resetFlows(flows: readonly AnyFlow[]): void {
    for (const flow of flows) if (flow.unfinished) flow.reset(nowMs())
  }

  // ---- parts ----------------------------------------------------------------------------------------------

  #handleEvent(event: SalEvent): void {
    switch (event.type) {
      case 'accept':
        return this.#handleAccept(event.listener.owner as StackListener, event.flow)
      case 'flow':
        this.#moves.handleSignals(event.flow, event.signals)
        if (event.signals & FlowSignal.moved && event.flow.activePath) {
          this.#neighbours.meet(event.flow.activePath.remote)
        }
        ;(event.flow.owner as FlowHandler | undefined)?.onSignals(event.flow, event.signals)
        return
      case 'traced':
        ;(event.probe.owner as (outcome: TraceOutcome | undefined) => void)(event.probe.outcome)
        return
      case 'messages':
        return (event.listener.owner as StackListener).handleMessages()
      case 'sent':
        return this.#messages.handleSent(event.datagram, event.error)
      case 'resolve':
        void this.#resolution.handleResolve(event.serviceId, event.name, event.protocol)
    }
  }

  #handleAccept(listener: StackListener, flow: AnyFlow): void {
    try {
      flow.owner = listener.onFlow(flow)
    } finally {
      // A program that failed to take the flow will not answer on it.
      if (flow.owner === undefined) flow.reset(nowMs())
    }
  }

  #handleState(flow: AnyFlow, state: FlowState): void {
    if (state === 'CONNECTED' && flow.activePath) this.#neighbours.meet(flow.activePath.remote)
    if (hasSaidAll(state) && this.#lingering.delete(flow)) this.#hold()
    if (this.#onFinished === undefined || (state !== 'CLOSED' && state !== 'TIMEWAIT')) return
    const isLast = ![...this.#sal.flows].some(other => other !== flow && other.unfinished)
    if (isLast) this.#onFinished()
  }

  #handleSendError(localId: number, code: string, remote: Endpoint | undefined): void {
    this.#links.handleSendError(code)
    this.#sal.handleSendError(code, localId, remote)
    this.wake()
  }

  #handleLocalsChanged(): void {
    this.#agent.setEndpoints(this.endpoints)
    this.#resolution.handleLocalsChanged()
    this.#services.handleLocalsChanged()
    this.wake()
  }

  #hold(): void {
    this.#driver.hold(this.#users + this.#lingering.size > 0)
  }

  /** Neither loopback nor link-local: what means the same on other hosts. */
  get #publicEndpoints(): Endpoint[] {
    return this.#sal.locals
      .map(({ endpoint }) => endpoint)
      .filter(({ address }) => !isLoopback(address) && !address.includes('%'))
  }

  async #openRuleDesk(): Promise<RuleDesk> {
    const { RuleDesk } = await import('./rule-desk.ts')
    const table = this.#sal.serviceTable
    return new RuleDesk({
      table,
      defaultPort: this.config.profile === '2014' ? DEFAULT_ROUTER_PORT : undefined,
      own: () => [],
      replace: (prefix, rules, origin, selector) => table.replace(prefix, rules, origin, selector),
      remove: (prefix, selector) => table.remove(prefix, selector),
      onChanged: prefix => {
        this.#sal.resolved(prefix, nowMs())
        this.wake()
      },
    })
  }

  #status(request: StatusRequest): StackStatus {
    const isAll = request.ask === 'status'
    return {
      version,
      kind: 'host',
      pid: process.pid,
      program: programName(),
      instance: this.#agent.instance,
      hostId: this.#hostId,
      endpoints: this.endpoints.map(formatEndpoint),
      services: request.ask === 'watch' ? [] : this.#services.status(isAll ? undefined : request.serviceId),
      flows: isAll ? this.flows() : [],
      counters: isAll ? this.counters : {},
    }
  }

  async #askOthers(request: StatusRequest): Promise<StackStatus[]> {
    const answers = await askStacks(this.#runtimeDirectory, request, { except: this.#statusServer?.path })
    return answers.filter(answer => answer.hostId === this.#hostId)
  }
}

/** More than half of what the kernel keeps, overhead counted in, would be lost whenever the program is slow. */
function burstBytesOf(network: Network): number {
  const keptBytes = network.receiveBufferBytes?.() ?? Number.POSITIVE_INFINITY
  return Math.max(MIN_BURST_BYTES, Math.min(DEFAULT_LIMITS.burstBytes, keptBytes / 2))
}

const MIN_BURST_BYTES = 65_536

/** Whether the peer has acknowledged all that there was to say, the end of the stream included. */
function hasSaidAll(state: FlowState): boolean {
  return state === 'FINWAIT2' || state === 'TIMEWAIT' || state === 'CLOSED'
}

/** As `serval services` shows it. */
function programName(): string {
  return basename(process.argv[1] ?? process.title)
}

/** Of a command that a profile has no packets for. */
function unsupportedProfile(profile: string): ServalError {
  return new ServalError('ERR_INVALID_ARG_VALUE', {
    argument: 'profile',
    expected: '"native" (packets of 2014 have no count of hops to trace a way by)',
    received: JSON.stringify(profile),
  })
}
