/**
 * A set of numbers kept as sorted, disjoint, non-adjacent half-open ranges. Range `i` is
 * `[start(i), end(i))`; there are `count` of them.
 */
export class RangeSet {
  readonly #starts: number[] = []
  readonly #ends: number[] = []

  get count(): number {
    return this.#starts.length
  }

  start(index: number): number {
    return this.#starts[index]!
  }

  end(index: number): number {
    return this.#ends[index]!
  }

  /** Which range holds `value`, or -1. */
  indexOf(value: number): number {
    const index = this.#firstEndingAfter(value)
    return index < this.count && this.#starts[index]! <= value ? index : -1
  }

  add(start: number, end: number): void {
    if (start >= end) return
    const first = this.#firstEndingAfter(start - 1)
    let next = first
    while (next < this.count && this.#starts[next]! <= end) next++
    if (next > first) {
      start = Math.min(start, this.#starts[first]!)
      end = Math.max(end, this.#ends[next - 1]!)
    }
    this.#replace(first, next - first, start, end)
  }

  /** Takes everything below `limit` out. */
  removeBelow(limit: number): void {
    const kept = this.#firstEndingAfter(limit)
    if (kept > 0) {
      this.#starts.splice(0, kept)
      this.#ends.splice(0, kept)
    }
    if (this.count > 0 && this.#starts[0]! < limit) this.#starts[0] = limit
  }

  #replace(index: number, count: number, start: number, end: number): void {
    if (count === 1) {
      this.#starts[index] = start
      this.#ends[index] = end
    } else {
      this.#starts.splice(index, count, start)
      this.#ends.splice(index, count, end)
    }
  }

  #firstEndingAfter(value: number): number {
    let low = 0
    let high = this.count
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#ends[middle]! > value) high = middle
      else low = middle + 1
    }
    return low
  }
}
