/** `serval perf`: measures what a path between two ends of a service carries, as iperf does, and how long it takes to ask. */
import type { Command } from 'commander'
import { addPerfClient } from '../perf/client.ts'
import { addPerfServer } from '../perf/server.ts'

export function addPerf(program: Command): void {
  const perf = program
    .command('perf')
    .summary('measure a path')
    .description('Measures throughput, retransmissions and round trips between two ends of a service.')
    .addHelpText('after', EXAMPLES)
  addPerfServer(perf)
  addPerfClient(perf)
}

const EXAMPLES = `
Examples:
  $ serval perf server speed.example          on one host
  $ serval perf client speed.example          on another`
