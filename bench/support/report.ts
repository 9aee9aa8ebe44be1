/** The outcome of a benchmark as a table for people, and as the JSON that --json prints. */
import type { Outcome } from './benchmark.ts'

/** As in outcome.schema.json. */
export interface Report {
  readonly bench: string
  readonly environment: Readonly<Record<string, unknown>>
  readonly results: Outcome['results']
  readonly ratios: Outcome['ratios']
}

export function printReport(about: string, { bench, environment, results, ratios }: Report): void {
  print(`${bench}: ${about}`)
  print(describeEnvironment(environment))
  print('')
  print(line(['row', 'metric', 'median', 'min', 'max']))
  for (const [row, metrics] of Object.entries(results)) {
    for (const [metric, { median, min, max }] of Object.entries(metrics)) {
      print(line([row, metric, ...[median, min, max].map(formatFigure)]))
    }
  }
  print('')
  for (const [key, ratio] of Object.entries(ratios)) print(`${key}  ${formatFigure(ratio)}`)
  print('')
}

export function describeEnvironment(environment: Report['environment']): string {
  return Object.entries(environment)
    .map(([key, value]) => `${key} ${formatValue(value)}`)
    .join(', ')
}

/** Three digits that count. */
export function formatFigure(value: number): string {
  return Number.isFinite(value) && Math.abs(value) < 100 ? value.toPrecision(3) : String(Math.round(value))
}

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}

function line([row = '', metric = '', ...figures]: readonly string[]): string {
  return [row.padEnd(20), metric.padEnd(12), ...figures.map(figure => figure.padStart(10))].join(' ')
}

function formatValue(value: unknown): string {
  if (typeof value !== 'object' || value === null) return String(value)
  return Object.entries(value)
    .map(([key, share]) => `${key} ${(100 * Number(share)).toFixed(0)} %`)
    .join(' ')
}
