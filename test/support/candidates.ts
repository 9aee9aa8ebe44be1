/** Targets for balancers: 10.0.0.1, 10.0.0.2 and so on, by their weights. */
import type { Candidate } from '../../src/service/balance/balancer.ts'
import { Observed } from '../../src/service/balance/observed.ts'

export function candidates(...weights: readonly number[]): Candidate[] {
  return weights.map((weight, i) => ({ endpoint: endpointOf(i), weight, observed: new Observed(0) }))
}

export function endpointOf(index: number) {
  return { address: `10.0.${index >> 8}.${(index & 255) + 1}`, port: 1 }
}

export function weightsOf(candidates: readonly Candidate[]): number[] {
  return candidates.map(({ weight }) => weight)
}

/** How often each index comes in `times` picks. */
export function tally(size: number, times: number, pick: () => number): number[] {
  const counts = new Array<number>(size).fill(0)
  for (let i = 0; i < times; i++) counts[pick()]!++
  return counts
}
