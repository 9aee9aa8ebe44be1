/** The largest of what was seen in the last so many steps of a time that only counts: rounds, cycles. */
export class WindowedMax {
  readonly #largest: number[]
  #step = 0

  constructor(steps: number) {
    this.#largest = Array.from({ length: steps }, () => 0)
  }

  /** 0 if nothing was seen. */
  get max(): number {
    let max = 0
    for (const value of this.#largest) if (value > max) max = value
    return max
  }

  update(value: number): void {
    const slot = this.#step % this.#largest.length
    if (value > this.#largest[slot]!) this.#largest[slot] = value
  }

  /** Forgets what is `steps` old. */
  advance(): void {
    this.#step++
    this.#largest[this.#step % this.#largest.length] = 0
  }
}
