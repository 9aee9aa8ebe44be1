/**
 * What a benchmark is: rows that are measured in turn, round after round, so that all of them see the same minutes of
 * the machine, and the outcome as `npm run bench` prints it.
 *
 * The programs of a row stay from round to round, and wait while others are measured. Before the first round each may be
 * given time to warm up: what is compiled in the first seconds of a program says little of a server that has run for an
 * hour. What it did meanwhile is printed too, its metrics with `cold` before their names.
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
  /** Starts its programs. */
  open(place: Place): Promise<OpenRow>
}

export interface OpenRow {
  /** One measurement of about `seconds`. */
  measure(seconds: number): Promise<Figures>
  /** Waits until nothing is left to do of the last one. */
  settle?(): Promise<void>
  /** Ends its programs. */
  close(): Promise<void>
}

/** By metric. */
export type Figures = Readonly<Record<string, number>>

export interface Benchmark {
  readonly name: string
  readonly about: string
  readonly rows: readonly Row[]
  /** Of one measurement, set-up not counted. */
  readonly secondsPerRow: number
  /** Before the first; default 0. The same for every row and peer. */
  readonly warmUpSeconds?: number
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
  /** Told before each measurement; rounds count from 1, and the warm-up is 0. */
  readonly onRow?: (round: number, row: string) => void
}

export interface Outcome {
  readonly results: Readonly<Record<string, Readonly<Record<string, Summary>>>>
  readonly ratios: Readonly<Record<string, number>>
  /** Of the machine's CPU time while it ran. */
  readonly cpu: CpuShare
  readonly rounds: number
}

/** `Row.open` of one that starts its programs for each measurement, and ends them. */
export function afresh(measure: (place: Place, seconds: number) => Promise<Figures>): Row['open'] {
  return async place => ({
    measure: seconds => measure(place, seconds),
    close: async () => {},
  })
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
  const { warmUpSeconds = 0, secondsPerRow, comparisons } = benchmark
  const mostSeconds = seconds / rows.length / SET_UP_SHARE
  const figures = new Map(rows.map(row => [row.name, [] as Figures[]]))
  const cold = new Map<string, Figures[]>()
  const cpu = watchCpu()
  const startedAt = performance.now()
  const open = new Map<string, OpenRow>()
  const measure = async (name: string, forSeconds: number) => {
    const taken = await open.get(name)!.measure(Math.min(forSeconds, mostSeconds))
    await open.get(name)!.settle?.()
    return taken
  }
  let done = 0
  try {
    for (const row of rows) {
      open.set(row.name, await row.open(place))
      if (warmUpSeconds === 0) continue
      onRow?.(0, row.name)
      cold.set(row.name, [await measure(row.name, warmUpSeconds)])
    }
    let longestMs = 0
    const isTimeLeft = () => performance.now() - startedAt + longestMs < 1000 * seconds
    while (done === 0 || (done < benchmark.rounds && isTimeLeft())) {
      const roundAt = performance.now()
      // Every other round goes backwards, so that no row always comes after the same one.
      for (const { name } of done % 2 === 0 ? rows : rows.toReversed()) {
        onRow?.(done + 1, name)
        figures.get(name)!.push(await measure(name, secondsPerRow))
      }
      longestMs = Math.max(longestMs, performance.now() - roundAt)
      done++
    }
  } finally {
    await Promise.all([...open.values()].map(row => row.close()))
  }
  return { ...outcomeOf(rows, figures, { comparisons, cold }), cpu: cpu(), rounds: done }
}

/** Of the figures of each round, by row; `cold`: of the warm-up. */
export function outcomeOf(
  rows: readonly NamedRow[],
  figures: ReadonlyMap<string, readonly Figures[]>,
  { comparisons, cold }: OutcomeOptions = {},
): Pick<Outcome, 'results' | 'ratios'> {
  const columns = new Map(
    [...figures].map(([name, list]) => [
      name,
      { ...byMetric(list), ...coldMetrics(byMetric(cold?.get(name) ?? [])) },
    ]),
  )
  return {
    results: Object.fromEntries([...columns].map(([name, metrics]) => [name, mapValues(metrics, summarize)])),
    ratios: ratiosOf(pairsOf(rows, comparisons), columns),
  }
}

/** Where the time is short, half of it is left for starting programs. */
const SET_UP_SHARE = 2

interface OutcomeOptions {
  readonly comparisons?: readonly Pair[] | undefined
  readonly cold?: ReadonlyMap<string, readonly Figures[]>
}

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

function byMetric(list: readonly Figures[]): Metrics {
  return mapValues(list[0] ?? {}, (_value, metric) => list.map(figures => figures[metric]!))
}

function coldMetrics(metrics: Metrics): Metrics {
  return Object.fromEntries(Object.entries(metrics).map(([metric, values]) => [`cold${metric}`, values]))
}

function mapValues<V, W>(
  record: Readonly<Record<string, V>>,
  map: (value: V, key: string) => W,
): Record<string, W> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value, key)]))
}
