/** How long one target takes to answer, for `peak-ewma.ts`: an average that rises at once and falls with time. */

/** Time constant of the average; Finagle's default. */
export const DECAY_MS = 10_000

export class PeakLatency {
  #latencyMs = 0
  #updatedAt = 0
  #unanswered = 0

  handleAsked(): void {
    this.#unanswered++
  }

  /** Nobody waits for the answer any more. */
  handleWithdrawn(): void {
    this.#unanswered = Math.max(0, this.#unanswered - 1)
  }

  /** An answer, or a failure, after so long. */
  handleAnswered(afterMs: number, nowMs: number): void {
    this.handleWithdrawn()
    const higher = Math.max(0, this.#latencyMs - afterMs)
    this.#latencyMs = afterMs + higher * this.#decay(nowMs)
    this.#updatedAt = nowMs
  }

  /** A target that never answered costs nothing until it is asked, and then more than any other until it answers. */
  cost(nowMs: number): number {
    if (this.#latencyMs === 0) return this.#unanswered === 0 ? 0 : Number.MAX_VALUE
    return this.#latencyMs * this.#decay(nowMs) * (this.#unanswered + 1)
  }

  /** What was high falls while nothing is heard, so that a target that was slow once is tried again. */
  #decay(nowMs: number): number {
    return Math.exp(-(nowMs - this.#updatedAt) / DECAY_MS)
  }
}
