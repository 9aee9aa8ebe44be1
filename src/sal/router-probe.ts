/**
 * Tells a router that is not there from a server that does not answer. A router says at once that it has no rule for a
 * serviceID; so when a SYN that went to a router stays unanswered, it is sent a SYN for a serviceID that nobody can
 * have, and its NACK shows that it lives. Without it, and without any other NACK, connecting fails with ENOROUTER.
 */

import type { Local } from '../flow/path.ts'
import type { QueueSize } from '../flow/queue-size.ts'
import { sameBytes } from '../flow/setup.ts'
import { type FlowId, randomFlowId } from '../id/flow-id.ts'
import { ServiceId } from '../id/service-id.ts'
import { plainNonceBytes } from '../security/keys.ts'
import { readU32 } from '../wire/bytes.ts'
import { emitShim, SHIM_BYTES } from '../wire/encapsulation.ts'
import { type Endpoint, formatEndpoint } from '../wire/endpoint.ts'
import { control, controlFlags } from '../wire/extensions/control.ts'
import { key, keyModes } from '../wire/extensions/key.ts'
import { service } from '../wire/extensions/service.ts'
import { emitPacket, SalPacket } from '../wire/packet.ts'
import type { Profile } from '../wire/profile.ts'
import { protocols } from '../wire/sal-header.ts'
import type { TransmitBatch } from '../wire/transmit-batch.ts'

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
    const { control: answer } = packet
    if (probe === undefined || answer === undefined || !sameBytes(answer.nonce, probe.nonce)) return false
    if ((answer.flags & controlFlags.NACK) === 0) return false
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
    const packet = new SalPacket({
      srcFlowId: probe.flowId,
      dstFlowId: 0,
      protocol: protocols.STREAM,
      extensions: [
        control(controlFlags.SYN, readU32(this.#randomBytes(4), 0), 0, probe.nonce),
        service(ServiceId.zero),
        key(keyModes.PLAIN, this.#randomBytes(plainNonceBytes)),
      ],
    })
    const length = SHIM_BYTES + emitPacket(packet, batch.buffer, SHIM_BYTES, this.#profile)
    emitShim(batch.buffer, 0, length)
    batch.setPacket(length)
    batch.setRoute(probe.local.id, probe.router)
    return true
  }
}

function forgetOldest<K>(map: Map<K, unknown>): void {
  for (const oldest of map.keys()) {
    map.delete(oldest)
    return
  }
}
