/**
 * The Service Access Layer of a host: service table, flow table, and what joins them. Sans I/O: the shell feeds it
 * datagrams and the time, and polls it for packets and events (order: handle, events, packets, one timer).
 *
 *   handleDatagram --> dialect --> flow, listener   what packets mean is the profile's (dialect.ts)
 *   connect ---------> service table --> SYN        FORWARD, own listener, or DELAY: a `resolve` event
 */
import { ServalError } from '../errors.ts'
import type { AnyFlow } from '../flow/any-flow.ts'
import type { FlowContext, FlowLimits, SynTarget } from '../flow/flow-context.ts'
import type { Local } from '../flow/path.ts'
import type { QueueSize } from '../flow/queue-size.ts'
import type { FlowState } from '../flow/states.ts'
import { NO_FLOW_ID } from '../id/flow-id.ts'
import type { ServiceId } from '../id/service-id.ts'
import { ServicePrefix } from '../id/service-prefix.ts'
import { peekEntry, peekType, resolve } from '../service/resolve.ts'
import { ServiceTable } from '../service/service-table.ts'
import { type CongestionFactories, congestionFactories } from '../transport/congestion/algorithms.ts'
import type { CongestionName } from '../transport/congestion/congestion.ts'
import { readU32 } from '../wire/bytes.ts'
import { type Endpoint, formatEndpoint } from '../wire/endpoint.ts'
import type { Profile } from '../wire/profile.ts'
import { type Protocol, protocols } from '../wire/sal-header.ts'
import { SegmentFields } from '../wire/segment.ts'
import type { TransmitBatch } from '../wire/transmit-batch.ts'
import { type DatagramEvent, Datagrams, type OutgoingDatagram } from './datagrams.ts'
import type { Dialect, DialectHost, DialectKind } from './dialect.ts'
import type { FlowTable } from './flow-table.ts'
import { DEFAULT_BACKLOG, Listener } from './listener.ts'
import { Locals } from './locals.ts'
import { native } from './native-dialect.ts'
import { type Ask, nameOf, Resolver } from './resolver.ts'
import { Rests } from './rests.ts'
import { DeadlineHeap, ReadyRing } from './schedule.ts'
import type { TraceOptions, TraceProbe } from './tracer.ts'

export type SalEvent =
  /** A listener has a new flow, set up. */
  | { readonly type: 'accept'; readonly listener: Listener; readonly flow: AnyFlow }
  /** Bits of FlowSignal that have gathered since the last event of this flow. */
  | { readonly type: 'flow'; readonly flow: AnyFlow; readonly signals: number }
  | { readonly type: 'traced'; readonly probe: TraceProbe }
  /** A DELAY rule holds flows or datagrams of a protocol: insert a rule and call `resolved`, or call `unresolved`. */
  | {
      readonly type: 'resolve'
      readonly serviceId: ServiceId
      readonly name: string | undefined
      readonly protocol: Protocol
    }
  | DatagramEvent

export interface SalOptions {
  /** Default: native. */
  readonly dialect?: DialectKind
  /** n bytes of a CSPRNG. */
  readonly randomBytes: (n: number) => Uint8Array
  readonly limits?: Partial<FlowLimits>
  /** Of flows for which nothing else is said; default: cubic. */
  readonly congestion?: CongestionName
  /** 2014: whether no other stack shares this one's addresses, so that what it does not know nobody does; default: yes. */
  readonly speaksForHost?: () => boolean
  /** Told of every state that a flow enters. */
  readonly trace?: (flow: AnyFlow, from: FlowState, to: FlowState) => void
}

export interface ConnectOptions {
  readonly serviceId: ServiceId
  /** As the program wrote it. */
  readonly name?: string | undefined
  /** How long set-up may take; default: the profile's. */
  readonly timeoutMs?: number | undefined
  readonly congestion?: CongestionName | undefined
  /** What it is to carry; default: a stream. */
  readonly protocol?: Protocol | undefined
  /** Of datagrams: the port of this host that they are from; default: none. */
  readonly port?: number | undefined
}

export interface ListenOptions {
  readonly serviceId: ServiceId
  readonly name?: string | undefined
  /** Other serviceIDs that lead to the same listener. */
  readonly aliases?: readonly ServiceId[] | undefined
  /** Half-open flows at once; default 511. */
  readonly backlog?: number | undefined
  readonly congestion?: CongestionName | undefined
  /** What its flows carry; a listener of datagrams takes those without a flow, too. Default: streams. */
  readonly protocol?: Protocol | undefined
  /** The number that stands for the service, where that is a port of this host. */
  readonly port?: number | undefined
}

export const DEFAULT_LIMITS: FlowLimits = {
  receiveBufferBytes: 16 << 20,
  burstBytes: 4 << 20,
  sendBufferBytes: 16 << 20,
  deadPeerMs: 120_000,
  // 546 bytes a second: half of what a modem of 9,600 baud brings
  minProgressBytes: 32 << 10,
}

/** Timers of so many flows in one call: each may cost the making of a packet, and the shell has other work, too. */
export const FLOWS_AT_ONCE = 128

export class Sal {
  readonly profile: Profile
  readonly serviceTable: ServiceTable
  /** What was dropped, refused or odd, by kind. */
  readonly counters: Record<string, number> = {}

  readonly #randomBytes: (n: number) => Uint8Array
  readonly #speaksForHost: () => boolean
  readonly #locals = new Locals()
  readonly #listeners = new Map<number, Listener>()
  readonly #context: DialectHost['context']
  readonly #congestion: CongestionName
  readonly #newCongestion: CongestionFactories
  readonly #resolver: Resolver
  readonly #datagrams: Datagrams
  readonly #dialect: Dialect
  readonly #deadlines = new DeadlineHeap<AnyFlow>()
  readonly #ready = new ReadyRing<AnyFlow>()
  readonly #rests = new Rests<AnyFlow>()
  /** Flows that wait for their address not to be held any more. */
  readonly #held = new Set<AnyFlow>()
  /** Flows with signals, and accepted flows, in the order in which the program hears of them. */
  #news: (AnyFlow | SalEvent)[] = []
  #nextListenerId = 1

  constructor(options: SalOptions) {
    const { profile, open } = options.dialect ?? native
    this.profile = profile
    this.#randomBytes = options.randomBytes
    this.#speaksForHost = options.speaksForHost ?? (() => true)
    this.serviceTable = new ServiceTable(readU32(this.#randomBytes(4), 0))
    this.#congestion = options.congestion ?? 'cubic'
    this.#newCongestion = congestionFactories(() => readU32(this.#randomBytes(4), 0) / 2 ** 32)
    const count = (counter: string) => this.#count(counter)
    const ask: Ask = (serviceId, name, protocol) =>
      this.#news.push({ type: 'resolve', serviceId, name, protocol })
    this.#resolver = new Resolver(
      this.serviceTable,
      this.#locals,
      this.#randomBytes,
      this.profile.policy.synTimeoutMs,
      ask,
    )
    this.#datagrams = new Datagrams({
      profile: this.profile,
      table: this.serviceTable,
      locals: this.#locals,
      listener: id => this.#listeners.get(id),
      unusedFlowId: () => this.flows.unusedId(this.#randomBytes),
      choice: (serviceId, nowMs) => this.#resolver.choice(serviceId, nowMs),
      ask,
      tell: event => this.#news.push(event),
      count,
    })
    const limits = { ...DEFAULT_LIMITS, ...options.limits }
    this.#context = this.#makeContext(limits, count, options.trace ?? (() => undefined))
    this.#dialect = open(this.#newDialectHost(count))
  }

  get flows(): FlowTable<AnyFlow> {
    return this.#dialect.flows
  }

  /** What peers make this stack keep, beside what each flow keeps (`Flow.queues`). */
  get queues(): readonly QueueSize[] {
    const listeners = [...this.#listeners.values()].map(({ halfOpen, backlog }) => {
      return { name: 'half-open flows', size: halfOpen, limit: backlog }
    })
    const inboxes = [...this.#listeners.values()].map(({ inbox }) => {
      return { name: 'datagrams to read', size: inbox.size, limit: inbox.limits.items }
    })
    return [
      ...listeners,
      ...inboxes,
      ...this.#dialect.queues,
      ...this.#resolver.queues,
      ...this.#datagrams.queues,
    ]
  }

  // ---- addresses ------------------------------------------------------------------------------------------

  get locals(): readonly Local[] {
    return this.#locals.all
  }

  /** A new address: flows that waited for one move to it. */
  addLocal(local: Local, nowMs: number): void {
    this.#locals.add(local)
    for (const flow of this.flows) {
      const remote = flow.activePath?.remote
      if (flow.waitsForAddress && remote && this.#locals.ranked(remote).includes(local))
        flow.move(local, nowMs)
    }
  }

  /** An address has gone: its flows move to the best of the others, or wait. */
  removeLocal(id: number, nowMs: number): void {
    const gone = this.#locals.remove(id)
    if (gone === undefined) return
    this.#datagrams.removeLocal(gone)
    for (const flow of this.flows) {
      const remote = flow.activePath?.remote
      flow.localLost(gone, remote && this.#locals.best(remote), nowMs)
    }
  }

  /** What is known of the interface of `local` has changed. */
  localChanged(local: Local): void {
    this.#locals.changed()
    for (const flow of this.flows) flow.localChanged(local)
  }

  /** A packet from a local address, to `remote` where the system says so, could not be sent. */
  handleSendError(code: string, localId: number, remote: Endpoint | undefined): void {
    if (code !== 'EMSGSIZE') return
    for (const flow of this.flows) flow.handleTooLong(localId, remote)
  }

  /** Moves a flow to another address of this host's. */
  migrate(flow: AnyFlow, localId: number, nowMs: number): void {
    const local = this.#locals.byId(localId)
    if (local === undefined) throw new ServalError('EADDRNOTAVAIL', { syscall: 'migrate', address: localId })
    flow.move(local, nowMs)
  }

  /** Routers whose ROUTE is believed: SYNs that come from there are answered to the client that it names. */
  trustRouters(routers: readonly Endpoint[]): void {
    this.#dialect.trustRouters(routers)
  }

  /** A full link: flows from that address wait, but for control packets, until it is held no more. */
  hold(localId: number, isHeld: boolean): void {
    const local = this.#locals.byId(localId)
    if (local !== undefined) local.isHeld = isHeld
    if (isHeld) return
    for (const flow of this.#held) this.#ready.add(flow)
    this.#held.clear()
  }

  // ---- services -------------------------------------------------------------------------------------------

  /** Takes SYNs for a service, or datagrams. Throws EADDRINUSE where this stack has a listener of that kind for it. */
  listen(options: ListenOptions): Listener {
    const { serviceId, name, aliases = [], backlog = DEFAULT_BACKLOG, ...rest } = options
    const id = this.#nextListenerId++
    const listener = new Listener({ ...rest, id, serviceIds: [serviceId, ...aliases], name, backlog })
    const rule = { type: 'DEMUX', listenerId: listener.id, protocol: listener.protocol } as const
    const owner = String(listener.id)
    try {
      for (const id of listener.serviceIds) {
        const origin = { source: 'local', owner, ...(name === undefined ? {} : { name }) } as const
        this.serviceTable.insert(new ServicePrefix(id, 256), rule, origin)
      }
    } catch (error) {
      this.serviceTable.removeEverywhere({ source: 'local', owner })
      throw error
    }
    this.#listeners.set(listener.id, listener)
    return listener
  }

  /** Takes no more SYNs; flows that are set up go on, half-open ones end. */
  unlisten(listener: Listener, nowMs: number): void {
    if (!this.#listeners.delete(listener.id)) return
    this.serviceTable.removeEverywhere({ source: 'local', owner: String(listener.id) })
    for (const flow of this.#dialect.halfOpen.of(listener)) flow.reset(nowMs)
  }

  /** A new flow to a service; what becomes of it is told by signals. */
  connect(options: ConnectOptions, nowMs: number): AnyFlow {
    const flow = this.#dialect.newClient(
      {
        service: options.serviceId,
        serviceName: options.name,
        timeoutMs: options.timeoutMs ?? this.profile.policy.synTimeoutMs,
        protocol: options.protocol,
        port: options.port,
        newCongestion: this.#newCongestion[options.congestion ?? this.#congestion],
      },
      nowMs,
    )
    flow.connect(nowMs)
    return flow
  }

  /** Sends a datagram without a flow, as `Datagrams.send`. */
  send(datagram: OutgoingDatagram, nowMs: number): 'sent' | 'waiting' | ServalError {
    return this.#datagrams.send(datagram, nowMs)
  }

  /** Sends a SYN that finds out its way; a `traced` event tells the outcome. Undefined where the profile knows no such thing. */
  trace(options: TraceOptions, nowMs: number): TraceProbe | undefined {
    return this.#dialect.tracer?.probe(options, nowMs)
  }

  /** Rules under `prefix` have come: flows and datagrams that wait for them go on. */
  resolved(prefix: ServicePrefix, nowMs: number): void {
    for (const flow of this.#resolver.release(prefix)) flow.resolved(nowMs)
    this.#datagrams.resolved(prefix, nowMs)
    this.#dialect.tracer?.resolved(prefix, nowMs)
  }

  /** Nobody could say who serves it: flows and datagrams that wait for it, or those of a protocol, fail with `error`. */
  unresolved(serviceId: ServiceId, error: ServalError, nowMs: number, protocol?: Protocol): void {
    for (const flow of this.#resolver.giveUp(serviceId, protocol)) flow.fail(error, nowMs)
    if (protocol !== protocols.STREAM) this.#datagrams.unresolved(serviceId, error)
    this.#dialect.tracer?.unresolved(serviceId, error, protocol)
  }

  /** The process behind these addresses has ended: flows to it fail with ECONNRESET. */
  peersGone(endpoints: readonly Endpoint[], nowMs: number): void {
    const gone = new Set(endpoints.map(formatEndpoint))
    for (const flow of this.flows) {
      const remote = flow.activePath?.remote
      if (remote && gone.has(formatEndpoint(remote))) flow.peerGone(nowMs)
    }
  }

  // ---- input ----------------------------------------------------------------------------------------------

  /** HOT. A datagram, or several that the kernel merged. `buffer` is given away: payloads are moved within it. */
  handleDatagram(buffer: Uint8Array, length: number, localId: number, remote: Endpoint, nowMs: number): void {
    this.#dialect.handleDatagram(buffer, length, localId, remote, nowMs)
  }

  // ---- time -----------------------------------------------------------------------------------------------

  /** When `handleTimeout` has something to do; Infinity: never. */
  get nextTimeoutAt(): number {
    return Math.min(
      this.#deadlines.nextAt,
      this.#resolver.nextTimeoutAt,
      this.#datagrams.nextTimeoutAt,
      this.serviceTable.nextExpiryAt,
      this.#rests.nextTimeoutAt,
      this.#dialect.tracer?.nextTimeoutAt ?? Number.POSITIVE_INFINITY,
    )
  }

  /** Of many flows that are due only so many: `nextTimeoutAt` stays in the past for the others. */
  handleTimeout(nowMs: number): void {
    this.serviceTable.expire(nowMs)
    this.#rests.handleTimeout(nowMs)
    this.#datagrams.handleTimeout(nowMs)
    this.#dialect.tracer?.handleTimeout(nowMs)
    for (const flow of this.#resolver.handleTimeout(nowMs)) flow.fail(this.#timeoutError(flow, nowMs), nowMs)
    for (let i = 0; i < FLOWS_AT_ONCE; i++) {
      const flow = this.#deadlines.takeDue(nowMs)
      if (flow === undefined) return
      flow.handleTimeout(nowMs)
      this.#deadlines.rearm(flow)
    }
  }

  // ---- output ---------------------------------------------------------------------------------------------

  /** HOT. Fills `batch` with what is to be sent next; false when there is nothing. Flows take turns. */
  pollTransmit(batch: TransmitBatch, nowMs: number): boolean {
    if (this.#dialect.pollTransmit(batch, nowMs) || this.#datagrams.pollTransmit(batch)) return true
    for (let flow = this.#ready.first; flow; flow = this.#ready.first) {
      const sent = flow.pollTransmit(batch, nowMs)
      this.#ready.rotate(sent)
      this.#deadlines.rearm(flow)
      if (sent) return true
      if (flow.activePath?.local.isHeld) this.#held.add(flow)
    }
    this.#dialect.isUrgent = false
    return false
  }

  /**
   * A control packet has come that may have an answer, and that is nothing to the program. Where it is, the program may
   * have something to say that goes with the answer: its first data with the third ACK, its FIN with the ACK of the peer's.
   */
  get isUrgent(): boolean {
    return this.#dialect.isUrgent
  }

  /** The next thing that the program should hear of. */
  pollEvent(): SalEvent | undefined {
    const news = this.#news.shift()
    if (news === undefined || 'type' in news) return news
    const signals = news.pendingSignals
    news.pendingSignals = 0
    return { type: 'flow', flow: news, signals }
  }

  // ---- what flows ask -------------------------------------------------------------------------------------

  #makeContext(
    limits: FlowLimits,
    count: FlowContext<AnyFlow>['count'],
    trace: FlowContext<AnyFlow>['trace'],
  ): DialectHost['context'] {
    return {
      profile: this.profile,
      limits,
      segmentFields: new SegmentFields(),
      randomBytes: n => this.#randomBytes(n),
      wake: flow => this.#ready.add(flow),
      awake: flow => this.#rests.add(flow),
      rearm: flow => this.#deadlines.rearm(flow),
      signal: (flow, bits) => this.#signal(flow, bits),
      accepted: flow => this.#accept(flow),
      release: flow => this.#release(flow),
      trace: (flow, from, to) => {
        if (to === 'CLOSED' || to === 'TIMEWAIT') uncount(flow)
        trace(flow, from, to)
      },
      count,
      nextInstance: (flow, nowMs) => this.#nextInstance(flow, nowMs),
      answered: (flow, remote, nowMs) => this.#resolver.handleAnswered(flow, remote, nowMs),
      refused: (flow, nack, nowMs) => {
        this.#dialect.routerHeard(nack.remote, nowMs)
        this.#resolver.handleRefused(flow, nack, nowMs)
      },
      refusal: (flow, nack, nowMs) => this.#resolver.refusal(flow, nack, nowMs),
      timeoutError: (flow, nowMs) => this.#timeoutError(flow, nowMs),
      anotherLocal: (local, remote) => this.#locals.after(local, remote),
    }
  }

  #newDialectHost(count: DialectHost['count']): DialectHost {
    const news = () => this.#news.length
    return {
      profile: this.profile,
      context: this.#context,
      get newsCount() {
        return news()
      },
      traces: {
        targetOf: ({ serviceId, name, protocol = protocols.STREAM }, now) =>
          this.#resolver.lone(serviceId, name, protocol, now),
        onOutcome: probe => this.#news.push({ type: 'traced', probe }),
      },
      randomBytes: n => this.#randomBytes(n),
      count,
      local: id => this.#locals.byId(id),
      listenerFor: (serviceId, protocol, bytes, nowMs) =>
        this.#listenerFor(serviceId, protocol, bytes, nowMs),
      takes: (serviceId, protocol) => peekType(this.serviceTable, serviceId, protocol, 'local') === 'DEMUX',
      speaksForHost: this.#speaksForHost,
      handleUnconnected: (arrival, replyTo, nowMs) => this.#datagrams.handle(arrival, replyTo, nowMs),
      handleLateAnswer: (flowId, remote, nowMs) => this.#resolver.handleLate(flowId, remote, nowMs),
      congestionOf: ({ congestion }) => this.#newCongestion[congestion ?? this.#congestion],
    }
  }

  #listenerFor(serviceId: ServiceId, protocol: number, bytes: number, nowMs: number): Listener | undefined {
    const choice = this.#resolver.choice(serviceId, nowMs)
    const target = resolve(this.serviceTable, serviceId, protocol, bytes, choice, 'local')
    return target?.type === 'DEMUX' ? this.#listeners.get(target.listenerId) : undefined
  }

  #signal(flow: AnyFlow, bits: number): void {
    if (flow.pendingSignals === 0) this.#news.push(flow)
    flow.pendingSignals |= bits
  }

  #accept(flow: AnyFlow): void {
    const listener = this.#dialect.halfOpen.remove(flow)
    if (listener === undefined) return
    flow.countedBy = listener
    listener.flows++
    this.#news.push({ type: 'accept', listener, flow })
  }

  #release(flow: AnyFlow): void {
    this.#resolver.handleReleased(flow)
    this.#dialect.halfOpen.remove(flow)
    this.#deadlines.forget(flow)
    this.#rests.remove(flow)
    this.#held.delete(flow)
    this.flows.remove(flow)
  }

  /** A SYN that a router did not answer is followed by a question whether it is there. */
  #nextInstance(flow: AnyFlow, nowMs: number): SynTarget {
    const isRepeat = this.#resolver.targetOf(flow) !== undefined
    const target = this.#resolver.next(flow, nowMs)
    const isRoute = typeof target === 'object' && 'remote' in target
    const isByRule = isRoute && target.remote === this.#resolver.targetOf(flow)
    if (isRepeat && isByRule && this.#goesToRouter(flow)) {
      this.#dialect.askRouter(target.local, target.remote)
    }
    return target
  }

  /** Routers stand behind prefixes; only instances behind whole serviceIDs. */
  #goesToRouter(flow: AnyFlow): boolean {
    const entry = peekEntry(this.serviceTable, flow.service, flow.protocol)
    return entry?.bits === 0 && entry.peek(flow.protocol, 'any') === 'FORWARD'
  }

  #timeoutError(flow: AnyFlow, nowMs: number): ServalError {
    const asked = this.#resolver.targetOf(flow)
    const service = nameOf(flow)
    if (flow.peerFlowId !== NO_FLOW_ID) return new ServalError('ETIMEDOUT', { service, syscall: 'read' })
    if (asked && this.#goesToRouter(flow) && !this.#dialect.isRouterAlive(asked, nowMs)) {
      return new ServalError('ENOROUTER', {
        service,
        tried: `router ${formatEndpoint(asked)}`,
        syscall: 'connect',
      })
    }
    const subnets = this.#resolver.broadcastsOf(flow).map(({ address }) => address)
    if (subnets.length > 0) {
      const asked = `all hosts at ${subnets.join(' and ')}, and none answered`
      return new ServalError('ENOSERVICE', { service, asked, syscall: 'connect' })
    }
    const message = asked && `connect ETIMEDOUT ${service}: ${formatEndpoint(asked)} did not answer`
    return new ServalError('ETIMEDOUT', { service, syscall: 'connect', ...(message && { message }) })
  }

  #count(counter: string): void {
    this.counters[counter] = (this.counters[counter] ?? 0) + 1
  }
}

/** A flow that is over, or about to be forgotten. */
function uncount(flow: AnyFlow): void {
  if (flow.countedBy === undefined) return
  flow.countedBy.flows--
  flow.countedBy = undefined
}
