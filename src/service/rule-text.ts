/**
 * Rules as people write them, on the command line and in files:
 *
 *     PATTERN FORWARD [OPTION ...] TARGET [, TARGET ...]   web.example FORWARD 10.0.0.1:5000 weight 2, [fd00::1]:5000
 *     PATTERN DEMUX LISTENER stream|datagram [shared]      web.example DEMUX 3 stream
 *     PATTERN DELAY                                        *.shop.example DELAY
 *     PATTERN DROP [why]                                   x-<64 hex digits>/32 DROP moved away
 *
 * A TARGET is ADDRESS:PORT [stream|datagram] [weight N] [priority N], in any order: without one of the words it takes streams
 * and datagrams, and where it serves both, each with another share, it stands twice. A PATTERN is a name, `*.` and a name of one or two labels,
 * a raw ID with an optional /bits, or `default` (also `*`): what nothing else matches. OPTIONs (`sharing-text.ts`) say how
 * targets share: `web.example FORWARD balance=maglev eject=5 10.0.0.1:5000, 10.0.0.2:5000`.
 */
import { ServalError } from '../errors.ts'
import { addressBytes } from '../id/address.ts'
import { parseServiceName, parseServicePattern } from '../id/name.ts'
import type { ServicePrefix } from '../id/service-prefix.ts'
import { type Endpoint, formatEndpoint, parseEndpoint } from '../wire/endpoint.ts'
import type { Protocol } from '../wire/sal-header.ts'
import {
  DEFAULT_PRIORITY,
  DEFAULT_WEIGHT,
  type DemuxRule,
  type ForwardRule,
  nameOfProtocol,
  type ProtocolName,
  protocolOfName,
  type Rule,
  type Target,
} from './rule.ts'
import { checkRule } from './rule-check.ts'
import { formatSharing, parseSharing } from './sharing-text.ts'

export interface RuleLine {
  /** What the rule matches as text, in its one spelling: hashes do not lead back to names. */
  readonly pattern: string
  readonly prefix: ServicePrefix
  readonly rule: Rule
}

/**
 * Reads one rule. Throws ERR_SERVAL_RULE, which quotes the rule, names the value and says what is accepted. A target may
 * leave its port out where there is a `defaultPort`.
 */
export function parseRule(text: string, defaultPort?: number): RuleLine {
  const line = text.trim()
  const [, patternText = '', action = '', rest = ''] = /^(\S*)\s*(\S*)\s*(.*)$/s.exec(line) ?? []
  const { pattern, prefix } = parsePattern(line, patternText)
  const rule = parseAction(line, action, rest, defaultPort)
  checkRule(rule, () => line)
  return { pattern, prefix, rule }
}

/** The one spelling of a rule; `parseRule` reads it back. */
export function formatRule(pattern: string, rule: Rule): string {
  const start = `${pattern === '*' ? DEFAULT_PATTERN : pattern} ${rule.type}`
  switch (rule.type) {
    case 'FORWARD':
      return [start, ...formatSharing(rule.sharing), rule.targets.map(formatTarget).join(', ')].join(' ')
    case 'DEMUX':
      return `${start} ${rule.listenerId} ${nameOfProtocol(rule.protocol)}${rule.shared ? ' shared' : ''}`
    case 'DELAY':
      return start
    case 'DROP':
      return rule.reason === undefined ? start : `${start} ${rule.reason}`
  }
}

const DEFAULT_PATTERN = 'default'
const DEMUX_FORM =
  'DEMUX takes the number of a listener, and stream or datagram, then shared where several listen'
const TARGET_FORM =
  'a target is ADDRESS:PORT [stream|datagram] [weight N] [priority N], as in 10.0.0.1:5000 or [fd00::1]:5000'

/** What a target is known by among those of its rule, `ADDRESS:PORT [stream|datagram]`; undefined: it is none. */
export function parseTargetName(text: string, defaultPort?: number): TargetName | undefined {
  const [address = '', word, ...rest] = text.trim().split(/\s+/)
  const endpoint = parsePlace(address, defaultPort)
  const protocol = word === undefined ? undefined : protocolNamed(word)
  const isFit = rest.length === 0 && (word === undefined) === (protocol === undefined)
  return endpoint && isFit ? { endpoint, protocol } : undefined
}

export type TargetName = Pick<Target, 'endpoint' | 'protocol'>

/** What a line begins with. Errors as `parseRule`. */
export function parsePattern(line: string, text: string): Omit<RuleLine, 'rule'> {
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

function parseAction(line: string, action: string, rest: string, defaultPort?: number): Rule {
  switch (action.toUpperCase()) {
    case 'FORWARD':
      return parseForward(line, rest, defaultPort)
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
  const [, listenerId, name, shared] = /^(\d{1,9})\s+(stream|datagram)(\s+shared)?$/i.exec(text) ?? []
  if (listenerId === undefined || name === undefined) {
    throw malformed(line, text, DEMUX_FORM)
  }
  const protocol = protocolOfName(name.toLowerCase() as ProtocolName)
  const rule = { type: 'DEMUX', listenerId: Number(listenerId), protocol } as const
  return shared === undefined ? rule : { ...rule, shared: true }
}

/** Options stand before the targets: none of those has an equals sign. */
function parseForward(line: string, text: string, defaultPort?: number): ForwardRule {
  const [, options = '', targets = ''] = /^((?:[^\s,]*=[^\s,]*(?:\s+|$))*)(.*)$/s.exec(text) ?? []
  const rule = { type: 'FORWARD', targets: parseTargets(line, targets, defaultPort) } as const
  const sharing = parseSharing(options, (value, expected) => malformed(line, value, expected))
  return sharing === undefined ? rule : { ...rule, sharing }
}

function parseTargets(line: string, text: string, defaultPort?: number): Target[] {
  return text.split(',').map(part => parseTarget(line, part.trim(), defaultPort))
}

function parseTarget(line: string, text: string, defaultPort?: number): Target {
  const [address = '', ...words] = text.split(/\s+/)
  const endpoint = parsePlace(address, defaultPort)
  if (endpoint === undefined) throw malformed(line, address, TARGET_FORM)
  return { endpoint, ...parseOptions(line, words) }
}

/** A host name would have to be looked up again and again; a rule says where to send. */
function parsePlace(address: string, defaultPort?: number): Endpoint | undefined {
  const endpoint = parseEndpoint(address, defaultPort)
  const isPlace = endpoint && endpoint.port !== 0 && addressBytes(endpoint.address) !== undefined
  return isPlace ? endpoint : undefined
}

/** `stream weight 2 priority 1`, in any order. */
function parseOptions(line: string, words: readonly string[]): Partial<Target> {
  const options: { weight?: number; priority?: number; protocol?: Protocol } = {}
  const rest = words[Symbol.iterator]()
  for (const word of rest) {
    const key = word.toLowerCase()
    const protocol = protocolNamed(key)
    if (protocol !== undefined) {
      if (options.protocol !== undefined) throw malformed(line, word, 'a target says stream or datagram once')
      options.protocol = protocol
      continue
    }
    const value: string = rest.next().value ?? ''
    if (key !== 'weight' && key !== 'priority') throw malformed(line, word, TARGET_FORM)
    if (options[key] !== undefined) throw malformed(line, `${key} ${value}`, `a target has one ${key}`)
    if (!NUMBERS[key].form.test(value)) throw malformed(line, `${key} ${value}`, NUMBERS[key].accepted)
    options[key] = Number(value)
  }
  return options
}

function protocolNamed(word: string): Protocol | undefined {
  const name = word.toLowerCase()
  return name === 'stream' || name === 'datagram' ? protocolOfName(name) : undefined
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

function formatTarget({
  endpoint,
  weight = DEFAULT_WEIGHT,
  priority = DEFAULT_PRIORITY,
  protocol,
}: Target): string {
  const words = [formatEndpoint(endpoint)]
  if (protocol !== undefined) words.push(nameOfProtocol(protocol))
  if (weight !== DEFAULT_WEIGHT) words.push(`weight ${weight}`)
  if (priority !== DEFAULT_PRIORITY) words.push(`priority ${priority}`)
  return words.join(' ')
}

/** Of a line that cannot be read. */
export function malformed(rule: string, value: string, expected: string, cause?: unknown): ServalError {
  return new ServalError('ERR_SERVAL_RULE', { rule, value, expected }, { cause })
}
