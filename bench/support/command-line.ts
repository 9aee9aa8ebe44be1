/** What `npm run bench -- ...` was asked for; what it cannot be is said in one line, as `serval` does. */
import { parseArgs } from 'node:util'

export type BenchCommand =
  | { readonly verb: 'help'; readonly isAsked: boolean }
  | { readonly verb: 'markdown'; readonly files: readonly string[] }
  | ({ readonly verb: 'measure'; readonly name: string } & BenchOptions)

export interface BenchOptions {
  readonly json: boolean
  /** For each benchmark. */
  readonly seconds: number
  /** Of `flows`. */
  readonly flows: number
  /** MiB that each program holds besides. */
  readonly objects: number
}

export const DEFAULT_FLOWS = 10_000

/** The command line asks for what cannot be: its writer has to change it. */
export class BenchUsageError extends Error {}

/** `names` are those of the benchmarks. Throws a BenchUsageError that names what it does not take. */
export function parseBenchCommand(args: readonly string[], names: readonly string[]): BenchCommand {
  const { values, positionals } = parsed(args)
  const [name, ...files] = positionals
  if (values.help || name === undefined) return { verb: 'help', isAsked: values.help }
  if (name === 'markdown') {
    if (files.length === 0)
      throw new BenchUsageError('markdown needs a FILE: what a benchmark printed with --json')
    return { verb: 'markdown', files }
  }
  if (name !== 'all' && !names.includes(name)) {
    throw new BenchUsageError(`there is no benchmark '${name}': all, ${names.join(', ')}`)
  }
  if (files.length > 0)
    throw new BenchUsageError(`one benchmark at a time, or all: '${files[0]}' is one too many`)
  return {
    verb: 'measure',
    name,
    json: values.json,
    seconds: numberOf('seconds', values.seconds, 0.1),
    flows: wholeNumberOf('flows', values.flows, 2),
    objects: wholeNumberOf('objects', values.objects, 0),
  }
}

const OPTIONS = {
  help: { type: 'boolean', short: 'h', default: false },
  json: { type: 'boolean', default: false },
  seconds: { type: 'string', default: '45' },
  flows: { type: 'string', default: String(DEFAULT_FLOWS) },
  objects: { type: 'string', default: '0' },
} as const

function parsed(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], allowPositionals: true, options: OPTIONS })
  } catch (error) {
    // Node's words go on with advice about arguments that begin with a dash; no name of ours does.
    const [sentence] = (error as Error).message.split(/\. |\n/)
    throw new BenchUsageError(sentence)
  }
}

function numberOf(option: string, text: string, min: number): number {
  const value = text.trim() === '' ? Number.NaN : Number(text)
  if (value >= min && value < Number.POSITIVE_INFINITY) return value
  throw new BenchUsageError(`--${option} '${text}': a number is accepted, at least ${min}`)
}

function wholeNumberOf(option: string, text: string, min: number): number {
  if (/^\d+$/.test(text) && Number(text) >= min) return Number(text)
  throw new BenchUsageError(`--${option} '${text}': a whole number is accepted, at least ${min}`)
}
