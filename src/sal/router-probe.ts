/**
 * Tells a router that is not there from a server that does not answer. A router says at once that it has no rule for a
 * serviceID; so when a SYN that went to a router stays unanswered, it is sent a SYN for a serviceID that nobody can
 * have, and its NACK shows that it lives. Without it, and without any other NACK, connecting fails with ENOROUTER.
 */

import type { Local } from '../flow/path.ts'
import type { QueueSize } from '../flow/queue-size.ts'
import { type FlowId, randomFlowId } from '../id/flow-id.ts'
import { ServiceId } from '../id/service-id.ts'
import { type Endpoint, formatEndpoint } from '../wire/endpoint.ts'
import type { SalPacket } from '../wire/packet.ts'
import type { Profile } from '../wire/profile.ts'
import type { TransmitBatch } from '../wire/transmit-batch.ts'
import { emitLoneSyn, isNackTo } from './lone-syn.ts'

interface Probe {
  readonly flowId: FlowId
  readonly nonce: Uint8Array
  readonly local: Local
  readonly router: Endpoint
}

/** Probes under way, and routers remembered; the oldest gives way. */
const PROBE_LIMIT = 64
/** How long a router that was heard counts as alive. */
const ALIVE_MS = 30_000

export class RouterProbes {
  readonly #profile: Profile
  readonly #randomBytes: (n: number) => Uint8Array
  readonly #probes = new Map<FlowId, Probe>()
  #unsent: Probe[] = []
  readonly #heardAt = new Map<string, number>()

  constructor(profile: Profile, randomBytes: (n: number) => Uint8Array) {
    this.#profile = profile
    this.#randomBytes = randomBytes
  }

  /** Asks `router` for a sign of life. */
  probe(local: Local, router: Endpoint): void {
    const flowId = randomFlowId(this.#randomBytes, id => this.#probes.has(id))
    const probe = { flowId, nonce: this.#randomBytes(8), local, router }
    this.#probes.set(flowId, probe)
    this.#unsent.push(probe)
    if (this.#probes.size <= PROBE_LIMIT) return
    forgetOldest(this.#probes)
    this.#unsent = this.#unsent.filter(waiting => this.#probes.has(waiting.flowId))
  }

  /** A packet for a flowID that no flow has; whether it was the answer to a probe. */
  handlePacket(packet: SalPacket, nowMs: number): boolean {
    const probe = this.#probes.get(packet.dstFlowId)
    if (probe === undefined || !isNackTo(probe.nonce, packet)) return false
    this.#probes.delete(probe.flowId)
    this.heard(probe.router, nowMs)
    return true
  }

  heard(router: Endpoint, nowMs: number): void {
    const key = formatEndpoint(router)
    this.#heardAt.delete(key)
    this.#heardAt.set(key, nowMs)
    if (this.#heardAt.size > PROBE_LIMIT) forgetOldest(this.#heardAt)
  }

  get queues(): readonly QueueSize[] {
    return [
      { name: 'router probes', size: this.#probes.size, limit: PROBE_LIMIT },
      { name: 'routers heard', size: this.#heardAt.size, limit: PROBE_LIMIT },
    ]
  }

  /** Whether `router` was heard lately. */
  isAlive(router: Endpoint, nowMs: number): boolean {
    return nowMs - (this.#heardAt.get(formatEndpoint(router)) ?? Number.NEGATIVE_INFINITY) < ALIVE_MS
  }

  pollTransmit(batch: TransmitBatch): boolean {
    const probe = this.#unsent.shift()
    if (probe === undefined) return false
    const { flowId, nonce, local, router } = probe
    const syn = { flowId, nonce, serviceId: ServiceId.zero, localId: local.id, remote: router }
    emitLoneSyn(syn, batch, this.#profile, this.#randomBytes)
    return true
  }
}

function forgetOldest<K>(map: Map<K, unknown>): void {
  for (const oldest of map.keys()) {
    map.delete(oldest)
    return
  }
}
