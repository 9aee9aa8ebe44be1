/**
 * Whether the peer is still there: keepalive (RFC 9293 section 3.8.4), and the time that an answer may take.
 */
import type { StreamPosition } from './resting-stream.ts'
import { streamTimers, type TimerTable } from './timers.ts'

export class Liveness {
  readonly #timers: TimerTable
  readonly #deadPeerMs: number
  #keepAliveMs: number
  #heardAt: number
  /** Since when the peer has owed an answer; undefined if it owes none. */
  #owedSince: number | undefined
  /** The peer was asked for a sign of life and has not given one. */
  #asked = false

  constructor(position: StreamPosition, timers: TimerTable, deadPeerMs: number) {
    this.#timers = timers
    this.#deadPeerMs = deadPeerMs
    this.#keepAliveMs = position.keepAliveMs
    this.#heardAt = position.heardAt
    timers.arm(streamTimers.keepAlive, position.keepAliveAt)
  }

  get keepAliveMs(): number {
    return this.#keepAliveMs
  }

  get heardAt(): number {
    return this.#heardAt
  }

  /** Nobody waits for an answer. */
  get isAtRest(): boolean {
    return this.#owedSince === undefined && !this.#asked
  }

  /** Something of the peer's came. True if it was asked for: the peer can be reached after all. */
  handleHeard(nowMs: number): boolean {
    const answered = this.#asked
    this.#heardAt = nowMs
    this.#asked = false
    return answered
  }

  /** 0 switches keepalive off. */
  setKeepAlive(intervalMs: number, nowMs: number): void {
    this.#keepAliveMs = intervalMs
    if (intervalMs > 0) this.#timers.arm(streamTimers.keepAlive, nowMs + intervalMs)
    else this.#timers.disarm(streamTimers.keepAlive)
  }

  /** To be called when it may have changed: `owed` if sent data or a window probe is unanswered. */
  update(owed: boolean, nowMs: number): void {
    if (!owed && !this.#asked) {
      if (this.#owedSince !== undefined) this.#timers.disarm(streamTimers.deadPeer)
      this.#owedSince = undefined
    } else if (this.#owedSince === undefined) {
      this.#owedSince = nowMs
      this.#timers.arm(streamTimers.deadPeer, nowMs + this.#deadPeerMs * ASK_AFTER)
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
    if (due) this.#asked = true
    return due
  }

  /**
   * What a silence calls for. Time-outs double, so that in a long one little is sent that could be answered:
   * before a peer is taken for dead it is asked, often enough that bad luck is not taken for death.
   */
  handleDeadPeerTimer(nowMs: number): 'dead' | 'ask' | 'wait' {
    if (this.#owedSince === undefined) return 'wait'
    const silentSince = Math.max(this.#owedSince, this.#heardAt)
    const deadAt = silentSince + this.#deadPeerMs
    if (deadAt <= nowMs) return 'dead'
    const askAt = silentSince + this.#deadPeerMs * ASK_AFTER
    const ask = askAt <= nowMs
    if (ask) this.#asked = true
    const againAt = ask ? Math.min(nowMs + this.#deadPeerMs * ASK_EVERY, deadAt) : askAt
    this.#timers.arm(streamTimers.deadPeer, againAt)
    return ask ? 'ask' : 'wait'
  }
}

/** Parts of deadPeerMs. */
const ASK_AFTER = 1 / 4
const ASK_EVERY = 1 / 16
