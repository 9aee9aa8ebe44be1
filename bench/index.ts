/**
 * `npm run bench -- NAME [--json] [--seconds N]`: measures what we do beside what others do, in one run, in turn, and
 * prints a table; with --json the last line is one JSON object (outcome.schema.json). `all` takes one after another.
 */
import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
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
import { sim } from './sim.ts'
import {
  type Benchmark,
  type Outcome,
  type RunOptions,
  runBenchmark,
  type SimulatedBenchmark,
} from './support/benchmark.ts'
import { describeMachine } from './support/environment.ts'
import { heldObjectsMiB, OBJECTS_VARIABLE } from './support/held-objects.ts'
import { markdownOf, reportsIn } from './support/markdown.ts'
import { openPlace } from './support/open-place.ts'
import { Progress } from './support/progress.ts'
import { printReport, type Report } from './support/report.ts'

const DEFAULT_SECONDS = 45
const DEFAULT_FLOWS = 10_000

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'boolean', default: false },
    seconds: { type: 'string' },
    flows: { type: 'string' },
    objects: { type: 'string' },
  },
})
const [name, ...files] = positionals
const seconds = Number(values.seconds ?? DEFAULT_SECONDS)
const flows = Number(values.flows ?? DEFAULT_FLOWS)
process.env[OBJECTS_VARIABLE] = values.objects ?? '0'
const benchmarks: readonly (Benchmark | SimulatedBenchmark)[] = [
  bulk,
  loss,
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
const chosen = name === 'all' ? benchmarks : benchmarks.filter(benchmark => benchmark.name === name)

if (name === 'markdown' && files.length > 0) {
  process.stdout.write(markdownOf(files.flatMap(file => reportsIn(readFileSync(file, 'utf8')))))
} else if (chosen.length > 0 && files.length === 0 && seconds > 0 && flows > 1 && heldObjectsMiB() >= 0) {
  for (const benchmark of chosen) {
    try {
      await measure(benchmark)
    } catch (error) {
      // Of all, the others are still worth while.
      process.stderr.write(`${(error as Error).message}\n`)
      process.exitCode = 1
    }
  }
} else {
  process.stderr.write(usage())
  process.exitCode = 2
}

async function measure(benchmark: Benchmark | SimulatedBenchmark): Promise<void> {
  const progress = new Progress(process.stderr, benchmark.name)
  const onRow = (round: number, row: string) => progress.show(`round ${round}, ${row}`)
  const onLack = (row: string, why: string) => process.stderr.write(`${row} is left out: ${why}\n`)
  const { place, outcome } = await run(benchmark, { seconds, onRow, onLack }).finally(() => progress.end())
  const { results, ratios, cpu, rounds } = outcome
  const environment = { ...describeMachine(), objectsMiB: heldObjectsMiB(), place, rounds, cpu }
  const report: Report = { bench: benchmark.name, environment, results, ratios }
  printReport(benchmark.about, report)
  if (values.json) process.stdout.write(`${JSON.stringify(report)}\n`)
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

function usage(): string {
  const lines = [
    'npm run bench -- NAME [--json] [--seconds N]     NAME, or `all` of them, N seconds each',
    'npm run bench -- flows [--flows N] ...           so many flows (default: 10000)',
    'npm run bench -- NAME --objects N ...            each program holds N MiB of objects besides',
    'npm run bench -- markdown FILE...                what --json printed, as tables of a README',
    '',
    ...benchmarks.map(({ name, about }) => `  ${name.padEnd(8)} ${about}`),
  ]
  return lines.map(line => `${line}\n`).join('')
}
