/**
 * The less loaded of two, by what the servers report: by the load that both programs say they have, else by the flows that
 * they have, each by its weight. A report that is missing or old says nothing: then the one drawn first is taken, so that a
 * silent target gets its weight's share and no more.
 */
import type { Balancer, Candidate, Choice } from './balancer.ts'
import { betterOfTwo } from './two-choices.ts'

export class LeastLoaded implements Balancer {
  readonly #candidates: readonly Candidate[]

  constructor(candidates: readonly Candidate[]) {
    this.#candidates = candidates
  }

  pick(weights: ArrayLike<number>, { uniform, nowMs }: Choice): number {
    return betterOfTwo(weights, uniform, (a, b) => {
      return isLessLoaded(this.#candidates[a]!, this.#candidates[b]!, nowMs)
    })
  }
}

/** Comparisons with NaN, which is not known, are false. */
function isLessLoaded(a: Candidate, b: Candidate, nowMs: number): boolean {
  const difference = a.observed.load(nowMs) - b.observed.load(nowMs)
  if (!Number.isNaN(difference)) return difference < 0
  return a.observed.flows(nowMs) / a.weight < b.observed.flows(nowMs) / b.weight
}
