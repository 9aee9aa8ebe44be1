/** How long a program keeps its event loop from all else that waits: the longest turn. */
import { monitorEventLoopDelay } from 'node:perf_hooks'

export class Turns {
  /** From one tick of a timer in libuv to the next. */
  readonly #delays = monitorEventLoopDelay({ resolution: 1 })

  /** From now on. */
  begin(): void {
    this.#delays.reset()
    this.#delays.enable()
  }

  /** Since it began; ends. A millisecond is between two ticks at least. */
  end(): number {
    this.#delays.disable()
    return this.#delays.max / 1e6
  }
}
