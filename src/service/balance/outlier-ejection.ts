/**
 * A target that fails several times in a row is left out for a while, longer each time (Envoy, "Outlier detection",
 * consecutive failures). At most a tenth are out at once, but for one that always may be; and if fewer than half
 * would be left the failures say more about the network than about the targets, and all are used ("Panic threshold").
 *
 * What fails is a set-up (sal/attempts.ts), as for Envoy's TCP proxy. Only the program knows whether the end of a connection
 * that was up is a failure: a reset may be its own way to hang up.
 */
import type { Candidate } from './balancer.ts'

export const EJECTION = { baseMs: 30_000, maxMs: 300_000, maxShare: 0.1, panicBelow: 0.5 } as const

/** A target has failed: whether it now goes out, if `after` failures in a row are enough. */
export function ejectAfter(
  failed: Candidate,
  candidates: readonly Candidate[],
  after: number,
  nowMs: number,
): void {
  const { observed } = failed
  if (observed.failures < after || observed.isEjected(nowMs)) return
  const out = candidates.filter(({ observed }) => observed.isEjected(nowMs)).length
  if (out + 1 > Math.max(1, EJECTION.maxShare * candidates.length)) return
  observed.eject(nowMs, EJECTION.baseMs, EJECTION.maxMs)
}

/** Whether ejections count: not where too few would be left. */
export function ejectionsHold(candidates: readonly Candidate[], nowMs: number): boolean {
  let left = 0
  for (const { observed } of candidates) if (!observed.isEjected(nowMs)) left++
  return left >= EJECTION.panicBelow * candidates.length
}
