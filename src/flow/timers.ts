/** The named timers of a flow; the next deadline is their minimum. */
export const flowTimers = [
  /** SYN, SYN-ACK or third ACK is due again. */
  'setup',
  /** The set-up has taken too long. */
  'deadline',
  /** FIN is due again. */
  'fin',
  /** RSYN is due again. */
  'rsyn',
  /** RSYN-ACK is due again to a candidate, or the candidate expires. */
  'candidates',
  /** The peer that may have lost its state has not answered the probe. */
  'probe',
  /** An address that is not proven, and the one in use, are to be asked again; or their answers count. */
  'rebinding',
  /** TIMEWAIT is over. */
  'linger',
  /** A flow that its program has let go of has not ended by itself. */
  'orphan',
] as const
export type FlowTimer = (typeof flowTimers)[number]

export class FlowTimers {
  readonly #deadlines = new Map<FlowTimer, number>()
  #nextAt = Number.POSITIVE_INFINITY

  /** The earliest deadline; Infinity when nothing is armed. */
  get nextAt(): number {
    return this.#nextAt
  }

  armed(timer: FlowTimer): boolean {
    return this.#deadlines.has(timer)
  }

  arm(timer: FlowTimer, at: number): void {
    this.#deadlines.set(timer, at)
    this.#refresh()
  }

  disarm(timer: FlowTimer): void {
    if (this.#deadlines.delete(timer)) this.#refresh()
  }

  disarmAll(): void {
    this.#deadlines.clear()
    this.#refresh()
  }

  /** Takes one timer whose time has come, or undefined. */
  takeExpired(nowMs: number): FlowTimer | undefined {
    if (this.#nextAt > nowMs) return undefined
    for (const [timer, at] of this.#deadlines) {
      if (at <= nowMs) {
        this.disarm(timer)
        return timer
      }
    }
    return undefined
  }

  #refresh(): void {
    this.#nextAt = Number.POSITIVE_INFINITY
    for (const at of this.#deadlines.values()) if (at < this.#nextAt) this.#nextAt = at
  }
}
