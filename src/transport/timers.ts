/** The timers of a stream: a named table, whose minimum is the next deadline. */

export const streamTimers = {
  /** RTO (RFC 6298): the oldest data in flight is taken for lost. */
  retransmit: 0,
  /** PTO (RFC 8985 section 7): the tail is sent again, to draw an acknowledgement. */
  probe: 1,
  /** RACK (RFC 8985 section 6): data that may only be reordered is now taken for lost. */
  reorder: 2,
  /** The peer's window is shut (RFC 9293 section 3.8.6.1). */
  persist: 3,
  /** A delayed acknowledgement is due (RFC 9293 section 3.8.6.3). */
  acknowledge: 4,
  /** The flow has been silent (RFC 9293 section 3.8.4). */
  keepAlive: 5,
  /** The peer owes an answer and may be gone. */
  deadPeer: 6,
  /** What the window lets go waits for its turn (pacer.ts). */
  pace: 7,
  /** The peer has said that more comes, and nothing does. */
  silence: 8,
} as const

export type StreamTimer = (typeof streamTimers)[keyof typeof streamTimers]

const UNARMED: readonly number[] = Object.values(streamTimers).map(() => Number.POSITIVE_INFINITY)

/** Arming is a store: a busy stream does so several times a batch. */
export class TimerTable {
  readonly #deadlines: number[] = UNARMED.slice()

  /** The earliest deadline; Infinity if nothing is armed. */
  get nextAt(): number {
    let earliestAt = Number.POSITIVE_INFINITY
    for (let timer = 0; timer < this.#deadlines.length; timer++) {
      if (this.#deadlines[timer]! < earliestAt) earliestAt = this.#deadlines[timer]!
    }
    return earliestAt
  }

  /** When `timer` is due; Infinity if it is not armed. */
  at(timer: StreamTimer): number {
    return this.#deadlines[timer]!
  }

  armed(timer: StreamTimer): boolean {
    return this.#deadlines[timer]! !== Number.POSITIVE_INFINITY
  }

  arm(timer: StreamTimer, at: number): void {
    this.#deadlines[timer] = at
  }

  disarm(timer: StreamTimer): void {
    this.#deadlines[timer] = Number.POSITIVE_INFINITY
  }

  /** Disarms and returns one timer whose time has come. */
  takeExpired(nowMs: number): StreamTimer | undefined {
    for (let timer = 0; timer < this.#deadlines.length; timer++) {
      if (this.#deadlines[timer]! <= nowMs) {
        this.#deadlines[timer] = Number.POSITIVE_INFINITY
        return timer as StreamTimer
      }
    }
    return undefined
  }
}
