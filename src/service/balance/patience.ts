/**
 * How long to wait for one instance before another is asked too (Dean and Barroso, "The Tail at Scale", CACM 56(2), 2013,
 * "Hedged requests"): until the others would most likely have answered. It is their times that count, not those of the one
 * that was asked: of three instances, one of which is slow, that one makes every third answer a slow one, and a quantile of
 * all answers would say that this is how it is.
 */
import type { RecentTimes } from './recent-times.ts'

/** Share of the answers of others that come in the time that one waits. */
export const DEFAULT_HEDGE_AT = 0.95

/** Where too little is known of the others, and the least time: RFC 8305 section 5, for the same reasons. */
export const UNKNOWN_PATIENCE_MS = 250
const LEAST_PATIENCE_MS = 10

/** `others`: how long they took who could be asked instead. Undefined if there is nobody. */
export function patienceMs(others: readonly RecentTimes[], at: number): number | undefined {
  if (others.length === 0) return undefined
  const times = others.map(other => other.quantile(at) ?? UNKNOWN_PATIENCE_MS)
  return Math.max(LEAST_PATIENCE_MS, Math.min(...times))
}
