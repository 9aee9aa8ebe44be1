/**
 * What an agent and its controller have to say to each other, whichever connection they say it over: what this process
 * serves is registered, names are asked for, and what is told is kept. The connection itself is `agent.ts`.
 *
 * What the controller told stays valid while it is away: a data path that is up never depends on it (README.md).
 */
import type { AgentEvent, UnresolvedReason } from './agent-events.ts'
import { KnownRules, type RuleChange } from './known-rules.ts'
import { LoadReports, REPORT_MS } from './load-reports.ts'
import type {
  Ack,
  AgentKind,
  ControlMessage,
  InstanceGone,
  LoadReport,
  NamedPrefix,
  Ping,
  Resolved,
  Routers,
  RuleUpdate,
  ServiceLoad,
} from './messages.ts'
import { type Registration, Registrations } from './registrations.ts'
import { type Resolution, Resolutions } from './resolutions.ts'

/** What a controller says once it has said Welcome. */
export type FromController = Ack | RuleUpdate | Resolved | Routers | InstanceGone | LoadReport | Ping

/** Where it goes: over the connection, to the shell. */
export interface Outlets {
  /** Only while there is a connection. */
  send(message: ControlMessage): void
  tell(event: AgentEvent): void
  /** How busy this process is with what it serves. */
  loads(): Iterable<ServiceLoad>
}

/** In one message, the longest names and all, as what an agent sends is at most 64 KiB. */
const LOADS_PER_MESSAGE = 128

export class Dealings {
  readonly #kind: AgentKind
  readonly #resolveMs: number
  readonly #outlets: Outlets
  readonly #rules: KnownRules
  readonly #registrations = new Registrations()
  readonly #resolutions = new Resolutions()
  readonly #loadReports = new LoadReports()
  #reportAt = Number.POSITIVE_INFINITY
  #isConnected = false
  #isNewController = true
  #leaseMs = Number.POSITIVE_INFINITY

  /** `resolveMs`: how long an answer to `resolve` may take. */
  constructor(kind: AgentKind, resolveMs: number, outlets: Outlets) {
    this.#kind = kind
    this.#resolveMs = resolveMs
    this.#outlets = outlets
    this.#rules = new KnownRules(kind === 'router')
  }

  /** As `Agent.register`. */
  register(registration: Registration): number {
    const id = this.#registrations.add(registration)
    if (this.#isConnected) this.#outlets.send(this.#registrations.request(id))
    return id
  }

  unregister(registrationId: number): void {
    if (!this.#registrations.has(registrationId)) return
    const request = this.#registrations.withdraw(registrationId)
    if (this.#isConnected) this.#outlets.send(request)
    else this.#outlets.tell({ type: 'unregistered', registrationId })
  }

  /** As `Agent.resolve`, where a controller may answer. */
  resolve(service: NamedPrefix, nowMs: number): void {
    if (this.#resolutions.isFull) return this.unresolved(service, 'overload')
    const resolution = this.#resolutions.add(service, nowMs + this.#resolveMs, true)
    if (resolution !== undefined && this.#isConnected)
      this.#outlets.send(this.#resolutions.request(resolution))
  }

  unresolved(service: NamedPrefix, reason: UnresolvedReason, asked = ''): void {
    this.#outlets.tell({ type: 'unresolved', service, reason, asked })
  }

  /** A connection is up: registers and asks everything again. `isNew`: the controller is another one than before. */
  begin(isNew: boolean, leaseMs: number, nowMs: number): void {
    this.#isConnected = true
    this.#isNewController = isNew
    this.#leaseMs = leaseMs
    this.#loadReports.begin()
    this.#reportAt = nowMs
    for (const request of this.#registrations.requestAll()) this.#outlets.send(request)
    if (this.#kind === 'host') this.#refresh(nowMs)
    for (const resolution of this.#resolutions.unasked()) {
      this.#outlets.send(this.#resolutions.request(resolution))
    }
  }

  /** The connection is gone. */
  pause(): void {
    this.#isConnected = false
    this.#rules.forgetIncoming()
    this.#resolutions.handleDisconnected()
    for (const outcome of this.#registrations.handleDisconnected()) this.#outlets.tell(outcome)
  }

  giveUpAll(reason: UnresolvedReason): void {
    for (const resolution of this.#resolutions.takeAll()) this.#giveUp(resolution, reason)
  }

  handleMessage(message: FromController, nowMs: number): void {
    switch (message.type) {
      case 'ack': {
        const outcome = this.#registrations.handleAck(message)
        if (outcome !== undefined) this.#outlets.tell(outcome)
        return
      }
      case 'ruleUpdate':
        return this.#tellRules(this.#rules.handleUpdate(message))
      case 'resolved':
        return this.#handleResolved(message, nowMs)
      case 'routers':
        return this.#outlets.tell({ type: 'routers', routers: message.routers })
      case 'instanceGone': {
        const { instance, endpoints, reason } = message
        return this.#outlets.tell({ type: 'gone', instance, endpoints, reason })
      }
      case 'load':
        return this.#outlets.tell({ type: 'loads', loads: message.loads })
      case 'ping':
        return this.#outlets.send({ type: 'pong' })
    }
  }

  handleTimeout(nowMs: number): void {
    const reason = this.#isConnected ? 'timeout' : 'unreachable'
    for (const resolution of this.#resolutions.takeExpired(nowMs)) this.#giveUp(resolution, reason)
    if (!this.#isConnected) return
    this.#tellRules(this.#rules.expire(nowMs))
    if (this.#nextReportAt() <= nowMs) this.#report(nowMs)
  }

  /** Infinity: nothing is to come. */
  nextTimeoutAt(): number {
    const deadlineAt = this.#resolutions.nextDeadlineAt()
    if (!this.#isConnected) return deadlineAt
    return Math.min(deadlineAt, this.#rules.nextExpiryAt(), this.#nextReportAt())
  }

  /** Who serves nothing has nothing to report. */
  #nextReportAt(): number {
    return this.#registrations.isEmpty ? Number.POSITIVE_INFINITY : this.#reportAt
  }

  #report(nowMs: number): void {
    this.#reportAt = nowMs + REPORT_MS
    const loads = this.#loadReports.take(this.#outlets.loads(), nowMs)
    for (let from = 0; from < loads.length; from += LOADS_PER_MESSAGE) {
      this.#outlets.send({ type: 'load', loads: loads.slice(from, from + LOADS_PER_MESSAGE) })
    }
  }

  /** What is known may have changed meanwhile: it is asked again. */
  #refresh(nowMs: number): void {
    this.#rules.postponeExpiry(nowMs + this.#resolveMs)
    for (const service of this.#rules.services()) {
      this.#resolutions.add(service, nowMs + this.#resolveMs, false)
    }
  }

  #handleResolved({ xid, found, rules, ttlMs, asked }: Resolved, nowMs: number): void {
    const resolution = this.#resolutions.take(xid)
    if (resolution === undefined) return
    const { service, awaited } = resolution
    const isFound = found && rules.length > 0
    // A controller that has just started cannot yet tell what is not served from what is not yet back.
    if (!isFound && !awaited && this.#isNewController) this.#rules.keepUntil(service, nowMs + this.#leaseMs)
    else this.#tellRules(this.#rules.handleAnswer(service, isFound ? rules : [], nowMs + ttlMs))
    if (!awaited) return
    if (isFound) this.#outlets.tell({ type: 'resolved', service, rules })
    else this.unresolved(service, 'not-found', asked)
  }

  #tellRules(change: RuleChange): void {
    if (change.add.length > 0 || change.remove.length > 0) this.#outlets.tell({ type: 'rules', ...change })
  }

  #giveUp({ service, awaited }: Resolution, reason: UnresolvedReason): void {
    if (awaited) this.unresolved(service, reason)
  }
}
