/**
 * Whether the peer of a flow of datagrams is still there: nothing that it sends acknowledges anything, so it is asked, by a
 * CHALLENGE of its own. Seldom: where what is sent has found no answer of any kind for a while, and where nothing has
 * been heard for long, so that neither end keeps a flow for ever whose other end is gone.
 */

/** Sent and not answered for so long: RFC 8085 section 3.5 has 15 s for how often a NAT may be reminded. */
const ASK_AFTER_MS = 15_000
/** Nothing heard for so long. */
const IDLE_MS = 600_000

export class DatagramSilence {
  readonly #deadPeerMs: number
  #idleMs = IDLE_MS
  #heardAt: number
  /** Since when the peer has said nothing to what was sent. */
  #unansweredSince: number | undefined
  /** When it was asked, first and last. */
  #askedSince: number | undefined
  #askedAt = 0

  constructor(deadPeerMs: number, nowMs: number) {
    this.#deadPeerMs = deadPeerMs
    this.#heardAt = nowMs
  }

  /** 0: as it is by default. */
  setInterval(intervalMs: number): void {
    this.#idleMs = intervalMs || IDLE_MS
  }

  handleSent(nowMs: number): void {
    this.#unansweredSince ??= nowMs
  }

  handleHeard(nowMs: number): void {
    this.#heardAt = nowMs
    this.#unansweredSince = this.#askedSince = undefined
  }

  get nextAt(): number {
    if (this.#askedSince !== undefined)
      return Math.min(this.#askedAt + ASK_AFTER_MS, this.#askedSince + this.#deadPeerMs)
    const idleAt = this.#heardAt + this.#idleMs
    if (this.#unansweredSince === undefined) return idleAt
    return Math.min(idleAt, this.#unansweredSince + ASK_AFTER_MS)
  }

  /** At `nextAt`: whether to ask, or to give the peer up. */
  handleTimeout(nowMs: number): 'ask' | 'dead' {
    this.#askedSince ??= nowMs
    if (nowMs - this.#askedSince >= this.#deadPeerMs) return 'dead'
    this.#askedAt = nowMs
    return 'ask'
  }
}
