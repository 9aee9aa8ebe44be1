/**
 * What the controller does with each thing an agent says, sans-I/O: the server reports (`handle*`), carries
 * out `pollCommand` until undefined, and calls `handleTimeout` when `nextTimeoutAt` has come.
 */
import { emitMessage, parseMessage } from '../src/control/codec.ts'
import { controlErrors } from '../src/control/control-error.ts'
import {
  type AgentKind,
  CONTROL_VERSION,
  type ControlMessage,
  type GoneReason,
  type Hello,
  type InstanceId,
  type NamedPrefix,
  type Register,
  type Resolve,
  type RouterInfo,
  type ServiceLoad,
  type Unregister,
} from '../src/control/messages.ts'
import type { ServicePrefix } from '../src/id/service-prefix.ts'
import type { PolicyLine } from '../src/service/policy-text.ts'
import type { Endpoint } from '../src/wire/endpoint.ts'
import { WireError } from '../src/wire/wire-error.ts'
import { answer } from './announcements.ts'
import { Announcer } from './announcer.ts'
import { DEFAULT_LIMITS, type HubLimits } from './hub-limits.ts'
import { type HubCommand, type HubNotice, type LeaveReason, newHubCounters } from './hub-reports.ts'
import { Leases } from './leases.ts'
import { Loads } from './loads.ts'
import { routersFor } from './policy.ts'
import { type Member, Registry } from './registry.ts'
import { Session } from './session.ts'

export interface HubOptions {
  /** This controller's own id, random per start. */
  readonly controller: InstanceId
  readonly pid: number
  readonly startedAt: number
  readonly limits?: Partial<HubLimits>
}

export class Hub {
  readonly registry: Registry
  readonly counters = newHubCounters()
  readonly #options: HubOptions
  readonly #limits: HubLimits
  readonly #leases: Leases<Session>
  /** Connections whose Hello has not come. */
  readonly #greeting: Leases<Session>
  readonly #sessions = new Map<number, Session>()
  readonly #byInstance = new Map<InstanceId, Session>()
  readonly #commands: HubCommand[] = []
  readonly #notices: HubNotice[] = []
  readonly #announcer: Announcer
  readonly #loads = new Loads()
  #pingAt = NEVER
  /** Until then a router keeps what an earlier controller told it: its servers may not all be back. */
  #settledAt: number

  constructor(options: HubOptions) {
    this.#options = options
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits }
    this.#leases = new Leases(this.#limits)
    this.#greeting = new Leases({ leaseMs: this.#limits.helloMs, holdMs: 0 })
    this.#settledAt = options.startedAt + this.#limits.leaseMs
    this.registry = new Registry(this.#limits.registrationsPerMember)
    this.#announcer = new Announcer({
      registry: this.registry,
      listeners: () => this.#byInstance.values(),
      send: (session, message) => this.#send(session, message),
    })
  }

  get connections(): number {
    return this.#sessions.size
  }

  /** Whether too many are silent at once to believe that they are gone. */
  get isHoldingEvictions(): boolean {
    return this.#leases.isHolding
  }

  /** When a member was last heard. */
  heardAt(instance: InstanceId): number | undefined {
    const session = this.#byInstance.get(instance)
    return session && this.#leases.heardAt(session)
  }

  /** A connection came; `from` says whose it is, for people. */
  handleOpened(connection: number, from: string, nowMs: number): void {
    const session = new Session(connection, from)
    this.#sessions.set(connection, session)
    this.#greeting.renew(session, nowMs)
    if (this.#pingAt === NEVER) this.#pingAt = nowMs + this.#limits.leaseMs / PINGS_PER_LEASE
  }

  /** Says how the services under a pattern are shared; all whom it concerns are told. */
  setPolicy(line: PolicyLine): void {
    this.registry.setPolicy(line)
    this.#announcer.tellChanges()
  }

  /** Takes back what was said of exactly this pattern; false if nothing was. */
  removePolicy(prefix: ServicePrefix): boolean {
    const isRemoved = this.registry.removePolicy(prefix)
    this.#announcer.tellChanges()
    return isRemoved
  }

  /** Bytes from an agent, in any chunks; the chunk is copied. */
  handleData(connection: number, chunk: Uint8Array, nowMs: number): void {
    const session = this.#sessions.get(connection)
    if (session === undefined) return
    session.frames.push(chunk)
    if (session.member !== undefined) this.#leases.renew(session, nowMs)
    // A message may end the connection; what came behind it is not heard.
    while (this.#sessions.has(connection)) {
      const body = session.frames.next()
      if (body === undefined) break
      const message = body instanceof WireError ? body : parseMessage(body)
      if (message instanceof WireError) this.#handleMalformed(session, message)
      else this.#handleMessage(session, message, nowMs)
    }
    this.#announcer.tellChanges()
  }

  /** The connection ended with no goodbye before: `died` if its other end closed it, as a dying process does. */
  handleClosed(connection: number, reason: GoneReason): void {
    const session = this.#sessions.get(connection)
    if (session === undefined) return
    this.#forget(session, reason)
    this.#announcer.tellChanges()
  }

  handleTimeout(nowMs: number): void {
    for (const session of this.#greeting.takeExpired(nowMs)) this.#reject(session, 'no hello came')
    for (const session of this.#leases.takeExpired(nowMs)) {
      this.counters.evicted++
      this.#forget(session, 'silent')
      this.#close(session, 'silent for longer than the lease')
    }
    if (this.#pingAt <= nowMs) {
      for (const session of this.#byInstance.values()) this.#send(session, { type: 'ping' })
      this.#pingAt = this.#sessions.size === 0 ? NEVER : nowMs + this.#limits.leaseMs / PINGS_PER_LEASE
    }
    if (this.#settledAt <= nowMs) this.#settle()
    if (this.#loads.dueAt <= nowMs) this.#announcer.tellLoads(this.#loads.take())
    this.#announcer.tellChanges()
  }

  /** Infinity: nothing is to come. */
  nextTimeoutAt(): number {
    return Math.min(
      this.#pingAt,
      this.#settledAt,
      this.#loads.dueAt,
      this.#greeting.nextExpiryAt(),
      this.#leases.nextExpiryAt(),
    )
  }

  /** Says goodbye to everybody; they keep what they know, and look for a controller again. */
  shutDown(reason: string): void {
    for (const session of this.#sessions.values()) this.#close(session, reason)
    this.#sessions.clear()
    this.#byInstance.clear()
  }

  pollCommand(): HubCommand | undefined {
    return this.#commands.shift()
  }

  pollNotice(): HubNotice | undefined {
    return this.#notices.shift()
  }

  #handleMalformed(session: Session, error: WireError): void {
    // A later version's message: control.proto asks both sides to ignore what they do not know.
    if (error === controlErrors.unknownMessage) {
      this.counters.unknown++
      return
    }
    this.counters.malformed++
    session.malformed++
    const isLost = error === controlErrors.frameTooLong
    if (isLost || session.malformed >= this.#limits.malformedPerConnection) {
      this.#reject(session, error.message)
    }
  }

  #handleMessage(session: Session, message: ControlMessage, nowMs: number): void {
    const { member } = session
    if (member === undefined) {
      if (message.type === 'hello') this.#welcome(session, message, nowMs)
      else this.#reject(session, `${message.type} came before hello`)
      return
    }
    switch (message.type) {
      case 'register':
        return this.#register(session, member, message, nowMs)
      case 'unregister':
        return this.#unregister(session, member, message)
      case 'endpoints':
        return this.#move(session, member, message.endpoints)
      case 'resolve':
        return this.#resolve(session, member, message, nowMs)
      case 'load':
        return this.#takeLoads(member, message.loads, nowMs)
      case 'ping':
        return this.#send(session, { type: 'pong' })
      case 'pong':
        return
      case 'goodbye':
        this.#forget(session, 'goodbye')
        return this.#close(session, 'goodbye')
      default:
        return this.#reject(session, `${message.type} is not for an agent to say now`)
    }
  }

  #welcome(session: Session, hello: Hello, nowMs: number): void {
    if (hello.version !== CONTROL_VERSION) {
      return this.#reject(session, `version ${hello.version} is not spoken here`)
    }
    const { kind } = hello
    if (kind === 'probe') {
      this.#sendWelcome(session, [])
      this.#forget(session, 'goodbye')
      return this.#close(session, 'probed')
    }
    const earlier = this.#byInstance.get(hello.instance)
    if (earlier !== undefined && (hello.secret === undefined || earlier.secret !== hello.secret)) {
      return this.#reject(session, 'another process has this instance')
    }
    const member = this.#join(session, { ...hello, kind }, nowMs)
    this.#sendWelcome(session, routersFor(this.registry.members.values(), member))
    if (kind !== 'router') return
    const knowsMore = hello.previousController !== undefined && this.#settledAt !== NEVER
    session.isProvisional = knowsMore && hello.previousController !== this.#options.controller
    this.#announcer.tellAll(session)
  }

  #join(session: Session, hello: Hello & { readonly kind: AgentKind }, nowMs: number): Member {
    const { kind, instance, hostId, hostName, program, pid, endpoints } = hello
    const earlier = this.#byInstance.get(instance)
    if (earlier !== undefined) {
      this.#forget(earlier, 'replaced')
      this.#close(earlier, 'the same process has connected anew')
    }
    const member = { kind, instance, hostId, hostName, program, pid, endpoints, joinedAt: nowMs }
    session.member = member
    session.secret = hello.secret
    this.#byInstance.set(instance, session)
    this.#greeting.remove(session)
    this.#leases.renew(session, nowMs)
    this.registry.join(member)
    if (kind === 'router') this.#announcer.handleRoutersChanged()
    this.#notices.push({ type: 'joined', member, from: session.from })
    return member
  }

  #sendWelcome(session: Session, routers: readonly RouterInfo[]): void {
    const { controller, pid } = this.#options
    const { leaseMs } = this.#limits
    this.#send(session, { type: 'welcome', version: CONTROL_VERSION, controller, pid, leaseMs, routers })
  }

  #register(session: Session, member: Member, { xid, service, ...shares }: Register, nowMs: number): void {
    const refusal = this.registry.register(member.instance, service, shares, nowMs)
    if (refusal !== undefined) this.counters.refused++
    else this.#notices.push({ type: 'registered', member, name: nameOf(service) })
    this.#send(session, { type: 'ack', xid, code: refusal?.code ?? '', message: refusal?.message ?? '' })
  }

  #unregister(session: Session, member: Member, { xid, service }: Unregister): void {
    if (this.registry.unregister(member.instance, service.prefix)) {
      this.#notices.push({ type: 'unregistered', member, name: nameOf(service) })
    }
    this.#send(session, { type: 'ack', xid, code: '', message: '' })
  }

  /** What it has not registered, it may have withdrawn meanwhile. */
  #takeLoads({ instance }: Member, loads: readonly ServiceLoad[], nowMs: number): void {
    for (const { prefix, flows, load } of loads) {
      const registration = this.registry.report(instance, prefix, { flows, load })
      if (registration === undefined) continue
      this.#loads.add({ name: registration.name, prefix, instance, flows, load }, nowMs)
    }
  }

  /** Its addresses changed: others reach it elsewhere, and it reaches others in another order. */
  #move(session: Session, member: Member, endpoints: readonly Endpoint[]): void {
    const moved = { ...member, endpoints }
    session.member = moved
    this.registry.join(moved)
    if (moved.kind === 'host') return this.#announcer.tellRouters(session)
    this.#announcer.handleRoutersChanged()
    this.#announcer.tellAll(session)
  }

  #resolve(session: Session, member: Member, { xid, service }: Resolve, nowMs: number): void {
    const rules = answer(this.registry, service, member)
    const { known } = session
    known.expire(nowMs)
    if (rules.length === 0) this.counters.unresolved++
    if (known.has(service) || known.size < this.#limits.answersPerMember) {
      // A little longer than the host will use it, so that it never misses a change.
      known.handleAnswer(service, rules, nowMs + this.#limits.answerMs + this.#limits.leaseMs)
    }
    const { controller, pid } = this.#options
    this.#send(session, {
      type: 'resolved',
      xid,
      found: rules.length > 0,
      rules,
      ttlMs: this.#limits.answerMs,
      asked: `controller ${controller.slice(0, 8)} (pid ${pid})`,
    })
  }

  #settle(): void {
    this.#settledAt = NEVER
    for (const session of this.#byInstance.values()) {
      if (!session.isProvisional) continue
      session.isProvisional = false
      this.#announcer.tellAll(session)
    }
  }

  #reject(session: Session, reason: string): void {
    this.counters.rejected++
    this.#notices.push({ type: 'rejected', from: session.from, reason })
    this.#forget(session, 'rejected')
    this.#close(session, reason)
  }

  /** Withdraws what came over the connection; its end is not waited for. */
  #forget(session: Session, reason: LeaveReason): void {
    this.#sessions.delete(session.connection)
    this.#greeting.remove(session)
    this.#leases.remove(session)
    const { member } = session
    if (member === undefined) return
    this.#byInstance.delete(member.instance)
    this.registry.leave(member.instance)
    if (member.kind === 'router') this.#announcer.handleRoutersChanged()
    this.#notices.push({ type: 'left', member, reason })
    if (member.kind === 'host' && (reason === 'died' || reason === 'silent')) {
      this.#announcer.tellGone(member, reason)
    }
  }

  #close(session: Session, reason: string): void {
    this.#send(session, { type: 'goodbye', reason })
    this.#commands.push({ type: 'close', connection: session.connection })
  }

  #send(session: Session, message: ControlMessage): void {
    this.#commands.push({ type: 'send', connection: session.connection, bytes: emitMessage(message) })
  }
}

const PINGS_PER_LEASE = 3
const NEVER = Number.POSITIVE_INFINITY

function nameOf({ name, prefix }: NamedPrefix): string {
  return name === '' ? prefix.toString() : name
}
