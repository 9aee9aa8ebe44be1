/**
 * Looks now and then which flows may rest: only at those on which something has happened, so that ten thousand idle ones
 * cost no time either.
 */

/** What can come to rest. */
export interface Resting {
  /** `ended`: it need not be asked again. */
  rest(nowMs: number): 'resting' | 'awake' | 'ended'
}

const LOOK_INTERVAL_MS = 1_000
/** At so many in one go: whoever calls has other work, too. */
export const LOOKS_AT_ONCE = 256

export class Rests<T extends Resting> {
  readonly #awake = new Set<T>()
  /** The look that has begun, and is due to go on. */
  #look: Iterator<T> | undefined
  #lookedAt = Number.NEGATIVE_INFINITY

  /** When `handleTimeout` is due; Infinity: never. */
  get nextTimeoutAt(): number {
    return this.#awake.size > 0 ? this.#lookedAt + LOOK_INTERVAL_MS : Number.POSITIVE_INFINITY
  }

  /** Something happens on `item` again. */
  add(item: T): void {
    this.#awake.add(item)
  }

  remove(item: T): void {
    this.#awake.delete(item)
  }

  handleTimeout(nowMs: number): void {
    if (nowMs < this.nextTimeoutAt) return
    this.#look ??= this.#awake.values()
    for (let i = 0; i < LOOKS_AT_ONCE; i++) {
      const next = this.#look.next()
      if (next.done) {
        this.#look = undefined
        this.#lookedAt = nowMs
        return
      }
      if (next.value.rest(nowMs) !== 'awake') this.#awake.delete(next.value)
    }
  }
}
