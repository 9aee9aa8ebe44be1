/** The named timers of a flow; the next deadline is their minimum. Of those due at one instant the first comes first. */
export const flowTimers = [
  /** The set-up has taken too long: before its last repeat, which would be armed for the same instant again. */
  'deadline',
  /** SYN, SYN-ACK or third ACK is due again. */
  'setup',
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
  /** By the place in `flowTimers`; only while one is armed: most flows, most of the time, wait for nothing. */
  #deadlines: number[] | undefined
  #nextAt = Number.POSITIVE_INFINITY

  /** The earliest deadline; Infinity when nothing is armed. */
  get nextAt(): number {
    return this.#nextAt
  }

  armed(timer: FlowTimer): boolean {
    return (this.#deadlines?.[flowTimers.indexOf(timer)] ?? NEVER) !== NEVER
  }

  arm(timer: FlowTimer, at: number): void {
    this.#deadlines ??= flowTimers.map(() => NEVER)
    this.#deadlines[flowTimers.indexOf(timer)] = at
    this.#refresh()
  }

  disarm(timer: FlowTimer): void {
    if (this.armed(timer)) this.arm(timer, NEVER)
  }

  disarmAll(): void {
    this.#deadlines = undefined
    this.#nextAt = NEVER
  }

  /** Takes one timer whose time has come, or undefined. */
  takeExpired(nowMs: number): FlowTimer | undefined {
    if (this.#deadlines === undefined || this.#nextAt > nowMs) return undefined
    const timer = flowTimers[this.#deadlines.findIndex(at => at <= nowMs)]
    if (timer !== undefined) this.disarm(timer)
    return timer
  }

  #refresh(): void {
    this.#nextAt = Math.min(...(this.#deadlines ?? []))
    if (this.#nextAt === NEVER) this.#deadlines = undefined
  }
}

const NEVER = Number.POSITIVE_INFINITY
