/**
 * Whether the peer is still there: keepalive (RFC 9293 section 3.8.4), and the time that an answer may take.
 */
import { streamTimers, type TimerTable } from './timers.ts'

export class Liveness {
  readonly #timers: TimerTable
  readonly #deadPeerMs: number
  #keepAliveMs = 0
  #heardAt: number
  /** Since when the peer has owed an answer; undefined if it owes none. */
  #owedSince: number | undefined
  #keepAliveSent = false

  constructor(timers: TimerTable, deadPeerMs: number, nowMs: number) {
    this.#timers = timers
    this.#deadPeerMs = deadPeerMs
    this.#heardAt = nowMs
  }

  handleHeard(nowMs: number): void {
    this.#heardAt = nowMs
    this.#keepAliveSent = false
  }

  /** 0 switches keepalive off. */
  setKeepAlive(intervalMs: number, nowMs: number): void {
    this.#keepAliveMs = intervalMs
    if (intervalMs > 0) this.#timers.arm(streamTimers.keepAlive, nowMs + intervalMs)
    else this.#timers.disarm(streamTimers.keepAlive)
  }

  /** To be called when it may have changed: `owed` if sent data or a window probe is unanswered. */
  update(owed: boolean, nowMs: number): void {
    if (!owed && !this.#keepAliveSent) {
      if (this.#owedSince !== undefined) this.#timers.disarm(streamTimers.deadPeer)
      this.#owedSince = undefined
    } else if (this.#owedSince === undefined) {
      this.#owedSince = nowMs
      this.#timers.arm(streamTimers.deadPeer, nowMs + this.#deadPeerMs)
    }
  }

  /** Arms anew after a suspension, which does not count against the peer. */
  restart(nowMs: number): void {
    this.#heardAt = nowMs
    this.#owedSince = undefined
    this.#timers.disarm(streamTimers.deadPeer)
    this.setKeepAlive(this.#keepAliveMs, nowMs)
  }

  /** True if a probe is due now. */
  handleKeepAliveTimer(nowMs: number): boolean {
    const dueAt = this.#heardAt + this.#keepAliveMs
    const due = dueAt <= nowMs
    this.#timers.arm(streamTimers.keepAlive, due ? nowMs + this.#keepAliveMs : dueAt)
    if (due) this.#keepAliveSent = true
    return due
  }

  /** True if the peer has been silent for too long. */
  handleDeadPeerTimer(nowMs: number): boolean {
    if (this.#owedSince === undefined) return false
    const deadAt = Math.max(this.#owedSince, this.#heardAt) + this.#deadPeerMs
    if (deadAt <= nowMs) return true
    this.#timers.arm(streamTimers.deadPeer, deadAt)
    return false
  }
}
