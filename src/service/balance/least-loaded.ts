/**
 * The less loaded of two, by the load that the servers report. A report that is missing or old says nothing: then the
 * one drawn first is taken, so that a silent target gets its weight's share and no more.
 */
import type { Balancer, Candidate, Choice } from './balancer.ts'
import { betterOfTwo } from './two-choices.ts'

export class LeastLoaded implements Balancer {
  readonly #candidates: readonly Candidate[]

  constructor(candidates: readonly Candidate[]) {
    this.#candidates = candidates
  }

  pick(weights: ArrayLike<number>, { uniform, nowMs }: Choice): number {
    const load = (index: number) => this.#candidates[index]!.observed.load(nowMs)
    // Comparisons with NaN, an unknown load, are false.
    return betterOfTwo(weights, uniform, (a, b) => load(a) < load(b))
  }
}
