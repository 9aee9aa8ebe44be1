/** What came of the probes of one hop, in words: who answered, how long it took, and whether the way ends there. */
import type { TraceOutcome } from '../../sal/tracer.ts'
import { formatEndpoint } from '../../wire/endpoint.ts'
import { reasonCodes } from '../../wire/extensions/reason.ts'
import { formatMs } from '../units.ts'

/** An answer, by what it says of the SYN. */
export type Fate =
  /** A router, the hops having run out there. */
  | 'passed'
  /** The instance that would take it. */
  | 'reached'
  | 'loop'
  | 'no service'
  | 'dropped'
  | 'no route'
  | 'refused'

export interface Answer {
  /** address:port of whoever answered. */
  readonly from: string
  /** address:port of the router that passed the answer on, where it did not come straight. */
  readonly by: string | null
  readonly role: 'router' | 'instance'
  readonly fate: Fate
  /** What else was said; may be empty. */
  readonly detail: string
  readonly rttMs: number
}

export interface Hop {
  readonly hop: number
  /** null: nobody answered in time. */
  readonly probes: readonly (Answer | null)[]
}

/** Reads an outcome that is an answer. */
export function answerOf({ from, remote, code, detail, rttMs }: TraceOutcome & { type: 'answered' }): Answer {
  const fate = FATES.get(code) ?? 'refused'
  const [answerer, source] = [formatEndpoint(from), formatEndpoint(remote)]
  return {
    from: answerer,
    by: answerer === source ? null : source,
    role: fate === 'reached' || fate === 'refused' ? 'instance' : 'router',
    fate,
    detail: detail === answerer ? '' : detail,
    rttMs: Number(rttMs.toFixed(3)),
  }
}

/** How a way of hops ends; undefined: it goes on. A loop shows when a router comes again, whatever it says. */
export function endOf(hops: readonly Hop[]): Answer | undefined {
  const last = hops.at(-1)
  const answers = last?.probes.filter(probe => probe !== null) ?? []
  const final =
    answers.find(({ fate }) => fate === 'reached') ?? answers.find(({ fate }) => fate !== 'passed')
  if (final !== undefined) return final
  const again = answers.find(({ from }) => earlierHop(hops, from) !== undefined)
  return again && { ...again, fate: 'loop' }
}

/**
 * Whether the last hop is none: the router of the hop before, asked to send the SYN on, says why it does not.
 */
export function isVerdict(hops: readonly Hop[], end: Answer): boolean {
  const isOfRouter = end.fate === 'no service' || end.fate === 'dropped' || end.fate === 'no route'
  return isOfRouter && hops.at(-2)?.probes.some(probe => probe?.from === end.from) === true
}

/** The lines of the last hop: one for each who answered, with the times, each `width` wide at most if it can be. */
export function describeHop(hops: readonly Hop[], width: number): string[] {
  const { hop, probes } = hops.at(-1)!
  const answers = probes.filter(probe => probe !== null)
  const places = [...new Set(answers.map(({ from }) => from))]
  const number = `${String(hop).padStart(2)}  `
  if (places.length === 0) return [`${number}${probes.map(() => '*').join('  ')}`]
  const missing = probes.length - answers.length
  return places.flatMap((from, index) => {
    const own = answers.filter(answer => answer.from === from)
    const first = own[0]!
    const times = [
      ...own.map(({ rttMs }) => formatMs(rttMs)),
      ...(index === 0 ? Array(missing).fill('*') : []),
    ]
    const start = `${index === 0 ? number : INDENT}${from.padEnd(PLACE_WIDTH)}  ${first.role.padEnd(8)}  `
    return joined([start, times.join('  '), remarkOf(hops, first)], width)
  })
}

/** What is worth saying of an answer beside who and when. */
function remarkOf(hops: readonly Hop[], answer: Answer): string {
  const { from, by, fate, detail } = answer
  const again = earlierHop(hops, from)
  const words = [
    ...(fate === 'loop' || (fate === 'passed' && again !== undefined)
      ? [`loop, it was hop ${again ?? '?'}`]
      : []),
    ...(fate === 'passed' || fate === 'reached' || fate === 'loop' ? [] : [fate]),
    ...(detail === '' ? [] : [detail]),
    ...(by === null ? [] : [`answer by way of ${by}`]),
  ]
  return words.length === 0 ? '' : `(${words.join('; ')})`
}

/** At which hop before the last one an address answered. */
function earlierHop(hops: readonly Hop[], from: string): number | undefined {
  return hops.slice(0, -1).find(({ probes }) => probes.some(probe => probe?.from === from))?.hop
}

/** Parts behind each other; what would not fit begins a line of its own. */
function joined(parts: readonly string[], width: number): string[] {
  const lines = ['']
  for (const part of parts.filter(text => text !== '')) {
    const line = lines.at(-1)!
    const gap = line === '' || line.endsWith('  ') ? '' : '  '
    if (line === '' || line.length + gap.length + part.length <= width)
      lines[lines.length - 1] = line + gap + part
    else lines.push(`${INDENT}${part}`)
  }
  return lines.map(line => line.trimEnd())
}

const INDENT = '    '
/** An IPv4 address with its port. */
const PLACE_WIDTH = 21

const FATES: ReadonlyMap<number, Fate> = new Map([
  [reasonCodes.HOP_LIMIT, 'passed'],
  [reasonCodes.TRACED, 'reached'],
  // Whoever does not know TRACE is the end of the way as well: routers do not look at it.
  [reasonCodes.UNSUPPORTED, 'reached'],
  [reasonCodes.LOOP, 'loop'],
  [reasonCodes.NO_SERVICE, 'no service'],
  [reasonCodes.DROPPED, 'dropped'],
  [reasonCodes.NO_ROUTE, 'no route'],
])
