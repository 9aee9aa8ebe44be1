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
import { basename } from 'node:path'
import type { AnyFlow } from '../flow/any-flow.ts'
import type { FlowInfo } from '../flow/flow-info.ts'
import type { FlowState } from '../flow/states.ts'
import { isLoopback } from '../id/address.ts'
import { reaches } from '../sal/locals.ts'
import type { SalEvent } from '../sal/news.ts'
import { Sal } from '../sal/sal.ts'
import type { TraceOutcome } from '../sal/tracer.ts'
import type { ServiceTable } from '../service/service-table.ts'
import { rehearse } from '../transport/rehearsal.ts'
import { type Endpoint, formatEndpoint } from '../wire/endpoint.ts'
import { protocols } from '../wire/sal-header.ts'
import { AgentLink } from './agent-link.ts'
import { atExit } from './at-exit.ts'
import { Audience } from './audience.ts'
import { nowMs } from './clock.ts'
import { type Config, loadConfig } from './config.ts'
import { controllerOf } from './controller-address.ts'
import { Driver } from './driver.ts'
import { hostId } from './host-id.ts'
import { Lifetime } from './lifetime.ts'
import { captured } from './links/capture.ts'
import { LocalLinks } from './local-links.ts'
import { type Message, Messages, type OnSent } from './messages.ts'
import { type MigrateTarget, Moves } from './moves.ts'
import { nameOfTarget, type ServiceTarget } from './names.ts'
import { Neighbours } from './neighbours.ts'
import { ownEndpoints, publicEndpoints } from './own-endpoints.ts'
import { openOwnRules } from './own-rules.ts'
import { PortClaims } from './port-claims.ts'
import { type ProfileNetwork, profileParts } from './profile-parts.ts'
import { type FlowHandler, FlowScope } from './program-scope.ts'
import { randomBytes } from './random.ts'
import { Resolution } from './resolution.ts'
import { RuntimeDirectory } from './runtime-dir.ts'
import { Services } from './services.ts'
import type { ListenOptions, StackListener } from './stack-listener.ts'
import { type ConnectOptions, limitsOver, type StackOptions } from './stack-options.ts'
import type { StackStatus, StatusRequest } from './status.ts'
import { newStatusServer, type StatusServer } from './status-server.ts'
import { type TraceOptions, Traces } from './traces.ts'
import { version } from './version.ts'

export type { MigrateTarget } from './moves.ts'
export type { ServiceTarget } from './names.ts'
export type { FlowHandler } from './program-scope.ts'
export type { ListenOptions, StackListener } from './stack-listener.ts'
export type { ConnectOptions, StackOptions } from './stack-options.ts'

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
  readonly #hostId: string
  readonly #agent: AgentLink
  readonly #services: Services
  readonly #resolution: Resolution
  readonly #moves: Moves
  readonly #messages: Messages
  readonly #traces: Traces
  readonly #neighbours: Neighbours
  readonly #audience: Audience
  readonly #statusServer: StatusServer | undefined
  readonly #lifetime: Lifetime
  #closing: Promise<void> | undefined
  readonly #forgetExit: () => void

  constructor(options: StackOptions = {}) {
    const { network: given, limits, ...configOptions } = options
    this.config = loadConfig(configOptions)
    const parts = profileParts(this.config.profile)
    const bare: ProfileNetwork = given ?? parts.newNetwork(this.config.offload)
    const network = captured(bare, this.config.pcap)
    // Stacks of different networks are no company for each other.
    this.#hostId = network.id === 'udp' ? hostId() : `${hostId()}/${network.id}`
    const runtimeDirectory = new RuntimeDirectory(this.config.runtimeDir)
    rehearse()
    this.#sal = new Sal({
      dialect: parts.dialect,
      randomBytes,
      congestion: this.config.congestion,
      limits: limitsOver(network, this.config, limits),
      trace: (flow, _from, to) => this.#handleState(flow, to),
      speaksForHost: () => bare.isAlone?.() ?? true,
    })
    this.#messages = new Messages(this.#sal)
    this.#traces = new Traces(this.#sal)
    this.#driver = new Driver(
      this.#sal,
      event => this.#audience.hear(event),
      (link, code, remote) => this.#handleSendError(link.id, code, remote),
      this.config.busyPoll,
    )
    this.#lifetime = new Lifetime(this.#sal, this.#driver)
    this.#agent = new AgentLink({
      agent: {
        kind: 'host',
        hostId: this.#hostId,
        program: programName(),
        loads: () => this.#services.loads(),
      },
      isConfigured: this.config.controller !== undefined,
      where: () => controllerOf(this.config.controller, runtimeDirectory),
      onEvent: event => this.#resolution.handleAgentEvent(event),
    })
    this.#services = new Services({
      sal: this.#sal,
      agent: this.#agent,
      addresses: () => publicEndpoints(this.#sal.locals).map(({ address }) => address),
      askOthers: serviceId => this.#neighbours.ask({ ask: 'service', serviceId }),
      ports: new PortClaims(this.#hostId, runtimeDirectory.path),
      randomBytes,
      wake: () => this.wake(),
    })
    this.#statusServer = newStatusServer(runtimeDirectory, {
      answer: request => this.#status(request),
      rules: () => openOwnRules(this.#sal, () => this.wake()),
      packets: {
        isRawIp: network.isRawIp === true,
        setTap: tap => {
          this.#driver.tap = tap
        },
      },
    })
    const company = { runtimeDirectory, hostId: this.#hostId, statusSocket: this.#statusServer?.path }
    this.#resolution = new Resolution({
      ...company,
      sal: this.#sal,
      agent: this.#agent,
      routers: this.config.router,
      isReachable: remote => this.#sal.locals.some(local => reaches(local, remote)),
      broadcast: bare.broadcastEndpoints?.bind(bare),
      wake: () => this.wake(),
    })
    this.#neighbours = new Neighbours({
      ...company,
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
    this.#audience = new Audience({
      moves: this.#moves,
      neighbours: this.#neighbours,
      messages: this.#messages,
      traces: this.#traces,
      resolution: this.#resolution,
    })
    this.#links.start()
    this.#agent.start()
    this.#forgetExit = atExit(
      () => {
        this.#agent.stop()
        this.#lifetime.handleExit()
      },
      () => this.#lifetime.isSending(),
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
    flow.owner = new FlowScope(handler)
    this.wake()
    return flow
  }

  /**
   * Asks who comes into the hands of a SYN for a service after so many routers: a router, or the instance that would take
   * it. Throws ESERVICENAME, ERR_SOCKET_BAD_PORT; what else fails is an outcome.
   */
  trace(target: ServiceTarget, options: TraceOptions): Promise<TraceOutcome> {
    return this.#lifetime.during(async () => {
      await this.ready
      const outcome = this.#traces.trace(target, options)
      this.wake()
      return outcome
    })
  }

  /**
   * Serves a service: `onFlow` is called with each flow that has been set up, and returns who is told of its signals.
   * Resolves when the service can be reached: the rule is in, and the controller, where one is configured or connected,
   * has it. Rejects with ESERVICENAME, ERR_SOCKET_BAD_PORT, EADDRINUSE (this process serves it already, or, for a port,
   * another one of this host).
   */
  listen(
    target: ServiceTarget,
    options: ListenOptions,
    onFlow: (flow: AnyFlow) => FlowHandler,
  ): Promise<StackListener> {
    return this.#lifetime.during(async () => {
      await this.ready
      return this.#services.listen(target, options, onFlow)
    })
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
    this.#lifetime.letGo(flow)
    this.wake()
  }

  /** There may be something to send: to be called after commands to flows. */
  wake(): void {
    this.#driver.wake()
  }

  /** Counts somebody who waits for what may come: the process stays alive for them. */
  ref(): void {
    this.#lifetime.ref()
  }

  /** Takes back one `ref`. */
  unref(): void {
    this.#lifetime.unref()
  }

  // ---- what is told of a stack ----------------------------------------------------------------------------

  /** UDP endpoints at which it answers, those that other hosts may know first. */
  get endpoints(): readonly Endpoint[] {
    return ownEndpoints(this.#sal.locals)
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
    await this.#lifetime.finished(graceMs)
    this.#forgetExit()
    this.#lifetime.resetAll()
    await this.#driver.settled()
    this.#agent.stop()
    this.#resolution.close()
    this.#neighbours.close()
    this.#statusServer?.close()
    this.#driver.close()
    this.#links.close()
  }

  // ---- parts ----------------------------------------------------------------------------------------------

  #handleState(flow: AnyFlow, state: FlowState): void {
    if (state === 'CONNECTED' && flow.activePath) this.#neighbours.meet(flow.activePath.remote)
    this.#lifetime.handleState(flow, state)
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

  #status(request: StatusRequest): StackStatus {
    const isAll = request.ask === 'status'
    const isService = request.ask === 'service'
    return {
      version,
      kind: 'host',
      pid: process.pid,
      program: programName(),
      instance: this.#agent.instance,
      hostId: this.#hostId,
      endpoints: this.endpoints.map(formatEndpoint),
      services: isAll || isService ? this.#services.status(isService ? request.serviceId : undefined) : [],
      flows: isAll ? this.flows() : [],
      counters: isAll ? this.counters : {},
    }
  }
}

/** As `serval services` shows it. */
function programName(): string {
  return basename(process.argv[1] ?? process.title)
}
