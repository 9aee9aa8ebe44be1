/**
 * Loss detection where the peer's header has no SACK (RFC 5681 section 3.2, RFC 6582): the third acknowledgement that
 * says the same shows that the first segment is lost, and one that covers only a part of what was sent by then shows the
 * next. RACK needs to be told what has come; here only how much has is known.
 */
import type { Scoreboard } from './scoreboard.ts'

const DUP_THRESH = 3

export class NewReno {
  #duplicates = 0
  /** Up to here losses are found one by one (RFC 6582, recover). */
  #recoverOffset = 0
  #isPartial = false
  /** When what the last `detect` found lost was sent; -Infinity if that was nothing. */
  newestLostSentAt = Number.NEGATIVE_INFINITY

  handleDuplicate(board: Scoreboard): void {
    this.#duplicates++
    // So that the window lets a new segment go for each that has arrived (RFC 5681 section 3.2, step 4).
    board.sackFirstBehindHole()
  }

  /** The cumulative acknowledgement has moved to `ack`. */
  handleAdvance(ack: number): void {
    this.#duplicates = 0
    this.#isPartial = ack < this.#recoverOffset
  }

  /** The time-out takes over: what was guessed of the flight is forgotten. */
  handleTimeout(board: Scoreboard): void {
    this.#duplicates = this.#recoverOffset = 0
    this.#isPartial = false
    board.forgetSacks()
  }

  /** Marks the first segment lost, if it is. */
  detect(board: Scoreboard): void {
    this.newestLostSentAt = Number.NEGATIVE_INFINITY
    const isShown = this.#isPartial || this.#duplicates >= DUP_THRESH
    this.#isPartial = false
    const head = isShown ? board.markHeadLost() : undefined
    if (head === undefined) return
    this.newestLostSentAt = head.sentAt
    // Of a new episode; those behind a partial acknowledgement belong to the one that is being repaired.
    if (board.una >= this.#recoverOffset) this.#recoverOffset = board.nxt
  }
}
