/**
 * Runs the connection table of one flow of the 2014 profile: its state, its opening and its closing, and how long its peer
 * has been silent. The table is that of both profiles (../connection-table.ts).
 */
import { ServalError } from '../../errors.ts'
import type { Endpoint } from '../../wire/endpoint.ts'
import { type ControlExtension, controlFlags } from '../../wire/extensions/control.ts'
import type { Arrival } from '../arrival.ts'
import { type ConnectionAction, type ConnectionInput, connectionTable } from '../connection-table.ts'
import { FlowSignal, type FlowState, hasPeer } from '../states.ts'
import { Closing2014 } from './closing.ts'
import { Opening2014, type OpeningOptions, type Syn2014 } from './opening.ts'
import type { Parts2014 } from './parts.ts'

const { RST, ACK } = controlFlags

export class Connection2014<F> {
  readonly closing: Closing2014<F>
  readonly #parts: Parts2014<F>
  readonly #opening: Opening2014<F>
  #state: FlowState = 'INIT'
  #error: ServalError | undefined
  /** The program has ended its stream before the set-up was done. */
  #endsEarly = false
  #heardAt: number
  /** When the peer was last asked for something new: its silence before does not count against it. */
  #askedAt: number

  constructor(parts: Parts2014<F>, options: OpeningOptions, nowMs: number) {
    this.#parts = parts
    this.#opening = new Opening2014(parts, options, nowMs)
    this.closing = new Closing2014(parts)
    this.#heardAt = this.#askedAt = nowMs
  }

  get state(): FlowState {
    return this.#state
  }

  /** Why the flow closed; undefined while it lives, and after an orderly close. */
  get error(): ServalError | undefined {
    return this.#error
  }

  /** Whether there is a peer whose data belongs to this flow. */
  get isOpen(): boolean {
    return !UNOPENED.has(this.#state) && this.#state !== 'CLOSED'
  }

  /** Whether the flow may change its addresses. */
  get isMovable(): boolean {
    return hasPeer(this.#state) || this.#state === 'TIMEWAIT'
  }

  /** Whether no more may be written. */
  get isEnded(): boolean {
    return this.closing.hasEnded || this.#endsEarly || this.#state === 'CLOSED'
  }

  // ---- set-up ---------------------------------------------------------------------------------------------

  connect(nowMs: number): void {
    this.#opening.startDeadline()
    this.input('connect', nowMs)
  }

  /** The service could not be resolved before, and may be now. */
  resolved(nowMs: number): void {
    if (this.#state === 'REQUEST' && !this.#parts.timers.armed('setup')) this.#sendSyn(nowMs)
  }

  /** Server: false where the SYN cannot be answered. */
  respond(syn: Syn2014, nowMs: number): boolean {
    if (!this.#opening.handleSyn(syn)) return false
    this.input('SYN', nowMs)
    return true
  }

  fail(error: ServalError): void {
    if (this.#state === 'CLOSED') return
    this.#enter('CLOSED')
    this.#close(error)
  }

  /** REQUEST: SYN-ACK. */
  handleSynAck(arrival: Arrival, control: ControlExtension, nowMs: number): void {
    if (!this.#opening.handleSynAck(arrival, control, nowMs)) return
    this.#heardAt = nowMs
    this.input('SYN_ACK', nowMs)
  }

  /** REQUEST: RST. */
  handleRefusal(control: ControlExtension, remote: Endpoint, nowMs: number): void {
    const error = this.#opening.handleRefusal(control, remote, nowMs)
    if (error) this.fail(error)
  }

  /** RESPOND; whether set-up is over. */
  handleThirdAck(arrival: Arrival, control: ControlExtension, nowMs: number): boolean {
    if (!this.#opening.handleThirdAck(arrival, control, nowMs)) return false
    this.#heardAt = nowMs
    this.input('ACK', nowMs)
    return true
  }

  sendThirdAck(nowMs: number): void {
    this.#opening.sendThirdAck(nowMs)
  }

  // ---- silence --------------------------------------------------------------------------------------------

  /** The peer is there, and knows that set-up is over. */
  handleHeard(nowMs: number): void {
    this.#heardAt = nowMs
    if (this.#parts.role === 'client') this.#parts.timers.disarm('setup')
  }

  handleAsked(nowMs: number): void {
    this.#askedAt = nowMs
  }

  isDead(nowMs: number): boolean {
    const silentMs = nowMs - Math.max(this.#heardAt, this.#askedAt)
    return silentMs >= this.#parts.context.limits.deadPeerMs
  }

  // ---- the end --------------------------------------------------------------------------------------------

  /** Ends the stream that was ended before the set-up was done; whether there was one. */
  endDeferred(nowMs: number): boolean {
    if (this.#state !== 'CONNECTED' || !this.#endsEarly) return false
    this.#endsEarly = false
    this.input('end', nowMs)
    return true
  }

  /** What is known of both ends' FINs may be new. */
  handleFins(nowMs: number): void {
    const { isReceived, isAcknowledged } = this.closing
    const hasAll = isReceived && this.#parts.carriage.receivedAll
    if (hasAll && !HEARD_FIN.has(this.#state)) this.input('FIN', nowMs)
    if (isAcknowledged && AWAITS_FIN_ACK.has(this.#state)) this.input('FIN_ACKED', nowMs)
  }

  /** Of a timer of set-up or end. */
  handleTimer(timer: 'setup' | 'deadline' | 'linger' | 'orphan', nowMs: number): void {
    switch (timer) {
      case 'setup':
        if (this.#state === 'REQUEST') this.#sendSyn(nowMs)
        else this.#opening.repeatThirdAck(nowMs)
        return
      case 'deadline':
        return this.input('gaveUp', nowMs)
      case 'linger':
        return this.input('lingered', nowMs)
      case 'orphan':
        return this.closing.orphanProgresses ? this.closing.watchOrphan(nowMs) : this.input('abort', nowMs)
    }
  }

  // ---- the table ------------------------------------------------------------------------------------------

  input(input: ConnectionInput, nowMs: number): void {
    const { context, flow } = this.#parts
    const cell = connectionTable[this.#state][input]
    if (cell === 'ignored') return context.count(`connection:${this.#state}:${input}`)
    if (cell === 'illegal') throw new ServalError('ERR_SOCKET_CLOSED', { state: this.#state, call: input })
    const [next, ...actions] = cell
    this.#enter(next)
    for (const action of actions) this.#run(action, nowMs)
    context.wake(flow)
    context.rearm(flow)
  }

  #enter(next: FlowState): void {
    if (next === this.#state) return
    this.#parts.context.trace(this.#parts.flow, this.#state, next)
    this.#state = next
  }

  #run(action: ConnectionAction, nowMs: number): void {
    const { context, flow, timers, outbox, writer, carriage } = this.#parts
    switch (action) {
      case 'sendSyn':
        return this.#sendSyn(nowMs)
      case 'sendSynAck':
        return this.#opening.sendSynAck(nowMs)
      case 'sendThirdAck':
        return this.#opening.sendThirdAck(nowMs)
      case 'connected':
        timers.disarm('deadline')
        return context.signal(flow, FlowSignal.connected)
      case 'accept':
        timers.disarm('deadline')
        return context.accepted(flow)
      case 'defer':
        this.#endsEarly = true
        return
      case 'sendFin':
        return this.closing.end()
      case 'end':
        return context.signal(flow, FlowSignal.end)
      case 'linger':
        return this.closing.linger(nowMs)
      case 'sendRst':
        if (writer.peerFlowId !== 0) outbox.putNumberless(RST | ACK)
        return
      case 'close':
        return this.#close()
      case 'closeReset':
        return this.#close(reset())
      case 'closeResetIfLost':
        return this.#close(this.closing.isAcknowledged ? undefined : reset())
      case 'closeTimedOut':
        return this.#close(context.timeoutError(flow, nowMs))
      case 'closeTimedOutIfLost':
        return this.#close(carriage.isDone ? undefined : context.timeoutError(flow, nowMs))
      case 'tryAnother':
      case 'sendDone':
        // NACK, and word that nobody will ask again, are the native profile's.
        return
    }
  }

  #sendSyn(nowMs: number): void {
    const error = this.#opening.sendSyn(nowMs)
    if (error) this.fail(error)
  }

  #close(error?: ServalError): void {
    const { context, flow, timers } = this.#parts
    this.#error = error
    timers.disarmAll()
    context.signal(flow, FlowSignal.closed)
    context.wake(flow)
    context.rearm(flow)
  }
}

function reset(): ServalError {
  return new ServalError('ECONNRESET', { syscall: 'read' })
}

const UNOPENED: ReadonlySet<FlowState> = new Set(['INIT', 'LISTEN', 'REQUEST', 'RESPOND'])
const AWAITS_FIN_ACK: ReadonlySet<FlowState> = new Set(['FINWAIT1', 'CLOSING', 'LASTACK'])
const HEARD_FIN: ReadonlySet<FlowState> = new Set(['CLOSED', 'CLOSEWAIT', 'LASTACK', 'CLOSING', 'TIMEWAIT'])
