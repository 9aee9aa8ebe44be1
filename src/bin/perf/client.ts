/** `serval perf client NAME`: the end that asks, and prints a line each second. */
import { once } from 'node:events'
import type { Command } from 'commander'
import { formatFlowId } from '../../id/flow-id.ts'
import net, { type Socket } from '../../sockets/net.ts'
import type { CongestionName } from '../../transport/congestion/congestion.ts'
import { congestionOption, integerWithin, parseByteCount, parseService, secondsWithin } from '../arguments.ts'
import { captureOption } from '../capture-option.ts'
import { Failure, UsageError } from '../failure.ts'
import { toldToStop } from '../lifetime.ts'
import { printJson, printLine } from '../output.ts'
import { formatBitsPerSecond, formatBytes, formatMs } from '../units.ts'
import { bitsPerSecond, describeResult, resultView } from './result.ts'
import {
  PERF_VERSION,
  type PerfRequest,
  type SenderFigures,
  Transfer,
  type TransferResult,
} from './transfer.ts'

interface ClientOptions {
  readonly seconds?: number
  readonly bytes?: number
  readonly reverse?: boolean
  readonly parallel: number
  readonly verify: boolean
  readonly congestion?: CongestionName
  readonly json?: boolean
}

export function addPerfClient(perf: Command): void {
  perf
    .command('client')
    .summary('measure towards a server')
    .description('Sends to a `serval perf server` of NAME as fast as it goes, and says how fast that was.')
    .argument('<name>', 'the service', parseService)
    .option('--seconds <n>', 'how long it sends (default: 10)', secondsWithin({ min: 0.1, max: 86_400 }))
    .option('--bytes <n>', 'how much each flow sends, instead of how long; 64k, 1.5G, 1Gi', parseByteCount)
    .option('--reverse', 'the server sends')
    .option('--parallel <n>', 'flows at a time', integerWithin({ min: 1, max: 128 }), 1)
    .addOption(congestionOption())
    .option('--no-verify', 'do not compare what comes with what was sent')
    .addOption(captureOption())
    .option('--json', 'print nothing but one JSON object at the end (perf.schema.json)')
    .addHelpText('after', EXAMPLES)
    .action(client)
}

const EXAMPLES = `
The retransmits, round trip (RTT) and window (cwnd) are the sender's; bytes and
time of the summary are the receiver's.

Examples:
  $ serval perf client speed.example
  $ serval perf client speed.example --reverse --parallel 4 --seconds 30
  $ serval perf client speed.example --bytes 1G --json`

const DEFAULT_SECONDS = 10

async function client(service: string, options: ClientOptions): Promise<void> {
  const request = requestOf(options)
  // Half open: the receiver has the last word.
  const sockets = Array.from({ length: options.parallel }, () =>
    net.connect({ service, congestion: options.congestion, allowHalfOpen: true }),
  )
  try {
    await Promise.all(sockets.map(socket => once(socket, 'connect')))
    await measure(service, sockets, request, options)
  } finally {
    for (const socket of sockets) socket.destroy()
  }
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

async function measure(
  service: string,
  sockets: readonly Socket[],
  request: PerfRequest,
  { parallel, verify, json }: ClientOptions,
): Promise<void> {
  const print = (line: string) => json || printLine(line)
  const flows = sockets.map(flowView)
  const transfers = sockets.map(socket => Transfer.request(socket, request))
  void toldToStop().then(() => {
    for (const transfer of transfers) transfer.stop()
  })
  const intervals = new Intervals(transfers)
  for (const flow of flows) print(`flow ${flow.flowId}: ${flow.local} to ${flow.remote}`)
  print(INTERVAL_TITLES)
  const timer = setInterval(() => print(describeInterval(intervals.take())), 1000)
  const results = await Promise.all(transfers.map(({ done }) => done)).finally(() => clearInterval(timer))
  const total = sum(results)
  print(`${request.direction} ${describeResult(total)}, ${verify ? 'every byte compared' : 'not compared'}`)
  if (json) {
    printJson({
      service,
      direction: request.direction,
      verified: verify,
      parallel,
      ...resultView(total),
      intervals: intervals.all,
      flows: results.map((result, index) => ({ ...flows[index]!, ...resultView(result) })),
    })
  }
  if (total.mismatches > 0) throw new Failure(`${total.mismatches} parts of what came were not what was sent`)
}

function flowView({ flow }: Socket) {
  const path = flow?.paths.find(({ active }) => active)
  return { flowId: formatFlowId(flow?.flowId ?? 0), local: path?.local ?? '', remote: path?.remote ?? '' }
}

/** Bytes and times of flows that run side by side. The round trip is their mean, the window their sum. */
function sum(results: readonly TransferResult[]): TransferResult {
  return {
    bytes: total(results.map(({ bytes }) => bytes)),
    seconds: Math.max(...results.map(({ seconds }) => seconds)),
    mismatches: total(results.map(({ mismatches }) => mismatches)),
    sender: sumFigures(results.map(({ sender }) => sender)),
  }
}

function sumFigures(figures: readonly SenderFigures[]): SenderFigures {
  const rtts = figures.flatMap(({ srttMs }) => srttMs ?? [])
  return {
    retransmits: total(figures.map(({ retransmits }) => retransmits)),
    srttMs: rtts.length === 0 ? null : total(rtts) / rtts.length,
    cwnd: total(figures.map(({ cwnd }) => cwnd)),
  }
}

function total(numbers: readonly number[]): number {
  return numbers.reduce((sum, number) => sum + number, 0)
}

interface Interval extends SenderFigures {
  /** Since the beginning. */
  readonly fromSeconds: number
  readonly toSeconds: number
  readonly bytes: number
  readonly bitsPerSecond: number
}

/** What the flows have done together, from one look to the next. */
class Intervals {
  readonly all: Interval[] = []
  readonly #transfers: readonly Transfer[]
  readonly #startedAt = performance.now()
  #bytes = 0
  #retransmits = 0

  constructor(transfers: readonly Transfer[]) {
    this.#transfers = transfers
  }

  take(): Interval {
    const fromSeconds = this.all.at(-1)?.toSeconds ?? 0
    const toSeconds = (performance.now() - this.#startedAt) / 1000
    const bytesSoFar = total(this.#transfers.map(({ bytes }) => bytes))
    const figures = sumFigures(this.#transfers.map(({ figures }) => figures))
    const bytes = bytesSoFar - this.#bytes
    const interval = {
      fromSeconds,
      toSeconds,
      bytes,
      bitsPerSecond: bitsPerSecond(bytes, toSeconds - fromSeconds),
      ...figures,
      retransmits: figures.retransmits - this.#retransmits,
    }
    this.#bytes = bytesSoFar
    this.#retransmits = figures.retransmits
    this.all.push(interval)
    return interval
  }
}

const INTERVAL_TITLES = 'interval       transferred  rate           retransmits  RTT        cwnd'

function describeInterval({
  fromSeconds,
  toSeconds,
  bytes,
  bitsPerSecond,
  retransmits,
  srttMs,
  cwnd,
}: Interval) {
  const cells = [
    `${fromSeconds.toFixed(1)}-${toSeconds.toFixed(1)} s`.padEnd(13),
    formatBytes(bytes).padEnd(11),
    formatBitsPerSecond(bitsPerSecond / 8).padEnd(13),
    String(retransmits).padEnd(11),
    (srttMs === null ? '-' : formatMs(srttMs)).padEnd(9),
    formatBytes(cwnd),
  ]
  return cells.join('  ')
}
