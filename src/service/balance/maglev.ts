/**
 * Maglev hashing (Eisenbud et al., NSDI 2016, section 3.4): a table of places, filled by the targets in turn, each in the
 * order of a permutation of its own. The same affinity finds the same target at every router that knows the same
 * targets; shares are even, and few places change hands when a target comes or goes.
 *
 * With weights a target takes part in as many turns as its weight says. A target that is left out at the moment is stepped
 * over: only who would have met it meets another.
 */
import { formatEndpoint } from '../../wire/endpoint.ts'
import { hashText } from './affinity.ts'
import type { Balancer, Candidate, Choice } from './balancer.ts'

/** A prime, as the permutations need: at over 100 places a target shares differ by less than 1 % (section 5.3). */
export const PLACES = 65_537

export class Maglev implements Balancer {
  readonly #places: Uint16Array

  constructor(candidates: readonly Candidate[]) {
    this.#places = fill(candidates)
  }

  pick(weights: ArrayLike<number>, choice: Choice): number {
    const start = (choice.affinity() >>> 0) % PLACES
    for (let step = 0; step < PLACES; step++) {
      const index = this.#places[(start + step) % PLACES]!
      if (weights[index]! > 0) return index
    }
    return -1
  }
}

function fill(candidates: readonly Candidate[]): Uint16Array {
  const places = new Uint16Array(PLACES)
  const taken = new Uint8Array(PLACES)
  // By name, not by index: who else is there must not change a permutation, nor the order of turns.
  const names = candidates.map(({ endpoint }) => formatEndpoint(endpoint))
  const order = [...names.keys()].sort((a, b) => (names[a]! < names[b]! ? -1 : 1))
  const next = names.map(name => hashText(name, OFFSET_SEED) % PLACES)
  const skip = names.map(name => (hashText(name, SKIP_SEED) % (PLACES - 1)) + 1)
  const heaviest = Math.max(...candidates.map(({ weight }) => weight))
  const credit = new Float64Array(candidates.length)
  for (let left = PLACES; left > 0; ) {
    for (const i of order) {
      credit[i]! += candidates[i]!.weight / heaviest
      if (credit[i]! < 1) continue
      credit[i]!--
      while (taken[next[i]!] === 1) next[i] = (next[i]! + skip[i]!) % PLACES
      taken[next[i]!] = 1
      places[next[i]!] = i
      if (--left === 0) break
    }
  }
  return places
}

const OFFSET_SEED = 1
const SKIP_SEED = 2
