/**
 * The end of a flow, from either side. FIN is a control packet with a number of its own, which says where the stream ends:
 * it leaves with the last of the data or right behind it, and is repeated until it is acknowledged. The peer's counts when
 * its turn in the control sequence has come. A flow that its program has let go of must come to its end by itself.
 */
import type { Outstanding } from './control-channel.ts'
import { CONTROL_OVERHEAD_BYTES } from './control-packet.ts'
import type { FlowParts } from './flow-parts.ts'
import type { FlowTransport } from './flow-transport.ts'
import type { Due } from './outbox.ts'
import type { Path } from './path.ts'

export class Closing<F> {
  readonly #parts: FlowParts<F>
  readonly #transport: FlowTransport
  /** Ours, once the program has ended its stream. */
  #fin: Outstanding | undefined
  #isAcknowledged = false
  #repeats = 0
  #isReceived = false
  #isOrphaned = false
  /** Unacknowledged when it was last looked whether they become fewer. */
  #orphanedBytes = 0

  constructor(parts: FlowParts<F>, transport: FlowTransport) {
    this.#parts = parts
    this.#transport = transport
  }

  // ---- our FIN --------------------------------------------------------------------------------------------

  get hasFin(): boolean {
    return this.#fin !== undefined
  }

  /** The peer has acknowledged our FIN; of the bytes before it the stream knows. */
  get isAcknowledged(): boolean {
    return this.#isAcknowledged
  }

  /** No more is written: FIN leaves once the rest fits into its packet. */
  sendFin(): void {
    this.#transport.end()
    this.#fin ??= this.#parts.channel.queue('FIN')
  }

  /** HOT. Ours, if it has not left yet, and now goes out by `path` with the last of the data or right behind it. */
  dueOn(path: Path): Due | undefined {
    const fin = this.#fin
    if (fin?.transmissions !== 0 || this.#transport.isSuspended || path !== this.#parts.paths.active)
      return undefined
    const fits = this.#transport.fitsBehindFin(path.transport.mss - CONTROL_OVERHEAD_BYTES)
    return fits ? { kind: 'FIN', path, entry: fin } : undefined
  }

  /** It leaves by `path`. */
  handleSent(path: Path, nowMs: number): void {
    if (!this.#parts.timers.armed('fin')) this.#arm(path, nowMs)
  }

  /** An acknowledgement covers these. */
  handleCovered(covered: readonly Outstanding[]): void {
    if (!covered.some(entry => entry.kind === 'FIN')) return
    this.#isAcknowledged = true
    this.#parts.timers.disarm('fin')
  }

  /** The timer `fin`. */
  handleDue(nowMs: number): void {
    const { outbox, paths } = this.#parts
    const path = paths.active
    if (this.#fin === undefined || path === undefined || this.#isAcknowledged) return
    if (!this.#transport.isSuspended) outbox.put({ kind: 'FIN', path, entry: this.#fin })
    this.#arm(path, nowMs)
  }

  /** The flow has moved to `path`: the peer may not have heard it on the one before. */
  handleMoved(path: Path): void {
    if (this.#fin === undefined || this.#fin.transmissions === 0 || this.#isAcknowledged) return
    this.#repeats = 0
    this.#parts.outbox.put({ kind: 'FIN', path, entry: this.#fin })
  }

  #arm(path: Path, nowMs: number): void {
    this.#parts.timers.arm('fin', nowMs + path.transport.rtt.rtoMs * 2 ** Math.min(this.#repeats++, 6))
  }

  // ---- the peer's FIN -------------------------------------------------------------------------------------

  /** It has come, in its turn; of the bytes before it the stream knows. */
  get isReceived(): boolean {
    return this.#isReceived
  }

  /** Its turn has come. */
  handleDelivered(finalOffset: number): void {
    if (this.#isReceived) return
    if (this.#transport.handleFinalOffset(finalOffset) === 'conflict')
      this.#parts.context.count('finConflict')
    else this.#isReceived = true
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
    const { timers, context } = this.#parts
    this.#orphanedBytes = this.#transport.bufferedBytes
    timers.arm('orphan', nowMs + context.profile.policy.finWait2Ms)
  }

  /** When all is acknowledged there is nothing left to do but to end, and a minute for that. */
  get orphanProgresses(): boolean {
    const { bufferedBytes } = this.#transport
    const takenBytes = this.#orphanedBytes - bufferedBytes
    return (
      takenBytes > 0 && (bufferedBytes === 0 || takenBytes >= this.#parts.context.limits.minProgressBytes)
    )
  }
}
