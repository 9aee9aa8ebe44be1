/**
 * Keeps the event loop from going to sleep for a moment after a datagram: to put a processor to sleep and wake it up again
 * takes longer than all the rest of an exchange, on a virtual machine most of all. As the kernel's busy polling
 * (net.core.busy_poll) it trades CPU time for latency; what has not had two datagrams within that time of each other sleeps
 * as ever. Unless the program has said for how long, it is done where trying shows that it pays (poll-trial.ts).
 */
import { nowMs } from './clock.ts'
import type { Link } from './links/link.ts'
import { PollTrial } from './poll-trial.ts'

/** Microseconds, 0: never; `auto`: where it pays. */
export type BusyPolling = number | 'auto'

const AUTO_US = 200
/** In a turn of the event loop, at the link of the newest datagram: some 15 us. */
const LOOKS = 20

export class BusyPoll {
  readonly #limitMs: number
  readonly #trial: PollTrial | undefined
  #newestAt = Number.NEGATIVE_INFINITY
  #link: Pick<Link, 'look'> | undefined
  #immediate: NodeJS.Immediate | undefined
  #isHeld = true

  /** How long without a datagram until the loop may sleep. */
  constructor(polling: BusyPolling) {
    this.#limitMs = (polling === 'auto' ? AUTO_US : polling) / 1000
    this.#trial = polling === 'auto' ? new PollTrial() : undefined
  }

  /** A datagram of so many packets has come over a link, where the next is expected. */
  handleDatagram(now: number, packets: number, link: Pick<Link, 'look'>): void {
    if (this.#limitMs === 0) return
    const gapMs = now - this.#newestAt
    this.#newestAt = now
    const pays = this.#trial?.handleGap(Math.min(gapMs, this.#limitMs), packets, now) ?? true
    if (!pays) return this.#stop()
    if (gapMs > this.#limitMs || !this.#isHeld) return
    this.#link = link
    this.#immediate ??= setImmediate(this.#poll)
  }

  /** A process that nothing else keeps alive is not kept by this. */
  hold(isHeld: boolean): void {
    this.#isHeld = isHeld
    if (!isHeld) this.#stop()
  }

  close(): void {
    this.hold(false)
  }

  #stop(): void {
    if (this.#immediate !== undefined) clearImmediate(this.#immediate)
    this.#immediate = undefined
    this.#link = undefined
  }

  /** As long as there is an immediate the loop only looks for what has come. One a turn, and no more: it is garbage. */
  readonly #poll = (): void => {
    const newestAt = this.#newestAt
    if (nowMs() - newestAt > this.#limitMs) return this.#stop()
    this.#immediate = setImmediate(this.#poll)
    for (let i = 0; i < LOOKS && newestAt === this.#newestAt; i++) this.#link?.look?.()
  }
}
