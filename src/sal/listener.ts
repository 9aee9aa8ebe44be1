/**
 * Listeners: who takes SYNs for a serviceID, and datagrams without a flow; and the SYNs that are not yet answered by a
 * third ACK.
 */

import type { AnyFlow } from '../flow/any-flow.ts'
import { DatagramQueue } from '../flow/datagram-queue.ts'
import { sameBytes } from '../flow/setup.ts'
import { addressBytes } from '../id/address.ts'
import type { FlowId } from '../id/flow-id.ts'
import type { ServiceId } from '../id/service-id.ts'
import type { CongestionName } from '../transport/congestion/congestion.ts'
import { type Endpoint, sameEndpoint } from '../wire/endpoint.ts'
import { type Protocol, protocols } from '../wire/sal-header.ts'

/** Half-open flows of one listener, unless it asks for another number: Node's own default. */
export const DEFAULT_BACKLOG = 511

/**
 * From so many half-open flows on, of a listener or of all, only who has returned a cookie gets one more: each takes some
 * 4 KiB, and SYNs from addresses that are nobody's could have all that there are.
 */
export const COOKIES_FROM = 128

/** What has come for a listener. */
export interface IncomingDatagram {
  readonly payload: Uint8Array
  /** The service that it is from; undefined: it did not say. */
  readonly source: ServiceId | undefined
  /** Where `source` is a port of the host that it came from, which has been checked; else 0. */
  readonly port: number
  /** Where an answer goes. */
  readonly remote: Endpoint
}

export class Listener {
  readonly id: number
  readonly serviceId: ServiceId
  readonly name: string | undefined
  /** All serviceIDs that lead here, the first is `serviceId`. */
  readonly serviceIds: readonly ServiceId[]
  readonly backlog: number
  /** What its flows carry. */
  readonly protocol: Protocol
  /** The number by which its service is known, where that is a port of this host. */
  readonly port: number | undefined
  /** Of its flows; undefined: the SAL's. */
  readonly congestion: CongestionName | undefined
  /** Datagrams without a flow, as long as the program has not read them. */
  readonly inbox = new DatagramQueue<IncomingDatagram>()
  /** The shell's own reference (a server); the core never reads it. */
  owner: unknown
  halfOpen = 0
  /** Flows that it has accepted and that are open. */
  flows = 0

  constructor(options: ListenerOptions) {
    const { id, serviceIds, name, backlog, congestion, protocol = protocols.STREAM, port } = options
    this.id = id
    this.serviceIds = serviceIds
    this.serviceId = serviceIds[0]
    this.name = name
    this.backlog = backlog
    this.congestion = congestion
    this.protocol = protocol
    this.port = port
  }

  /** Half of what it may have is left for those who prove where they are. */
  get isPressed(): boolean {
    return this.halfOpen >= Math.min(COOKIES_FROM, this.backlog / 2)
  }
}

export interface ListenerOptions {
  readonly id: number
  readonly serviceIds: readonly [ServiceId, ...ServiceId[]]
  readonly name?: string | undefined
  readonly backlog: number
  readonly congestion?: CongestionName | undefined
  /** Default: streams. */
  readonly protocol?: Protocol | undefined
  readonly port?: number | undefined
}

interface HalfOpenEntry<F> {
  readonly srcFlowId: FlowId
  /** Whose it is. */
  readonly party: string
  /** The nonce. */
  readonly share: Uint8Array
  readonly replyTo: Endpoint
  readonly flow: F
  readonly listener: Listener
  readonly since: number
}

/**
 * Flows in RESPOND, by what makes a SYN the same SYN: client flowID, nonce, and where the answer goes; not by the router
 * that a copy came by. A client that has moved since is answered anew, with keys that its old address has not seen: so
 * who returns them is at the address that is then taken for proven.
 */
export class HalfOpen<F extends AnyFlow> {
  /** By the client's flowID, which is random: seldom more than one. */
  readonly #bySrcFlowId = new Map<FlowId, HalfOpenEntry<F>[]>()
  readonly #byFlow = new Map<F, HalfOpenEntry<F>>()
  /** Of each listener, by whose they are, the oldest first. */
  readonly #byParty = new WeakMap<Listener, Map<string, Set<F>>>()

  get size(): number {
    return this.#byFlow.size
  }

  find(srcFlowId: FlowId, share: Uint8Array, replyTo: Endpoint): F | undefined {
    const same = this.#bySrcFlowId.get(srcFlowId)
    return same?.find(entry => sameEndpoint(entry.replyTo, replyTo) && sameBytes(entry.share, share))?.flow
  }

  /** When the SYN of one of them first came. */
  since(flow: F): number | undefined {
    return this.#byFlow.get(flow)?.since
  }

  insert(
    srcFlowId: FlowId,
    share: Uint8Array,
    replyTo: Endpoint,
    flow: F,
    listener: Listener,
    since: number,
  ): void {
    const party = partyOf(replyTo.address)
    const entry = { srcFlowId, party, share, replyTo, flow, listener, since }
    const same = this.#bySrcFlowId.get(srcFlowId)
    if (same === undefined) this.#bySrcFlowId.set(srcFlowId, [entry])
    else same.push(entry)
    this.#byFlow.set(flow, entry)
    const parties = this.#byParty.get(listener) ?? new Map<string, Set<F>>()
    this.#byParty.set(listener, parties)
    const theirs = parties.get(party)
    if (theirs === undefined) parties.set(party, new Set([flow]))
    else theirs.add(flow)
    listener.halfOpen++
  }

  /** The flow is set up, or over; returns its listener if it was half open. */
  remove(flow: F): Listener | undefined {
    const entry = this.#byFlow.get(flow)
    if (entry === undefined) return undefined
    this.#byFlow.delete(flow)
    const others = this.#bySrcFlowId.get(entry.srcFlowId)?.filter(other => other !== entry) ?? []
    if (others.length === 0) this.#bySrcFlowId.delete(entry.srcFlowId)
    else this.#bySrcFlowId.set(entry.srcFlowId, others)
    this.#forgetParty(entry)
    entry.listener.halfOpen--
    return entry.listener
  }

  /** Those of one listener. */
  of(listener: Listener): F[] {
    return [...this.#partiesOf(listener).values()].flatMap(flows => [...flows])
  }

  /**
   * Where a listener has all that it may have, and somebody comes from `address`: the flow that gives way. It is the oldest of
   * whoever has most, if that is more than the newcomer would have with it; else nobody gives way.
   */
  toGiveWay(listener: Listener, address: string): F | undefined {
    const parties = this.#partiesOf(listener)
    let most: ReadonlySet<F> | undefined
    for (const flows of parties.values()) if (flows.size > (most?.size ?? 0)) most = flows
    const theirs = parties.get(partyOf(address))?.size ?? 0
    if (most === undefined || most.size <= theirs + 1) return undefined
    const [oldest] = most
    return oldest
  }

  #partiesOf(listener: Listener): ReadonlyMap<string, ReadonlySet<F>> {
    return this.#byParty.get(listener) ?? new Map()
  }

  #forgetParty({ listener, party, flow }: HalfOpenEntry<F>): void {
    const parties = this.#byParty.get(listener)
    const theirs = parties?.get(party)
    theirs?.delete(flow)
    if (theirs?.size === 0) parties?.delete(party)
  }
}

/** Who may well be one and the same: an IPv4 address, or all that begin with the same 64 bits of IPv6. */
function partyOf(address: string): string {
  const isV6 = address.includes(':')
  return (isV6 && addressBytes(address)?.subarray(0, SUBNET_BYTES).join('.')) || address
}

const SUBNET_BYTES = 8
