/** How much flows carry: the client's end of transfers side by side, a line each second, and what they came to. */
import { once } from 'node:events'
import { formatFlowId } from '../../id/flow-id.ts'
import net, { type Socket } from '../../sockets/net.ts'
import type { CongestionName } from '../../transport/congestion/congestion.ts'
import { toldToStop } from '../lifetime.ts'
import { formatBitsPerSecond, formatBytes, formatMs } from '../units.ts'
import { bitsPerSecond, describeResult, resultView } from './result.ts'
import type { RunningLines } from './running-lines.ts'
import { type PerfRequest, type SenderFigures, Transfer, type TransferResult } from './transfer.ts'

export interface ThroughputOptions {
  readonly request: PerfRequest
  /** Flows. */
  readonly parallel: number
  readonly congestion: CongestionName | undefined
}

/** Returns what was found, as in perf.schema.json. */
export async function measureThroughput(service: string, options: ThroughputOptions, lines: RunningLines) {
  // Half open: the receiver has the last word.
  const sockets = Array.from({ length: options.parallel }, () =>
    net.connect({ service, congestion: options.congestion, allowHalfOpen: true }),
  )
  try {
    await Promise.all(sockets.map(socket => once(socket, 'connect')))
    return { service, ...(await measure(sockets, options, lines)) }
  } finally {
    for (const socket of sockets) socket.destroy()
  }
}

async function measure(
  sockets: readonly Socket[],
  { request, parallel }: ThroughputOptions,
  lines: RunningLines,
) {
  const { direction, verify } = request
  const flows = sockets.map(flowView)
  const transfers = sockets.map(socket => Transfer.request(socket, request))
  void toldToStop().then(() => {
    for (const transfer of transfers) transfer.stop()
  })
  const intervals = new Intervals(transfers)
  for (const flow of flows) lines.print(`flow ${flow.flowId}: ${flow.local} to ${flow.remote}`)
  lines.print(INTERVAL_TITLES)
  lines.run({
    line: () => describeInterval(intervals.take()),
    now: () => describeInterval(intervals.soFar()),
  })
  const results = await Promise.all(transfers.map(({ done }) => done)).finally(() => lines.end())
  const total = sum(results)
  lines.print(`${direction} ${describeResult(total)}, ${verify ? 'every byte compared' : 'not compared'}`)
  return {
    direction,
    verified: verify,
    parallel,
    ...resultView(total),
    intervals: intervals.all,
    flows: results.map((result, index) => ({ ...flows[index]!, ...resultView(result) })),
  }
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
    const soFar = this.soFar()
    const fromSeconds = this.all.at(-1)?.toSeconds ?? 0
    const bytes = soFar.bytes - this.#bytes
    const interval = {
      ...soFar,
      fromSeconds,
      bytes,
      bitsPerSecond: bitsPerSecond(bytes, soFar.toSeconds - fromSeconds),
      retransmits: soFar.retransmits - this.#retransmits,
    }
    this.#bytes = soFar.bytes
    this.#retransmits = soFar.retransmits
    this.all.push(interval)
    return interval
  }

  /** From the beginning until now. */
  soFar(): Interval {
    const toSeconds = (performance.now() - this.#startedAt) / 1000
    const bytes = total(this.#transfers.map(({ bytes }) => bytes))
    const figures = sumFigures(this.#transfers.map(({ figures }) => figures))
    return { fromSeconds: 0, toSeconds, bytes, bitsPerSecond: bitsPerSecond(bytes, toSeconds), ...figures }
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
