/**
 * Traces the way of a SYN (src/wire/README.md, "Trace"): a SYN with TRACE and few hops is answered by the router at which
 * they run out, or by the instance that would take it; neither keeps anything of it.
 *
 *   waiting ---- a rule has come ----> sent ---- NACK ----> answered
 *      |                                \------ time ----> silent
 *      \---- nobody knows the name ----> failed
 */
import { ServalError } from '../errors.ts'
import type { SynTarget } from '../flow/flow-context.ts'
import type { Local } from '../flow/path.ts'
import type { QueueSize } from '../flow/queue-size.ts'
import { type FlowId, randomFlowId } from '../id/flow-id.ts'
import type { ServiceId } from '../id/service-id.ts'
import type { ServicePrefix } from '../id/service-prefix.ts'
import type { Endpoint } from '../wire/endpoint.ts'
import { answererOf, isTrace, trace } from '../wire/extensions/large.ts'
import { readableDetail } from '../wire/extensions/reason.ts'
import type { SalPacket } from '../wire/packet.ts'
import type { Profile } from '../wire/profile.ts'
import { type Protocol, protocols } from '../wire/sal-header.ts'
import type { TransmitBatch } from '../wire/transmit-batch.ts'
import { emitLoneSyn, isNackTo } from './lone-syn.ts'

export interface TraceOptions {
  readonly serviceId: ServiceId
  /** As the program wrote it. */
  readonly name?: string | undefined
  /** Of the flow that the SYN would open; default: a stream. */
  readonly protocol?: Protocol | undefined
  /** How many routers send it on. */
  readonly hops: number
  /** How long an answer is waited for. */
  readonly timeoutMs: number
}

export type TraceOutcome =
  | {
      readonly type: 'answered'
      /** Who answers, as that one says; else where the answer came from. */
      readonly from: Endpoint
      /** Where the answer came from: the one who answers, or a router that has passed the answer on. */
      readonly remote: Endpoint
      /** Of `reasonCodes`. */
      readonly code: number
      readonly detail: string
      /** From the SYN to the answer; what resolution took here is not in it. */
      readonly rttMs: number
    }
  | { readonly type: 'silent' }
  /** It could not be sent. */
  | { readonly type: 'failed'; readonly error: ServalError }

/** One SYN on its way. */
export interface TraceProbe {
  readonly options: TraceOptions
  readonly flowId: FlowId
  outcome: TraceOutcome | undefined
}

/** What a tracer needs of its SAL. */
export interface TracerHost {
  readonly profile: Profile
  randomBytes(n: number): Uint8Array
  /** Where a SYN goes by the rules as they are. `waiting`: it has been asked for. */
  targetOf(options: TraceOptions, nowMs: number): SynTarget
  /** A probe has its outcome. */
  onOutcome(probe: TraceProbe): void
}

interface Pending {
  readonly probe: TraceProbe
  readonly nonce: Uint8Array
  readonly deadlineAt: number
  target: { readonly local: Local; readonly remote: Endpoint } | undefined
  sentAt: number | undefined
}

/** Probes under way; the oldest gives way. */
const TRACE_LIMIT = 64

function sameButForZone(a: Endpoint, { address, port }: Endpoint): boolean {
  return a.port === port && a.address === address.split('%')[0]
}

export class Tracer {
  readonly #host: TracerHost
  readonly #pending = new Map<FlowId, Pending>()

  constructor(host: TracerHost) {
    this.#host = host
  }

  get queues(): readonly QueueSize[] {
    return [{ name: 'traces', size: this.#pending.size, limit: TRACE_LIMIT }]
  }

  probe(options: TraceOptions, nowMs: number): TraceProbe {
    const flowId = randomFlowId(this.#host.randomBytes, id => this.#pending.has(id))
    const probe: TraceProbe = { options, flowId, outcome: undefined }
    const nonce = this.#host.randomBytes(8)
    const deadlineAt = nowMs + options.timeoutMs
    const pending = { probe, nonce, deadlineAt, target: undefined, sentAt: undefined }
    this.#pending.set(flowId, pending)
    this.#direct(pending, nowMs)
    for (const oldest of this.#pending.values()) {
      if (this.#pending.size <= TRACE_LIMIT) break
      this.#settle(oldest, { type: 'silent' })
    }
    return probe
  }

  /** Rules under `prefix` have come. */
  resolved(prefix: ServicePrefix, nowMs: number): void {
    for (const pending of [...this.#pending.values()]) {
      const isMeant = pending.target === undefined && prefix.contains(pending.probe.options.serviceId)
      if (isMeant) this.#direct(pending, nowMs)
    }
  }

  /** Nobody could say who serves it. */
  unresolved(serviceId: ServiceId, error: ServalError, protocol?: Protocol): void {
    for (const pending of [...this.#pending.values()]) {
      const { serviceId: asked, protocol: carried = protocols.STREAM } = pending.probe.options
      const isMeant = pending.target === undefined && serviceId.equals(asked)
      if (isMeant && (protocol === undefined || protocol === carried))
        this.#settle(pending, { type: 'failed', error })
    }
  }

  /** A packet for a flowID that no flow has; whether it was the answer to a probe. */
  handlePacket(packet: SalPacket, remote: Endpoint, nowMs: number): boolean {
    const pending = this.#pending.get(packet.dstFlowId)
    if (pending?.sentAt === undefined || !isNackTo(pending.nonce, packet)) return false
    const reason = packet.extension('reason')
    const [code, detail] = [reason?.code ?? 0, readableDetail(reason)]
    const answer = packet.extensions.find(isTrace)
    const answerer = answer && answererOf(answer)
    const from = answerer === undefined || sameButForZone(answerer, remote) ? remote : answerer
    const rttMs = nowMs - pending.sentAt
    this.#settle(pending, { type: 'answered', from, remote, code, detail, rttMs })
    return true
  }

  get nextTimeoutAt(): number {
    let earliest = Number.POSITIVE_INFINITY
    if (this.#pending.size === 0) return earliest
    for (const { deadlineAt } of this.#pending.values()) earliest = Math.min(earliest, deadlineAt)
    return earliest
  }

  handleTimeout(nowMs: number): void {
    for (const pending of [...this.#pending.values()]) {
      if (pending.deadlineAt <= nowMs) this.#settle(pending, { type: 'silent' })
    }
  }

  pollTransmit(batch: TransmitBatch, nowMs: number): boolean {
    for (const pending of this.#pending.values()) {
      const { target, nonce, probe } = pending
      if (target === undefined || pending.sentAt !== undefined) continue
      pending.sentAt = nowMs
      const { serviceId, hops, protocol } = probe.options
      const [localId, remote] = [target.local.id, target.remote]
      const syn = { flowId: probe.flowId, nonce, serviceId, protocol, localId, remote, hops, more: [trace()] }
      emitLoneSyn(syn, batch, this.#host.profile, this.#host.randomBytes)
      return true
    }
    return false
  }

  #direct(pending: Pending, nowMs: number): void {
    const target = this.#host.targetOf(pending.probe.options, nowMs)
    if (target === 'waiting') return
    if (target instanceof ServalError) this.#settle(pending, { type: 'failed', error: target })
    else pending.target = target
  }

  #settle(pending: Pending, outcome: TraceOutcome): void {
    this.#pending.delete(pending.probe.flowId)
    pending.probe.outcome = outcome
    this.#host.onOutcome(pending.probe)
  }
}
