/** `serval trace NAME`: the routers that a SYN passes on its way to an instance, and the time to each. */
import { setTimeout as delay } from 'node:timers/promises'
import { type Command, Option } from 'commander'
import { openStack, type Stack } from '../../net/stack.ts'
import type { TraceOptions as ProbeOptions } from '../../net/traces.ts'
import { PROTOCOL_NAMES, type ProtocolName } from '../../service/rule.ts'
import { integerWithin, parseService, secondsWithin } from '../arguments.ts'
import { captureOption } from '../capture-option.ts'
import { Failure } from '../failure.ts'
import { toldToStop } from '../lifetime.ts'
import { printJson, printLine } from '../output.ts'
import { terminalOf } from '../terminal.ts'
import { type Answer, answerOf, describeHop, endOf, type Hop, isVerdict } from '../trace/hop.ts'
import { count } from '../units.ts'

interface TraceOptions {
  readonly maxHops: number
  readonly probes: number
  readonly wait: number
  readonly protocol: ProtocolName
  readonly json?: boolean
}

export function addTrace(program: Command): void {
  program
    .command('trace')
    .summary('show the routers on the way to a service')
    .description(
      'Shows each hop that resolves NAME, router by router, then the instance, and the time to it, as traceroute does. ' +
        'Nothing is connected, and no router or server keeps anything of it. Where there are several instances or ' +
        'routers each probe may go another way. Rules may send streams and datagrams of one name apart: --protocol ' +
        'datagram shows the way of datagrams, connected or not, by a SYN for them; no service gets a datagram.',
    )
    .argument('<name>', 'the service', parseService)
    .option('-m, --max-hops <n>', 'where to give up', integerWithin({ min: 1, max: 32 }), 10)
    .option('-q, --probes <n>', 'probes for each hop', integerWithin({ min: 1, max: 10 }), 3)
    .option('-w, --wait <s>', 'how long an answer may take', secondsWithin({ min: 0.01, max: 60 }), 2)
    .addOption(protocolOption())
    .addOption(captureOption())
    .option('--json', 'print nothing but one JSON object at the end (trace.schema.json)')
    .addHelpText('after', EXAMPLES)
    .action(trace)
}

function protocolOption(): Option {
  const option = new Option('-p, --protocol <what>', 'whose way is shown, as rules call it')
  return option.choices(PROTOCOL_NAMES).default('stream')
}

const EXAMPLES = `
A * is a probe that nobody answered: routers answer a limited number a second.
The exit status is 1 if no instance was reached.

Examples:
  $ serval trace web.example
  $ serval trace -q 1 -w 500ms web.example
  $ serval trace -p datagram news.example
  $ serval trace web.example --json | jq '.hops[].probes[0].from'`

async function trace(service: string, options: TraceOptions): Promise<void> {
  const stack = openStack()
  const stopped = toldToStop().then(() => 'stopped' as const)
  const width = Math.min(terminalOf(process.stdout).columns, MAX_COLUMNS)
  const { maxHops, protocol, json = false } = options
  const what = protocol === 'stream' ? 'trace' : `trace of ${protocol}s`
  if (!json) printLine(`${what} to ${service}, ${count(maxHops, 'hop')} at most`)
  const hops: Hop[] = []
  let end: Answer | undefined
  let isStopped = false
  try {
    while (hops.length < maxHops && end === undefined && !isStopped) {
      const hop = await Promise.race([stopped, traceHop(stack, service, hops.length + 1, options)])
      if (hop === 'stopped') isStopped = true
      else {
        hops.push(hop)
        end = endOf(hops)
        if (end !== undefined && isVerdict(hops, end)) hops.pop()
        else if (!json) for (const line of describeHop(hops, width)) printLine(line)
      }
    }
  } finally {
    await stack.close()
  }
  const ended = isStopped ? 'stopped' : (end?.fate ?? 'silent')
  if (json) printJson({ service, protocol, reached: ended === 'reached', ended, end: end ?? null, hops })
  if (end?.fate !== 'reached') throw new Failure(explainEnd(service, ended, end))
  if (!json) printLine(`${service} is ${count(hops.length, 'hop')} away`)
}

/** Readable on the smallest terminal that is still common, and in a file. */
const MAX_COLUMNS = 80
/** The next probe is not kept waiting for one that may be lost. */
const STAGGER_MS = 200

/** One probe behind another, so that none waits behind the others' answers. */
async function traceHop(
  stack: Stack,
  service: string,
  hop: number,
  { probes, wait, protocol }: TraceOptions,
): Promise<Hop> {
  const outcomes: Promise<Answer | null>[] = []
  for (let i = 0; i < probes; i++) {
    const outcome = probe(stack, service, { hops: hop - 1, timeoutMs: 1000 * wait, protocol })
    outcomes.push(outcome)
    await Promise.race([outcome, delay(STAGGER_MS)])
  }
  return { hop, probes: await Promise.all(outcomes) }
}

/** Rejects with what kept it from being sent: nobody knows where to. */
async function probe(stack: Stack, service: string, options: ProbeOptions): Promise<Answer | null> {
  const outcome = await stack.trace(service, options)
  if (outcome.type === 'failed') throw outcome.error
  return outcome.type === 'answered' ? answerOf(outcome) : null
}

function explainEnd(service: string, ended: string, end: Answer | undefined): string {
  const { from = '', detail = '' } = end ?? {}
  const why = detail === '' ? '' : `: ${detail}`
  switch (ended) {
    case 'no service':
      return `nobody serves ${service} (said ${from})`
    case 'dropped':
      return `${from} drops what goes to ${service}${why}`
    case 'refused':
      return `${from} does not take ${service}${why}`
    case 'loop':
      return `the rules of the routers lead ${service} back to ${from}: a loop`
    case 'no route':
      return `${from} knows no way on to ${service}${why}`
    case 'stopped':
      return 'stopped before the end was reached'
    default:
      return `no instance of ${service} was reached`
  }
}
