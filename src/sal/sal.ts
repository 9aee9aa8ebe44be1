/**
 * The Service Access Layer of a host: service table, flow table, and what joins them. Sans I/O: the shell feeds it
 * datagrams and the time, and polls it for packets and events (order: handle, events, packets, one timer).
 *
 *   handleDatagram --> dialect --> flow, listener   what packets mean is the profile's (dialect.ts)
 *   connect ---------> service table --> SYN        FORWARD, own listener, or DELAY: a `resolve` event
 */
import { ServalError } from '../errors.ts'
import type { AnyFlow } from '../flow/any-flow.ts'
import type { Local } from '../flow/path.ts'
import type { QueueSize } from '../flow/queue-size.ts'
import type { ServiceId } from '../id/service-id.ts'
import type { ServicePrefix } from '../id/service-prefix.ts'
import { ServiceTable } from '../service/service-table.ts'
import { type CongestionFactories, congestionFactories } from '../transport/congestion/algorithms.ts'
import type { CongestionName } from '../transport/congestion/congestion.ts'
import { LEAST_WINDOW_BYTES, ReceiveBudget } from '../transport/receive-budget.ts'
import { readU32 } from '../wire/bytes.ts'
import { type Endpoint, formatEndpoint } from '../wire/endpoint.ts'
import type { Profile } from '../wire/profile.ts'
import { type Protocol, protocols } from '../wire/sal-header.ts'
import { SegmentFields } from '../wire/segment.ts'
import type { TransmitBatch } from '../wire/transmit-batch.ts'
import { Datagrams, type OutgoingDatagram } from './datagrams.ts'
import type { Dialect, DialectHost } from './dialect.ts'
import type { FlowTable } from './flow-table.ts'
import type { Listener } from './listener.ts'
import { countOpen, countOver, Listeners, type ListenOptions } from './listeners.ts'
import { Locals } from './locals.ts'
import { native } from './native-dialect.ts'
import { News, type SalEvent } from './news.ts'
import { type Ask, Resolver } from './resolver.ts'
import { Rests } from './rests.ts'
import { type ConnectOptions, DEFAULT_LIMITS, type SalOptions } from './sal-options.ts'
import { DeadlineHeap, ReadyRing } from './schedule.ts'
import { Silence } from './silence.ts'
import type { TraceOptions, TraceProbe } from './tracer.ts'

/** Timers of so many flows in one call: each may cost the making of a packet, and the shell has other work, too. */
export const FLOWS_AT_ONCE = 128

export class Sal {
  readonly profile: Profile
  readonly serviceTable: ServiceTable
  /** What was dropped, refused or odd, by kind. */
  readonly counters: Record<string, number> = {}

  readonly #randomBytes: (n: number) => Uint8Array
  readonly #locals = new Locals()
  readonly #listeners: Listeners
  readonly #context: DialectHost['context']
  readonly #congestion: CongestionName
  readonly #newCongestion: CongestionFactories
  readonly #resolver: Resolver
  readonly #silence: Silence
  readonly #datagrams: Datagrams
  readonly #dialect: Dialect
  readonly #deadlines = new DeadlineHeap<AnyFlow>()
  readonly #ready = new ReadyRing<AnyFlow>()
  readonly #rests = new Rests<AnyFlow>()
  /** Flows that wait for their address not to be held any more. */
  readonly #held = new Set<AnyFlow>()
  readonly #news = new News()

  constructor(options: SalOptions) {
    const { profile, open } = options.dialect ?? native
    this.profile = profile
    this.#randomBytes = options.randomBytes
    this.serviceTable = new ServiceTable(readU32(this.#randomBytes(4), 0))
    this.#congestion = options.congestion ?? 'cubic'
    this.#newCongestion = congestionFactories(() => readU32(this.#randomBytes(4), 0) / 2 ** 32)
    const count = (counter: string) => {
      this.counters[counter] = (this.counters[counter] ?? 0) + 1
    }
    const ask: Ask = (serviceId, name, protocol) =>
      this.#news.tell({ type: 'resolve', serviceId, name, protocol })
    this.#resolver = new Resolver(this.serviceTable, this.#locals, this.profile, this.#randomBytes, ask)
    const choice = (serviceId: ServiceId, nowMs: number) => this.#resolver.choice(serviceId, nowMs)
    this.#listeners = new Listeners(this.serviceTable, choice)
    this.#datagrams = new Datagrams({
      profile: this.profile,
      table: this.serviceTable,
      locals: this.#locals,
      listener: id => this.#listeners.byId(id),
      unusedFlowId: () => this.flows.unusedId(this.#randomBytes),
      choice,
      ask,
      tell: event => this.#news.tell(event),
      count,
    })
    this.#context = this.#makeContext(options, count)
    this.#dialect = open(this.#newDialectHost(options, count))
    this.#silence = new Silence(this.profile, this.serviceTable, this.#resolver, this.#dialect)
  }

  get flows(): FlowTable<AnyFlow> {
    return this.#dialect.flows
  }

  /** What peers make this stack keep, beside what each flow keeps (`Flow.queues`). */
  get queues(): readonly QueueSize[] {
    const { receiveBudget } = this.#context
    return [
      {
        name: 'bytes promised to peers',
        size: receiveBudget.promisedBytes,
        limit: receiveBudget.limitBytes + this.flows.size * LEAST_WINDOW_BYTES,
      },
      ...this.#listeners.queues,
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
    return this.#listeners.open(options)
  }

  /** Takes no more SYNs; flows that are set up go on, half-open ones end. */
  unlisten(listener: Listener, nowMs: number): void {
    if (!this.#listeners.close(listener)) return
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
    for (const flow of this.#resolver.handleTimeout(nowMs))
      flow.fail(this.#silence.timeoutError(flow, nowMs), nowMs)
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
    return this.#news.take()
  }

  // ---- what flows ask -------------------------------------------------------------------------------------

  #makeContext({ limits, trace }: SalOptions, count: DialectHost['count']): DialectHost['context'] {
    const chosen = { ...DEFAULT_LIMITS, ...limits }
    return {
      profile: this.profile,
      limits: chosen,
      receiveBudget: new ReceiveBudget(chosen.receiveMemoryBytes, () => count('receiveMemoryShort')),
      segmentFields: new SegmentFields(),
      randomBytes: n => this.#randomBytes(n),
      wake: flow => this.#ready.add(flow),
      awake: flow => this.#rests.add(flow),
      rearm: flow => this.#deadlines.rearm(flow),
      signal: (flow, bits) => this.#news.signal(flow, bits),
      accepted: flow => this.#accept(flow),
      release: flow => this.#release(flow),
      trace: (flow, from, to) => {
        if (to === 'CLOSED' || to === 'TIMEWAIT') countOver(flow)
        trace?.(flow, from, to)
      },
      count,
      nextInstance: (flow, nowMs) => this.#silence.nextInstance(flow, nowMs),
      answered: (flow, remote, nowMs, attempt) => this.#resolver.handleAnswered(flow, remote, nowMs, attempt),
      refused: (flow, nack, nowMs) => {
        this.#dialect.routerHeard(nack.remote, nowMs)
        this.#resolver.handleRefused(flow, nack, nowMs)
      },
      refusal: (flow, nack, nowMs) => this.#resolver.refusal(flow, nack, nowMs),
      timeoutError: (flow, nowMs) => this.#silence.timeoutError(flow, nowMs),
      anotherLocal: (local, remote) => this.#locals.after(local, remote),
      hasLocal: local => this.#locals.byId(local.id) === local,
    }
  }

  #newDialectHost({ speaksForHost }: SalOptions, count: DialectHost['count']): DialectHost {
    const news = this.#news
    return {
      profile: this.profile,
      context: this.#context,
      get newsCount() {
        return news.count
      },
      traces: {
        targetOf: ({ serviceId, name, protocol = protocols.STREAM }, now) =>
          this.#resolver.lone(serviceId, name, protocol, now),
        onOutcome: probe => this.#news.tell({ type: 'traced', probe }),
      },
      randomBytes: n => this.#randomBytes(n),
      count,
      local: id => this.#locals.byId(id),
      listenerFor: (serviceId, protocol, bytes, nowMs) =>
        this.#listeners.find(serviceId, protocol, bytes, nowMs),
      takes: (serviceId, protocol) => this.#listeners.take(serviceId, protocol),
      knowChoosers: routers => this.#resolver.knowChoosers(routers),
      speaksForHost: speaksForHost ?? (() => true),
      handleUnconnected: (arrival, replyTo, nowMs) => this.#datagrams.handle(arrival, replyTo, nowMs),
      handleLateAnswer: (flowId, remote, nowMs) => this.#resolver.handleLate(flowId, remote, nowMs),
      congestionOf: ({ congestion }) => this.#newCongestion[congestion ?? this.#congestion],
    }
  }

  #accept(flow: AnyFlow): void {
    const listener = this.#dialect.halfOpen.remove(flow)
    if (listener === undefined) return
    countOpen(flow, listener)
    this.#news.tell({ type: 'accept', listener, flow })
  }

  #release(flow: AnyFlow): void {
    this.#resolver.handleReleased(flow)
    this.#dialect.halfOpen.remove(flow)
    this.#deadlines.forget(flow)
    this.#rests.remove(flow)
    this.#held.delete(flow)
    this.flows.remove(flow)
  }
}
