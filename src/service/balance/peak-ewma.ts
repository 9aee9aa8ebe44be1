/**
 * Peak EWMA, after Finagle's balancer of that name: the cost of a target is its latency times the requests that it has not
 * answered yet, and of two the cheaper is taken. A rise of the latency counts at once, a fall only with time, so a target
 * that slows down loses its traffic within one answer and gets it back carefully.
 */
import type { Balancer, Candidate, Choice } from './balancer.ts'
import { betterOfTwo } from './two-choices.ts'

export class PeakEwma implements Balancer {
  readonly #candidates: readonly Candidate[]

  constructor(candidates: readonly Candidate[]) {
    this.#candidates = candidates
  }

  pick(weights: ArrayLike<number>, { uniform, nowMs }: Choice): number {
    const cost = (index: number) => this.#candidates[index]!.observed.latency.cost(nowMs)
    return betterOfTwo(weights, uniform, (a, b) => cost(a) < cost(b))
  }
}
