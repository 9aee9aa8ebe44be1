/**
 * `npm run bench -- NAME [--json] [--seconds N]`: measures what we do beside what others do, in one run, in turn, and
 * prints a table; with --json the last line is one JSON object (outcome.schema.json). `all` takes one after another.
 */
import { readFileSync } from 'node:fs'
import { bulk } from './bulk.ts'
import { connect } from './connect.ts'
import { flowsBenchmark } from './flows.ts'
import { hedge } from './hedge.ts'
import { http } from './http.ts'
import { latency } from './latency.ts'
import { loss } from './loss.ts'
import { lpm } from './lpm.ts'
import { migrate } from './migrate.ts'
import { router } from './router.ts'
import { segments } from './segments.ts'
import { sim } from './sim.ts'
import {
  type Benchmark,
  type Outcome,
  type RunOptions,
  runBenchmark,
  type SimulatedBenchmark,
} from './support/benchmark.ts'
import {
  type BenchOptions,
  BenchUsageError,
  DEFAULT_FLOWS,
  parseBenchCommand,
} from './support/command-line.ts'
import { describeMachine } from './support/environment.ts'
import { heldObjectsMiB, OBJECTS_VARIABLE } from './support/held-objects.ts'
import { markdownOf, reportsIn } from './support/markdown.ts'
import { openPlace } from './support/open-place.ts'
import { Progress } from './support/progress.ts'
import { printReport, type Report } from './support/report.ts'

/** In the order of `all` and of the help. */
const benchmarksOf = (flows: number): readonly (Benchmark | SimulatedBenchmark)[] => [
  bulk,
  loss,
  segments,
  lpm,
  latency,
  connect,
  http,
  flowsBenchmark(flows),
  migrate,
  router,
  sim,
  hedge,
]
const BENCHMARKS = benchmarksOf(DEFAULT_FLOWS)
const NAMES = BENCHMARKS.map(({ name }) => name)

try {
  process.exitCode = await perform(process.argv.slice(2))
} catch (error) {
  if (!(error instanceof BenchUsageError)) throw error
  process.stderr.write(`bench: ${error.message}\n`)
  process.exitCode = 2
}

/** Resolves to the exit status. */
async function perform(args: readonly string[]): Promise<number> {
  const command = parseBenchCommand(args, NAMES)
  switch (command.verb) {
    case 'help':
      ;(command.isAsked ? process.stdout : process.stderr).write(usage())
      return command.isAsked ? 0 : 2
    case 'markdown':
      process.stdout.write(markdownOf(command.files.flatMap(reportsOfFile)))
      return 0
    case 'measure':
      return await measureAll(command)
  }
}

async function measureAll({ name, ...options }: BenchOptions & { readonly name: string }): Promise<number> {
  process.env[OBJECTS_VARIABLE] = String(options.objects)
  let status = 0
  for (const benchmark of benchmarksOf(options.flows)) {
    if (name !== 'all' && name !== benchmark.name) continue
    try {
      await measure(benchmark, options)
    } catch (error) {
      // Of all, the others are still worth while.
      process.stderr.write(`${(error as Error).message}\n`)
      status = 1
    }
  }
  return status
}

async function measure(
  benchmark: Benchmark | SimulatedBenchmark,
  { seconds, json }: BenchOptions,
): Promise<void> {
  const progress = new Progress(process.stderr, benchmark.name)
  const onRow = (round: number, row: string) =>
    progress.show(`${round === 0 ? 'warm-up' : `round ${round}`}, ${row}`)
  const onLack = (row: string, why: string) => process.stderr.write(`${row} is left out: ${why}\n`)
  const { place, outcome } = await run(benchmark, { seconds, onRow, onLack }).finally(() => progress.end())
  const { results, ratios, cpu, rounds } = outcome
  const environment = { ...describeMachine(), objectsMiB: heldObjectsMiB(), place, rounds, cpu }
  const report: Report = { bench: benchmark.name, environment, results, ratios }
  printReport(benchmark.about, report)
  if (json) process.stdout.write(`${JSON.stringify(report)}\n`)
}

async function run(
  benchmark: Benchmark | SimulatedBenchmark,
  options: RunOptions,
): Promise<{ readonly place: string; readonly outcome: Outcome }> {
  if ('run' in benchmark) return { place: 'simulator', outcome: await benchmark.run(options) }
  const place = openPlace()
  try {
    return { place: place.name, outcome: await runBenchmark(benchmark, place, options) }
  } finally {
    place.close()
  }
}

function reportsOfFile(file: string): Report[] {
  let reports: Report[]
  try {
    reports = reportsIn(readFileSync(file, 'utf8'))
  } catch (error) {
    throw new BenchUsageError(`${file} cannot be read: ${(error as Error).message}`)
  }
  if (reports.length > 0) return reports
  throw new BenchUsageError(`${file} holds no report: the last line that a benchmark prints with --json`)
}

function usage(): string {
  const lines = [
    'npm run bench -- NAME [--json] [--seconds N]     NAME, or `all` of them, N seconds each',
    `npm run bench -- flows [--flows N] ...           so many flows (default: ${DEFAULT_FLOWS})`,
    'npm run bench -- NAME --objects N ...            each program holds N MiB of objects besides',
    'npm run bench -- markdown FILE...                what --json printed, as tables of a README',
    '',
    ...BENCHMARKS.map(({ name, about }) => `  ${name.padEnd(8)} ${about}`),
  ]
  return lines.map(line => `${line}\n`).join('')
}
