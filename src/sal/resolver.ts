/**
 * Late binding for the host: where the next SYN of a flow goes, by the service table as it is now, and what it means when
 * the answer is no. A DELAY rule parks the flow and asks the shell, once for each serviceID and protocol.
 */
import { ServalError } from '../errors.ts'
import type { AnyFlow } from '../flow/any-flow.ts'
import type { Nack, Refusal, SynRoute, SynTarget } from '../flow/flow-context.ts'
import type { Local } from '../flow/path.ts'
import type { QueueSize } from '../flow/queue-size.ts'
import { isLoopback } from '../id/address.ts'
import type { FlowId } from '../id/flow-id.ts'
import type { ServiceId } from '../id/service-id.ts'
import { ServicePrefix } from '../id/service-prefix.ts'
import { affinityOf } from '../service/balance/affinity.ts'
import type { Choice } from '../service/balance/balancer.ts'
import { uniformFrom } from '../service/balance/uniform.ts'
import { DEFAULT_DELAY_LIMITS, DelayQueue, type Held } from '../service/delay-queue.ts'
import { peekEntry, peekType, resolve } from '../service/resolve.ts'
import { targetProblem } from '../service/rule-check.ts'
import type { ServiceTable } from '../service/service-table.ts'
import { type Endpoint, parseEndpoint, sameEndpoint } from '../wire/endpoint.ts'
import { MAX_ATTEMPT } from '../wire/extensions/control.ts'
import { reasonCodes } from '../wire/extensions/reason.ts'
import type { Profile } from '../wire/profile.ts'
import type { Protocol } from '../wire/sal-header.ts'
import { AnswerTimes } from './answer-times.ts'
import { Attempts, SILENCE_MS } from './attempts.ts'
import { Directions } from './directions.ts'
import type { Locals } from './locals.ts'

/** Bytes of a SYN, for the rules' counters. */
const SYN_BYTES = 92

/** A DELAY rule holds the first that wants a service for a protocol. */
export type Ask = (serviceId: ServiceId, name: string | undefined, protocol: Protocol) => void

/** Of a flow that has sent SYNs. */
interface Asked {
  /** Those that went where one had gone: another address of this host's is tried when one stays unanswered. */
  readonly repeats: number
  /** When the first went, or the last that was a repeat. */
  readonly repeatedAt: number
  /** Where the last one went that went by the rules. */
  readonly target: Endpoint
  /** Which one that was: the first is 1. */
  readonly attempt: number
  /** Those that went to routers, and when. */
  readonly routed: readonly Routed[]
}

interface Routed {
  readonly attempt: number
  readonly at: number
}

const NOT_ASKED: Omit<Asked, 'target'> = {
  repeats: 0,
  repeatedAt: Number.NEGATIVE_INFINITY,
  attempt: 0,
  routed: [],
}

export class Resolver {
  readonly #profile: Profile
  readonly #table: ServiceTable
  readonly #locals: Locals
  readonly #ask: Ask
  readonly #uniform: () => number
  /** Tells this host's packets from those of others, for rules that keep a client with an instance. */
  readonly #client: string
  readonly #waiting: DelayQueue<AnyFlow>
  readonly #attempts: Attempts
  readonly #answerTimes = new AnswerTimes()
  #choosers: readonly Endpoint[] = []
  readonly #asked = new WeakMap<AnyFlow, Asked>()
  readonly #directions = new Directions()

  constructor(
    table: ServiceTable,
    locals: Locals,
    profile: Profile,
    randomBytes: (n: number) => Uint8Array,
    ask: Ask,
  ) {
    this.#profile = profile
    this.#table = table
    this.#locals = locals
    this.#ask = ask
    this.#uniform = uniformFrom(randomBytes)
    this.#client = randomBytes(8).join('.')
    this.#waiting = new DelayQueue({ timeoutMs: profile.policy.synTimeoutMs })
    this.#attempts = new Attempts(table)
  }

  get nextTimeoutAt(): number {
    return Math.min(this.#waiting.nextTimeoutAt, this.#attempts.nextTimeoutAt)
  }

  get queues(): readonly QueueSize[] {
    const { size } = this.#waiting
    return [
      { name: 'flows to resolve', size, limit: DEFAULT_DELAY_LIMITS.items },
      ...this.#attempts.queues,
      ...this.#answerTimes.queues,
    ]
  }

  /** Routers that choose another instance for each SYN of a flow, which says which one it is. */
  knowChoosers(routers: readonly Endpoint[]): void {
    this.#choosers = routers
  }

  /** Whether the flow has asked, and heard nothing for so long that the next SYN is a repeat. */
  isUnanswered(flow: AnyFlow, nowMs: number): boolean {
    const asked = this.#asked.get(flow)
    return asked !== undefined && nowMs >= asked.repeatedAt + SILENCE_MS
  }

  /** Where the flow's last SYN went by the rules. */
  targetOf(flow: AnyFlow): Endpoint | undefined {
    return this.#asked.get(flow)?.target
  }

  /** Subnets all of whose hosts have been asked for the flow. */
  broadcastsOf(flow: AnyFlow): readonly Endpoint[] {
    return this.#attempts.askedBy(flow).filter(endpoint => this.#locals.isBroadcast(endpoint))
  }

  /** By what rules that share a service choose a target for this host. */
  choice(service: ServiceId, nowMs: number): Choice {
    return {
      uniform: this.#uniform(),
      nowMs,
      affinity: () => affinityOf(this.#client, service),
      isNear: endpoint => this.#locals.isNear(endpoint),
    }
  }

  /** Who has been asked for this flow is asked again when all have been. */
  next(flow: AnyFlow, nowMs: number): SynTarget {
    const directed = this.#directions.take(flow, nowMs)
    const local = directed && this.#locals.best(directed)
    if (local) return { local, remote: directed, ...this.#directedAttempt(flow, nowMs) }
    const where = this.#where(flow.service, nameOf(flow), flow.protocol, this.#choiceFor(flow, nowMs))
    if (where === 'waiting') return this.#wait(flow, nowMs)
    return where instanceof ServalError ? where : this.#towards(flow, where, nowMs)
  }

  /** Where a SYN of no flow goes. `waiting`: it is asked for, and nothing remembers that somebody waits. */
  lone(service: ServiceId, name: string | undefined, protocol: Protocol, nowMs: number): SynTarget {
    const text = name ?? service.toString()
    const where = this.#where(service, text, protocol, this.choice(service, nowMs))
    if (where === 'waiting') this.#ask(service, name, protocol)
    if (where === 'waiting' || where instanceof ServalError) return where
    const local = this.#locals.best(where)
    return local ? { local, remote: where, attempt: 0 } : unreachable(text, this.#noAddressFor(where)).error
  }

  #where(
    service: ServiceId,
    name: string,
    protocol: number,
    choice: Choice,
  ): Endpoint | 'waiting' | ServalError {
    const target = resolve(this.#table, service, protocol, SYN_BYTES, choice)
    switch (target?.type) {
      case undefined:
        return new ServalError('ENOSERVICE', { service: name, asked: 'the service table of this stack' })
      case 'DROP':
        return unreachable(name, target.reason ?? 'dropped by a rule').error
      case 'DELAY':
        return 'waiting'
      case 'DEMUX':
        return this.#locals.ownEndpoint ?? unreachable(name, 'this host has no address').error
      case 'FORWARD':
        return target.endpoint
    }
  }

  /** Rules under `prefix` have come: the flows that need to wait no longer are returned. */
  release(prefix: ServicePrefix): AnyFlow[] {
    const goes = ({ serviceId, item }: Held<AnyFlow>) =>
      peekType(this.#table, serviceId, item.protocol) !== 'DELAY'
    return this.#waiting.release(prefix, goes).map(held => held.item)
  }

  /** Nobody serves it, or not for this protocol: the flows that waited are returned. */
  giveUp(serviceId: ServiceId, protocol?: Protocol): AnyFlow[] {
    const goes = ({ item }: Held<AnyFlow>) => protocol === undefined || item.protocol === protocol
    return this.#waiting.release(new ServicePrefix(serviceId, 256), goes).map(held => held.item)
  }

  /** A SYN-ACK from `remote` is believed, whether the flow goes on with it or not. */
  handleAnswered(flow: AnyFlow, remote: Endpoint, nowMs: number, attempt = 0): void {
    this.#attempts.handleAnswered(flow, remote, nowMs)
    const routed = this.#asked.get(flow)?.routed.find(sent => sent.attempt === attempt)
    if (routed !== undefined) this.#answerTimes.add(flow.service, remote, nowMs - routed.at, nowMs)
    this.#asked.delete(flow)
  }

  /** The flow is over. */
  handleReleased(flow: AnyFlow): void {
    this.#attempts.handleReleased(flow)
  }

  /** Something that looks like a SYN-ACK came for a flowID that no flow has. */
  handleLate(flowId: FlowId, remote: Endpoint, nowMs: number): void {
    this.#attempts.handleLate(flowId, remote, nowMs)
  }

  handleTimeout(nowMs: number): AnyFlow[] {
    this.#attempts.handleTimeout(nowMs)
    return this.#waiting.handleTimeout(nowMs).map(held => held.item)
  }

  /** A NACK came: who was asked is the worse for it, unless it only says what it knows. */
  handleRefused(flow: AnyFlow, nack: Nack, nowMs: number): void {
    this.#attempts.handleRefused(flow, nack.remote, refusalReasons.has(nack.reason), nowMs)
    if (nack.reason === reasonCodes.DIRECT) this.#directions.handle(flow, this.#directionOf(nack), nowMs)
  }

  /** What a NACK means, of which `handleRefused` has heard. */
  refusal(flow: AnyFlow, { reason: code, detail, remote }: Nack, nowMs: number): Refusal {
    const service = nameOf(flow)
    const asked = this.#profile.formatPlace(remote)
    switch (code) {
      case reasonCodes.DIRECT: {
        const { error } = unreachable(service, `its instance answers at ${detail} alone (said ${asked})`)
        if (this.#directions.isDue(flow)) return { error, retry: 'at once' }
        return { error, retry: this.#directions.isUnderWay(flow, nowMs) ? 'as planned' : 'never' }
      }
      case reasonCodes.NO_SERVICE:
        return { error: new ServalError('ENOSERVICE', { service, asked }), retry: 'never' }
      case reasonCodes.DROPPED:
        return unreachable(service, `dropped by a rule of ${asked}${detail === '' ? '' : `: ${detail}`}`)
      case reasonCodes.NO_ROUTE:
        return unreachable(service, `${asked} knows no way on`)
      case reasonCodes.HOP_LIMIT:
        return unreachable(service, `it is too many routers away (said ${asked})`)
      case reasonCodes.LOOP:
        return unreachable(service, `the rules of its routers are a loop (said ${asked}); see serval trace`)
      default: {
        const reason = refusalReasons.get(code) ?? 'refused'
        const error = new ServalError('ECONNREFUSED', { service, reason, asked, syscall: 'connect' })
        if (this.#table.hasOther(flow, this.#choiceFor(flow, nowMs))) return { error, retry: 'at once' }
        if (passing.has(code)) return { error, retry: 'later' }
        return { error, retry: this.#hasAlternatives(flow) ? 'elsewhere' : 'never' }
      }
    }
  }

  /** Nobody may send this host to itself but who is on it. */
  #directionOf({ detail, remote }: Nack): Endpoint | undefined {
    const endpoint = parseEndpoint(detail)
    if (endpoint === undefined || targetProblem(endpoint) !== undefined) return undefined
    if (isLoopback(endpoint.address) && !isLoopback(remote.address)) return undefined
    return this.#locals.best(endpoint) && endpoint
  }

  /** An exact rule with one target will name the same instance again. */
  #hasAlternatives(flow: AnyFlow): boolean {
    const entry = peekEntry(this.#table, flow.service, flow.protocol)
    return entry !== undefined && (entry.bits < 256 || entry.servingFor(flow.protocol).length > 1)
  }

  #wait(flow: AnyFlow, nowMs: number): 'waiting' {
    const isFirst = !this.#waiting.isWaiting(flow.service, ({ protocol }) => protocol === flow.protocol)
    const evicted = this.#waiting.hold(flow.service, flow, SYN_BYTES, nowMs)
    const error = new ServalError('EHOSTUNREACH', {
      syscall: 'connect',
      service: nameOf(flow),
      reason: 'too many services wait to be resolved',
    })
    for (const { item } of evicted) item.fail(error, nowMs)
    if (isFirst) this.#ask(flow.service, flow.serviceName, flow.protocol)
    return 'waiting'
  }

  #choiceFor(flow: AnyFlow, nowMs: number): Choice {
    const choice = this.choice(flow.service, nowMs)
    return { ...choice, avoids: endpoint => this.#attempts.hasAsked(flow, endpoint) }
  }

  #towards(flow: AnyFlow, remote: Endpoint, nowMs: number): SynTarget {
    const ranked = this.#locals.ranked(remote)
    const asked = this.#asked.get(flow) ?? NOT_ASKED
    const isRouted = this.#isChooser(remote)
    // A router is asked for another instance long before anybody could say that it does not answer here.
    const isRepeat = this.#attempts.hasAsked(flow, remote) && (!isRouted || this.isUnanswered(flow, nowMs))
    const repeats = asked.repeats + (isRepeat ? 1 : 0)
    const isBroadcast = this.#locals.isBroadcast(remote)
    // No other address leads to all hosts of a subnet.
    const local: Local | undefined = ranked[isBroadcast ? 0 : repeats % Math.max(1, ranked.length)]
    if (local === undefined) return unreachable(nameOf(flow), this.#noAddressFor(remote)).error
    const attempt = Math.min(asked.attempt + 1, MAX_ATTEMPT)
    const routed = isRouted
      ? [...asked.routed.filter(sent => sent.attempt !== attempt), { attempt, at: nowMs }]
      : asked.routed
    const repeatedAt = nowMs >= asked.repeatedAt + SILENCE_MS ? nowMs : asked.repeatedAt
    this.#asked.set(flow, { repeats, repeatedAt, target: remote, attempt, routed })
    this.#attempts.handleAsked(flow, remote, nowMs)
    const patienceMs = isRouted
      ? this.#routedPatienceMs(flow, nowMs)
      : this.#table.patienceMs(flow, this.#choiceFor(flow, nowMs))
    if (patienceMs === undefined) return { local, remote, attempt }
    // Nobody in particular was asked: who serves it may as well be in the next subnet.
    return { local, remote, attempt, patienceMs: isBroadcast ? 0 : patienceMs }
  }

  /** To an instance that a router chose: what it is slow to answer may be had from another, by way of the router. */
  #directedAttempt(flow: AnyFlow, nowMs: number): Pick<SynRoute, 'attempt' | 'patienceMs'> {
    const { attempt, routed } = this.#asked.get(flow) ?? NOT_ASKED
    const patienceMs = routed.length > 0 ? this.#routedPatienceMs(flow, nowMs) : undefined
    return { attempt, ...(patienceMs === undefined ? {} : { patienceMs }) }
  }

  #routedPatienceMs(flow: AnyFlow, nowMs: number): number | undefined {
    return this.#answerTimes.patienceMs(flow.service, this.#table.hedgeAt(flow), nowMs)
  }

  #isChooser(remote: Endpoint): boolean {
    return this.#choosers.some(chooser => sameEndpoint(chooser, remote))
  }

  #noAddressFor(remote: Endpoint): string {
    return `this host has no address from which ${this.#profile.formatPlace(remote)} can be reached`
  }
}

const refusalReasons: ReadonlyMap<number, string> = new Map([
  [reasonCodes.REFUSED, 'refused'],
  [reasonCodes.DRAINING, 'draining'],
  [reasonCodes.OVERLOAD, 'overload'],
  [reasonCodes.UNSUPPORTED, 'unsupported'],
])

/** Reasons that pass: another instance takes over, or this one has room again. */
const passing: ReadonlySet<number> = new Set([reasonCodes.DRAINING, reasonCodes.OVERLOAD])

/** The name by which errors call the flow's service. */
export function nameOf(flow: AnyFlow): string {
  return flow.serviceName ?? flow.service.toString()
}

function unreachable(service: string, reason: string): Refusal {
  return { error: new ServalError('EHOSTUNREACH', { syscall: 'connect', service, reason }), retry: 'never' }
}
