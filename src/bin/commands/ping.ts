/** `serval ping NAME`: whether anybody serves a name, who, and how long it takes to reach them. */
import { setTimeout as delay } from 'node:timers/promises'
import type { Command } from 'commander'
import net from '../../sockets/net.ts'
import { type Endpoint, formatEndpoint } from '../../wire/endpoint.ts'
import { integerWithin, parseService, secondsWithin } from '../arguments.ts'
import { captureOption } from '../capture-option.ts'
import { exitStatus, Failure, statusOf, ToldFailure } from '../failure.ts'
import { toldToStop } from '../lifetime.ts'
import { printJson, printLine, printNote } from '../output.ts'
import { formatMs } from '../units.ts'

interface PingOptions {
  readonly count: number
  readonly interval: number
  readonly json?: boolean
}

export function addPing(program: Command): void {
  program
    .command('ping')
    .summary('see whether anybody serves a name')
    .description(
      'Connects to NAME again and again, and tells who answered and how long the set-up took, resolution included. ' +
        'Every probe is a connection of its own: where there are several instances, each may answer.',
    )
    .argument('<name>', 'the service', parseService)
    .option('-c, --count <n>', 'probes', integerWithin({ min: 1, max: 1_000_000 }), 4)
    .option('-i, --interval <s>', 'from one probe to the next', secondsWithin({ min: 0, max: 3600 }), 1)
    .addOption(captureOption())
    .option('--json', 'print nothing but one JSON object at the end (ping.schema.json)')
    .addHelpText('after', EXAMPLES)
    .action(ping)
}

const EXAMPLES = `
The exit status is 1 if nobody answered.

Examples:
  $ serval ping web.example
  $ serval ping -c 1 8080.localhost.inet
  $ serval ping -c 100 -i 0.1 web.example --json | jq .rttMs`

type Probe =
  | { readonly remote: string; readonly rttMs: number }
  | { readonly code: string; readonly message: string }

async function ping(service: string, { count, interval, json }: PingOptions): Promise<void> {
  const probes: Probe[] = []
  const ending = new AbortController()
  void toldToStop().then(() => ending.abort())
  while (probes.length < count && !ending.signal.aborted) {
    if (probes.length > 0)
      await delay(1000 * interval, undefined, { signal: ending.signal }).catch(() => undefined)
    const probe = await connectOnce(service, ending.signal)
    if (probe === undefined) break
    if (!json) printLine(`${probes.length + 1}  ${describeProbe(probe)}`)
    explainOnce(probe, probes.at(-1))
    probes.push(probe)
  }
  const answers = probes.flatMap(probe => ('rttMs' in probe ? probe.rttMs : []))
  const rttMs = summaryOf(answers)
  if (json) printJson({ service, sent: probes.length, answered: answers.length, rttMs, probes })
  else printLine(describeSummary(service, probes.length, answers.length, rttMs))
  if (answers.length > 0) return
  throw probes.length > 0
    ? new ToldFailure('nobody answered')
    : new Failure('stopped before anybody answered')
}

/** undefined: it was told to stop before there was an answer. */
function connectOnce(service: string, stop: AbortSignal): Promise<Probe | undefined> {
  return new Promise((resolve, reject) => {
    if (stop.aborted) return resolve(undefined)
    const startedAt = performance.now()
    const socket = net.connect({ service })
    const giveUp = () => socket.destroy()
    stop.addEventListener('abort', giveUp)
    socket.on('connect', () => {
      const rttMs = performance.now() - startedAt
      const remote: Endpoint = { address: socket.remoteAddress ?? '', port: socket.remotePort ?? 0 }
      socket.destroy()
      resolve({ remote: formatEndpoint(remote), rttMs })
    })
    socket.on('error', (error: NodeJS.ErrnoException) => {
      // What is wrong with what was asked for is no answer to it.
      if (statusOf(error) === exitStatus.usage) reject(error)
      else resolve({ code: error.code ?? 'EUNKNOWN', message: error.message })
    })
    socket.on('close', () => {
      stop.removeEventListener('abort', giveUp)
      resolve(undefined)
    })
  })
}

interface Summary {
  readonly min: number
  readonly avg: number
  readonly max: number
}

function summaryOf(rttsMs: readonly number[]): Summary | null {
  if (rttsMs.length === 0) return null
  const avg = rttsMs.reduce((sum, rttMs) => sum + rttMs, 0) / rttsMs.length
  const min = rttsMs.reduce((least, rttMs) => Math.min(least, rttMs))
  const max = rttsMs.reduce((most, rttMs) => Math.max(most, rttMs))
  return { min, avg, max }
}

function describeProbe(probe: Probe): string {
  return 'rttMs' in probe ? `${probe.remote} answered in ${formatMs(probe.rttMs)}` : probe.code
}

/** On stderr, and not again as long as it stays the same. */
function explainOnce(probe: Probe, last: Probe | undefined): void {
  if ('rttMs' in probe) return
  const isKnown = last !== undefined && 'message' in last && last.message === probe.message
  if (!isKnown) printNote(probe.message)
}

function describeSummary(service: string, sent: number, answered: number, rttMs: Summary | null): string {
  const times = rttMs && [rttMs.min, rttMs.avg, rttMs.max].map(formatMs).join(' / ')
  const counts = `${service}: ${sent} ${sent === 1 ? 'probe' : 'probes'}, ${answered} answered`
  return times === null ? counts : `${counts}, min / avg / max ${times}`
}
