/**
 * Who is in a subnet of one's own comes first; from a mark of load on, what is too much for them spills over to the others.
 * The idea is that of Envoy's priority load ("Load balancing: priority levels"), with subnets as the levels.
 */
import type { Balancer, Candidate, Choice } from './balancer.ts'
import { weightedIndex } from './weighted-random.ts'

/** Reported load of the near targets from which on packets spill over. */
export const DEFAULT_SPILL_AT = 0.8

export class Locality implements Balancer {
  readonly #candidates: readonly Candidate[]
  readonly #spillAt: number
  readonly #near: Float64Array
  readonly #far: Float64Array

  constructor(candidates: readonly Candidate[], spillAt = DEFAULT_SPILL_AT) {
    this.#candidates = candidates
    this.#spillAt = spillAt
    this.#near = new Float64Array(candidates.length)
    this.#far = new Float64Array(candidates.length)
  }

  pick(weights: ArrayLike<number>, { uniform, nowMs, isNear }: Choice): number {
    let nearWeight = 0
    let farWeight = 0
    let loaded = 0
    for (let i = 0; i < weights.length; i++) {
      const weight = weights[i]!
      const { endpoint, observed } = this.#candidates[i]!
      const near = isNear(endpoint)
      this.#near[i] = near ? weight : 0
      this.#far[i] = near ? 0 : weight
      if (near) {
        const load = observed.load(nowMs)
        nearWeight += weight
        // Who reports nothing has room.
        if (load > 0) loaded += weight * load
      } else farWeight += weight
    }
    if (nearWeight === 0) return weightedIndex(this.#far, uniform)
    if (farWeight === 0) return weightedIndex(this.#near, uniform)
    const spills = this.#spill(loaded / nearWeight)
    if (uniform < spills) return weightedIndex(this.#far, uniform / spills)
    return weightedIndex(this.#near, (uniform - spills) / (1 - spills))
  }

  /** Share of packets that go elsewhere: none at the mark, all at full load. */
  #spill(load: number): number {
    if (load <= this.#spillAt) return 0
    return Math.min(1, (load - this.#spillAt) / (1 - this.#spillAt))
  }
}
