/** `serval flows`: the connections of this host's programs, as `ss` lists those of the kernel. */
import type { Command } from 'commander'
import type { FlowInfo } from '../../flow/flow-info.ts'
import { formatFlowId } from '../../id/flow-id.ts'
import { loadConfig } from '../../net/config.ts'
import { RuntimeDirectory } from '../../net/runtime-dir.ts'
import { askStacks } from '../../net/status-client.ts'
import { type Listing, type ListingOptions, showListing } from '../listing.ts'
import { formatBytes, formatMs } from '../units.ts'

interface Row extends FlowInfo {
  readonly program: string
  readonly pid: number
}

export function addFlows(program: Command): void {
  program
    .command('flows')
    .summary('list connections')
    .description(
      'Lists the flows of the programs on this host (of this user): who with whom, on which path, how fast.',
    )
    .option('--watch', 'again every second, until it is told to end')
    .option('--json', 'as JSON, with all paths (flows.schema.json)')
    .addHelpText('after', EXAMPLES)
    .action((options: ListingOptions) => showListing(listFlows, options))
}

const EXAMPLES = `
Examples:
  $ serval flows --watch
  $ serval flows --json | jq '.flows[].paths'`

async function listFlows(): Promise<Listing<Row>> {
  const { runtimeDir } = loadConfig()
  const stacks = await askStacks(new RuntimeDirectory(runtimeDir), { ask: 'status' })
  const rows = stacks
    .flatMap(({ program, pid, flows }) => flows.map((flow): Row => ({ program, pid, ...flow })))
    .sort((a, b) => a.pid - b.pid || a.flowId - b.flowId)
  return {
    rows,
    columns: [
      { title: 'FLOW', text: row => formatFlowId(row.flowId) },
      { title: 'SERVICE', text: row => row.service, minWidth: 12 },
      { title: 'STATE', text: row => row.state },
      { title: 'LOCAL', text: row => pathOf(row)?.local ?? '-', dropOrder: 1 },
      { title: 'REMOTE', text: row => pathOf(row)?.remote ?? '-', dropOrder: 2 },
      { title: 'RTT', text: row => rttOf(row), align: 'right', dropOrder: 4 },
      { title: 'IN', text: row => formatBytes(row.bytesIn), align: 'right' },
      { title: 'OUT', text: row => formatBytes(row.bytesOut), align: 'right' },
      { title: 'PROGRAM', text: row => row.program, minWidth: 8, dropOrder: 3 },
      { title: 'PID', text: row => String(row.pid), align: 'right' },
    ],
    json: { flows: rows },
    ifEmpty: `no flows (asked ${runtimeDir})`,
  }
}

function pathOf({ paths }: FlowInfo) {
  return paths.find(({ active }) => active) ?? paths[0]
}

function rttOf(row: FlowInfo): string {
  const srttMs = pathOf(row)?.srttMs ?? null
  return srttMs === null ? '-' : formatMs(srttMs)
}
