/** Moves of flows that a program has asked for, from the command to the peer's confirmation. */
import { ServalError } from '../errors.ts'
import type { Flow } from '../flow/flow.ts'
import { FlowSignal, type MigrationState } from '../flow/states.ts'

interface Move {
  readonly localId: number
  resolve(): void
  reject(error: Error): void
}

export class Moves {
  readonly #moves = new Map<Flow, Move>()

  /** Resolves when the flow's peer has confirmed the address `localId`. A newer move of the flow takes its place. */
  begin(flow: Flow, localId: number): Promise<void> {
    this.#moves
      .get(flow)
      ?.reject(new ServalError('ECONNABORTED', { syscall: 'migrate', reason: 'moved again' }))
    return new Promise((resolve, reject) => this.#moves.set(flow, { localId, resolve, reject }))
  }

  /** What the flow has to say. */
  handleSignals(flow: Flow, signals: number): void {
    const move = this.#moves.get(flow)
    if (move === undefined) return
    if (signals & FlowSignal.closed) {
      this.#moves.delete(flow)
      move.reject(flow.error ?? new ServalError('ERR_SOCKET_CLOSED', {}))
    } else if (signals & FlowSignal.moved && MOVED.has(flow.info().migrationState)) {
      this.#moves.delete(flow)
      if (flow.activePath?.local.id === move.localId) move.resolve()
      else move.reject(stayed(flow))
    }
  }
}

/** States in which no move of this end's is under way. */
const MOVED: ReadonlySet<MigrationState> = new Set(['INITIAL', 'RSYN_RECV'])

/** The peer did not answer at the address that was asked for, so another one was taken. */
function stayed(flow: Flow): ServalError {
  const at = flow.activePath?.local.endpoint.address ?? 'no address'
  const reason = `the peer did not answer there; the flow is at ${at}`
  return new ServalError('EHOSTUNREACH', { syscall: 'migrate', service: flow.serviceName, reason })
}
