/**
 * What a benchmark is: rows that are measured in turn, round after round, so that all of them see the same minutes of
 * the machine, and the outcome as `npm run bench` prints it.
 */
import { type CpuShare, watchCpu } from './environment.ts'
import type { Place } from './place.ts'
import { pairedRatio, type Summary, summarize } from './statistics.ts'

export interface Row {
  /** One with a parameter is written `serval@20ms`; it is compared with others of the same parameter. */
  readonly name: string
  /** What the ratios compare with: others' rows. */
  readonly isPeer: boolean
  /** Left out on loopback. */
  readonly needsNamespaces?: boolean
  /** Why it cannot be measured here, and so is left out; undefined: it can. */
  lack?(): string | undefined
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
  /** Ratios besides those of ours to peers': one row to another. */
  readonly comparisons?: readonly (readonly [string, string])[]
}

/** A benchmark that needs no place: it runs by itself, in the simulator. */
export interface SimulatedBenchmark {
  readonly name: string
  readonly about: string
  run(options: RunOptions): Promise<Outcome>
}

export interface RunOptions {
  /** For all of it. */
  readonly seconds: number
  /** Told of each row that is left out, and why. */
  readonly onLack?: (row: string, why: string) => void
  /** Told before each measurement; rounds count from 1. */
  readonly onRow?: (round: number, row: string) => void
}

export interface Outcome {
  readonly results: Readonly<Record<string, Readonly<Record<string, Summary>>>>
  readonly ratios: Readonly<Record<string, number>>
  /** Of the machine's CPU time while it ran. */
  readonly cpu: CpuShare
  readonly rounds: number
}

/** Begins no round that is not likely to end within `seconds`; the first is always measured. */
export async function runBenchmark(
  benchmark: Benchmark,
  place: Place,
  { seconds, onRow, onLack }: RunOptions,
): Promise<Outcome> {
  const rows = benchmark.rows
    .filter(row => place.name === 'veth' || !row.needsNamespaces)
    .filter(row => {
      const why = row.lack?.()
      if (why !== undefined) onLack?.(row.name, why)
      return why === undefined
    })
  if (rows.length === 0) throw new Error(`${benchmark.name} needs network namespaces: root, on Linux`)
  const secondsPerRow = Math.min(benchmark.secondsPerRow, seconds / rows.length / SET_UP_SHARE)
  const figures = new Map(rows.map(row => [row.name, [] as Readonly<Record<string, number>>[]]))
  const cpu = watchCpu()
  const startedAt = performance.now()
  let done = 0
  let longestMs = 0
  while (done < benchmark.rounds && performance.now() - startedAt + longestMs < 1000 * seconds) {
    const roundAt = performance.now()
    // Every other round goes backwards, so that no row always comes after the same one.
    for (const row of done % 2 === 0 ? rows : rows.toReversed()) {
      onRow?.(done + 1, row.name)
      figures.get(row.name)!.push(await row.measure(place, secondsPerRow))
    }
    longestMs = Math.max(longestMs, performance.now() - roundAt)
    done++
  }
  return { ...outcomeOf(rows, figures, benchmark.comparisons), cpu: cpu(), rounds: done }
}

/** Of the figures of each round, by row. */
export function outcomeOf(
  rows: readonly NamedRow[],
  figures: ReadonlyMap<string, readonly Readonly<Record<string, number>>[]>,
  comparisons?: readonly Pair[],
): Pick<Outcome, 'results' | 'ratios'> {
  const columns = new Map([...figures].map(([name, list]) => [name, byMetric(list)]))
  return {
    results: Object.fromEntries([...columns].map(([name, metrics]) => [name, mapValues(metrics, summarize)])),
    ratios: ratiosOf(pairsOf(rows, comparisons), columns),
  }
}

/** Where the time is short, half of it is left for starting programs. */
const SET_UP_SHARE = 2

type Metrics = Readonly<Record<string, readonly number[]>>
type Pair = readonly [string, string]
type NamedRow = Pick<Row, 'name' | 'isPeer'>

/** Ours with each peer's of the same parameter, and what else was asked for. */
function pairsOf(rows: readonly NamedRow[], more: readonly Pair[] = []): Pair[] {
  const peers = rows.filter(row => row.isPeer)
  const pairs = rows
    .filter(row => !row.isPeer)
    .flatMap(ours =>
      peers
        .filter(peer => parameterOf(peer) === parameterOf(ours))
        .map(peer => [ours.name, peer.name] as const),
    )
  return [...pairs, ...more]
}

function parameterOf({ name }: NamedRow): string | undefined {
  return name.split('@')[1]
}

/** One of figures that are zero, or were not taken, is left out. */
function ratiosOf(pairs: readonly Pair[], columns: ReadonlyMap<string, Metrics>): Record<string, number> {
  const ratios: Record<string, number> = {}
  for (const [one, other] of pairs) {
    for (const [metric, values] of Object.entries(columns.get(one) ?? {})) {
      const ratio = pairedRatio(values, columns.get(other)?.[metric] ?? [])
      if (Number.isFinite(ratio)) ratios[`${metric} ${one}/${other}`] = ratio
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
