/** Medians, and what is built on them: figures of a machine that others use too are no mean of anything. */

export interface Summary {
  readonly median: number
  readonly min: number
  readonly max: number
}

/** Of an even number of values, the mean of the two in the middle. NaN for none. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length / 2
  if (sorted.length % 2 === 1) return sorted[Math.floor(middle)]!
  return (sorted[middle - 1]! + sorted[middle]!) / 2
}

export function summarize(values: readonly number[]): Summary {
  return { median: median(values), min: Math.min(...values), max: Math.max(...values) }
}

/** Of pairs measured one after the other: the median of their ratios, which a slow minute does not touch. */
export function pairedRatio(ours: readonly number[], theirs: readonly number[]): number {
  const pairs = ours.slice(0, theirs.length).map((value, index) => value / theirs[index]!)
  return median(pairs)
}

/** NaN for none. */
export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

/** How evenly they share: 1 where all have the same, 1/n where one has everything (Jain, 1984). */
export function jainIndex(values: readonly number[]): number {
  const sum = values.reduce((total, value) => total + value, 0)
  const squares = values.reduce((total, value) => total + value * value, 0)
  return (sum * sum) / (values.length * squares)
}

/** The value below which `share` (0 to 1) of them are; NaN for none. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN
}
