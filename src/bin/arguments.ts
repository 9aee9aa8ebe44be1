/** Readers of what stands on the command line. What they refuse is named by commander, what they accept by them. */
import { InvalidArgumentError, Option } from 'commander'
import { ServalError } from '../errors.ts'
import { parseServiceName, parseServicePattern } from '../id/name.ts'
import { congestionNames } from '../transport/congestion/congestion.ts'

export interface Range {
  readonly min: number
  readonly max: number
}

/** `30`, `0.5`, and for people `500ms`, `2m`. The value is in seconds. */
export function secondsWithin({ min, max }: Range): (text: string) => number {
  return text => {
    const [, digits, unit = 's'] = /^(\d+(?:\.\d+)?)(ms|s|m)?$/.exec(text) ?? []
    const seconds = Number(digits) * SECONDS[unit as keyof typeof SECONDS]
    if (seconds >= min && seconds <= max) return seconds
    throw new InvalidArgumentError(
      `A time from ${min} to ${max} seconds is accepted, as in 30, 0.5 or 500ms.`,
    )
  }
}

export function integerWithin({ min, max }: Range): (text: string) => number {
  return text => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN
    if (value >= min && value <= max) return value
    throw new InvalidArgumentError(`A whole number from ${min} to ${max} is accepted.`)
  }
}

/** `1000000`, `64k`, `1.5G`, `1Gi`: decimal prefixes, and the binary ones of IEC 80000-13. */
export function parseByteCount(text: string): number {
  const [, digits, prefix = '', isBinary] = /^(\d+(?:\.\d+)?)([kMGT]?)(i?)B?$/i.exec(text) ?? []
  const base = isBinary ? 1024 : 1000
  const bytes = Math.round(Number(digits) * base ** ' KMGT'.indexOf(prefix.toUpperCase() || ' '))
  if (bytes >= 1 && bytes <= Number.MAX_SAFE_INTEGER) return bytes
  throw new InvalidArgumentError('A number of bytes is accepted, as in 1000000, 64k, 1.5G or 1Gi.')
}

/** A service as it is shown: the canonical form of a name or raw ID. */
export function parseService(text: string): string {
  return accepted(() => parseServiceName(text).text)
}

/** What a rule starts with: a name, `*.name`, a raw ID with an optional /bits, or `default`. */
export function parsePattern(text: string): string {
  const pattern = text.toLowerCase() === 'default' ? '*' : text
  return accepted(() => parseServicePattern(pattern) && pattern)
}

/** `--congestion`, for commands whose own sending it concerns. */
export function congestionOption(): Option {
  const what = 'what sets the window of what is sent here (default: as configured)'
  return new Option('--congestion <name>', what).choices(congestionNames)
}

function accepted<T>(parse: () => T): T {
  try {
    return parse()
  } catch (error) {
    if (error instanceof ServalError) throw new InvalidArgumentError(error.message)
    throw error
  }
}

const SECONDS = { ms: 0.001, s: 1, m: 60 } as const
