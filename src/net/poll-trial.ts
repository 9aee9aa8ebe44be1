/**
 * Whether busy polling pays, found out by trying it. It does where a peer waits for what we say: then its next datagram comes
 * sooner when the loop has not slept. Where datagrams come by a clock of their own, where a processor has others to serve, or
 * where the way is long, they come when they come, and the loop may as well sleep. (Spinning for about as long as sleep and
 * wake-up cost is never worse than twice the best: Karlin et al., Competitive randomized algorithms for non-uniform problems,
 * SODA 1990; what they cost here is not known, so what is compared is what is to be had.)
 *
 *   state     for WINDOW datagrams, the time until each          then
 *   ASLEEP    is what it takes asleep                            -> TRIAL, unless it is too early for one
 *   TRIAL     has shrunk to GAIN of that                         -> POLLING; not in TRIES windows: -> ASLEEP, and the next
 *                                                                   trial is not before REST_MS, doubled each time, to MOST_REST_MS
 *   POLLING   is still so short                                  -> POLLING, for HOLD_MS at most; else -> ASLEEP
 *
 * A trial has several windows since the kernel must see first that two programs that wake each other want a processor each.
 * One in vain costs at most TRIES windows of the limit of polling: with 200 us, a sixtieth of a processor.
 */

const WINDOW = 64
const TRIES = 4
const GAIN = 0.8
const REST_MS = 250
const MOST_REST_MS = 4000
/** What it takes asleep is measured anew after so long. */
const HOLD_MS = 2000

export class PollTrial {
  #state: 'ASLEEP' | 'TRIAL' | 'POLLING' = 'ASLEEP'
  #count = 0
  #sumMs = 0
  /** Of a window asleep. */
  #asleepMs = 0
  #triesLeft = 0
  #restMs = REST_MS
  /** POLLING: its end; ASLEEP: when the next trial may begin. */
  #until = Number.NEGATIVE_INFINITY

  /** A datagram came so long after the one before it, or later if that is the limit of polling. Returns whether to poll for the next. */
  handleGap(gapMs: number, now: number): boolean {
    this.#sumMs += gapMs
    if (++this.#count === WINDOW) {
      this.#weigh(now)
      this.#count = this.#sumMs = 0
    }
    return this.#state !== 'ASLEEP'
  }

  #weigh(now: number): void {
    const pays = this.#sumMs <= GAIN * this.#asleepMs
    switch (this.#state) {
      case 'ASLEEP':
        this.#asleepMs = this.#sumMs
        this.#triesLeft = TRIES
        if (now >= this.#until) this.#state = 'TRIAL'
        return
      case 'TRIAL':
        if (pays) this.#hold(now)
        else if (--this.#triesLeft === 0) this.#rest(now)
        return
      case 'POLLING':
        if (!pays || now >= this.#until) this.#sleep(now)
    }
  }

  #hold(now: number): void {
    this.#state = 'POLLING'
    this.#until = now + HOLD_MS
    this.#restMs = REST_MS
  }

  #rest(now: number): void {
    this.#sleep(now + this.#restMs)
    this.#restMs = Math.min(2 * this.#restMs, MOST_REST_MS)
  }

  #sleep(until: number): void {
    this.#state = 'ASLEEP'
    this.#until = until
  }
}
