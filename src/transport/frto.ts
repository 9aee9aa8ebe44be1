/**
 * F-RTO with SACK (RFC 5682 section 3): was a time-out for nothing? What it had sent again is answered the same whether
 * the original or the repetition came; so when the first answer comes new data is sent, not more of the old. If the
 * next answer tells of old data that was sent but once, that had not been lost.
 */
import type { Flight } from './transmissions.ts'

const steps = { off: 0, repeated: 1, forward: 2 } as const

/** Step 2: so many new segments. */
const FORWARD_SEGMENTS = 2

export class Frto {
  #step: (typeof steps)[keyof typeof steps] = steps.off
  /** What was sent before the time-out ends here. */
  #recover = 0
  #forwardSegments = 0

  /** Step 1: the timer has run out, and what comes next is old data; `nxt`: what was never sent begins there. */
  begin(nxt: number): void {
    this.#step = steps.repeated
    this.#recover = nxt
  }

  /** The recovery goes on as after any time-out. */
  abandon(): void {
    this.#step = steps.off
  }

  /** Old data waits for the verdict. */
  get forward(): boolean {
    return this.#step === steps.forward
  }

  /** How many segments of new data may leave meanwhile. */
  get forwardSegments(): number {
    return this.#forwardSegments
  }

  get forwardSent(): boolean {
    return this.#forwardSegments < FORWARD_SEGMENTS
  }

  handleForwardSent(segments: number): void {
    this.#forwardSegments -= segments
  }

  /**
   * An acknowledgement; `flight` tells what it has newly delivered. True if the time-out was for nothing.
   */
  handleAcknowledgement(ack: number, advanced: boolean, flight: Flight): boolean {
    if (this.#step === steps.repeated && advanced) {
      // Step 2 (a): all of it has come, and nothing says what of it. (b): new data
      this.#step = ack >= this.#recover ? steps.off : steps.forward
      this.#forwardSegments = FORWARD_SEGMENTS
      return false
    }
    if (this.#step !== steps.forward || flight.deliveredBytes === 0) return false
    this.#step = steps.off
    // Step 3 (a): new data has arrived past a hole. (b): old data has, that was not sent again
    if (ack < this.#recover && flight.originalEnd > this.#recover) return false
    return flight.lowestOriginalEnd <= this.#recover
  }
}
