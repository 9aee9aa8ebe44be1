/**
 * Rules as people write them, on the command line and in files:
 *
 *     PATTERN FORWARD TARGET [, TARGET ...]      web.example FORWARD 10.0.0.1:5000 weight 2, [fd00::1]:5000
 *     PATTERN DEMUX LISTENER stream|datagram     web.example DEMUX 3 stream
 *     PATTERN DELAY                              *.shop.example DELAY
 *     PATTERN DROP [why]                         x-<64 hex digits>/32 DROP moved away
 *
 * A TARGET is ADDRESS:PORT [weight N] [priority N]. A PATTERN is a name, `*.` and a name of one or two labels,
 * a raw ID with an optional /bits, or `default` (also `*`): what nothing else matches.
 */
import { ServalError } from '../errors.ts'
import { addressBytes } from '../id/address.ts'
import { parseServiceName, parseServicePattern } from '../id/name.ts'
import type { ServicePrefix } from '../id/service-prefix.ts'
import { formatEndpoint, parseEndpoint, sameEndpoint } from '../wire/endpoint.ts'
import { protocols } from '../wire/sal-header.ts'
import {
  checkRule,
  DEFAULT_PRIORITY,
  DEFAULT_WEIGHT,
  type DemuxRule,
  type Rule,
  type Target,
} from './rule.ts'

export interface RuleLine {
  /** What the rule matches as text, in its one spelling: hashes do not lead back to names. */
  readonly pattern: string
  readonly prefix: ServicePrefix
  readonly rule: Rule
}

/** Reads one rule. Throws ERR_SERVAL_RULE, which quotes the rule, names the value and says what is accepted. */
export function parseRule(text: string): RuleLine {
  const line = text.trim()
  const [, patternText = '', action = '', rest = ''] = /^(\S*)\s*(\S*)\s*(.*)$/s.exec(line) ?? []
  const { pattern, prefix } = parsePattern(line, patternText)
  const rule = parseAction(line, action, rest)
  checkRule(rule, () => line)
  return { pattern, prefix, rule }
}

/** The one spelling of a rule; `parseRule` reads it back. */
export function formatRule(pattern: string, rule: Rule): string {
  const start = `${pattern === '*' ? DEFAULT_PATTERN : pattern} ${rule.type}`
  switch (rule.type) {
    case 'FORWARD':
      return `${start} ${rule.targets.map(formatTarget).join(', ')}`
    case 'DEMUX':
      return `${start} ${rule.listenerId} ${rule.protocol === protocols.STREAM ? 'stream' : 'datagram'}`
    case 'DELAY':
      return start
    case 'DROP':
      return rule.reason === undefined ? start : `${start} ${rule.reason}`
  }
}

const DEFAULT_PATTERN = 'default'
const TARGET_FORM = 'a target is ADDRESS:PORT [weight N] [priority N], as in 10.0.0.1:5000 or [fd00::1]:5000'

function parsePattern(line: string, text: string): Omit<RuleLine, 'rule'> {
  if (text.toLowerCase() === DEFAULT_PATTERN) return parsePattern(line, '*')
  try {
    const prefix = parseServicePattern(text)
    return { pattern: canonicalPattern(text, prefix), prefix }
  } catch (error) {
    if (!(error instanceof ServalError)) throw error
    const form = 'a rule starts with a name, *.name, a raw ID with an optional /bits, or default'
    throw malformed(line, text, `${form}; ${error.message}`, error)
  }
}

function canonicalPattern(text: string, prefix: ServicePrefix): string {
  if (text.startsWith('*')) return text.toLowerCase()
  return text.includes('/') ? prefix.toString() : parseServiceName(text).text
}

function parseAction(line: string, action: string, rest: string): Rule {
  switch (action.toUpperCase()) {
    case 'FORWARD':
      return { type: 'FORWARD', targets: parseTargets(line, rest) }
    case 'DEMUX':
      return parseDemux(line, rest)
    case 'DELAY':
      if (rest !== '') throw malformed(line, rest, 'nothing follows DELAY')
      return { type: 'DELAY' }
    case 'DROP':
      return rest === '' ? { type: 'DROP' } : { type: 'DROP', reason: rest }
    default:
      throw malformed(line, action, 'an action is FORWARD, DEMUX, DELAY or DROP')
  }
}

function parseDemux(line: string, text: string): DemuxRule {
  const [, listenerId, name] = /^(\d{1,9})\s+(stream|datagram)$/i.exec(text) ?? []
  if (listenerId === undefined || name === undefined) {
    throw malformed(line, text, 'DEMUX takes the number of a listener, and stream or datagram')
  }
  const protocol = name.toLowerCase() === 'stream' ? protocols.STREAM : protocols.DATAGRAM
  return { type: 'DEMUX', listenerId: Number(listenerId), protocol }
}

function parseTargets(line: string, text: string): Target[] {
  const targets: Target[] = []
  for (const part of text.split(',')) {
    const target = parseTarget(line, part.trim())
    if (targets.some(other => sameEndpoint(other.endpoint, target.endpoint))) {
      throw malformed(line, formatEndpoint(target.endpoint), 'a rule names each target once')
    }
    targets.push(target)
  }
  return targets
}

function parseTarget(line: string, text: string): Target {
  const [address = '', ...words] = text.split(/\s+/)
  const endpoint = parseEndpoint(address)
  // A host name would have to be looked up again and again; a rule says where to send.
  if (endpoint === undefined || endpoint.port === 0 || addressBytes(endpoint.address) === undefined) {
    throw malformed(line, address, TARGET_FORM)
  }
  return { endpoint, ...parseOptions(line, words) }
}

/** `weight 2 priority 1`, in any order. */
function parseOptions(line: string, words: readonly string[]): Partial<Target> {
  const options: { weight?: number; priority?: number } = {}
  for (let i = 0; i < words.length; i += 2) {
    const key = words[i]!.toLowerCase()
    const value = words[i + 1] ?? ''
    if (key !== 'weight' && key !== 'priority') throw malformed(line, words[i]!, TARGET_FORM)
    if (options[key] !== undefined) throw malformed(line, `${key} ${value}`, `a target has one ${key}`)
    if (!NUMBERS[key].form.test(value)) throw malformed(line, `${key} ${value}`, NUMBERS[key].accepted)
    options[key] = Number(value)
  }
  return options
}

const NUMBERS = {
  weight: {
    form: /^\d{1,9}(\.\d{1,6})?$/,
    accepted: 'a weight is a number, 0 or more, as in weight 2 or weight 0.5',
  },
  priority: {
    form: /^\d{1,9}$/,
    accepted: 'a priority is a whole number, 0 or more; the highest serves first',
  },
} as const

function formatTarget({ endpoint, weight = DEFAULT_WEIGHT, priority = DEFAULT_PRIORITY }: Target): string {
  const words = [formatEndpoint(endpoint)]
  if (weight !== DEFAULT_WEIGHT) words.push(`weight ${weight}`)
  if (priority !== DEFAULT_PRIORITY) words.push(`priority ${priority}`)
  return words.join(' ')
}

function malformed(rule: string, value: string, expected: string, cause?: unknown): ServalError {
  return new ServalError('ERR_SERVAL_RULE', { rule, value, expected }, { cause })
}
