/**
 * Round-trip time of one path and what follows from it: the retransmission time-out (RFC 6298), and the probe
 * time-out of RFC 8985. The bounds are a profile's.
 */

import { nativeProfile } from '../wire/native-profile.ts'
import type { ProfilePolicy } from '../wire/profile.ts'

/** The bounds of the time-out, which are a profile's. */
export interface RtoPolicy extends Pick<ProfilePolicy, 'initialRtoMs' | 'minRtoMs' | 'maxRtoMs'> {
  /** How late the shell's timer may fire; default 1. */
  readonly granularityMs?: number
}

export class RttEstimator {
  /** Undefined before the first sample. */
  srttMs: number | undefined
  rttvarMs = 0
  /** Infinity before the first sample. */
  minRttMs = Number.POSITIVE_INFINITY
  readonly #policy: RtoPolicy
  readonly #granularityMs: number
  #backoffs = 0

  constructor(policy: RtoPolicy = nativeProfile.policy) {
    this.#policy = policy
    this.#granularityMs = policy.granularityMs ?? 1
  }

  /** Takes a measurement of something that was sent once only (Karn: RFC 6298 section 3). */
  sample(rttMs: number): void {
    this.minRttMs = Math.min(this.minRttMs, rttMs)
    if (this.srttMs === undefined) {
      // RFC 6298 (2.2)
      this.srttMs = rttMs
      this.rttvarMs = rttMs / 2
    } else {
      // RFC 6298 (2.3): rttvar first, from the old srtt
      this.rttvarMs += (Math.abs(this.srttMs - rttMs) - this.rttvarMs) / 4
      this.srttMs += (rttMs - this.srttMs) / 8
    }
  }

  /** RFC 6298 (2.2) to (2.5), with the back-off of (5.5). */
  get rtoMs(): number {
    return this.backedOffMs(this.#backoffs)
  }

  /** The time-out after `backoffs` doublings. */
  backedOffMs(backoffs: number): number {
    return Math.min(this.#baseRtoMs() * 2 ** backoffs, this.#policy.maxRtoMs)
  }

  /** RFC 8985 section 7.2, for more than one segment in flight. */
  get ptoMs(): number {
    if (this.srttMs === undefined) return this.#policy.initialRtoMs
    return Math.max(2 * this.srttMs, MIN_PTO_MS, 2 * this.#granularityMs)
  }

  /** How often the time-out was doubled since the peer last acknowledged something new. */
  get backoffs(): number {
    return this.#backoffs
  }

  backOff(): void {
    this.#backoffs++
  }

  resetBackoff(): void {
    this.#backoffs = 0
  }

  #baseRtoMs(): number {
    if (this.srttMs === undefined) return this.#policy.initialRtoMs
    const marginMs = Math.max(this.#granularityMs, 4 * this.rttvarMs)
    return Math.max(this.srttMs + marginMs, this.#policy.minRtoMs, 2 * this.#granularityMs)
  }
}

/** Below this a probe would only measure how busy the peer's event loop is. */
const MIN_PTO_MS = 10
