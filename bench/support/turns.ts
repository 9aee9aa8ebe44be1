/**
 * How long a program keeps its event loop from all else that waits: the longest turn. The end of a start in which much is
 * compiled is not counted, as elsewhere.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks'

export class Turns {
  /** From one tick of a timer in libuv to the next. */
  readonly #delays = monitorEventLoopDelay({ resolution: 1 })

  constructor(warmUpMs: number) {
    this.#delays.enable()
    setTimeout(() => this.#delays.reset(), warmUpMs).unref()
  }

  /** A millisecond is between two ticks at least. */
  get longestMs(): number {
    return this.#delays.max / 1e6
  }
}
