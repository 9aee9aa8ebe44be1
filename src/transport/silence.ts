/**
 * The silence of a peer that has more to send: data that comes without PSH is not the last. If nothing follows, the peer
 * may be sending to where we no longer are, since a NAT tells neither end that it has changed our address. Whatever we
 * send shows it; but who only receives sends nothing by itself (RFC 9308 section 3.2).
 */
import { streamTimers, type TimerTable } from './timers.ts'

/**
 * A sender that recovers from losses, and one whose window is filled once a round trip, go on before that; and one that
 * has really nothing more to say is not answered for long.
 */
const SILENCE_RTTS = 3
const MIN_SILENCE_MS = 200
const MAX_ANSWERS = 6

export class Silence {
  readonly #timers: TimerTable
  #answers = MAX_ANSWERS

  constructor(timers: TimerTable) {
    this.#timers = timers
  }

  /** HOT. Data has come; `pushed`: all that the peer had. */
  handleData(pushed: boolean): void {
    this.#answers = pushed ? MAX_ANSWERS : 0
  }

  /** The segments at hand are all handled. `complete`: the stream has ended. */
  handleBatchEnd(complete: boolean, srttMs: number, nowMs: number): void {
    if (this.#answers === 0 && !complete) this.#arm(srttMs, nowMs)
  }

  /** True if an acknowledgement is due. */
  handleTimer(complete: boolean, srttMs: number, nowMs: number): boolean {
    if (complete || this.#answers >= MAX_ANSWERS) return false
    if (++this.#answers < MAX_ANSWERS) this.#arm(srttMs, nowMs)
    return true
  }

  /** The peer is told where we are. */
  stop(): void {
    this.#timers.disarm(streamTimers.silence)
  }

  #arm(srttMs: number, nowMs: number): void {
    const waitMs = Math.max(MIN_SILENCE_MS, SILENCE_RTTS * srttMs)
    this.#timers.arm(streamTimers.silence, nowMs + waitMs * 2 ** this.#answers)
  }
}
