/**
 * SYNs under way: whom each flow has asked, and what came of it. It is how those who share a service's flows among instances
 * hear how each of them does (`ServiceTable.observe`), and how a flow knows whom to ask next: not again whom it has asked,
 * as long as there is another.
 *
 *   state   input                    becomes     said of the instance       the flow
 *   -       SYN sent                 ASKED       asked
 *   ASKED   SYN-ACK, the first       ANSWERED    answered, after so long    goes on with it
 *   ASKED   SYN-ACK, a later one     ANSWERED    answered, after so long    resets it, LOST_RACE (flow/opening.ts)
 *   ASKED   NACK                     REFUSED     failed                     asks another at once, if there is one
 *   ASKED   patience is over         ASKED       -                          asks another too: the first SYN-ACK wins
 *   ASKED   a second of silence      SILENT      failed                     asks another (its own timer says when)
 *   ASKED   the flow is over         ASKED       -
 *   SILENT  SYN-ACK                  -           answered, after a second   as in ASKED
 *
 * An attempt outlives its flow, which may be over in a moment where another instance was faster: only so it is seen that
 * one is always slower, or says nothing.
 *
 * Patience is the rule's (`service/balance/patience.ts`). Where a router resolves, it is the router that is asked, once more
 * when patience is over (`answer-times.ts`), and what the instance that it chose answers counts for the router.
 */
import type { AnyFlow } from '../flow/any-flow.ts'
import type { QueueSize } from '../flow/queue-size.ts'
import type { FlowId } from '../id/flow-id.ts'
import type { ServiceTable } from '../service/service-table.ts'
import { type Endpoint, sameEndpoint } from '../wire/endpoint.ts'

interface Attempt {
  readonly flow: AnyFlow
  readonly endpoint: Endpoint
  readonly sentAt: number
}

/** Of a flow. */
interface Asked {
  /** Since all were asked. */
  endpoints: Endpoint[]
  /** Those of which nothing has been heard. */
  readonly open: Set<Attempt>
}

/** Who does not answer a SYN for so long, the time after which it is repeated, has failed. */
export const SILENCE_MS = 1_000
/** A refusal comes fast, and must not make who refuses look fast. */
const REFUSAL_COSTS_MS = SILENCE_MS
/** Attempts that are watched; the oldest gives way. */
const LIMIT = 4_096
const NONE: ReadonlySet<Attempt> = new Set()

export class Attempts {
  readonly #table: ServiceTable
  /** In the order in which they were made. */
  readonly #open = new Set<Attempt>()
  readonly #asked = new WeakMap<AnyFlow, Asked>()
  /** Flows that are over, and of some that they asked nothing has been heard. */
  readonly #ended = new Map<FlowId, AnyFlow>()

  constructor(table: ServiceTable) {
    this.#table = table
  }

  get queues(): readonly QueueSize[] {
    return [{ name: 'attempts', size: this.#open.size, limit: LIMIT }]
  }

  /** When `handleTimeout` has something to do; Infinity: never. */
  get nextTimeoutAt(): number {
    // Asked for with every packet: an iterator is garbage.
    if (this.#open.size === 0) return Number.POSITIVE_INFINITY
    for (const { sentAt } of this.#open) return sentAt + SILENCE_MS
    return Number.POSITIVE_INFINITY
  }

  hasAsked(flow: AnyFlow, endpoint: Endpoint): boolean {
    return this.askedBy(flow).some(other => sameEndpoint(other, endpoint))
  }

  /** Who has been asked since all were. */
  askedBy(flow: AnyFlow): readonly Endpoint[] {
    return this.#asked.get(flow)?.endpoints ?? []
  }

  /** A SYN goes to an endpoint. To one that has been asked it only goes when all have been. */
  handleAsked(flow: AnyFlow, endpoint: Endpoint, nowMs: number): void {
    const asked = this.#asked.get(flow) ?? { endpoints: [], open: new Set() }
    this.#asked.set(flow, asked)
    for (const attempt of asked.open) {
      if (sameEndpoint(attempt.endpoint, endpoint)) this.#withdraw(attempt, nowMs)
    }
    asked.endpoints = this.hasAsked(flow, endpoint) ? [endpoint] : [...asked.endpoints, endpoint]
    const attempt = { flow, endpoint, sentAt: nowMs }
    asked.open.add(attempt)
    this.#open.add(attempt)
    this.#table.observe(flow, endpoint, { type: 'asked' }, nowMs)
    if (this.#open.size <= LIMIT) return
    for (const oldest of this.#open) return this.#withdraw(oldest, nowMs)
  }

  /** A SYN-ACK that is believed came from `remote`. */
  handleAnswered(flow: AnyFlow, remote: Endpoint, nowMs: number): void {
    const attempt = this.#attemptAt(flow, remote)
    if (attempt !== undefined) {
      this.#close(attempt)
      this.#observe(attempt, 'answered', nowMs - attempt.sentAt, nowMs)
    } else if (this.hasAsked(flow, remote)) {
      this.#observe({ flow, endpoint: remote }, 'answered', SILENCE_MS, nowMs)
    }
    // Nobody but the one that was asked can answer any more: a flow that is set up keeps no memory of its SYN.
    const asked = this.#asked.get(flow)
    if (asked?.open.size === 0 && asked.endpoints.length <= 1) this.#asked.delete(flow)
  }

  /** A NACK came from `remote`; `isFault`: it says that who was asked is not as it should be. */
  handleRefused(flow: AnyFlow, remote: Endpoint, isFault: boolean, nowMs: number): void {
    const attempt = this.#attemptAt(flow, remote)
    if (attempt === undefined) return
    this.#close(attempt)
    const afterMs = nowMs - attempt.sentAt
    if (isFault) this.#observe(attempt, 'failed', Math.max(afterMs, REFUSAL_COSTS_MS), nowMs)
    else this.#observe(attempt, 'answered', afterMs, nowMs)
  }

  /** The flow is over. */
  handleReleased(flow: AnyFlow): void {
    if (this.#openOf(flow).size > 0) this.#ended.set(flow.flowId, flow)
  }

  /** Something that looks like a SYN-ACK came for a flowID that no flow has. */
  handleLate(flowId: FlowId, remote: Endpoint, nowMs: number): void {
    const flow = this.#ended.get(flowId)
    if (flow !== undefined) this.handleAnswered(flow, remote, nowMs)
  }

  /** Those that were silent for too long have failed. */
  handleTimeout(nowMs: number): void {
    for (const attempt of this.#open) {
      if (attempt.sentAt + SILENCE_MS > nowMs) return
      this.#close(attempt)
      this.#observe(attempt, 'failed', nowMs - attempt.sentAt, nowMs)
    }
  }

  /** The attempt that an answer from `remote` is for: the last, where it was a router that was asked. */
  #attemptAt(flow: AnyFlow, remote: Endpoint): Attempt | undefined {
    const attempts = [...this.#openOf(flow)]
    return attempts.find(({ endpoint }) => sameEndpoint(endpoint, remote)) ?? attempts.at(-1)
  }

  #openOf(flow: AnyFlow): ReadonlySet<Attempt> {
    return this.#asked.get(flow)?.open ?? NONE
  }

  #close(attempt: Attempt): void {
    const { flow } = attempt
    this.#open.delete(attempt)
    this.#asked.get(flow)?.open.delete(attempt)
    if (this.#openOf(flow).size === 0) this.#ended.delete(flow.flowId)
  }

  #withdraw(attempt: Attempt, nowMs: number): void {
    this.#close(attempt)
    this.#table.observe(attempt.flow, attempt.endpoint, { type: 'withdrawn' }, nowMs)
  }

  #observe(
    { flow, endpoint }: Pick<Attempt, 'flow' | 'endpoint'>,
    type: 'answered' | 'failed',
    afterMs: number,
    nowMs: number,
  ): void {
    this.#table.observe(flow, endpoint, { type, afterMs }, nowMs)
  }
}
