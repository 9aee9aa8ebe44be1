/** The world's one clock: what happens next, and when. Of two things at one instant, the one asked for first. */
export class EventQueue {
  readonly #ats: number[] = []
  readonly #orders: number[] = []
  readonly #runs: (() => void)[] = []
  #scheduled = 0
  #nowMs = 0

  get nowMs(): number {
    return this.#nowMs
  }

  /** Infinity when nothing is to come. */
  get nextAt(): number {
    return this.#ats[0] ?? Number.POSITIVE_INFINITY
  }

  /** Runs `run` at `at`, or now if that has passed. */
  at(at: number, run: () => void): void {
    this.#push(Math.max(at, this.#nowMs), this.#scheduled++, run)
  }

  /** Goes to the next instant at which something happens, and lets one thing happen; false if there is none. */
  step(): boolean {
    const at = this.#ats[0]
    const run = this.#pop()
    if (at === undefined || run === undefined) return false
    this.#nowMs = at
    run()
    return true
  }

  /** Nothing happens until `at`. */
  idleUntil(at: number): void {
    this.#nowMs = Math.max(this.#nowMs, at)
  }

  #push(at: number, order: number, run: () => void): void {
    let hole = this.#ats.length
    while (hole > 0) {
      const parent = (hole - 1) >> 1
      if (!this.#isAfter(parent, at, order)) break
      this.#put(hole, this.#ats[parent]!, this.#orders[parent]!, this.#runs[parent]!)
      hole = parent
    }
    this.#put(hole, at, order, run)
  }

  #pop(): (() => void) | undefined {
    const top = this.#runs[0]
    const at = this.#ats.pop()
    const order = this.#orders.pop()
    const run = this.#runs.pop()
    const size = this.#ats.length
    if (size === 0 || at === undefined || order === undefined || run === undefined) return top
    let hole = 0
    for (;;) {
      let child = 2 * hole + 1
      if (child >= size) break
      if (child + 1 < size && this.#isAfter(child, this.#ats[child + 1]!, this.#orders[child + 1]!)) child++
      if (this.#isAfter(child, at, order)) break
      this.#put(hole, this.#ats[child]!, this.#orders[child]!, this.#runs[child]!)
      hole = child
    }
    this.#put(hole, at, order, run)
    return top
  }

  #isAfter(index: number, at: number, order: number): boolean {
    const other = this.#ats[index]!
    return other > at || (other === at && this.#orders[index]! > order)
  }

  #put(index: number, at: number, order: number, run: () => void): void {
    this.#ats[index] = at
    this.#orders[index] = order
    this.#runs[index] = run
  }
}
