/**
 * Somebody says, unproven, that the peer knows nothing of this flow. It is asked, tagged, with a CHALLENGE; the flow ends
 * only when the answer is such a reset again that echoes it, for then whoever is at the peer's address has no keys.
 * Silence proves nothing: the peer may be on the move. So forged resets end no flow, however many there are.
 */
import type { FlowParts } from './flow-parts.ts'
import { sameBytes } from './setup.ts'

/** How often the peer is asked. */
const PROBE_LIMIT = 3

export class StateProbe<F> {
  readonly #parts: FlowParts<F>
  readonly #challenge: Uint8Array
  #repeats = 0

  constructor(parts: FlowParts<F>) {
    this.#parts = parts
    this.#challenge = parts.context.randomBytes(8)
  }

  /** Whether `echo` answers: from the peer with its keys, that it lives; in a reset without TAG, that they are gone. */
  isAnsweredBy(echo: Uint8Array): boolean {
    return sameBytes(this.#challenge, echo)
  }

  /** Asks, once more; false when it was asked often enough. */
  ask(nowMs: number): boolean {
    const { outbox, paths, timers } = this.#parts
    const path = paths.active
    if (path === undefined || this.#repeats >= PROBE_LIMIT) return false
    outbox.put({ kind: 'PROBE', path, challenge: this.#challenge })
    timers.arm('probe', nowMs + path.transport.rtt.ptoMs * 2 ** this.#repeats++)
    return true
  }
}
