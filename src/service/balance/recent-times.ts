/** How long a target took to answer the last few times, and so how long it may take to answer now. */

const KEPT = 64
/** Fewer say nothing. */
const NEEDED = 8

export class RecentTimes {
  /** A ring. */
  readonly #times: number[] = []
  #next = 0
  /** The same in order: asked for with every connection. */
  readonly #sorted: number[] = []

  add(ms: number): void {
    const oldest = this.#times[this.#next]
    if (oldest !== undefined) this.#sorted.splice(this.#indexOf(oldest), 1)
    this.#sorted.splice(this.#indexOf(ms), 0, ms)
    this.#times[this.#next] = ms
    this.#next = (this.#next + 1) % KEPT
  }

  /** The time within which a share `at` (above 0, below 1) of the answers came; undefined as long as there were too few. */
  quantile(at: number): number | undefined {
    if (this.#times.length < NEEDED) return undefined
    return this.#sorted[Math.ceil(at * this.#sorted.length) - 1]
  }

  /** Of the first that is not less. */
  #indexOf(ms: number): number {
    let low = 0
    let high = this.#sorted.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#sorted[middle]! < ms) low = middle + 1
      else high = middle
    }
    return low
  }
}
