/**
 * What a benchmark is: rows that are measured in turn, round after round, so that all of them see the same minutes of
 * the machine, and the outcome as `npm run bench` prints it.
 */
import { type CpuShare, watchCpu } from './environment.ts'
import type { Place } from './place.ts'
import { pairedRatio, type Summary, summarize } from './statistics.ts'

export interface Row {
  readonly name: string
  /** What the ratios compare with: others' rows. */
  readonly isPeer: boolean
  /** One measurement of about `seconds`; the figures by metric. */
  measure(place: Place, seconds: number): Promise<Readonly<Record<string, number>>>
}

export interface Benchmark {
  readonly name: string
  readonly about: string
  readonly rows: readonly Row[]
  /** Of one measurement, set-up not counted. */
  readonly secondsPerRow: number
  /** Times that each row is measured, where the time allows. */
  readonly rounds: number
}

export interface Outcome {
  readonly results: Readonly<Record<string, Readonly<Record<string, Summary>>>>
  readonly ratios: Readonly<Record<string, number>>
  /** Of the machine's CPU time while it ran. */
  readonly cpu: CpuShare
  readonly rounds: number
}

/** Begins no round that is not likely to end within `seconds`; the first is always measured. */
export async function runBenchmark(benchmark: Benchmark, place: Place, seconds: number): Promise<Outcome> {
  const { rows, rounds, secondsPerRow } = benchmark
  const figures = new Map(rows.map(row => [row.name, [] as Readonly<Record<string, number>>[]]))
  const cpu = watchCpu()
  const startedAt = performance.now()
  let done = 0
  let longestMs = 0
  while (done < rounds && performance.now() - startedAt + longestMs < 1000 * seconds) {
    const roundAt = performance.now()
    // Every other round goes backwards, so that no row always comes after the same one.
    for (const row of done % 2 === 0 ? rows : rows.toReversed()) {
      figures.get(row.name)!.push(await row.measure(place, secondsPerRow))
    }
    longestMs = Math.max(longestMs, performance.now() - roundAt)
    done++
  }
  const columns = new Map([...figures].map(([name, list]) => [name, byMetric(list)]))
  return {
    results: Object.fromEntries([...columns].map(([name, metrics]) => [name, mapValues(metrics, summarize)])),
    ratios: ratiosOf(rows, columns),
    cpu: cpu(),
    rounds: done,
  }
}

type Metrics = Readonly<Record<string, readonly number[]>>

function ratiosOf(rows: readonly Row[], columns: ReadonlyMap<string, Metrics>): Record<string, number> {
  const ratios: Record<string, number> = {}
  for (const ours of rows.filter(row => !row.isPeer)) {
    for (const peer of rows.filter(row => row.isPeer)) {
      const theirs = columns.get(peer.name)!
      for (const [metric, values] of Object.entries(columns.get(ours.name)!)) {
        const others = theirs[metric]
        if (others !== undefined) ratios[`${metric} ${ours.name}/${peer.name}`] = pairedRatio(values, others)
      }
    }
  }
  return ratios
}

function byMetric(list: readonly Readonly<Record<string, number>>[]): Metrics {
  return mapValues(list[0] ?? {}, (_value, metric) => list.map(figures => figures[metric]!))
}

function mapValues<V, W>(
  record: Readonly<Record<string, V>>,
  map: (value: V, key: string) => W,
): Record<string, W> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value, key)]))
}
