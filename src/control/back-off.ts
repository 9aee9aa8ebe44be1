/** How long to wait before the next attempt: doubling, and jittered, so that agents do not return in step. */

export class BackOff {
  readonly #minMs: number
  readonly #maxMs: number
  readonly #randomBytes: (n: number) => Uint8Array
  #failures = 0

  constructor(minMs: number, maxMs: number, randomBytes: (n: number) => Uint8Array) {
    this.#minMs = minMs
    this.#maxMs = maxMs
    this.#randomBytes = randomBytes
  }

  /** Counts a failure: half of the doubled wait is certain, half is drawn. */
  nextMs(): number {
    const wholeMs = Math.min(this.#maxMs, this.#minMs * 2 ** this.#failures)
    if (wholeMs < this.#maxMs) this.#failures++
    const [high, low] = this.#randomBytes(2)
    const fraction = ((high! << 8) | low!) / 0x10000
    return wholeMs * (0.5 + 0.5 * fraction)
  }

  reset(): void {
    this.#failures = 0
  }
}
