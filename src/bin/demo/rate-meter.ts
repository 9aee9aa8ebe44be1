/** How fast bytes have come of late. */

/** Long enough to be steady, short enough to show a stop. */
const WINDOW_MS = 1000

export class RateMeter {
  #samples: { readonly atMs: number; readonly bytes: number }[] = []

  add(bytes: number, atMs: number): void {
    this.#samples.push({ atMs, bytes })
    this.#forget(atMs)
  }

  /** Bytes per second over the last second. */
  rate(nowMs: number): number {
    this.#forget(nowMs)
    return this.#samples.reduce((sum, { bytes }) => sum + bytes, 0) / (WINDOW_MS / 1000)
  }

  #forget(nowMs: number): void {
    while (this.#samples.length > 0 && this.#samples[0]!.atMs <= nowMs - WINDOW_MS) this.#samples.shift()
  }
}
