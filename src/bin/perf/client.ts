/** `serval perf client NAME`: the end that asks. */
import type { Command } from 'commander'
import type { CongestionName } from '../../transport/congestion/congestion.ts'
import { congestionOption, integerWithin, parseByteCount, parseService, secondsWithin } from '../arguments.ts'
import { captureOption } from '../capture-option.ts'
import { Failure, UsageError } from '../failure.ts'
import { printJson } from '../output.ts'
import { terminalOf } from '../terminal.ts'
import { measureRoundTrips } from './round-trips.ts'
import { RunningLines } from './running-lines.ts'
import { measureThroughput } from './throughput.ts'
import { PERF_VERSION, type PerfRequest } from './transfer.ts'

interface ClientOptions {
  readonly seconds?: number
  readonly bytes?: number
  readonly reverse?: boolean
  readonly parallel?: number
  readonly verify: boolean
  readonly latency?: boolean
  readonly connect?: boolean
  readonly congestion?: CongestionName
  readonly json?: boolean
}

export function addPerfClient(perf: Command): void {
  perf
    .command('client')
    .summary('measure towards a server')
    .description('Sends to a `serval perf server` of NAME as fast as it goes, and says how fast that was.')
    .argument('<name>', 'the service', parseService)
    .option('--seconds <n>', 'how long it measures (default: 10)', secondsWithin({ min: 0.1, max: 86_400 }))
    .option('--bytes <n>', 'how much each flow sends, instead of how long; 64k, 1.5G, 1Gi', parseByteCount)
    .option('--reverse', 'the server sends')
    .option('--parallel <n>', 'flows at a time (default: 1)', integerWithin({ min: 1, max: 128 }))
    .addOption(congestionOption())
    .option('--no-verify', 'do not compare what comes with what was sent')
    .option('--latency', 'time requests of 64 bytes and their replies instead')
    .option('--connect', 'time connections instead: connect, one exchange, close')
    .addOption(captureOption())
    .option(
      '--json',
      'print nothing but one JSON object at the end (perf.schema.json, perf-round-trips.schema.json)',
    )
    .addHelpText('after', EXAMPLES)
    .action(client)
}

const EXAMPLES = `
The retransmits, round trip (RTT) and window (cwnd) are the sender's; bytes and
time of the summary are the receiver's.

Examples:
  $ serval perf client speed.example
  $ serval perf client speed.example --reverse --parallel 4 --seconds 30
  $ serval perf client speed.example --bytes 1G --json
  $ serval perf client speed.example --latency`

const DEFAULT_SECONDS = 10

async function client(service: string, options: ClientOptions): Promise<void> {
  const mode = modeOf(options)
  const { parallel = 1, seconds = DEFAULT_SECONDS, congestion, json } = options
  const lines = new RunningLines(json ? undefined : terminalOf(process.stdout))
  const found =
    mode === 'throughput'
      ? await measureThroughput(service, { request: requestOf(options), parallel, congestion }, lines)
      : await measureRoundTrips(service, { mode, seconds }, lines)
  if (json) printJson(found)
  if ('mismatches' in found && found.mismatches > 0)
    throw new Failure(`${found.mismatches} parts of what came were not what was sent`)
}

function modeOf({ latency, connect, bytes, reverse, parallel, verify }: ClientOptions) {
  if (!latency && !connect) return 'throughput'
  if (latency && connect) throw new UsageError('--latency and --connect do not go together: give one of them')
  const [name] = Object.entries({ bytes, reverse, parallel, 'no-verify': verify ? undefined : true })
    .filter(([, value]) => value !== undefined)
    .map(([option]) => option)
  const mode = latency ? 'latency' : 'connect'
  if (name !== undefined) throw new UsageError(`--${mode} and --${name} do not go together: give one of them`)
  return mode
}

function requestOf({ seconds, bytes, reverse, verify }: ClientOptions): PerfRequest {
  if (seconds !== undefined && bytes !== undefined) {
    throw new UsageError('--seconds and --bytes do not go together: give one of them')
  }
  const amount = bytes === undefined ? { seconds: seconds ?? DEFAULT_SECONDS } : { bytes }
  return {
    type: 'request',
    version: PERF_VERSION,
    direction: reverse ? 'download' : 'upload',
    verify,
    ...amount,
  }
}
