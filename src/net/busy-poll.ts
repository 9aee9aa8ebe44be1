/**
 * Keeps the event loop from going to sleep for a moment after a datagram, where the program has asked for that: to put a
 * processor to sleep and wake it up again takes longer than all the rest of an exchange, on a virtual machine most of all.
 * As the kernel's busy polling (net.core.busy_poll) it trades CPU time for latency; what has not had two datagrams within
 * that time of each other sleeps as ever.
 */
import { nowMs } from './clock.ts'

export class BusyPoll {
  readonly #limitMs: number
  #newestAt = Number.NEGATIVE_INFINITY
  #immediate: NodeJS.Immediate | undefined
  #isHeld = true

  /** `limitMs`: after so long without a datagram the loop may sleep; 0: at once. */
  constructor(limitMs: number) {
    this.#limitMs = limitMs
  }

  /** A datagram has come. */
  handleDatagram(now: number): void {
    if (this.#limitMs === 0) return
    const isSoon = now - this.#newestAt <= this.#limitMs
    this.#newestAt = now
    if (isSoon && this.#isHeld) this.#immediate ??= setImmediate(this.#poll)
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
  }

  /** As long as there is an immediate the loop only looks for what has come. */
  readonly #poll = (): void => {
    const isSoon = nowMs() - this.#newestAt <= this.#limitMs
    this.#immediate = isSoon ? setImmediate(this.#poll) : undefined
  }
}
