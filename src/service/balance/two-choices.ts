/**
 * Two candidates drawn at random by weight, the better of which is taken (Mitzenmacher, "The Power of Two Choices in
 * Randomized Load Balancing", IEEE TPDS 12(10), 2001): nearly as good as asking all, and no crowd runs to the one
 * that looks best by a report of yesterday.
 */
import { weightedIndex } from './weighted-random.ts'

const SPLIT = 2 ** 16

/** The better of two by `isBetter(a, b)`, b where neither is; the one if there is only one. 16 bits of `uniform` draw each. */
export function betterOfTwo(
  weights: ArrayLike<number>,
  uniform: number,
  isBetter: (a: number, b: number) => boolean,
): number {
  const scaled = uniform * SPLIT
  const first = weightedIndex(weights, Math.floor(scaled) / SPLIT)
  const second = indexWithout(weights, first, scaled - Math.floor(scaled))
  if (second < 0) return first
  return isBetter(second, first) ? second : first
}

/** As `weightedIndex`, were it not for the weight at `without`. */
function indexWithout(weights: ArrayLike<number>, without: number, uniform: number): number {
  let total = 0
  for (let i = 0; i < weights.length; i++) if (i !== without) total += weights[i]!
  let left = uniform * total
  let last = -1
  for (let i = 0; i < weights.length; i++) {
    if (i === without || weights[i] === 0) continue
    left -= weights[i]!
    if (left < 0) return i
    last = i
  }
  return last
}
