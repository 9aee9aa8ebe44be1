/**
 * Spreads what the window lets go over the round trip (RFC 9002 section 7.7, draft-ietf-ccwg-bbr section 4.6): a bucket
 * that fills at the pacing rate. Timers tick in milliseconds and the kernel takes up to 44 segments a call, so data
 * leaves in quanta of a millisecond's worth, and what a late timer has missed may follow at once, up to a limit.
 */

/** A timer is no finer than this, so that a smaller quantum would only wait. */
const QUANTUM_MS = 1
/** What may follow at once after a silence: as much as the initial window, or as a timer may be late. */
const BURST_SEGMENTS = 10
const BURST_MS = 2
/** What the arithmetic of times may lose: who comes at `readyAt` is not to be sent away again. */
const ROUNDING_BYTES = 1

export class Pacer {
  #filledBytes = Number.POSITIVE_INFINITY
  #filledAt = 0
  #bytesPerMs = Number.POSITIVE_INFINITY
  #quantumBytes = 0

  /** The rate from now on; Infinity: no pacing. */
  setRate(bytesPerMs: number, mss: number, nowMs: number): void {
    if (bytesPerMs === Number.POSITIVE_INFINITY) {
      this.#filledBytes = bytesPerMs
    } else {
      const burstBytes = Math.max(BURST_SEGMENTS * mss, BURST_MS * bytesPerMs)
      const filledBytes = this.#filledBytes + (nowMs - this.#filledAt) * bytesPerMs
      this.#filledBytes = Math.min(filledBytes, burstBytes)
    }
    this.#filledAt = nowMs
    this.#bytesPerMs = bytesPerMs
    this.#quantumBytes = Math.max(mss, QUANTUM_MS * bytesPerMs)
  }

  /** How much of `waitingBytes` may leave at the time of `setRate`; 0: it waits until `readyAt`. */
  creditBytes(waitingBytes: number): number {
    const credit = this.#filledBytes + ROUNDING_BYTES
    return credit < Math.min(waitingBytes, this.#quantumBytes) ? 0 : Math.min(waitingBytes, credit)
  }

  /** When that which waits may leave. */
  readyAt(waitingBytes: number): number {
    const missingBytes = Math.min(waitingBytes, this.#quantumBytes) - this.#filledBytes
    return this.#filledAt + missingBytes / this.#bytesPerMs
  }

  handleSent(bytes: number): void {
    this.#filledBytes -= bytes
  }
}
