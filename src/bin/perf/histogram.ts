/** Times, counted by their length: quantiles to one per cent however many there are, without keeping them. */

const SHORTEST_MS = 0.001
const STEP = Math.log(1.01)
/** The last is for all that take longer, which is more than 10 minutes. */
const BUCKETS = Math.ceil(Math.log(600_000 / SHORTEST_MS) / STEP)

export class Histogram {
  readonly #counts = new Uint32Array(BUCKETS)
  #count = 0
  #longestMs = 0

  add(ms: number): void {
    this.#counts[bucketOf(ms)]!++
    this.#count++
    this.#longestMs = Math.max(this.#longestMs, ms)
  }

  get count(): number {
    return this.#count
  }

  /** null: there are none. */
  get longestMs(): number | null {
    return this.#count === 0 ? null : this.#longestMs
  }

  /** What `share` (0 to 1) of them do not exceed; null: there are none. */
  quantile(share: number): number | null {
    let left = Math.max(1, Math.ceil(share * this.#count))
    for (const [bucket, count] of this.#counts.entries()) {
      left -= count
      if (left <= 0) return Math.min(this.#longestMs, upperBound(bucket))
    }
    return null
  }
}

function bucketOf(ms: number): number {
  const bucket = Math.ceil(Math.log(ms / SHORTEST_MS) / STEP)
  return Math.min(Math.max(bucket, 0), BUCKETS - 1)
}

function upperBound(bucket: number): number {
  return SHORTEST_MS * Math.exp(bucket * STEP)
}
