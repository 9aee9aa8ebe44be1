/** How long a target took to answer the last few times, and so how long it may take to answer now. */

const KEPT = 64
/** Fewer say nothing. */
const NEEDED = 8

export class RecentTimes {
  readonly #times: number[] = []
  #next = 0
  /** The same in order; undefined after a change. */
  #sorted: readonly number[] | undefined

  add(ms: number): void {
    this.#times[this.#next] = ms
    this.#next = (this.#next + 1) % KEPT
    this.#sorted = undefined
  }

  /** The time within which a share `at` (above 0, below 1) of the answers came; undefined as long as there were too few. */
  quantile(at: number): number | undefined {
    if (this.#times.length < NEEDED) return undefined
    this.#sorted ??= this.#times.toSorted((a, b) => a - b)
    return this.#sorted[Math.ceil(at * this.#sorted.length) - 1]
  }
}
