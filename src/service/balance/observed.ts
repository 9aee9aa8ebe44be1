/** What is known of how a target does: from its own reports, and from how it answers. */
import { PeakLatency } from './peak-latency.ts'
import { RecentTimes } from './recent-times.ts'

/** What a target says that it has to do. */
export interface Load {
  /** Flows that it has of the service. */
  readonly flows: number
  /** From 0, idle, to 1, no more, where its program says so. */
  readonly load?: number | undefined
}

/** `load` is the target's own word. The others are seen by who asks it. */
export type Observation =
  | ({ readonly type: 'load' } & Load)
  | { readonly type: 'asked' }
  | { readonly type: 'answered'; readonly afterMs: number }
  | { readonly type: 'failed'; readonly afterMs: number }
  /** It was asked, and nobody waits for the answer any more. */
  | { readonly type: 'withdrawn' }

/** A report is believed for so long. */
export const LOAD_TTL_MS = 10_000
/** Failures in a row after which a target counts as down, and for how long: then it is asked again. */
const DOWN_AFTER = 3
const DOWN_MS = 10_000

export class Observed {
  /** Since when packets are shared with it. */
  readonly joinedAt: number
  readonly latency = new PeakLatency()
  /** How long it took to answer, lately. */
  readonly times = new RecentTimes()
  /** In a row. */
  failures = 0
  #failedAt = -Infinity
  #load = Number.NaN
  #flows = Number.NaN
  #loadUntil = -Infinity
  #ejections = 0
  #ejectedUntil = -Infinity

  constructor(joinedAt: number) {
    this.joinedAt = joinedAt
  }

  handle(observation: Observation, nowMs: number): void {
    switch (observation.type) {
      case 'load':
        this.#load = observation.load ?? Number.NaN
        this.#flows = observation.flows
        this.#loadUntil = nowMs + LOAD_TTL_MS
        break
      case 'asked':
        this.latency.handleAsked()
        break
      case 'answered':
        this.failures = 0
        this.times.add(observation.afterMs)
        this.latency.handleAnswered(observation.afterMs, nowMs)
        break
      case 'withdrawn':
        this.latency.handleWithdrawn()
        break
      case 'failed':
        this.failures++
        this.#failedAt = nowMs
        this.latency.handleAnswered(observation.afterMs, nowMs)
        break
    }
  }

  /** From 0, idle, to 1, no more; NaN if it is not known, or no more. */
  load(nowMs: number): number {
    return nowMs < this.#loadUntil ? this.#load : Number.NaN
  }

  /** Flows that it has; NaN if that is not known, or no more. */
  flows(nowMs: number): number {
    return nowMs < this.#loadUntil ? this.#flows : Number.NaN
  }

  /** Whether it has done nothing but fail of late. */
  isDown(nowMs: number): boolean {
    return this.failures >= DOWN_AFTER && nowMs < this.#failedAt + DOWN_MS
  }

  isEjected(nowMs: number): boolean {
    return nowMs < this.#ejectedUntil
  }

  /** Leaves it out, as many times `baseMs` as it has been before and now. */
  eject(nowMs: number, baseMs: number, maxMs: number): void {
    this.#ejections++
    this.#ejectedUntil = nowMs + Math.min(maxMs, this.#ejections * baseMs)
    this.failures = 0
  }
}
