/**
 * The agent: one end of the control connection of a host's stack or of a router. It keeps what this process
 * serves registered with the controller, asks it for names, and hands on what it tells. Sans-I/O: the shell
 * reports (`handle*`), then carries out `pollCommand` and takes `pollEvent`, each until undefined, and calls
 * `handleTimeout` when `nextTimeoutAt` has come.
 *
 * It makes the connection and keeps it; what is said over it is `dealings.ts`.
 */
import type { Endpoint } from '../wire/endpoint.ts'
import { WireError } from '../wire/wire-error.ts'
import type { AgentCommand, AgentEvent } from './agent-events.ts'
import { type AgentInput, type AgentState, agentTable } from './agent-states.ts'
import { BackOff } from './back-off.ts'
import type * as codec from './codec.ts'
import { controlErrors } from './control-error.ts'
import { Dealings, type FromController } from './dealings.ts'
import { INSTANCE_BYTES, instanceId, MAX_ENDPOINTS } from './fields.ts'
import { FrameReader } from './frame.ts'
import {
  type AgentKind,
  CONTROL_VERSION,
  type ControlMessage,
  type InstanceId,
  type NamedPrefix,
  type ServiceLoad,
  type Welcome,
} from './messages.ts'
import type { Registration } from './registrations.ts'

export interface AgentOptions {
  readonly kind: AgentKind
  /** Equal where loopback addresses mean the same host (and network namespace); '' where that is not known. */
  readonly hostId: string
  readonly hostName: string
  /** For people: what this process is. */
  readonly program: string
  readonly pid: number
  /** n bytes of a CSPRNG. */
  readonly randomBytes: (n: number) => Uint8Array
  /** How busy this process is with each service that it serves; asked once a second while there is a controller. Default: unsaid. */
  readonly loads?: (() => Iterable<ServiceLoad>) | undefined
  readonly times?: Partial<AgentTimes>
}

export interface AgentTimes {
  /** From dialling to Welcome. Default 5,000: on a loaded machine it may take seconds. */
  readonly connectMs: number
  /** For an answer to `resolve`, reconnecting included. Default 3,000. */
  readonly resolveMs: number
  /** The first wait before dialling again; it doubles. Default 100. */
  readonly retryMinMs: number
  /** Default 5,000: less than a lease, so that a returning controller soon knows all again. */
  readonly retryMaxMs: number
}

/** Messages to bytes and back, by the generated code: codec.ts. It is the shell that loads it, with the first connection. */
export type MessageCodec = Pick<typeof codec, 'emitMessage' | 'parseMessage'>

export class Agent {
  /** Drawn at construction; it names this process in rules, whatever its addresses. */
  readonly instance: InstanceId
  readonly #secret: string
  readonly #options: AgentOptions
  readonly #times: AgentTimes
  readonly #backOff: BackOff
  readonly #dealings: Dealings
  readonly #commands: AgentCommand[] = []
  readonly #events: AgentEvent[] = []
  #endpoints: readonly Endpoint[] = []
  #state: AgentState = 'STOPPED'
  /** The shell may still report about earlier ones. */
  #connection = NO_CONNECTION
  #lastConnection = NO_CONNECTION
  #frames = new FrameReader()
  /** From the first connection on. */
  #codec: MessageCodec | undefined
  /** Why the connection is being given up, for people. */
  #reason = ''
  #controller: InstanceId | undefined
  #leaseMs = NEVER
  /** The agent's timers, with those of #dealings; Infinity: not armed. */
  #retryAt = NEVER
  #silentAt = NEVER

  constructor(options: AgentOptions) {
    this.instance = instanceId(options.randomBytes(INSTANCE_BYTES))
    this.#secret = instanceId(options.randomBytes(INSTANCE_BYTES))
    this.#options = options
    this.#times = { ...DEFAULT_TIMES, ...options.times }
    this.#backOff = new BackOff(this.#times.retryMinMs, this.#times.retryMaxMs, options.randomBytes)
    this.#dealings = new Dealings(options.kind, this.#times.resolveMs, {
      send: message => this.#send(message),
      tell: event => this.#events.push(event),
      loads: options.loads ?? (() => []),
    })
  }

  get state(): AgentState {
    return this.#state
  }

  /** The controller last heard from; undefined before the first Welcome. */
  get controller(): InstanceId | undefined {
    return this.#controller
  }

  start(nowMs: number): void {
    this.#input('start', nowMs)
  }

  /** Says goodbye, so that nobody takes it for a crash, and gives up every question. */
  stop(nowMs: number): void {
    this.#reason = 'stopped'
    this.#input('stop', nowMs)
  }

  /** The UDP endpoints at which this process answers, the best first; the first MAX_ENDPOINTS count. */
  setEndpoints(endpoints: readonly Endpoint[]): void {
    this.#endpoints = endpoints.slice(0, MAX_ENDPOINTS)
    if (this.#state === 'READY') this.#send({ type: 'endpoints', endpoints: this.#endpoints })
  }

  /** Keeps it registered from now on, over every reconnect; outcomes carry the number returned. */
  register(registration: Registration): number {
    return this.#dealings.register(registration)
  }

  unregister(registrationId: number): void {
    this.#dealings.unregister(registrationId)
  }

  /** Asks who serves a name; exactly one `resolved` or `unresolved` comes for all who ask meanwhile. */
  resolve(service: NamedPrefix, nowMs: number): void {
    if (this.#state === 'STOPPED') return this.#dealings.unresolved(service, 'stopped')
    // Where no controller was ever reached, waiting for one only delays the error message.
    if (this.#state === 'WAITING' && this.#controller === undefined) {
      return this.#dealings.unresolved(service, 'unreachable')
    }
    this.#dealings.resolve(service, nowMs)
  }

  /** The connection that a `connect` command asked for is there. */
  handleConnected(connection: number, codec: MessageCodec, nowMs: number): void {
    this.#codec = codec
    if (connection === this.#connection) this.#input('connected', nowMs)
  }

  /** It could not be made, or it ended; `reason` is for people. */
  handleDisconnected(connection: number, reason: string, nowMs: number): void {
    if (connection !== this.#connection) return
    this.#reason = reason
    this.#input('disconnected', nowMs)
  }

  /** Bytes from the controller, in any chunks; the chunk is copied. */
  handleData(connection: number, chunk: Uint8Array, nowMs: number): void {
    const codec = this.#codec
    if (connection !== this.#connection || codec === undefined) return
    this.#frames.push(chunk)
    // A message may end the connection; what came behind it is not heard.
    while (connection === this.#connection) {
      const body = this.#frames.next()
      if (body === undefined) return
      this.#handleMessage(body instanceof WireError ? body : codec.parseMessage(body), nowMs)
    }
  }

  handleTimeout(nowMs: number): void {
    if (this.#silentAt <= nowMs) {
      const allowedMs = this.#state === 'READY' ? this.#leaseMs : this.#times.connectMs
      this.#reason = `no word from the controller for ${allowedMs} ms`
      this.#input('silent', nowMs)
    }
    if (this.#retryAt <= nowMs) this.#input('retryDue', nowMs)
    this.#dealings.handleTimeout(nowMs)
  }

  /** Infinity: nothing is to come. */
  nextTimeoutAt(): number {
    return Math.min(this.#retryAt, this.#silentAt, this.#dealings.nextTimeoutAt())
  }

  pollCommand(): AgentCommand | undefined {
    return this.#commands.shift()
  }

  pollEvent(): AgentEvent | undefined {
    return this.#events.shift()
  }

  #handleMessage(message: ControlMessage | WireError, nowMs: number): void {
    // A later version's message: control.proto asks both sides to ignore what they do not know.
    if (message === controlErrors.unknownMessage) return
    if (message instanceof WireError) {
      this.#reason = `the controller sent what cannot be read: ${message.message}`
      return this.#input('violation', nowMs)
    }
    if (this.#state === 'READY') this.#silentAt = nowMs + this.#leaseMs
    const isGoodbye = message.type === 'goodbye'
    this.#reason = isGoodbye ? message.reason : `the controller sent ${message.type} out of turn`
    this.#input(inputOf(message), nowMs, message)
  }

  #input(input: AgentInput, nowMs: number, message?: ControlMessage): void {
    const from = this.#state
    const { next, action } = agentTable[from][input]
    this.#state = next
    switch (action) {
      case 'dial':
        return this.#dial(nowMs)
      case 'greet':
        return this.#greet()
      case 'settle':
        return this.#settle(message as Welcome, nowMs)
      case 'obey':
        return this.#dealings.handleMessage(message as FromController, nowMs)
      case 'hangUp':
        this.#hangUp(from)
        return this.#backOffUntil(nowMs)
      case 'backOff':
        return this.#backOffUntil(nowMs)
      case 'leave':
        this.#hangUp(from)
        return this.#leave()
    }
  }

  #dial(nowMs: number): void {
    this.#connection = ++this.#lastConnection
    this.#frames = new FrameReader()
    this.#retryAt = NEVER
    this.#silentAt = nowMs + this.#times.connectMs
    this.#commands.push({ type: 'connect', connection: this.#connection })
  }

  #greet(): void {
    const { kind, hostId, hostName, program, pid } = this.#options
    this.#send({
      type: 'hello',
      version: CONTROL_VERSION,
      kind,
      instance: this.instance,
      hostId,
      hostName,
      program,
      pid,
      endpoints: this.#endpoints,
      previousController: this.#controller,
      secret: this.#secret,
    })
  }

  #settle({ controller, pid, leaseMs, routers }: Welcome, nowMs: number): void {
    const isNew = this.#controller !== controller
    this.#controller = controller
    this.#leaseMs = Math.max(leaseMs, MIN_LEASE_MS)
    this.#silentAt = nowMs + this.#leaseMs
    this.#backOff.reset()
    this.#events.push({ type: 'connected', controller, pid }, { type: 'routers', routers })
    this.#dealings.begin(isNew, this.#leaseMs, nowMs)
  }

  /** The connection is no more, or never was. */
  #backOffUntil(nowMs: number): void {
    this.#forgetConnection()
    this.#retryAt = nowMs + this.#backOff.nextMs()
    this.#events.push({ type: 'disconnected', reason: this.#reason, retryAt: this.#retryAt })
    if (this.#controller === undefined) this.#dealings.giveUpAll('unreachable')
  }

  #leave(): void {
    this.#forgetConnection()
    this.#retryAt = NEVER
    this.#dealings.giveUpAll('stopped')
  }

  #forgetConnection(): void {
    this.#connection = NO_CONNECTION
    this.#silentAt = NEVER
    this.#dealings.pause()
  }

  #hangUp(from: AgentState): void {
    if (this.#connection === NO_CONNECTION) return
    if (from !== 'CONNECTING') this.#send({ type: 'goodbye', reason: this.#reason })
    this.#commands.push({ type: 'close', connection: this.#connection })
  }

  #send(message: ControlMessage): void {
    const bytes = this.#codec!.emitMessage(message)
    this.#commands.push({ type: 'send', connection: this.#connection, bytes })
  }
}

function inputOf({ type }: ControlMessage): AgentInput {
  switch (type) {
    case 'welcome':
    case 'goodbye':
      return type
    case 'ack':
    case 'ruleUpdate':
    case 'resolved':
    case 'routers':
    case 'instanceGone':
    case 'load':
    case 'ping':
      return 'message'
    default:
      return 'violation'
  }
}

const DEFAULT_TIMES: AgentTimes = { connectMs: 5000, resolveMs: 3000, retryMinMs: 100, retryMaxMs: 5000 }
/** A lease of nothing would end every connection at once. */
const MIN_LEASE_MS = 50
const NEVER = Number.POSITIVE_INFINITY
const NO_CONNECTION = 0
