/** What a broken invariant ends a run with. */

/** The invariants by name; invariants.ts says what each means. */
export type Invariant =
  /** Delivered bytes are a prefix of the sent ones. */
  | 'prefix'
  /** A flowID has one owner in a stack, and a flow one peer. */
  | 'owner'
  /** No address that has not shown that it receives is sent more than three times what came from it. */
  | 'amplification'
  /** Nothing is sent that the peer has not admitted. */
  | 'window'
  /** No queue that a peer can fill is longer than its cap. */
  | 'queues'
  /** No packet passes a router twice. */
  | 'loop'
  /** Once faults are healed everything completes. */
  | 'stuck'
  /** Time goes on. */
  | 'livelock'

export class InvariantViolation extends Error {
  readonly invariant: Invariant

  constructor(invariant: Invariant, message: string) {
    super(`${invariant}: ${message}`)
    this.name = 'InvariantViolation'
    this.invariant = invariant
  }
}
