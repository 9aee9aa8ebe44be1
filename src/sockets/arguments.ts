/**
 * What programs pass to `connect` and `listen`, read as `node:net` reads it (same forms, same errors at the same
 * time), with service names where Node takes the path of a unix socket.
 */
import nodeNet from 'node:net'
import { inspect } from 'node:util'
import { ServalError } from '../errors.ts'
import { type CongestionName, congestionNames } from '../transport/congestion/congestion.ts'

/**
 * Splits `(options?, callback?)`, `(service, ..., callback?)`, `(port, host?, ..., callback?)`, and what `normalizeArguments`
 * has made of them.
 */
export function splitArguments<O extends TargetOptions>(args: readonly unknown[]): Arguments<O> {
  const [first, second] = args
  if (isNormalized(first)) return splitArguments<O>(first)
  const last = args.at(-1)
  const callback = typeof last === 'function' ? (last as () => void) : undefined
  if (typeof first === 'object' && first !== null) return { options: { ...(first as O) }, callback }
  if (isServiceName(first)) return { options: { service: first } as O, callback }
  const options: TargetOptions = {}
  if (args.length > 0) options.port = first as number | string
  if (typeof second === 'string') options.host = second
  return { options: options as O, callback }
}

export interface Arguments<O> {
  readonly options: O
  readonly callback: (() => void) | undefined
}

/**
 * As `net.connect` hands them to `Socket.prototype.connect`, where programs that watch connections read them: an array of
 * Node's own mark, that no other array has.
 */
export type NormalizedArguments = readonly [options: TargetOptions, callback: (() => void) | null]

export function normalizeArguments(args: readonly unknown[]): NormalizedArguments {
  const { options, callback } = splitArguments(args)
  return Object.assign([options, callback ?? null] as const, { [NORMALIZED]: true })
}

function isNormalized(value: unknown): value is readonly unknown[] {
  return Array.isArray(value) && NORMALIZED in value
}

const { _normalizeArgs } = nodeNet as unknown as { _normalizeArgs(args: readonly unknown[]): object }
const [NORMALIZED = Symbol('normalizedArgs')] = Object.getOwnPropertySymbols(_normalizeArgs([]))

export interface TargetOptions {
  /** A service name, `web.example`, or a raw serviceID. It goes before `port`. */
  service?: string | undefined
  /** A number where a service stands: the service `<port>.<host>.inet`. */
  port?: number | string | null | undefined
  host?: string | undefined
  /** Node's unix sockets; there are none here. */
  path?: string | null | undefined
}

/** A number or the text of one is a port, as in Node; a raw ID may look like a number, `0x...`. */
export function isServiceName(value: unknown): value is string {
  return typeof value === 'string' && (!(Number(value) >= 0) || /^0x[0-9a-f]{8}/i.test(value))
}

/** 0..65535, as a number or text. Throws ERR_SOCKET_BAD_PORT. */
export function checkPort(value: unknown, argument: string): number {
  const isText = typeof value === 'string' && value.trim() !== ''
  const port = isText || typeof value === 'number' ? Number(value) : Number.NaN
  if (!Number.isInteger(port) || port < 0 || port > 0xffff) {
    throw new ServalError('ERR_SOCKET_BAD_PORT', { argument, received: describe(value) })
  }
  return port
}

/** As `checkPort`, without 0. */
export function checkDestinationPort(value: unknown): number {
  const isPort = typeof value === 'number' || (typeof value === 'string' && value.trim() !== '')
  const port = isPort ? Number(value) : Number.NaN
  if (Number.isInteger(port) && port > 0 && port <= 0xffff) return port
  const received = describe(value)
  const message = `Port should be > 0 and < 65536. Received ${received}.`
  throw new ServalError('ERR_SOCKET_BAD_PORT', { argument: 'Port', received, message })
}

export function checkString(value: unknown, argument: string): string {
  if (typeof value !== 'string') throw wrongType(argument, 'of type string', value)
  return value
}

/** A finite number or NaN, as Node has it. */
export function checkNumber(value: unknown, argument: string): number {
  if (typeof value !== 'number') throw wrongType(argument, 'of type number', value)
  return value
}

/** Of 32 bits and a sign, as Node takes it. */
export function checkInteger(value: unknown, argument: string, least: number): number {
  const number = checkNumber(value, argument)
  if (Number.isInteger(number) && number >= least && number <= 0x7fffffff) return number
  const expected = Number.isInteger(number) ? `>= ${least} && <= 2147483647` : 'an integer'
  throw new ServalError('ERR_OUT_OF_RANGE', { argument, expected, received: String(value) })
}

export function checkFunction(value: unknown, argument: string): void {
  if (typeof value !== 'function') throw wrongType(argument, 'of type function', value)
}

/** How busy somebody says to be; undefined: nothing is said. */
export function checkLoad(value: unknown): number | undefined {
  if (value === undefined) return undefined
  const load = checkNumber(value, 'load')
  if (load >= 0 && load <= 1) return load
  throw new ServalError('ERR_OUT_OF_RANGE', { argument: 'load', expected: '>= 0 and <= 1', received: load })
}

/** How much of a service's load an instance wants, and before whom; undefined: the default. Throws ERR_INVALID_ARG_TYPE, ERR_OUT_OF_RANGE. */
export function checkShare({
  weight,
  priority,
}: {
  readonly weight?: unknown
  readonly priority?: unknown
}): {
  weight: number | undefined
  priority: number | undefined
} {
  return {
    weight: weight === undefined ? undefined : checkWeight(weight),
    priority: priority === undefined ? undefined : checkInteger(priority, 'options.priority', 0),
  }
}

function checkWeight(value: unknown): number {
  const weight = checkNumber(value, 'options.weight')
  if (Number.isFinite(weight) && weight >= 0) return weight
  const expected = 'a finite number >= 0'
  throw new ServalError('ERR_OUT_OF_RANGE', { argument: 'options.weight', expected, received: weight })
}

/** Undefined is no choice. */
export function checkCongestion(value: unknown): CongestionName | undefined {
  if (value === undefined) return undefined
  const name = congestionNames.find(name => name === value)
  if (name === undefined)
    throw wrongValue('options.congestion', `one of ${congestionNames.join(', ')}`, value)
  return name
}

export function checkSignal(value: unknown, argument: string): AbortSignal {
  if (typeof value !== 'object' || value === null || !('aborted' in value)) {
    throw wrongType(argument, 'an instance of AbortSignal', value)
  }
  return value as AbortSignal
}

/** Whole seconds, as `setsockopt` takes them: Node cuts off the rest. */
export function wholeSeconds(ms: number | undefined): number {
  return Math.max(0, Math.trunc((ms ?? 0) / 1000) || 0)
}

/** Of the system's, on which nothing of a service could come. Throws. */
export function refuseDescriptor(fd: unknown): never {
  throw refused('options.fd', checkInteger(fd, 'fd', 0), 'is not supported')
}

export function wrongType(argument: string, expected: string, value: unknown): ServalError {
  return new ServalError('ERR_INVALID_ARG_TYPE', { argument, expected, received: describe(value) })
}

export function wrongValue(argument: string, expected: string, value: unknown): ServalError {
  return new ServalError('ERR_INVALID_ARG_VALUE', { argument, expected, received: describe(value) })
}

/** In Node's own words, on which programs and their tests rely. */
export function refused(argument: string, value: unknown, reason = 'is invalid'): ServalError {
  const received = inspect(value)
  const kind = argument.includes('.') ? 'property' : 'argument'
  const message = `The ${kind} '${argument}' ${reason}. Received ${received}`
  return new ServalError('ERR_INVALID_ARG_VALUE', { argument, expected: reason, received, message })
}

/** What was passed, for people: `type string ('x')`, `an instance of Date`, `null`. */
function describe(value: unknown): string {
  if (value === null || value === undefined) return String(value)
  if (typeof value === 'function') return `function ${value.name}`
  if (typeof value === 'object') return `an instance of ${value.constructor?.name ?? 'Object'}`
  const text = inspect(value)
  return `type ${typeof value} (${text.length > 28 ? `${text.slice(0, 25)}...` : text})`
}
