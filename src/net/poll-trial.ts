/**
 * Whether busy polling pays, found out by trying it. It does where a peer waits for what we say: then its next packet comes
 * sooner when the loop has not slept. Where packets come by a clock of their own, where a processor has others to serve, or
 * where the way is long, they come when they come, and the loop may as well sleep.
 *
 *   state     for WINDOW datagrams, the time a packet            then
 *   ASLEEP    is what it takes asleep                            -> TRIAL, unless it is too early for one
 *   TRIAL     has shrunk to GAIN of that                         -> POLLING; not in TRIES windows: -> ASLEEP
 *   POLLING   has not, in LAPSES in turn                         -> ASLEEP; likewise after HOLD_MS, to measure anew what it takes
 *
 * It is not of the windows in which all went well by chance that a processor is to be spent: what has failed is not tried again
 * before REST_MS, longer by a quarter each time up to MOST_REST_MS, and only what has held for HOLD_MS makes that short again. So
 * packets that come by a clock cost a sixtieth of a processor for trials (TRIES windows of 200 us in each MOST_REST_MS), and those
 * that come by chance, or now faster and now slower, a little more.
 *
 * A trial has several windows also because the kernel must see first that two programs that wake each other want a processor
 * each. Packets are counted, not datagrams, of which the kernel makes one where the loop has slept and several have come.
 */

const WINDOW = 64
const TRIES = 5
const LAPSES = 3
const GAIN = 0.8
const REST_MS = 250
const REST_GROWTH = 1.25
const MOST_REST_MS = 4000
const HOLD_MS = 500

export class PollTrial {
  #state: 'ASLEEP' | 'TRIAL' | 'POLLING' = 'ASLEEP'
  /** Of this window. */
  #datagrams = 0
  #packets = 0
  #sumMs = 0
  /** A packet of the windows asleep, the newest most; 0: none yet. */
  #asleepMs = 0
  /** TRIAL: windows so far. */
  #tries = 0
  /** POLLING: windows in turn in which it did not pay. */
  #lapses = 0
  #restMs = REST_MS
  /** POLLING: its end; ASLEEP: when the next trial may begin. */
  #until = Number.NEGATIVE_INFINITY

  /**
   * A datagram of so many packets came so long after the one before it; `gapMs` is at most the limit of polling. Returns
   * whether to poll for the next.
   */
  handleGap(gapMs: number, packets: number, now: number): boolean {
    this.#sumMs += gapMs
    this.#packets += packets
    if (++this.#datagrams === WINDOW) {
      this.#weigh(this.#sumMs / this.#packets, now)
      this.#datagrams = this.#packets = this.#sumMs = 0
    }
    return this.#state !== 'ASLEEP'
  }

  #weigh(packetMs: number, now: number): void {
    const pays = packetMs <= GAIN * this.#asleepMs
    switch (this.#state) {
      case 'ASLEEP':
        this.#asleepMs = this.#asleepMs === 0 ? packetMs : (this.#asleepMs + packetMs) / 2
        if (now >= this.#until) this.#enter('TRIAL')
        return
      case 'TRIAL':
        if (pays) this.#enter('POLLING', now + HOLD_MS)
        else if (++this.#tries === TRIES) this.#rest(now)
        return
      case 'POLLING':
        this.#lapses = pays ? 0 : this.#lapses + 1
        if (this.#lapses === LAPSES) this.#rest(now)
        else if (now >= this.#until) {
          this.#restMs = REST_MS
          this.#enter('ASLEEP')
        }
    }
  }

  #rest(now: number): void {
    this.#enter('ASLEEP', now + this.#restMs)
    this.#restMs = Math.min(REST_GROWTH * this.#restMs, MOST_REST_MS)
  }

  #enter(state: 'ASLEEP' | 'TRIAL' | 'POLLING', until = Number.NEGATIVE_INFINITY): void {
    this.#state = state
    this.#until = until
    this.#tries = this.#lapses = 0
    if (state === 'ASLEEP') this.#asleepMs = 0
  }
}
