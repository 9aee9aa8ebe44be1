/** `serval counters`: what became of packets, process by process; what was dropped, refused or odd has a count of its own. */
import type { Command } from 'commander'
import { loadConfig } from '../../net/config.ts'
import { RuntimeDirectory } from '../../net/runtime-dir.ts'
import { askSockets } from '../../net/status-client.ts'
import { meaningOf } from '../counters/meanings.ts'
import { type Listing, type ListingOptions, showListing } from '../listing.ts'
import { processesOf, processOption } from '../processes.ts'

interface Row {
  readonly counter: string
  readonly count: number
  readonly program: string
  readonly pid: number
}

export function addCounters(program: Command): void {
  program
    .command('counters')
    .summary('show what became of packets')
    .description(
      'Counts since each router or program of this user began: what a router passed on or answered, and, of every ' +
        'process, what it dropped or refused, by its reason. What never happened is left out. What each rule got: ' +
        'serval rules list.',
    )
    .addOption(processOption())
    .option('--watch', 'again every second, until it is told to end')
    .option('--json', 'as JSON (counters.schema.json)')
    .addHelpText('after', EXAMPLES)
    .action(({ of, ...options }: ListingOptions & { of?: string }) =>
      showListing(() => listCounters(of), options),
    )
}

const EXAMPLES = `
Each counter is shown with what it counts. A rule DELAY holds a packet while a
controller is asked who serves the name: delayRefused says that it knew nobody,
or that there is no controller; delayTimedOut that it did not answer.

Examples:
  $ serval counters
  $ serval counters --of 4242 --watch
  $ serval counters --json | jq '.processes[].counters.notAllowed'`

async function listCounters(of: string | undefined): Promise<Listing<Row>> {
  const { runtimeDir } = loadConfig()
  const meant = await processesOf(of)
  const statuses = await askSockets(new RuntimeDirectory(runtimeDir), { ask: 'status' })
  const processes = meant.flatMap(({ path, ...process }) => {
    const counters = statuses.get(path)?.counters
    return counters === undefined ? [] : [{ ...process, counters }]
  })
  const rows = processes.flatMap(({ program, pid, counters }) =>
    Object.entries(counters).map(([counter, count]): Row => ({ counter, count, program, pid })),
  )
  return {
    rows: rows.filter(({ count }) => count > 0),
    columns: [
      { title: 'COUNTER', text: row => row.counter },
      { title: 'COUNT', text: row => String(row.count), align: 'right' },
      { title: 'MEANING', text: row => meaningOf(row.counter) ?? '', minWidth: 24, dropOrder: 2 },
      { title: 'PROGRAM', text: row => row.program, minWidth: 8, dropOrder: 1 },
      { title: 'PID', text: row => String(row.pid), align: 'right' },
    ],
    json: { processes },
    ifEmpty: `nothing counted (asked ${runtimeDir})`,
  }
}
