/**
 * The Service Access Layer of a host: service table, flow table, and what joins them. Sans I/O: the shell feeds it
 * datagrams and the time, and polls it for packets and events (order: handle, events, packets, one timer).
 *
 *   handleDatagram --> flow table --> Flow          data and control of flows, by destination flowID
 *                 \--> service table --> Listener   SYN: DEMUX to a listener, or NACK
 *   connect ---------> service table --> SYN        FORWARD, own listener, or DELAY: a `resolve` event
 */
import { ServalError } from '../errors.ts'
import type { Arrival } from '../flow/arrival.ts'
import { Flow } from '../flow/flow.ts'
import type { FlowContext, FlowLimits, SynTarget } from '../flow/flow-context.ts'
import type { Local } from '../flow/path.ts'
import type { QueueSize } from '../flow/queue-size.ts'
import type { FlowState } from '../flow/states.ts'
import { NO_FLOW_ID } from '../id/flow-id.ts'
import type { ServiceId } from '../id/service-id.ts'
import { ServicePrefix } from '../id/service-prefix.ts'
import { peekType, resolve } from '../service/resolve.ts'
import { ServiceTable } from '../service/service-table.ts'
import { type CongestionFactories, congestionFactories } from '../transport/congestion/algorithms.ts'
import type { CongestionName } from '../transport/congestion/congestion.ts'
import { readU32 } from '../wire/bytes.ts'
import { PacketWalk, WIRE_VERSION } from '../wire/encapsulation.ts'
import { type Endpoint, formatEndpoint } from '../wire/endpoint.ts'
import { controlFlags } from '../wire/extensions/control.ts'
import { keyModes } from '../wire/extensions/key.ts'
import type { LargeExtension } from '../wire/extensions/large.ts'
import { reasonCodes } from '../wire/extensions/reason.ts'
import type { UnknownExtension } from '../wire/extensions/unknown.ts'
import { formatExtensionType } from '../wire/extensions.ts'
import { parsePacket, type SalPacket } from '../wire/packet.ts'
import { type Profile, profiles } from '../wire/profile.ts'
import {
  BASE_HEADER_BYTES,
  checkSalHeader,
  peekDstFlowId,
  peekHeaderBytes,
  peekProtocol,
  peekSrcFlowId,
  protocols,
  sameBaseHeader,
} from '../wire/sal-header.ts'
import { SegmentFields } from '../wire/segment.ts'
import type { TransmitBatch } from '../wire/transmit-batch.ts'
import { WireError } from '../wire/wire-error.ts'
import { ANSWERS_LIMIT, Answers } from './answers.ts'
import { FlowTable } from './flow-table.ts'
import { DEFAULT_BACKLOG, HalfOpen, Listener } from './listener.ts'
import { Locals } from './locals.ts'
import { nameOf, Resolver } from './resolver.ts'
import { Rests } from './rests.ts'
import { RouterProbes } from './router-probe.ts'
import { DeadlineHeap, ReadyRing } from './schedule.ts'

export type SalEvent =
  /** A listener has a new flow, set up. */
  | { readonly type: 'accept'; readonly listener: Listener; readonly flow: Flow }
  /** Bits of FlowSignal that have gathered since the last event of this flow. */
  | { readonly type: 'flow'; readonly flow: Flow; readonly signals: number }
  /** A DELAY rule holds flows: insert a rule and call `resolved`, or call `unresolved`. */
  | { readonly type: 'resolve'; readonly serviceId: ServiceId; readonly name: string | undefined }

export interface SalOptions {
  /** Default: native. */
  readonly profile?: Profile
  /** n bytes of a CSPRNG. */
  readonly randomBytes: (n: number) => Uint8Array
  readonly limits?: Partial<FlowLimits>
  /** Of flows for which nothing else is said; default: cubic. */
  readonly congestion?: CongestionName
  /** Told of every state that a flow enters. */
  readonly trace?: (flow: Flow, from: FlowState, to: FlowState) => void
}

export interface ConnectOptions {
  readonly serviceId: ServiceId
  /** As the program wrote it. */
  readonly name?: string | undefined
  /** How long set-up may take; default: the profile's. */
  readonly timeoutMs?: number | undefined
  readonly congestion?: CongestionName | undefined
}

export interface ListenOptions {
  readonly serviceId: ServiceId
  readonly name?: string | undefined
  /** Other serviceIDs that lead to the same listener. */
  readonly aliases?: readonly ServiceId[] | undefined
  /** Half-open flows at once; default 511. */
  readonly backlog?: number | undefined
  readonly congestion?: CongestionName | undefined
}

export const DEFAULT_LIMITS: FlowLimits = {
  receiveBufferBytes: 16 << 20,
  burstBytes: 4 << 20,
  sendBufferBytes: 16 << 20,
  deadPeerMs: 120_000,
  // 546 bytes a second: half of what a modem of 9,600 baud brings
  minProgressBytes: 32 << 10,
}

export class Sal {
  readonly profile: Profile
  readonly serviceTable = new ServiceTable()
  readonly flows = new FlowTable()
  /** What was dropped, refused or odd, by kind. */
  readonly counters: Record<string, number> = {}

  readonly #randomBytes: (n: number) => Uint8Array
  readonly #locals = new Locals()
  readonly #listeners = new Map<number, Listener>()
  readonly #halfOpen = new HalfOpen()
  readonly #context: FlowContext<Flow>
  readonly #congestion: CongestionName
  readonly #newCongestion: CongestionFactories
  readonly #resolver: Resolver
  readonly #answers: Answers
  readonly #routerProbes: RouterProbes
  readonly #deadlines = new DeadlineHeap<Flow>()
  readonly #ready = new ReadyRing<Flow>()
  readonly #rests = new Rests<Flow>()
  readonly #walk = new PacketWalk()
  readonly #fields = new SegmentFields()
  #isUrgent = false
  /** Flows that wait for their address not to be held any more. */
  readonly #held = new Set<Flow>()
  /** Flows with signals, and accepted flows, in the order in which the program hears of them. */
  #news: (Flow | SalEvent)[] = []
  #trustedRouters: ReadonlySet<string> = new Set()
  #nextListenerId = 1

  constructor(options: SalOptions) {
    this.profile = options.profile ?? profiles.native
    this.#randomBytes = options.randomBytes
    this.#congestion = options.congestion ?? 'cubic'
    this.#newCongestion = congestionFactories(() => readU32(this.#randomBytes(4), 0) / 2 ** 32)
    const count = (counter: string) => this.#count(counter)
    this.#answers = new Answers(this.profile, this.#randomBytes, count)
    this.#routerProbes = new RouterProbes(this.profile, this.#randomBytes)
    this.#resolver = new Resolver(
      this.serviceTable,
      this.#locals,
      this.#randomBytes,
      this.profile.policy.synTimeoutMs,
      (serviceId, name) => this.#news.push({ type: 'resolve', serviceId, name }),
    )
    this.#context = this.#makeContext(
      { ...DEFAULT_LIMITS, ...options.limits },
      count,
      options.trace ?? (() => undefined),
    )
  }

  /** What peers make this stack keep, beside what each flow keeps (`Flow.queues`). */
  get queues(): readonly QueueSize[] {
    const listeners = [...this.#listeners.values()].map(({ halfOpen, backlog }) => {
      return { name: 'half-open flows', size: halfOpen, limit: backlog }
    })
    const answers = { name: 'answers', size: this.#answers.size, limit: ANSWERS_LIMIT }
    return [...listeners, answers, ...this.#routerProbes.queues, ...this.#resolver.queues]
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
  migrate(flow: Flow, localId: number, nowMs: number): void {
    const local = this.#locals.byId(localId)
    if (local === undefined) throw new ServalError('EADDRNOTAVAIL', { syscall: 'migrate', address: localId })
    flow.move(local, nowMs)
  }

  /** Routers whose ROUTE is believed: SYNs that come from there are answered to the client that it names. */
  trustRouters(routers: readonly Endpoint[]): void {
    this.#trustedRouters = new Set(routers.map(formatEndpoint))
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

  /** Takes SYNs for a service. Throws EADDRINUSE where this stack has a listener for it. */
  listen(options: ListenOptions): Listener {
    const { serviceId, name, aliases = [], backlog = DEFAULT_BACKLOG, congestion } = options
    const id = this.#nextListenerId++
    const listener = new Listener(id, [serviceId, ...aliases], name, backlog, congestion)
    const rule = { type: 'DEMUX', listenerId: listener.id, protocol: protocols.STREAM } as const
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
    for (const flow of this.#halfOpen.of(listener)) flow.reset(nowMs)
  }

  /** A new flow to a service; what becomes of it is told by signals. */
  connect(options: ConnectOptions, nowMs: number): Flow {
    const flow = new Flow(
      {
        role: 'client',
        flowId: this.flows.unusedId(this.#randomBytes),
        service: options.serviceId,
        serviceName: options.name,
        timeoutMs: options.timeoutMs ?? this.profile.policy.synTimeoutMs,
        newCongestion: this.#newCongestion[options.congestion ?? this.#congestion],
      },
      this.#context,
      nowMs,
    )
    this.flows.insert(flow)
    flow.connect(nowMs)
    return flow
  }

  /** Rules under `prefix` have come: flows that wait for them go on. */
  resolved(prefix: ServicePrefix, nowMs: number): void {
    for (const flow of this.#resolver.release(prefix)) flow.resolved(nowMs)
  }

  /** Nobody could say who serves it: flows that wait for it fail with `error`. */
  unresolved(serviceId: ServiceId, error: ServalError, nowMs: number): void {
    for (const flow of this.#resolver.giveUp(serviceId)) flow.fail(error, nowMs)
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
    const walk = this.#walk
    walk.reset(buffer, 0, length)
    let current: Flow | undefined
    // By this header it was found: payloads move to behind it, and never over it.
    let found = 0
    while (walk.next()) {
      const { packetStart, packetEnd } = walk
      const isMore =
        current !== undefined && walk.version === WIRE_VERSION && sameBaseHeader(buffer, found, packetStart)
      const flow = isMore
        ? this.#handleData(current!, buffer, packetStart, packetEnd, nowMs)
        : this.#handlePacket(buffer, packetStart, packetEnd, localId, remote, nowMs)
      if (flow === current) continue
      current?.handleBatchEnd(nowMs)
      current = flow
      found = packetStart
    }
    current?.handleBatchEnd(nowMs)
    if (walk.error !== undefined) this.#count(walk.error.code)
  }

  /** Returns the flow whose batch goes on. */
  #handlePacket(
    buffer: Uint8Array,
    start: number,
    end: number,
    localId: number,
    remote: Endpoint,
    nowMs: number,
  ): Flow | undefined {
    if (this.#walk.version !== WIRE_VERSION) {
      this.#count('unknownVersion')
      return undefined
    }
    const isData =
      peekHeaderBytes(buffer, start) === BASE_HEADER_BYTES && peekProtocol(buffer, start) === protocols.STREAM
    const flow = isData ? this.flows.lookup(peekDstFlowId(buffer, start)) : undefined
    if (flow === undefined || !flow.believes(peekSrcFlowId(buffer, start), remote)) {
      const news = this.#news.length
      this.#handleOther(buffer, start, end, localId, remote, nowMs)
      if (this.#news.length === news) this.#isUrgent = true
      return undefined
    }
    const error = checkSalHeader(buffer, start, end)
    if (error === undefined) return this.#handleData(flow, buffer, start, end, nowMs)
    this.#count(error.code)
    return undefined
  }

  /** A packet of data, whose header is known to be good. */
  #handleData(flow: Flow, buffer: Uint8Array, start: number, end: number, nowMs: number): Flow | undefined {
    const error = this.profile.segment.parseInto(this.#fields, buffer, start + BASE_HEADER_BYTES, end)
    if (error !== undefined) {
      this.#count(error.code)
      return undefined
    }
    flow.handleData(this.#fields, buffer, nowMs)
    return flow
  }

  /** Everything but believed data. */
  #handleOther(
    buffer: Uint8Array,
    start: number,
    end: number,
    localId: number,
    remote: Endpoint,
    nowMs: number,
  ): void {
    const packet = parsePacket(buffer, start, end, this.profile)
    const local = this.#locals.byId(localId)
    if (packet instanceof WireError) return this.#count(packet.code)
    if (local === undefined) return this.#count('localGone')
    const arrival = { packet, buffer, start, end, local, remote }
    const flow = this.flows.lookup(packet.dstFlowId)
    if (packet.dstFlowId === 0) this.#handleSyn(arrival, nowMs)
    else if (flow === undefined) this.#handleUnknown(arrival, nowMs)
    else if (packet.mustUnderstand !== undefined)
      this.#handleNotUnderstood(arrival, packet.mustUnderstand, nowMs)
    else if (packet.control !== undefined) flow.handlePacket(arrival, nowMs)
    else if (flow.believes(packet.srcFlowId, remote)) this.#handleExtendedData(flow, packet, nowMs)
    else if (packet.srcFlowId !== flow.peerFlowId) this.#handleUnknown(arrival, nowMs)
    else {
      this.#count('unproven')
      flow.handleUnproven(arrival, nowMs)
    }
  }

  /** Data behind extensions that may be skipped. */
  #handleExtendedData(flow: Flow, { transport }: SalPacket, nowMs: number): void {
    const error = this.profile.segment.parseInto(this.#fields, transport, 0, transport.length)
    if (error !== undefined) return this.#count(error.code)
    flow.handleData(this.#fields, transport, nowMs)
    flow.handleBatchEnd(nowMs)
  }

  /** The sender insists on an extension that is not known here: it is told which. */
  #handleNotUnderstood(arrival: Arrival, extension: UnknownExtension | LargeExtension, nowMs: number): void {
    this.#count('notUnderstood')
    const { UNSUPPORTED } = reasonCodes
    this.#answers.refuse(arrival, arrival.remote, UNSUPPORTED, formatExtensionType(extension), nowMs)
  }

  #handleUnknown(arrival: Arrival, nowMs: number): void {
    if (this.#routerProbes.handlePacket(arrival.packet, nowMs)) return
    this.#count('unknownFlow')
    const flags = arrival.packet.control?.flags ?? 0
    if (flags & (controlFlags.RST | controlFlags.NACK)) return
    this.#answers.reset(arrival, nowMs)
  }

  #handleSyn(arrival: Arrival, nowMs: number): void {
    const { packet } = arrival
    const serviceId = packet.service
    const offered = packet.extension('key')
    if (packet.control?.flags !== controlFlags.SYN || serviceId === undefined)
      return this.#count('unexpected')
    const replyTo = this.#replyAddress(arrival)
    if (replyTo === undefined) return this.#count('routeUntrusted')
    const refuse = (code: number, detail = '') => {
      this.#count('synRefused')
      this.#answers.refuse(arrival, replyTo, code, detail, nowMs)
    }
    if (packet.mustUnderstand)
      return refuse(reasonCodes.UNSUPPORTED, formatExtensionType(packet.mustUnderstand))
    if (offered?.mode !== keyModes.PLAIN) return refuse(reasonCodes.UNSUPPORTED)
    const known = this.#halfOpen.find(packet.srcFlowId, offered.share, replyTo)
    if (known !== undefined) return known.repeatSyn(arrival.end - arrival.start, nowMs)
    const listener = this.#listenerFor(serviceId, arrival, nowMs)
    if (listener === undefined) return refuse(reasonCodes.REFUSED)
    // As kernels do: the SYN is repeated, and by then there may be room.
    if (listener.halfOpen >= listener.backlog) return this.#count('backlogFull')
    const flow = new Flow(
      {
        role: 'server',
        flowId: this.flows.unusedId(this.#randomBytes),
        service: serviceId,
        serviceName: listener.name,
        timeoutMs: this.profile.policy.halfOpenMs,
        newCongestion: this.#newCongestion[listener.congestion ?? this.#congestion],
      },
      this.#context,
      nowMs,
    )
    this.flows.insert(flow)
    this.#halfOpen.insert(packet.srcFlowId, offered.share, replyTo, flow, listener)
    flow.respond(arrival, replyTo, nowMs)
  }

  #listenerFor(serviceId: ServiceId, { packet, start, end }: Arrival, nowMs: number): Listener | undefined {
    const choice = this.#resolver.choice(serviceId, nowMs)
    const target = resolve(this.serviceTable, serviceId, packet.protocol, end - start, choice, 'local')
    return target?.type === 'DEMUX' ? this.#listeners.get(target.listenerId) : undefined
  }

  /** The client: the source of the SYN or, where it came by way of routers, the source that the first one saw. */
  #replyAddress({ packet, remote }: Arrival): Endpoint | undefined {
    const client = packet.extension('route')?.entries[0]
    if (client === undefined) return remote
    if (!this.#trustedRouters.has(formatEndpoint(remote))) return undefined
    return { address: client.address, port: client.port }
  }

  // ---- time -----------------------------------------------------------------------------------------------

  /** When `handleTimeout` has something to do; Infinity: never. */
  get nextTimeoutAt(): number {
    return Math.min(
      this.#deadlines.nextAt,
      this.#resolver.nextTimeoutAt,
      this.serviceTable.nextExpiryAt,
      this.#rests.nextTimeoutAt,
    )
  }

  handleTimeout(nowMs: number): void {
    this.serviceTable.expire(nowMs)
    this.#rests.handleTimeout(nowMs)
    for (const flow of this.#resolver.handleTimeout(nowMs)) flow.fail(this.#timeoutError(flow, nowMs), nowMs)
    for (let flow = this.#deadlines.takeDue(nowMs); flow; flow = this.#deadlines.takeDue(nowMs)) {
      flow.handleTimeout(nowMs)
      this.#deadlines.rearm(flow)
    }
  }

  // ---- output ---------------------------------------------------------------------------------------------

  /** HOT. Fills `batch` with what is to be sent next; false when there is nothing. Flows take turns. */
  pollTransmit(batch: TransmitBatch, nowMs: number): boolean {
    if (this.#answers.pollTransmit(batch) || this.#routerProbes.pollTransmit(batch)) return true
    for (let flow = this.#ready.first; flow; flow = this.#ready.first) {
      const sent = flow.pollTransmit(batch, nowMs)
      this.#ready.rotate(sent)
      this.#deadlines.rearm(flow)
      if (sent) return true
      if (flow.activePath?.local.isHeld) this.#held.add(flow)
    }
    this.#isUrgent = false
    return false
  }

  /**
   * A control packet has come that may have an answer, and that is nothing to the program. Where it is, the program may
   * have something to say that goes with the answer: its first data with the third ACK, its FIN with the ACK of the peer's.
   */
  get isUrgent(): boolean {
    return this.#isUrgent
  }

  /** The next thing that the program should hear of. */
  pollEvent(): SalEvent | undefined {
    const news = this.#news.shift()
    if (!(news instanceof Flow)) return news
    const signals = news.pendingSignals
    news.pendingSignals = 0
    return { type: 'flow', flow: news, signals }
  }

  // ---- what flows ask -------------------------------------------------------------------------------------

  #makeContext(
    limits: FlowLimits,
    count: FlowContext<Flow>['count'],
    trace: FlowContext<Flow>['trace'],
  ): FlowContext<Flow> {
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
      trace,
      count,
      nextInstance: (flow, nowMs) => this.#nextInstance(flow, nowMs),
      refusal: (flow, code, remote, nowMs) => {
        this.#routerProbes.heard(remote, nowMs)
        return this.#resolver.refusal(flow, code, remote)
      },
      timeoutError: (flow, nowMs) => this.#timeoutError(flow, nowMs),
      answerUnknown: (arrival, nowMs) => this.#handleUnknown(arrival, nowMs),
      anotherLocal: (local, remote) => this.#locals.after(local, remote),
    }
  }

  #signal(flow: Flow, bits: number): void {
    if (flow.pendingSignals === 0) this.#news.push(flow)
    flow.pendingSignals |= bits
  }

  #accept(flow: Flow): void {
    const listener = this.#halfOpen.remove(flow)
    if (listener) this.#news.push({ type: 'accept', listener, flow })
  }

  #release(flow: Flow): void {
    this.#halfOpen.remove(flow)
    this.#deadlines.forget(flow)
    this.#rests.remove(flow)
    this.#held.delete(flow)
    this.flows.remove(flow)
  }

  /** A SYN that a router did not answer is followed by a question whether it is there. */
  #nextInstance(flow: Flow, nowMs: number): SynTarget {
    const isRepeat = this.#resolver.targetOf(flow) !== undefined
    const target = this.#resolver.next(flow, nowMs)
    if (isRepeat && typeof target === 'object' && 'remote' in target && this.#goesToRouter(flow)) {
      this.#routerProbes.probe(target.local, target.remote)
    }
    return target
  }

  /** Routers stand behind prefixes; only instances behind whole serviceIDs. */
  #goesToRouter(flow: Flow): boolean {
    const entry = this.serviceTable.lookup(flow.service)
    return (
      entry !== undefined &&
      entry.prefix.bits === 0 &&
      peekType(this.serviceTable, flow.service, protocols.STREAM) === 'FORWARD'
    )
  }

  #timeoutError(flow: Flow, nowMs: number): ServalError {
    const asked = this.#resolver.targetOf(flow)
    const service = nameOf(flow)
    if (flow.peerFlowId !== NO_FLOW_ID) return new ServalError('ETIMEDOUT', { service, syscall: 'read' })
    if (asked && this.#goesToRouter(flow) && !this.#routerProbes.isAlive(asked, nowMs)) {
      return new ServalError('ENOROUTER', {
        service,
        tried: `router ${formatEndpoint(asked)}`,
        syscall: 'connect',
      })
    }
    return new ServalError('ETIMEDOUT', { service, syscall: 'connect' })
  }

  #count(counter: string): void {
    this.counters[counter] = (this.counters[counter] ?? 0) + 1
  }
}
