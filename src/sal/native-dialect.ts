/**
 * The native profile: packets behind shims over UDP.
 *
 *   handleDatagram --> flow table --> Flow          data and control of flows, by destination flowID
 *                 \--> service table --> Listener   SYN: DEMUX to a listener, or NACK
 */
import type { Arrival } from '../flow/arrival.ts'
import { Flow, type FlowOptions } from '../flow/flow.ts'
import type { FlowContext } from '../flow/flow-context.ts'
import type { Local } from '../flow/path.ts'
import type { QueueSize } from '../flow/queue-size.ts'
import { CookieJar } from '../security/cookie.ts'
import { PacketWalk, SHIM_BYTES, WIRE_VERSION } from '../wire/encapsulation.ts'
import { type Endpoint, formatEndpoint } from '../wire/endpoint.ts'
import { controlFlags } from '../wire/extensions/control.ts'
import { keyModes } from '../wire/extensions/key.ts'
import { isTrace, type LargeExtension } from '../wire/extensions/large.ts'
import { reasonCodes } from '../wire/extensions/reason.ts'
import type { UnknownExtension } from '../wire/extensions/unknown.ts'
import { formatExtensionType } from '../wire/extensions.ts'
import { nativeProfile } from '../wire/native-profile.ts'
import { parsePacket, type SalPacket } from '../wire/packet.ts'
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
import { SEGMENT_HEADER_BYTES } from '../wire/segment.ts'
import { SegmentRun } from '../wire/segment-run.ts'
import type { TransmitBatch } from '../wire/transmit-batch.ts'
import { WireError } from '../wire/wire-error.ts'
import { ANSWERS_LIMIT, Answers } from './answers.ts'
import type { Dialect, DialectHost, DialectKind } from './dialect.ts'
import { FlowTable } from './flow-table.ts'
import { COOKIES_FROM, HalfOpen, type Listener } from './listener.ts'
import { RouterProbes } from './router-probe.ts'
import { Tracer } from './tracer.ts'

export const native: DialectKind = { profile: nativeProfile, open: host => new NativeDialect(host) }

/** Copies of one SYN by way of several routers come together; this late it is that the client has heard nothing. */
const UNHEARD_MS = 500

class NativeDialect implements Dialect {
  readonly flows = new FlowTable<Flow>()
  readonly halfOpen = new HalfOpen<Flow>()
  /**
   * Where a control packet is something to the program, it may have something to say that goes with the answer: its first
   * data with the third ACK, its FIN with the ACK of the peer's. So the answer is urgent only where it is not.
   */
  isUrgent = false
  readonly tracer: Tracer
  readonly #host: DialectHost
  readonly #context: FlowContext<Flow>
  readonly #answers: Answers
  readonly #cookies: CookieJar
  readonly #routerProbes: RouterProbes
  readonly #walk = new PacketWalk()
  readonly #run = new SegmentRun()
  #trustedRouters: ReadonlySet<string> = new Set()

  constructor(host: DialectHost) {
    const randomBytes = (n: number) => host.randomBytes(n)
    this.#host = host
    this.#context = {
      ...host.context,
      answerUnknown: (arrival, nowMs) => this.#handleUnknown(arrival, nowMs),
    }
    this.#cookies = new CookieJar(randomBytes)
    this.#answers = new Answers(host.profile, randomBytes, counter => host.count(counter))
    this.#routerProbes = new RouterProbes(host.profile, randomBytes)
    this.tracer = new Tracer({ profile: host.profile, randomBytes, ...host.traces })
  }

  get queues(): readonly QueueSize[] {
    const answers = { name: 'answers', size: this.#answers.size, limit: ANSWERS_LIMIT }
    return [answers, ...this.#routerProbes.queues, ...this.tracer.queues]
  }

  newClient(options: Omit<FlowOptions, 'role' | 'flowId'>, nowMs: number): Flow {
    return this.#newFlow({ ...options, role: 'client' }, nowMs)
  }

  pollTransmit(batch: TransmitBatch, nowMs: number): boolean {
    return (
      this.#answers.pollTransmit(batch) ||
      this.#routerProbes.pollTransmit(batch) ||
      this.tracer.pollTransmit(batch, nowMs)
    )
  }

  askRouter(local: Local, router: Endpoint): void {
    this.#routerProbes.probe(local, router)
  }

  routerHeard(router: Endpoint, nowMs: number): void {
    this.#routerProbes.heard(router, nowMs)
  }

  isRouterAlive(router: Endpoint, nowMs: number): boolean {
    return this.#routerProbes.isAlive(router, nowMs)
  }

  trustRouters(routers: readonly Endpoint[]): void {
    this.#trustedRouters = new Set(routers.map(formatEndpoint))
    this.#host.knowChoosers(routers)
  }

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
    if (walk.error !== undefined) this.#host.count(walk.error.code)
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
      this.#host.count('unknownVersion')
      return undefined
    }
    const isData = peekHeaderBytes(buffer, start) === BASE_HEADER_BYTES
    const flow = isData ? this.flows.lookup(peekDstFlowId(buffer, start)) : undefined
    const isOurs = flow !== undefined && flow.protocol === peekProtocol(buffer, start)
    if (!isOurs || !flow.believes(peekSrcFlowId(buffer, start), remote)) {
      const news = this.#host.newsCount
      this.#handleOther(buffer, start, end, localId, remote, nowMs)
      if (this.#host.newsCount === news) this.isUrgent = true
      return undefined
    }
    const error = checkSalHeader(buffer, start, end)
    if (error === undefined) return this.#handleData(flow, buffer, start, end, nowMs)
    this.#host.count(error.code)
    return undefined
  }

  /** A packet of data, whose header is known to be good, and what continues it. */
  #handleData(flow: Flow, buffer: Uint8Array, start: number, end: number, nowMs: number): Flow | undefined {
    const walk = this.#walk
    const run = this.#run
    const isRun =
      walk.hasMore && flow.protocol === protocols.STREAM && run.join(buffer, start - SHIM_BYTES, walk.end)
    const at = start + BASE_HEADER_BYTES
    if (isRun) walk.skipTo(run.end, run.endsShort)
    const error = isRun
      ? flow.handleData(buffer, at, run.payloadEnd, nowMs, end - at - SEGMENT_HEADER_BYTES)
      : flow.handleData(buffer, at, end, nowMs)
    if (error === undefined) return flow
    this.#host.count(error.code)
    return undefined
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
    const packet = parsePacket(buffer, start, end, this.#host.profile)
    const local = this.#host.local(localId)
    if (packet instanceof WireError) return this.#host.count(packet.code)
    if (local === undefined) return this.#host.count('localGone')
    const arrival = { packet, buffer, start, end, local, remote }
    const flow = this.flows.lookup(packet.dstFlowId)
    if (packet.dstFlowId === 0 && packet.control === undefined) this.#handleUnconnected(arrival, nowMs)
    else if (packet.dstFlowId === 0) this.#handleSyn(arrival, nowMs)
    else if (flow === undefined) this.#handleUnknown(arrival, nowMs)
    else if (packet.mustUnderstand !== undefined)
      this.#handleNotUnderstood(arrival, packet.mustUnderstand, nowMs)
    else if (packet.control !== undefined) flow.handlePacket(arrival, nowMs)
    else if (flow.believes(packet.srcFlowId, remote)) this.#handleExtendedData(flow, packet, nowMs)
    else if (packet.srcFlowId !== flow.peerFlowId) this.#handleUnknown(arrival, nowMs)
    else {
      this.#host.count('unproven')
      flow.handleUnproven(arrival, nowMs)
    }
  }

  /** Data behind extensions that may be skipped; or of another protocol than the flow's, which is none of its. */
  #handleExtendedData(flow: Flow, { protocol, transport }: SalPacket, nowMs: number): void {
    if (protocol !== flow.protocol) return this.#host.count('unexpected')
    const error = flow.handleData(transport, 0, transport.length, nowMs)
    if (error !== undefined) return this.#host.count(error.code)
    flow.handleBatchEnd(nowMs)
  }

  /** The sender insists on an extension that is not known here: it is told which. */
  #handleNotUnderstood(arrival: Arrival, extension: UnknownExtension | LargeExtension, nowMs: number): void {
    this.#host.count('notUnderstood')
    const { UNSUPPORTED } = reasonCodes
    this.#answers.refuse(arrival, arrival.remote, UNSUPPORTED, formatExtensionType(extension), nowMs)
  }

  #handleUnknown(arrival: Arrival, nowMs: number): void {
    const { packet, remote } = arrival
    if (this.#routerProbes.handlePacket(packet, nowMs)) return
    if (this.tracer.handlePacket(packet, remote, nowMs)) return
    this.#host.count('unknownFlow')
    const flags = packet.control?.flags ?? 0
    if (flags & (controlFlags.RST | controlFlags.NACK)) return
    if (flags & controlFlags.SYN) this.#host.handleLateAnswer(packet.dstFlowId, remote, nowMs)
    this.#answers.reset(arrival, nowMs)
  }

  #handleUnconnected(arrival: Arrival, nowMs: number): void {
    if (arrival.packet.protocol !== protocols.DATAGRAM) return this.#host.count('unexpected')
    // From a router that is not known it is that router's, as far as anybody can tell: whoever ROUTE names hears nothing of it.
    this.#host.handleUnconnected(arrival, this.#replyAddress(arrival) ?? arrival.remote, nowMs)
  }

  #handleSyn(arrival: Arrival, nowMs: number): void {
    const { packet } = arrival
    const serviceId = packet.service
    const offered = packet.extension('key')
    if (packet.control?.flags !== controlFlags.SYN || serviceId === undefined)
      return this.#host.count('unexpected')
    const replyTo = this.#replyAddress(arrival)
    // Along ROUTE: no router passes on what has not come through it.
    const answer = (code: number, detail = '') =>
      this.#answers.refuse(arrival, replyTo ?? arrival.remote, code, detail, nowMs)
    const refuse = (code: number, detail = '') => {
      this.#host.count('synRefused')
      answer(code, detail)
    }
    if (packet.mustUnderstand)
      return refuse(reasonCodes.UNSUPPORTED, formatExtensionType(packet.mustUnderstand))
    if (offered?.mode !== keyModes.PLAIN) return refuse(reasonCodes.UNSUPPORTED)
    const known = replyTo && this.halfOpen.find(packet.srcFlowId, offered.share, replyTo)
    if (known !== undefined) return this.#repeatAnswer(known, arrival, nowMs)
    const listener = this.#host.listenerFor(serviceId, packet.protocol, arrival.end - arrival.start, nowMs)
    if (listener === undefined) return refuse(reasonCodes.REFUSED)
    const own = arrival.local.endpoint
    if (packet.extensions.some(isTrace)) return answer(reasonCodes.TRACED)
    if (replyTo === undefined) {
      this.#host.count('routeUntrusted')
      return this.#answers.direct(arrival, arrival.remote, own)
    }
    if (listener.isPressed || this.halfOpen.size >= COOKIES_FROM) {
      const { srcFlowId } = packet
      const subject = { remote: replyTo, srcFlowId, share: offered.share, serviceId }
      const opaque = packet.extension('cookie')?.opaque
      if (opaque === undefined || !this.#cookies.holds(opaque, subject, nowMs)) {
        this.#host.count('cookieAsked')
        // By way of a router it might reach another instance, for which the cookie is nothing.
        if (packet.extension('route') !== undefined) return this.#answers.direct(arrival, replyTo, own)
        return this.#answers.ask(arrival, this.#cookies.make(subject, nowMs))
      }
    }
    if (listener.halfOpen >= listener.backlog && !this.#makeRoom(listener, replyTo, nowMs)) {
      // As kernels do: the SYN is repeated, and by then there may be room.
      return this.#host.count('backlogFull')
    }
    const flow = this.#newFlow(
      {
        role: 'server',
        service: serviceId,
        serviceName: listener.name,
        timeoutMs: this.#host.profile.policy.halfOpenMs,
        newCongestion: this.#host.congestionOf(listener),
        protocol: listener.protocol,
        port: listener.port,
      },
      nowMs,
    )
    this.halfOpen.insert(packet.srcFlowId, offered.share, replyTo, flow, listener, nowMs)
    flow.respond(arrival, replyTo, nowMs)
  }

  /** For somebody who has proven to be there. One who has many and does not go on with them must not keep out all others. */
  #makeRoom(listener: Listener, { address }: Endpoint, nowMs: number): boolean {
    const flow = this.halfOpen.toGiveWay(listener, address)
    if (flow === undefined) return false
    this.#host.count('halfOpenGaveWay')
    flow.reset(nowMs)
    return true
  }

  /**
   * A copy of a SYN. Where it comes by way of routers again after a while, nothing from here may reach the client that it
   * has not asked for: a NAT in front of it lets in only those to whom it has sent.
   */
  #repeatAnswer(known: Flow, arrival: Arrival, nowMs: number): void {
    known.repeatSyn(arrival.end - arrival.start, nowMs)
    const waitedMs = nowMs - (this.halfOpen.since(known) ?? nowMs)
    if (arrival.packet.extension('route') === undefined || waitedMs < UNHEARD_MS) return
    this.#answers.direct(arrival, arrival.remote, arrival.local.endpoint)
  }

  /**
   * The client: the source of the SYN or, where it came by way of routers, the source that the first one saw. Undefined
   * where no router is known that says so: anybody could, and have packets sent to whom they like.
   */
  #replyAddress({ packet, remote }: Arrival): Endpoint | undefined {
    const client = packet.extension('route')?.entries[0]
    if (client === undefined) return remote
    if (!this.#trustedRouters.has(formatEndpoint(remote))) return undefined
    return { address: client.address, port: client.port }
  }

  #newFlow(options: Omit<FlowOptions, 'flowId'>, nowMs: number): Flow {
    const flowId = this.flows.unusedId(n => this.#host.randomBytes(n))
    const flow = new Flow({ ...options, flowId }, this.#context, nowMs)
    this.flows.insert(flow)
    return flow
  }
}
