/**
 * What was sent again in a recovery, and what of it the peer says came twice (RFC 2883). When all of it came twice
 * nothing had been lost, and the window need not have shrunk (RFC 3708).
 */
import { RangeSet } from './ranges.ts'

export class Repeats {
  #open = false
  /** The ranges repeated in this recovery. */
  #ranges = new RangeSet()
  /** What was sent again in it, as often as it was, and has not been reported. */
  #unreportedBytes = 0
  /** On this path, ever. */
  #repeatedBytes = 0
  #reportedBytes = 0

  /** A recovery begins. */
  begin(): void {
    this.#open = true
    this.#unreportedBytes = 0
    if (this.#ranges.count > 0) this.#ranges = new RangeSet()
  }

  handleRepeated(start: number, end: number): void {
    this.#repeatedBytes += end - start
    if (!this.#open) return
    this.#unreportedBytes += end - start
    this.#ranges.add(start, end)
  }

  /** The peer has received `[start, end)` twice. */
  handleDuplicate(start: number, end: number): void {
    this.#reportedBytes += end - start
    if (!this.#open) return
    for (let index = 0; index < this.#ranges.count; index++) {
      const from = Math.max(start, this.#ranges.start(index))
      const to = Math.min(end, this.#ranges.end(index))
      if (from < to) this.#unreportedBytes -= to - from
    }
  }

  /**
   * More has come twice than was ever sent twice: the network makes copies, and their reports say nothing of our own
   * (RFC 3708 section 3).
   */
  get dubious(): boolean {
    return this.#reportedBytes > this.#repeatedBytes
  }

  /** All that this recovery has sent again was needless. */
  get needless(): boolean {
    return this.#open && this.#ranges.count > 0 && this.#unreportedBytes <= 0 && !this.dubious
  }

  /** Nothing more is concluded for this recovery. */
  end(): void {
    this.#open = false
  }
}
