/** Each target gets its weight's share of the packets, in no order, as the 2014 prototype shares them. */
import type { Balancer } from './balancer.ts'

/** The index that `uniform` in [0, 1) falls on where each has its weight's share; -1 if no weight is above 0. */
export function weightedIndex(weights: ArrayLike<number>, uniform: number): number {
  let total = 0
  for (let i = 0; i < weights.length; i++) total += weights[i]!
  let left = uniform * total
  let last = -1
  for (let i = 0; i < weights.length; i++) {
    const weight = weights[i]!
    if (weight === 0) continue
    left -= weight
    if (left < 0) return i
    last = i
  }
  // Only rounding leads here: then it is the last one's share.
  return last
}

export const weightedRandom: Balancer = {
  pick: (weights, { uniform }) => weightedIndex(weights, uniform),
}
