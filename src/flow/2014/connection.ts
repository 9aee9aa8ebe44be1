/**
 * The connection of one flow of the 2014 profile: its opening and its closing, as the table of both profiles says
 * (../connection-table.ts).
 */
import type { Endpoint } from '../../wire/endpoint.ts'
import { type ControlExtension, controlFlags } from '../../wire/extensions/control.ts'
import type { Arrival } from '../arrival.ts'
import { ConnectionMachine, resetByPeer } from '../connection-machine.ts'
import type { ConnectionAction } from '../connection-table.ts'
import { FlowSignal, type FlowState } from '../states.ts'
import { Closing2014 } from './closing.ts'
import { Opening2014, type OpeningOptions, type Syn2014 } from './opening.ts'
import type { Parts2014 } from './parts.ts'

const { RST, ACK } = controlFlags

export class Connection2014<F> extends ConnectionMachine<F> {
  readonly closing: Closing2014<F>
  readonly #parts: Parts2014<F>
  readonly #opening: Opening2014<F>
  /** The program has ended its stream before the set-up was done. */
  #endsEarly = false
  #endedAt: number | undefined

  constructor(parts: Parts2014<F>, options: OpeningOptions, nowMs: number) {
    super(parts, nowMs)
    this.#parts = parts
    this.#opening = new Opening2014(parts, options, nowMs)
    this.closing = new Closing2014(parts)
  }

  /** Whether there is a peer whose data belongs to this flow. */
  get isOpen(): boolean {
    return !UNOPENED.has(this.state) && this.state !== 'CLOSED'
  }

  /** Whether no more may be written. */
  get isEnded(): boolean {
    return this.closing.hasEnded || this.#endsEarly || this.state === 'CLOSED'
  }

  /** When it ended in order, and its peer may not know yet. */
  get endedAt(): number | undefined {
    return this.#endedAt
  }

  // ---- set-up ---------------------------------------------------------------------------------------------

  connect(nowMs: number): void {
    this.#opening.startDeadline()
    this.input('connect', nowMs)
  }

  /** The service could not be resolved before, and may be now. */
  resolved(nowMs: number): void {
    if (this.state === 'REQUEST' && !this.#parts.timers.armed('setup')) this.#sendSyn(nowMs)
  }

  /** Server: false where the SYN cannot be answered. */
  respond(syn: Syn2014, nowMs: number): boolean {
    if (!this.#opening.handleSyn(syn)) return false
    this.input('SYN', nowMs)
    return true
  }

  /** REQUEST: SYN-ACK. */
  handleSynAck(arrival: Arrival, control: ControlExtension, nowMs: number): void {
    if (!this.#opening.handleSynAck(arrival, control, nowMs)) return
    this.heard(nowMs)
    this.input('SYN_ACK', nowMs)
  }

  /** REQUEST: RST. */
  handleRefusal(control: ControlExtension, remote: Endpoint, nowMs: number): void {
    const error = this.#opening.handleRefusal(control, remote, nowMs)
    if (error) this.fail(error)
  }

  /** A control packet that is not the peer's. */
  handleStranger(arrival: Arrival, control: ControlExtension, nowMs: number): void {
    if (this.#parts.role === 'client') this.#opening.handleLoser(arrival, control, nowMs)
    else this.#parts.context.count('badNonce')
  }

  /** RESPOND; whether set-up is over. */
  handleThirdAck(arrival: Arrival, control: ControlExtension, nowMs: number): boolean {
    if (!this.#opening.handleThirdAck(arrival, control, nowMs)) return false
    this.heard(nowMs)
    this.input('ACK', nowMs)
    return true
  }

  sendThirdAck(nowMs: number): void {
    this.#opening.sendThirdAck(nowMs)
  }

  /** The peer is there, and knows that set-up is over. */
  handleHeard(nowMs: number): void {
    this.heard(nowMs)
    if (this.#parts.role === 'client') this.#parts.timers.disarm('setup')
  }

  // ---- the end --------------------------------------------------------------------------------------------

  /** Ends the stream that was ended before the set-up was done; whether there was one. */
  endDeferred(nowMs: number): boolean {
    if (this.state !== 'CONNECTED' || !this.#endsEarly) return false
    this.#endsEarly = false
    this.input('end', nowMs)
    return true
  }

  /** What the carriage or the peer has said may end either stream. */
  handleProgress(nowMs: number): void {
    const { isReceived, isAcknowledged } = this.closing
    this.handleFins(isReceived && this.#parts.carriage.receivedAll, isAcknowledged, nowMs)
  }

  /** Of a timer of set-up or end. */
  handleTimer(timer: 'setup' | 'deadline' | 'linger' | 'orphan', nowMs: number): void {
    switch (timer) {
      case 'setup':
        if (this.state === 'REQUEST') this.#sendSyn(nowMs)
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

  protected override run(action: ConnectionAction, nowMs: number): void {
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
        return this.close(undefined)
      case 'closeReset':
        return this.close(resetByPeer())
      case 'closeResetIfLost':
        return this.close(this.closing.isAcknowledged ? undefined : resetByPeer())
      case 'closeTimedOut':
        return this.close(context.timeoutError(flow, nowMs))
      case 'closeTimedOutIfLost':
        return this.close(carriage.isDone ? undefined : context.timeoutError(flow, nowMs))
      case 'sendDone':
        // Nothing tells the peer that nobody will ask again: so it may be asked.
        this.#endedAt = nowMs
        return
      case 'tryAnother':
        // NACK is the native profile's.
        return
    }
  }

  #sendSyn(nowMs: number): void {
    const error = this.#opening.sendSyn(nowMs)
    if (error) this.fail(error)
  }
}

const UNOPENED: ReadonlySet<FlowState> = new Set(['INIT', 'LISTEN', 'REQUEST', 'RESPOND'])
