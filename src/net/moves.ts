/** Moves of flows that a program has asked for, from the command to the peer's confirmation. */
import { ServalError } from '../errors.ts'
import type { Flow } from '../flow/flow.ts'
import { FlowSignal } from '../flow/states.ts'

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
    } else if (signals & FlowSignal.moved && flow.activePath?.local.id === move.localId) {
      this.#moves.delete(flow)
      move.resolve()
    }
  }
}
