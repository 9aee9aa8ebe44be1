/**
 * `npm run bench -- NAME [--json] [--seconds N]`: measures what we do beside what others do, in one run, in turn, and
 * prints a table; with --json the last line is one JSON object.
 */
import { parseArgs } from 'node:util'
import { bulk } from './bulk.ts'
import { connect } from './connect.ts'
import { latency } from './latency.ts'
import { migrate } from './migrate.ts'
import { runBenchmark } from './support/benchmark.ts'
import { describeMachine } from './support/environment.ts'
import { openPlace } from './support/place.ts'
import { printOutcome } from './support/report.ts'

const benchmarks = [bulk, latency, connect, migrate]
const DEFAULT_SECONDS = 45

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { json: { type: 'boolean', default: false }, seconds: { type: 'string' } },
})
const benchmark = benchmarks.find(({ name }) => name === positionals[0])
const seconds = Number(values.seconds ?? DEFAULT_SECONDS)

if (benchmark === undefined || positionals.length !== 1 || !(seconds > 0)) {
  process.stderr.write('npm run bench -- NAME [--json] [--seconds N]\n\n')
  for (const { name, about } of benchmarks) process.stderr.write(`  ${name.padEnd(8)} ${about}\n`)
  process.exit(2)
}

const place = openPlace()
try {
  const { results, ratios, cpu, rounds } = await runBenchmark(benchmark, place, seconds)
  const environment = { ...describeMachine(), place: place.name, rounds, cpu }
  printOutcome(benchmark, { environment, results, ratios })
  if (values.json) {
    process.stdout.write(`${JSON.stringify({ bench: benchmark.name, environment, results, ratios })}\n`)
  }
} finally {
  place.close()
}
