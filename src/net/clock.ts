/** The only clock of the stack, and the one timer that a shell arms. */

/** Milliseconds since the process began, with fractions; never goes back. */
export function nowMs(): number {
  return performance.now()
}

/** When `nowMs` of this process was 0, by the monotonic clock that all processes of a host share. */
export function clockZeroMs(): number {
  return Number(process.hrtime.bigint()) / 1e6 - performance.now()
}

/**
 * Calls back once at an instant of `nowMs`. A deadline that moves later, as most do with every acknowledgement, costs
 * a comparison: the timer looks again when the earlier one has passed.
 */
export class DeadlineTimer {
  readonly #onDue: () => void
  #at = Number.POSITIVE_INFINITY
  #firesAt = Number.POSITIVE_INFINITY
  #handle: NodeJS.Timeout | undefined
  #isRef = true

  constructor(onDue: () => void) {
    this.#onDue = onDue
  }

  /** Infinity: never. */
  arm(at: number): void {
    this.#at = at
    if (at >= this.#firesAt) return
    if (this.#handle !== undefined) clearTimeout(this.#handle)
    const delayMs = Math.min(Math.max(1, Math.ceil(at - nowMs())), MAX_DELAY_MS)
    this.#firesAt = at
    this.#handle = setTimeout(() => this.#fire(), delayMs)
    if (!this.#isRef) this.#handle.unref()
  }

  disarm(): void {
    this.#at = Number.POSITIVE_INFINITY
    this.#firesAt = Number.POSITIVE_INFINITY
    if (this.#handle !== undefined) clearTimeout(this.#handle)
    this.#handle = undefined
  }

  /** Whether the process waits for it. */
  hold(isRef: boolean): void {
    this.#isRef = isRef
    if (isRef) this.#handle?.ref()
    else this.#handle?.unref()
  }

  #fire(): void {
    const at = this.#at
    this.disarm()
    if (at <= nowMs()) this.#onDue()
    else this.arm(at)
  }
}

/** What setTimeout can count. */
const MAX_DELAY_MS = 0x7fffffff
