/** Reports as the tables of bench/README.md: a table of figures and one of ratios a benchmark. */
import { describeEnvironment, formatFigure, type Report } from './report.ts'
import type { Summary } from './statistics.ts'

/** The reports in what `npm run bench -- ... --json` printed: the lines that are objects. */
export function reportsIn(text: string): Report[] {
  return text
    .split('\n')
    .filter(line => line.startsWith('{'))
    .map(line => JSON.parse(line) as Report)
}

export function markdownOf(reports: readonly Report[]): string {
  return reports.map(reportMarkdown).join('\n')
}

function reportMarkdown({ bench, environment, results, ratios }: Report): string {
  const metrics = unique(Object.values(results).flatMap(row => Object.keys(row)))
  const figures = Object.entries(results).map(([row, summaries]) => [
    row,
    ...metrics.map(metric => formatSummary(summaries[metric])),
  ])
  const parts = [
    `### ${bench}`,
    describeEnvironment(environment),
    table(['median (min to max)', ...metrics], figures),
  ]
  if (Object.keys(ratios).length > 0) parts.push(ratioTable(ratios))
  return `${parts.join('\n\n')}\n`
}

/** A line for what is ours, a column for what it is compared with. A key is `METRIC ROW/PEER`. */
function ratioTable(ratios: Report['ratios']): string {
  const keys = Object.keys(ratios).map(key => key.split('/') as [string, string])
  const peers = unique(keys.map(([, peer]) => peer))
  const lines = unique(keys.map(([ours]) => ours)).map(ours => [
    ours,
    ...peers.map(peer => {
      const ratio = ratios[`${ours}/${peer}`]
      return ratio === undefined ? '' : formatFigure(ratio)
    }),
  ])
  return table(['ratio to', ...peers], lines)
}

function formatSummary(summary: Summary | undefined): string {
  if (summary === undefined) return ''
  const [median, min, max] = [summary.median, summary.min, summary.max].map(formatFigure)
  return min === max ? median! : `${median} (${min} to ${max})`
}

function table(titles: readonly string[], lines: readonly (readonly string[])[]): string {
  const rule = titles.map(() => '---')
  return [titles, rule, ...lines].map(cells => `| ${cells.join(' | ')} |`).join('\n')
}

function unique<T>(values: readonly T[]): T[] {
  return [...new Set(values)]
}
