/**
 * Proportional Rate Reduction (RFC 9937): while a loss is repaired, data leaves in proportion to what arrives, so that
 * what is in flight has come down to ssthresh when the old flight is accounted for, without a burst or a silence.
 * Everything is counted in bytes, because one acknowledgement stands for a batch.
 */
export class Prr {
  #active = false
  /** RecoverFS: what was in flight when the loss was found, the newly delivered and the lost included. */
  #recoverFlightBytes = 0
  /** prr_delivered and prr_out: arrived and sent since. */
  #deliveredBytes = 0
  #sentBytes = 0
  /** SndCnt, less what has left since. */
  #creditBytes = 0

  get active(): boolean {
    return this.#active
  }

  /** What may leave now. */
  get creditBytes(): number {
    return this.#creditBytes
  }

  /** Section 6: on entering recovery. `handleAcknowledgement` follows with what told of the loss. */
  begin(recoverFlightBytes: number): void {
    this.#active = true
    this.#recoverFlightBytes = recoverFlightBytes
    this.#deliveredBytes = this.#sentBytes = this.#creditBytes = 0
  }

  /**
   * Section 6: on every acknowledgement in recovery. `safe`: it is cumulative, and no further loss has shown. A timer
   * that finds the loss delivers nothing.
   */
  handleAcknowledgement(
    deliveredBytes: number,
    inFlightBytes: number,
    ssthreshBytes: number,
    safe: boolean,
    mss: number,
  ): void {
    this.#deliveredBytes += deliveredBytes
    let count: number
    if (inFlightBytes > ssthreshBytes) {
      // The proportional part
      const share = (this.#deliveredBytes * ssthreshBytes) / this.#recoverFlightBytes
      count = Math.ceil(share) - this.#sentBytes
    } else {
      // PRR-CRB: as much as has arrived; and where that goes well PRR-SSRB, as slow start would
      count = Math.max(this.#deliveredBytes - this.#sentBytes, deliveredBytes)
      if (safe) count += mss
      count = Math.min(count, ssthreshBytes - inFlightBytes)
    }
    // The fast retransmit itself never waits; and with nothing in flight, nothing more would arrive.
    this.#creditBytes = Math.max(count, this.#sentBytes === 0 || inFlightBytes === 0 ? mss : 0)
  }

  handleSent(bytes: number): void {
    this.#sentBytes += bytes
    this.#creditBytes -= bytes
  }

  /** The window is ssthresh from now on. */
  end(): void {
    this.#active = false
  }
}
