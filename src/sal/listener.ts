/** Listeners: who takes SYNs for a serviceID, and the SYNs that are not yet answered by a third ACK. */

import type { AnyFlow } from '../flow/any-flow.ts'
import { sameBytes } from '../flow/setup.ts'
import type { FlowId } from '../id/flow-id.ts'
import type { ServiceId } from '../id/service-id.ts'
import type { CongestionName } from '../transport/congestion/congestion.ts'
import { type Endpoint, sameEndpoint } from '../wire/endpoint.ts'

/** Half-open flows of one listener, unless it asks for another number: Node's own default. */
export const DEFAULT_BACKLOG = 511

export class Listener {
  readonly id: number
  readonly serviceId: ServiceId
  readonly name: string | undefined
  /** All serviceIDs that lead here, the first is `serviceId`. */
  readonly serviceIds: readonly ServiceId[]
  readonly backlog: number
  /** Of its flows; undefined: the SAL's. */
  readonly congestion: CongestionName | undefined
  /** The shell's own reference (a server); the core never reads it. */
  owner: unknown
  halfOpen = 0

  constructor(
    id: number,
    serviceIds: readonly [ServiceId, ...ServiceId[]],
    name: string | undefined,
    backlog: number,
    congestion?: CongestionName,
  ) {
    this.id = id
    this.serviceIds = serviceIds
    this.serviceId = serviceIds[0]
    this.name = name
    this.backlog = backlog
    this.congestion = congestion
  }
}

interface HalfOpenEntry<F> {
  readonly srcFlowId: FlowId
  /** The nonce. */
  readonly share: Uint8Array
  readonly replyTo: Endpoint
  readonly flow: F
  readonly listener: Listener
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

  find(srcFlowId: FlowId, share: Uint8Array, replyTo: Endpoint): F | undefined {
    const same = this.#bySrcFlowId.get(srcFlowId)
    return same?.find(entry => sameEndpoint(entry.replyTo, replyTo) && sameBytes(entry.share, share))?.flow
  }

  insert(srcFlowId: FlowId, share: Uint8Array, replyTo: Endpoint, flow: F, listener: Listener): void {
    const entry = { srcFlowId, share, replyTo, flow, listener }
    const same = this.#bySrcFlowId.get(srcFlowId)
    if (same === undefined) this.#bySrcFlowId.set(srcFlowId, [entry])
    else same.push(entry)
    this.#byFlow.set(flow, entry)
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
    entry.listener.halfOpen--
    return entry.listener
  }

  /** Those of one listener. */
  of(listener: Listener): F[] {
    return [...this.#byFlow.values()].filter(entry => entry.listener === listener).map(({ flow }) => flow)
  }
}
