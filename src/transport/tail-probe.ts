/**
 * The tail loss probe (RFC 8985 section 7): when nothing is heard of what was sent last, one segment more draws an
 * acknowledgement, from which RACK sees what is missing. This is its memory; the sender arms its timer and sends it.
 */
export class TailProbe {
  #due = false
  /** TLP.end_seq: the probe is out until this is acknowledged. */
  #end: number | undefined
  /** TLP.is_retrans */
  #repeats = false

  /** Its time has come (section 7.3). */
  get due(): boolean {
    return this.#due
  }

  get out(): boolean {
    return this.#end !== undefined
  }

  handleTimer(): void {
    this.#due = true
  }

  /** There is nothing to probe with, or nothing to probe for any more. */
  cancel(): void {
    this.#due = false
  }

  /** It has left, when all before `nxt` had been sent. `repeats`: old data. */
  handleSent(nxt: number, repeats: boolean): void {
    this.#due = false
    this.#end = nxt
    this.#repeats = repeats
  }

  /** Its answer is not waited for any more: what it was to find out is known. */
  forget(): void {
    this.#end = undefined
  }

  /**
   * Section 7.4.2. A repeated tail that came twice was not needed; one of which nothing is heard until later data is
   * acknowledged has repaired a loss: true. `[duplicateStart, duplicateEnd)` is what the peer says came twice.
   */
  handleAcknowledgement(ack: number, duplicateStart: number, duplicateEnd: number): boolean {
    const end = this.#end
    if (end === undefined || ack < end) return false
    const cameTwice = duplicateStart < end && duplicateEnd >= end
    const repaired = this.#repeats && !cameTwice
    if (repaired && ack === end) return false
    this.#end = undefined
    return repaired
  }
}
