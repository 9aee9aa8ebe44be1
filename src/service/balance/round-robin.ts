/**
 * Smooth weighted round robin, as nginx does it since 2012 (ngx_http_upstream_round_robin.c): each turn everybody gains
 * its weight, the richest is chosen and pays what all have gained. Shares are exact over each period, and a heavy
 * target's turns are spread over it: weights 5, 1, 1 give a a b a c a a. Who has had its turn and comes again is no part of
 * it, and gets one by weight.
 */
import type { Balancer, Candidate, Choice } from './balancer.ts'
import { weightedIndex } from './weighted-random.ts'

export class RoundRobin implements Balancer {
  readonly #credit: Float64Array

  constructor(candidates: readonly Candidate[]) {
    this.#credit = new Float64Array(candidates.length)
  }

  pick(weights: ArrayLike<number>, { uniform, isAgain }: Choice): number {
    if (isAgain) return weightedIndex(weights, uniform)
    let richest = -1
    let total = 0
    for (let i = 0; i < weights.length; i++) {
      const weight = weights[i]!
      if (weight === 0) continue
      total += weight
      this.#credit[i]! += weight
      if (richest < 0 || this.#credit[i]! > this.#credit[richest]!) richest = i
    }
    this.#credit[richest]! -= total
    return richest
  }
}
