/**
 * What the connections of both profiles share: the walk through the connection table, the error in which it ends, and
 * since when the peer has been silent. A profile's own class knows how each action is carried out, and when an input has come.
 */
import { ServalError } from '../errors.ts'
import { type ConnectionAction, type ConnectionInput, connectionTable } from './connection-table.ts'
import type { FlowContext } from './flow-context.ts'
import { FlowSignal, type FlowState, hasPeer } from './states.ts'
import type { FlowTimers } from './timers.ts'

/** Of the parts of a flow, those that a connection of either profile has. */
interface MachineParts<F> {
  readonly flow: F
  readonly context: Pick<FlowContext<F>, 'count' | 'trace' | 'signal' | 'wake' | 'rearm' | 'limits'>
  readonly timers: FlowTimers
}

export abstract class ConnectionMachine<F> {
  readonly #parts: MachineParts<F>
  #state: FlowState = 'INIT'
  #error: ServalError | undefined
  #heardAt: number
  /** When the peer was last asked for something new: its silence before does not count against it. */
  #askedAt: number

  constructor(parts: MachineParts<F>, nowMs: number) {
    this.#parts = parts
    this.#heardAt = this.#askedAt = nowMs
  }

  get state(): FlowState {
    return this.#state
  }

  /** Why the flow closed; undefined while it lives, and after an orderly close. */
  get error(): ServalError | undefined {
    return this.#error
  }

  /** Whether the flow may change its addresses. */
  get isMovable(): boolean {
    return hasPeer(this.#state) || this.#state === 'TIMEWAIT'
  }

  /** Something has happened that the table knows. */
  input(input: ConnectionInput, nowMs: number): void {
    const { context, flow } = this.#parts
    const cell = connectionTable[this.#state][input]
    if (cell === 'ignored') return context.count(`connection:${this.#state}:${input}`)
    if (cell === 'illegal') throw new ServalError('ERR_SOCKET_CLOSED', { state: this.#state, call: input })
    const [next, ...actions] = cell
    this.#enter(next)
    for (const action of actions) this.run(action, nowMs)
    context.wake(flow)
    context.rearm(flow)
  }

  fail(error: ServalError): void {
    if (this.#state === 'CLOSED') return
    this.#enter('CLOSED')
    this.close(error)
  }

  /** The peer is asked for something new. */
  handleAsked(nowMs: number): void {
    this.#askedAt = nowMs
  }

  /** The peer owes an answer, and has been silent for too long since it was asked. */
  isSilent(nowMs: number): boolean {
    return nowMs - Math.max(this.#heardAt, this.#askedAt) >= this.#parts.context.limits.deadPeerMs
  }

  // ---- for the profile's own class ------------------------------------------------------------------------

  protected abstract run(action: ConnectionAction, nowMs: number): void

  /** HOT. Something of the peer's has come. */
  protected heard(nowMs: number): void {
    this.#heardAt = nowMs
  }

  /** HOT. Whether the peer's stream is here to its end, and whether it has taken all of ours: the table hears of it once. */
  protected handleFins(hasPeers: boolean, isOursTaken: boolean, nowMs: number): void {
    if (hasPeers && !HEARD_FIN.has(this.#state)) this.input('FIN', nowMs)
    if (isOursTaken && AWAITS_FIN_ACK.has(this.#state)) this.input('FIN_ACKED', nowMs)
  }

  /** What the program hears when the flow has closed; the first one counts. */
  protected blame(error: ServalError | undefined): void {
    this.#error ??= error
  }

  /** `error`: what the program hears; undefined: what it has heard already, or an orderly end. */
  protected close(error: ServalError | undefined): void {
    const { context, flow, timers } = this.#parts
    this.blame(error)
    timers.disarmAll()
    context.signal(flow, FlowSignal.closed)
    context.wake(flow)
    context.rearm(flow)
  }

  #enter(next: FlowState): void {
    if (next === this.#state) return
    this.#parts.context.trace(this.#parts.flow, this.#state, next)
    this.#state = next
  }
}

export function resetByPeer(): ServalError {
  return new ServalError('ECONNRESET', { syscall: 'read' })
}

const AWAITS_FIN_ACK: ReadonlySet<FlowState> = new Set(['FINWAIT1', 'CLOSING', 'LASTACK'])

/** The table has heard of the peer's FIN, or does not care. */
const HEARD_FIN: ReadonlySet<FlowState> = new Set(['CLOSED', 'CLOSEWAIT', 'LASTACK', 'CLOSING', 'TIMEWAIT'])
