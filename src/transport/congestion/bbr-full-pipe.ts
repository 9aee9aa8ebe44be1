/** When BBR takes the path for full (draft-ietf-ccwg-bbr-05 section 5.3.1.2): its rate has not grown by a quarter in three rounds. */
import type { RateSample } from '../delivery-rate.ts'

const FULL_BW_GROWTH = 1.25
const FULL_BW_ROUNDS = 3

export class BbrFullPipe {
  /** BBR.full_bw_reached: it was full at some time. */
  once = false
  /** BBR.full_bw_now: it is full since the last `restart`. */
  now = false
  #bw = 0
  #rounds = 0

  /**
   * Growth counts whenever it is seen, not only with the first acknowledgement of a round, which may stand for a small
   * batch.
   */
  update(rate: RateSample, roundStart: boolean): void {
    if (this.now || rate.applicationLimited) return
    if (rate.bytesPerMs >= FULL_BW_GROWTH * this.#bw) {
      this.restart(rate.bytesPerMs)
      return
    }
    if (!roundStart) return
    this.now = ++this.#rounds >= FULL_BW_ROUNDS
    if (this.now) this.once = true
  }

  /** Growth from `bw` on is to be seen again. */
  restart(bw = 0): void {
    this.#bw = bw
    this.#rounds = 0
    this.now = false
  }
}
