/**
 * The service router's core, native profile (src/wire/README.md): SYNs and unconnected datagrams come in,
 * are resolved in the service table and sent on from the router's own socket, with the address they came from
 * noted in ROUTE. It keeps no flow state: what a flow sends after its SYN does not come this way.
 *
 * Sans-I/O: give it datagrams and the time (`handleDatagram`, `handleTimeout` at `nextTimeoutAt`), then take
 * what it has to send and to tell (`pollTransmit`, `pollEvent`) until there is no more.
 */
import { ServiceId } from '../id/service-id.ts'
import type { ServicePrefix } from '../id/service-prefix.ts'
import type { AnswerRate } from '../service/answer-limit.ts'
import { affinityOf } from '../service/balance/affinity.ts'
import type { Choice } from '../service/balance/balancer.ts'
import { uniformFrom } from '../service/balance/uniform.ts'
import { type DelayLimits, DelayQueue, type Held } from '../service/delay-queue.ts'
import { countDrop, peekType, resolve, resolveAll } from '../service/resolve.ts'
import { resolveAttempt, uniformOfAttempt } from '../service/resolve-attempt.ts'
import type { Rule, RuleOrigin } from '../service/rule.ts'
import { checkNoLoop } from '../service/rule-check.ts'
import { formatRule } from '../service/rule-text.ts'
import { ServiceTable } from '../service/service-table.ts'
import type { ForwardTarget, ServiceTarget } from '../service/target.ts'
import { MAX_ENCAPSULATED_BYTES, PacketWalk, SHIM_BYTES, WIRE_VERSION } from '../wire/encapsulation.ts'
import { type Endpoint, formatEndpoint, sameEndpoint } from '../wire/endpoint.ts'
import { reasonCodes } from '../wire/extensions/reason.ts'
import { MAX_ROUTE_ENTRIES, type RouteEntry } from '../wire/extensions/route.ts'
import { nativeProfile } from '../wire/native-profile.ts'
import { packetLength, parsePacket } from '../wire/packet.ts'
import { MAX_HEADER_BYTES, peekDstFlowId, peekSrcFlowId } from '../wire/sal-header.ts'
import type { TransmitBatch } from '../wire/transmit-batch.ts'
import { HINT_VERSION } from '../wire/version-hint.ts'
import { WireError } from '../wire/wire-error.ts'
import { AllowList } from './allow-list.ts'
import { BackChannel } from './back-channel.ts'
import { newRouterCounters } from './counters.ts'
import { Exits, type RouterLocal } from './exits.ts'
import { FastPath, type FastPathParts } from './fast-path.ts'
import { ROUTE_SECRET_BYTES, RouteMac } from './route-mac.ts'
import { isUnbound, kept, routeEntriesOf, type Transit, withRouteEntry } from './transit.ts'

export interface RouterOptions {
  /** n bytes of a CSPRNG. */
  readonly randomBytes: (n: number) => Uint8Array
  /** 16 random bytes, the same for the workers of one router, which then know each other's entries of ROUTE. Default: its own. */
  readonly routeSecret?: Uint8Array
  /** Default: everybody. */
  readonly allowed?: AllowList
  /** Default: an empty one. */
  readonly table?: ServiceTable
  /** Whether ROUTE of a packet from there is believed, so that a NACK goes straight to the client. Default: none. */
  readonly isKnownRouter?: (remote: Endpoint) => boolean
  readonly delay?: Partial<DelayLimits>
  /** Whether an endpoint is in a subnet of this host, for rules with balance=locality. Default: none is. */
  readonly isNear?: (endpoint: Endpoint) => boolean
  /** Of NACKs and version hints, to one address. */
  readonly answers?: Partial<AnswerRate>
}

/** A packet waits for somebody to find out who serves this: then `insert` a rule, or `refuseDelayed`. */
export interface ResolveEvent {
  readonly type: 'resolve'
  readonly serviceId: ServiceId
}
export type RouterEvent = ResolveEvent

/** Held by a rule DELAY. */
interface Delayed {
  readonly transit: Transit
  readonly target: ServiceTarget
}

const profile = nativeProfile

export class Router {
  readonly table: ServiceTable
  readonly counters = newRouterCounters()

  readonly #walk = new PacketWalk()
  readonly #mac: RouteMac
  readonly #exits = new Exits(this.counters)
  readonly #back: BackChannel
  readonly #isNear: (endpoint: Endpoint) => boolean
  readonly #uniform: () => number
  readonly #delayed: DelayQueue<Delayed>
  /** What waits and has not been told yet, by text: never more than wait. */
  readonly #unresolved = new Map<string, ServiceId>()
  readonly #allowed: AllowList

  constructor(options: RouterOptions) {
    const salt = new DataView(options.randomBytes(4).slice().buffer).getInt32(0)
    this.table = options.table ?? new ServiceTable(salt)
    this.#mac = new RouteMac(options.routeSecret ?? options.randomBytes(ROUTE_SECRET_BYTES))
    this.#allowed = options.allowed ?? AllowList.everybody
    this.#back = new BackChannel({
      mac: this.#mac,
      exits: this.#exits,
      counters: this.counters,
      randomBytes: options.randomBytes,
      rate: options.answers,
      isKnownRouter: options.isKnownRouter ?? (() => false),
    })
    this.#isNear = options.isNear ?? (() => false)
    this.#uniform = uniformFrom(options.randomBytes)
    this.#delayed = new DelayQueue(options.delay)
  }

  /** Takes the place of a router with this secret, whose clock is ahead by so much: what that one has noted in ROUTE is its own. */
  adoptRouteSecret(secret: Uint8Array, aheadMs: number): void {
    this.#mac.adopt(secret, aheadMs)
  }

  /** A socket to send from. Needed where targets are of another address family than those who ask. */
  addLocal(local: RouterLocal): void {
    this.#exits.add(local)
  }

  removeLocal(localId: number): void {
    this.#exits.remove(localId)
  }

  /** Takes a datagram, or several equal ones that the kernel merged, from `remote` to the socket `localId`. */
  handleDatagram(buffer: Uint8Array, length: number, localId: number, remote: Endpoint, nowMs: number): void {
    const walk = this.#walk
    walk.reset(buffer, 0, length)
    while (walk.next()) this.#handlePacket(buffer, localId, remote, nowMs)
    if (walk.error !== undefined) this.counters.malformed++
  }

  /** The next instant at which `handleTimeout` has something to do; Infinity if none. */
  get nextTimeoutAt(): number {
    return Math.min(this.table.nextExpiryAt, this.#delayed.nextTimeoutAt)
  }

  handleTimeout(nowMs: number): void {
    this.table.expire(nowMs)
    for (const held of this.#delayed.handleTimeout(nowMs)) {
      this.counters.delayTimedOut++
      this.#giveUp(held, reasonCodes.NO_SERVICE, nowMs)
    }
  }

  /** Puts the next packet into `batch`; false if there is none. */
  pollTransmit(batch: TransmitBatch): boolean {
    return this.#exits.poll(batch)
  }

  get isUrgent(): boolean {
    return !this.#exits.isEmpty
  }

  /** A full link: what goes by it waits. */
  hold(localId: number, isHeld: boolean): void {
    this.#exits.hold(localId, isHeld)
  }

  /**
   * A short way for most packets among `bytes`; what it does not take is for `handleDatagram`. `canReach`: whether there
   * is a socket from which the target can be reached.
   */
  newFastPath(bytes: Uint8Array, canReach: FastPathParts['canReach']): FastPath {
    return new FastPath(bytes, {
      table: this.table,
      mac: this.#mac,
      allowed: this.#allowed,
      counters: this.counters,
      uniform: this.#uniform,
      isNear: this.#isNear,
      canReach,
    })
  }

  pollEvent(): RouterEvent | undefined {
    for (const [key, serviceId] of this.#unresolved) {
      this.#unresolved.delete(key)
      return { type: 'resolve', serviceId }
    }
    return undefined
  }

  /**
   * Adds a rule to the table and lets go what waited for it. Errors as `ServiceTable.insert`, and ERR_SERVAL_RULE for one
   * that forwards to the router itself.
   */
  insert(prefix: ServicePrefix, rule: Rule, origin: RuleOrigin, nowMs: number): void {
    checkNoLoop(rule, this.#exits.endpoints, () => formatRule(origin.name ?? prefix.toString(), rule))
    this.table.insert(prefix, rule, origin)
    this.releaseDelayed(prefix, nowMs)
  }

  /** Lets go what waits under a prefix and no DELAY rule holds any more: after any other change of the table. */
  releaseDelayed(under: ServicePrefix, nowMs: number): void {
    const goes = ({ serviceId, item }: Held<Delayed>) =>
      peekType(this.table, serviceId, item.transit.packet.protocol, 'remote') !== 'DELAY'
    for (const { item, serviceId } of this.#delayed.release(under, goes)) {
      this.#tellNoMore(serviceId)
      this.#resolve(item.transit, nowMs)
    }
  }

  /** Answers what waits under a prefix that nobody serves it. */
  refuseDelayed(under: ServicePrefix, nowMs: number): void {
    for (const held of this.#delayed.release(under)) {
      this.counters.delayRefused++
      this.#giveUp(held, reasonCodes.NO_SERVICE, nowMs)
    }
  }

  #handlePacket(buffer: Uint8Array, localId: number, remote: Endpoint, nowMs: number): void {
    const { packetStart, packetEnd, hops, version } = this.#walk
    const bytes = SHIM_BYTES + packetEnd - packetStart
    this.counters.packets++
    this.counters.bytes += bytes
    if (version !== WIRE_VERSION) return this.#handleOtherVersion(buffer, localId, remote, nowMs)
    const packet = parsePacket(buffer, packetStart, packetEnd, profile)
    if (packet instanceof WireError) {
      this.counters.malformed++
      return
    }
    if (!this.#allowed.admits(remote.address)) {
      this.counters.notAllowed++
      return
    }
    const serviceId = packet.extension('service')?.serviceId
    if (serviceId === undefined || !isUnbound(packet)) return this.#back.relay(packet, hops, localId, nowMs)
    const transit = { packet, serviceId, hops, bytes, localId, remote }
    if (this.#mayPass(transit, nowMs)) this.#resolve(transit, nowMs)
  }

  /** A version is asked for only by who has no flow yet; a hint is never answered. */
  #handleOtherVersion(buffer: Uint8Array, localId: number, remote: Endpoint, nowMs: number): void {
    this.counters.unknownVersion++
    const { packetStart, packetEnd, version } = this.#walk
    if (version === HINT_VERSION || peekDstFlowId(buffer, packetStart) !== 0) return
    const bytes = SHIM_BYTES + packetEnd - packetStart
    this.#back.hint(peekSrcFlowId(buffer, packetStart), bytes, localId, remote, nowMs)
  }

  /** Hop limit, and loops: a packet that came back carries an entry of ours, or its sender's twice. */
  #mayPass(transit: Transit, nowMs: number): boolean {
    const { packet, hops, remote } = transit
    const entries = routeEntriesOf(packet)
    const isLoop = (entry: RouteEntry) =>
      sameEndpoint(entry, remote) || this.#mac.isOwn(entry, packet.srcFlowId, nowMs)
    if (entries.some(isLoop)) return this.#stop(transit, 'loop', reasonCodes.LOOP, nowMs)
    if (hops === 0) return this.#stop(transit, 'hopLimit', reasonCodes.HOP_LIMIT, nowMs)
    if (entries.length < MAX_ROUTE_ENTRIES) return true
    return this.#stop(transit, 'routeFull', reasonCodes.NO_ROUTE, nowMs)
  }

  /** A packet goes no further; who sent it hears at which router: a trace tells the way by it. */
  #stop(transit: Transit, fate: 'loop' | 'hopLimit' | 'routeFull', code: number, nowMs: number): false {
    this.counters[fate]++
    const own = this.#exits.endpointOf(transit.localId)
    this.#back.refuse(transit, code, own === undefined ? '' : formatEndpoint(own), nowMs)
    return false
  }

  #resolve(transit: Transit, nowMs: number): void {
    const { packet, serviceId, bytes, hops } = transit
    const attempt = packet.control?.reserved ?? 0
    if (attempt > 0) {
      const choice = (attempt: number) =>
        this.#choiceFor(transit, uniformOfAttempt(packet.srcFlowId, hops, attempt), nowMs)
      const target = resolveAttempt(this.table, serviceId, packet.protocol, bytes, attempt, choice)
      return this.#follow(transit, target, nowMs)
    }
    const choice = this.#choiceFor(transit, this.#uniform(), nowMs)
    if (packet.control !== undefined) {
      const target = resolve(this.table, serviceId, packet.protocol, bytes, choice, 'remote')
      return this.#follow(transit, target, nowMs)
    }
    const targets = resolveAll(this.table, serviceId, packet.protocol, bytes, choice, 'remote')
    if (targets.length === 0) return this.#follow(transit, undefined, nowMs)
    for (const target of targets) this.#follow(transit, target, nowMs)
  }

  #choiceFor({ serviceId, remote }: Transit, uniform: number, nowMs: number): Choice {
    return {
      uniform,
      nowMs,
      affinity: () => affinityOf(remote.address, serviceId),
      isNear: this.#isNear,
    }
  }

  #follow(transit: Transit, target: ServiceTarget | undefined, nowMs: number): void {
    switch (target?.type) {
      case 'FORWARD':
        return this.#forward(transit, target, nowMs)
      case 'DELAY':
        return this.#delay(transit, target, nowMs)
      case 'DROP':
        this.counters.droppedByRule++
        return this.#back.refuse(transit, reasonCodes.DROPPED, target.reason ?? '', nowMs)
      default:
        this.counters[transit.serviceId.equals(ServiceId.zero) ? 'probed' : 'noService']++
        return this.#back.refuse(transit, reasonCodes.NO_SERVICE, '', nowMs)
    }
  }

  #forward(transit: Transit, target: ForwardTarget, nowMs: number): void {
    const localId = this.#exits.towards(target.endpoint, transit.localId)
    const packet = withRouteEntry(
      transit.packet,
      this.#mac.entry(transit.remote, transit.packet.srcFlowId, nowMs),
    )
    const length = SHIM_BYTES + packetLength(packet, profile)
    const headerBytes = length - SHIM_BYTES - packet.transport.length
    if (localId === undefined) this.counters.noLocal++
    else if (length > MAX_ENCAPSULATED_BYTES || headerBytes > MAX_HEADER_BYTES) this.counters.tooLong++
    else if (this.#exits.sendPacket(packet, transit.hops - 1, localId, target.endpoint)) {
      this.counters.forwarded++
      this.counters.forwardedBytes += length
      return
    }
    countDrop(this.table, transit.serviceId, target)
  }

  #delay(transit: Transit, target: ServiceTarget, nowMs: number): void {
    const { serviceId, bytes } = transit
    this.counters.delayed++
    if (!this.#delayed.isWaiting(serviceId)) this.#unresolved.set(serviceId.toString(), serviceId)
    for (const held of this.#delayed.hold(serviceId, { transit: kept(transit), target }, bytes, nowMs)) {
      this.counters.delayEvicted++
      this.#giveUp(held, reasonCodes.OVERLOAD, nowMs)
    }
  }

  #giveUp({ item: { transit, target }, serviceId }: Held<Delayed>, code: number, nowMs: number): void {
    this.#tellNoMore(serviceId)
    countDrop(this.table, serviceId, target)
    this.#back.refuse(transit, code, '', nowMs)
  }

  #tellNoMore(serviceId: ServiceId): void {
    if (!this.#delayed.isWaiting(serviceId)) this.#unresolved.delete(serviceId.toString())
  }
}
