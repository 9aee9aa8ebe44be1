/**
 * The end of a flow in the 2014 profile, from either side (src/wire/README.md, A10). A transport ends by itself; the
 * SAL's FIN follows when all of that is acknowledged, and only that tells the peer's program.
 */
import { controlFlags } from '../../wire/extensions/control.ts'
import type { Parts2014 } from './parts.ts'

const { FIN } = controlFlags

export class Closing2014<F> {
  readonly #parts: Parts2014<F>
  #hasEnded = false
  #isFinTaken = false
  #isAcknowledged = false
  /** The peer's own FIN has our FIN's number in its ackno, though it does not acknowledge it (A3.1). */
  #isSeen = false
  #isReceived = false
  #isOrphaned = false
  /** Unacknowledged when it was last looked whether they become fewer. */
  #orphanedBytes = 0

  constructor(parts: Parts2014<F>) {
    this.#parts = parts
  }

  // ---- our FIN --------------------------------------------------------------------------------------------

  /** No more is written. */
  get hasEnded(): boolean {
    return this.#hasEnded
  }

  end(): void {
    this.#hasEnded = true
    this.#parts.carriage.end()
  }

  /** True once, when FIN is to go into the slot. */
  takeFin(): boolean {
    if (!this.#hasEnded || this.#isFinTaken || !this.#parts.carriage.isDone) return false
    this.#isFinTaken = true
    return true
  }

  get isAcknowledged(): boolean {
    return this.#isAcknowledged
  }

  /** Flags of what the peer has acknowledged. */
  handleCovered(flags: number): void {
    if ((flags & FIN) !== 0) this.#isAcknowledged = true
  }

  /** A10: where our ACK of its FIN has come the peer is gone, and cannot repeat the ACK of ours that was lost. */
  givesUpRepeating(): boolean {
    if (!this.#isSeen || this.#parts.slot.sends <= SEEN_FIN_REPEATS) return false
    this.#isAcknowledged = true
    return true
  }

  // ---- the peer's FIN -------------------------------------------------------------------------------------

  /** It has come; of the bytes before it the carriage knows. */
  get isReceived(): boolean {
    return this.#isReceived
  }

  handleFin(ackno: number): void {
    const { slot, carriage, outbox } = this.#parts
    this.#isReceived = true
    if ((slot.flags & FIN) !== 0 && slot.isSeen(ackno)) this.#isSeen = true
    carriage.handleFin()
    outbox.acknowledge()
  }

  /** TIMEWAIT. */
  linger(nowMs: number): void {
    const { context, timers, path } = this.#parts
    const { timeWaitMs, timeWaitPtos } = context.profile.policy
    timers.arm('linger', nowMs + Math.max(timeWaitMs, timeWaitPtos * path.rtoMs))
  }

  // ---- no program -----------------------------------------------------------------------------------------

  /** The program has let go: what still comes in is not wanted. */
  get isOrphaned(): boolean {
    return this.#isOrphaned
  }

  orphan(): void {
    this.#isOrphaned = true
  }

  /** What was written may take its time; but it must come on, and then the peer must end. */
  watchOrphan(nowMs: number): void {
    const { context, timers, carriage } = this.#parts
    this.#orphanedBytes = carriage.bufferedBytes
    timers.arm('orphan', nowMs + context.profile.policy.finWait2Ms)
  }

  get orphanProgresses(): boolean {
    const { bufferedBytes } = this.#parts.carriage
    const takenBytes = this.#orphanedBytes - bufferedBytes
    const isEnough = takenBytes >= this.#parts.context.limits.minProgressBytes
    return takenBytes > 0 && (bufferedBytes === 0 || isEnough)
  }
}

/** As many as an original has been seen to send into that silence. */
const SEEN_FIN_REPEATS = 3
