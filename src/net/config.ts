/**
 * The configuration, weakest first: defaults, `serval.json` (in the working directory, or named by SERVAL_CONFIG),
 * SERVAL_* variables, options. One table says what each key accepts, wherever it comes from; the file's form is published
 * as schemas/config.schema.json, and a test holds the two together.
 */
import { readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { ServalError } from '../errors.ts'
import { canonicalAddress } from '../id/address.ts'
import { type CongestionName, congestionNames } from '../transport/congestion/congestion.ts'
import { type Endpoint, parseEndpoint } from '../wire/endpoint.ts'
import type { ProfileName } from '../wire/profile.ts'
import type { BusyPolling } from './busy-poll.ts'
import type { OffloadUse } from './links/offload.ts'

export const DEFAULT_ROUTER_PORT = 54325
export const DEFAULT_CONTROLLER_PORT = 54326
export const DEFAULT_API = 'http://127.0.0.1:54327'

/** Less would leave a handful of flows their least windows. */
const LEAST_MEMORY_BYTES = 1 << 20
/** What comes later than this need not be waited for awake. */
const MOST_BUSY_POLL_US = 1000

export interface Config {
  /** Service routers to ask; `address` may be a host name. Empty: none is configured. */
  readonly router: readonly Endpoint[]
  /** Where the controller is; undefined: the one whose socket is in the runtime directory, if any. */
  readonly controller: ControllerAddress | undefined
  /** URL of a controller's REST. */
  readonly api: string
  /** Empty: all usable addresses. */
  readonly bind: readonly BindAddress[]
  readonly security: 'plain'
  readonly profile: ProfileName
  /** What sets the window of flows for which nothing else is said. */
  readonly congestion: CongestionName
  readonly runtimeDir: string
  readonly log: LogLevel
  /** Bytes that peers may make all connections together keep; undefined: a quarter of the memory that there is. */
  readonly receiveMemory: number | undefined
  /** Whether the kernel may cut and merge datagrams for us; 'dgram': nor take many with one call, node:dgram does all. */
  readonly offload: OffloadUse
  /** How long the event loop stays awake after a datagram that soon followed another. */
  readonly busyPoll: BusyPolling
  /** A file to write a capture of all datagrams to; undefined: none. */
  readonly pcap: string | undefined
}

/** A local address; 0.0.0.0 and :: stand for all of their family. Port 0: any free one; undefined: what is usual. */
export interface BindAddress {
  readonly address: string
  readonly port: number | undefined
}

export type ControllerAddress = Endpoint | { readonly path: string }

/** What programs may give: text as in the variables, or lists of it. */
export interface ConfigOptions {
  readonly router?: string | readonly string[] | undefined
  readonly controller?: string | undefined
  readonly api?: string | undefined
  readonly bind?: string | readonly string[] | undefined
  readonly security?: 'plain' | undefined
  readonly profile?: ProfileName | undefined
  readonly congestion?: CongestionName | undefined
  readonly runtimeDir?: string | undefined
  readonly log?: LogLevel | undefined
  readonly receiveMemory?: number | string | undefined
  readonly offload?: OffloadUse | undefined
  readonly busyPoll?: number | string | undefined
  readonly pcap?: string | undefined
}

export interface ConfigSources {
  /** Default: the process's. */
  readonly env?: Readonly<Record<string, string | undefined>>
  readonly cwd?: string
}

/** pino's. */
export const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

/** Throws ERR_INVALID_ARG_VALUE, which names the value, where it stands, and what is accepted. */
export function loadConfig(
  options: ConfigOptions = {},
  { env = process.env, cwd = process.cwd() }: ConfigSources = {},
): Config {
  const config: Record<string, unknown> = {}
  for (const [key, setting] of Object.entries(settings)) config[key] = setting.initial(env)
  for (const { values, nameOf } of [fileSource(env, cwd), variableSource(env), optionSource(options)]) {
    for (const [key, value] of Object.entries(values)) {
      if (value === undefined) continue
      config[key] = read(key as keyof Config, value, nameOf(key))
    }
  }
  return config as unknown as Config
}

interface Source {
  readonly values: Readonly<Record<string, unknown>>
  /** How messages call a key of this source. */
  nameOf(key: string): string
}

interface Setting<T> {
  readonly variable: string
  readonly accepted: string
  initial(env: Readonly<Record<string, string | undefined>>): T
  /** undefined: malformed. */
  parse(value: unknown): T | undefined
}

const settings: { readonly [K in keyof Config]-?: Setting<Config[K]> } = {
  router: {
    variable: 'SERVAL_ROUTER',
    accepted: `host:port[,host:port], IPv6 in brackets, port ${DEFAULT_ROUTER_PORT} unless given`,
    initial: () => [],
    parse: value => parseList(value, text => parseRemote(text, DEFAULT_ROUTER_PORT)),
  },
  controller: {
    variable: 'SERVAL_CONTROLLER',
    accepted: `host:port (port ${DEFAULT_CONTROLLER_PORT} unless given) or unix:path`,
    initial: () => undefined,
    parse: parseController,
  },
  api: {
    variable: 'SERVAL_API',
    accepted: `the URL of a controller's REST, as in ${DEFAULT_API}`,
    initial: () => DEFAULT_API,
    parse: value => (typeof value === 'string' && /^https?:\/\/[^\s/]+/.test(value) ? value : undefined),
  },
  bind: {
    variable: 'SERVAL_BIND',
    accepted: 'address[:port][,address[:port]], local IP addresses, IPv6 with a port in brackets',
    initial: () => [],
    parse: value => parseList(value, parseLocal),
  },
  security: {
    variable: 'SERVAL_SECURITY',
    accepted: '"plain" (encryption is not offered yet)',
    initial: () => 'plain',
    parse: value => parseChoice(value, ['plain'] as const),
  },
  profile: {
    variable: 'SERVAL_PROFILE',
    accepted: '"native" or "2014"',
    initial: () => 'native',
    parse: value => parseChoice(value, ['native', '2014'] as const),
  },
  congestion: {
    variable: 'SERVAL_CONGESTION',
    accepted: `one of ${congestionNames.join(', ')}`,
    initial: () => 'cubic',
    parse: value => parseChoice(value, congestionNames),
  },
  runtimeDir: {
    variable: 'SERVAL_RUNTIME_DIR',
    accepted: 'the path of a directory',
    initial: defaultRuntimeDir,
    parse: value => (typeof value === 'string' && value !== '' ? resolve(value) : undefined),
  },
  log: {
    variable: 'SERVAL_LOG',
    accepted: `one of ${LOG_LEVELS.join(', ')}`,
    initial: () => 'warn',
    parse: value => parseChoice(value, LOG_LEVELS),
  },
  receiveMemory: {
    variable: 'SERVAL_RECEIVE_MEMORY',
    accepted: 'bytes, at least a mebibyte, as a number or with k, m or g behind it',
    initial: () => undefined,
    parse: parseMemory,
  },
  offload: {
    variable: 'SERVAL_OFFLOAD',
    accepted: 'true, false (in the variable 1 or 0), or dgram',
    initial: () => true,
    parse: value => offloadUses.get(value),
  },
  busyPoll: {
    variable: 'SERVAL_BUSY_POLL',
    accepted: `auto, or microseconds, 0 to ${MOST_BUSY_POLL_US}`,
    initial: () => 'auto',
    parse: parseBusyPolling,
  },
  pcap: {
    variable: 'SERVAL_PCAP',
    accepted: 'the path of a file to write, in which %p stands for the number of the process',
    initial: () => undefined,
    parse: value => (typeof value === 'string' && value !== '' ? resolve(value) : undefined),
  },
}

const offloadUses: ReadonlyMap<unknown, OffloadUse> = new Map<unknown, OffloadUse>([
  ['dgram', 'dgram'],
  [true, true],
  [false, false],
  ['1', true],
  ['0', false],
])

function read(key: keyof Config, value: unknown, argument: string): unknown {
  const setting = settings[key]
  const parsed = setting.parse(value)
  if (parsed !== undefined) return parsed
  throw new ServalError('ERR_INVALID_ARG_VALUE', {
    argument,
    expected: setting.accepted,
    received: JSON.stringify(value),
  })
}

function variableSource(env: Readonly<Record<string, string | undefined>>): Source {
  const entries = Object.entries(settings).map(([key, { variable }]) => [key, env[variable] || undefined])
  return { values: Object.fromEntries(entries), nameOf: key => settings[key as keyof Config].variable }
}

function optionSource(options: ConfigOptions): Source {
  const entries = Object.keys(settings).map(key => [key, options[key as keyof ConfigOptions]])
  return { values: Object.fromEntries(entries), nameOf: key => key }
}

function fileSource(env: Readonly<Record<string, string | undefined>>, cwd: string): Source {
  const named = env.SERVAL_CONFIG
  const path = resolve(cwd, named || 'serval.json')
  const text = readText(path, named)
  const values = text === undefined ? {} : parseFile(path, text)
  const unknownKey = Object.keys(values).find(key => key !== '$schema' && !(key in settings))
  if (unknownKey !== undefined) {
    throw new ServalError('ERR_INVALID_ARG_VALUE', {
      argument: `key of ${path}`,
      expected: `one of ${Object.keys(settings).join(', ')}`,
      received: JSON.stringify(unknownKey),
    })
  }
  const { $schema: _, ...known } = values
  return { values: known, nameOf: key => `${key} of ${path}` }
}

/** Only a file that was asked for by name has to be there. */
function readText(path: string, named: string | undefined): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (!named && (error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new ServalError(
      'ERR_INVALID_ARG_VALUE',
      {
        argument: named ? 'SERVAL_CONFIG' : path,
        expected: 'a file that can be read',
        received: `${path} (${(error as NodeJS.ErrnoException).code})`,
      },
      { cause: error },
    )
  }
}

function parseFile(path: string, text: string): Record<string, unknown> {
  let values: unknown
  let problem: unknown
  try {
    values = JSON.parse(text)
  } catch (error) {
    problem = error
  }
  if (typeof values === 'object' && values !== null && !Array.isArray(values))
    return values as Record<string, unknown>
  throw new ServalError(
    'ERR_INVALID_ARG_VALUE',
    {
      argument: path,
      expected: 'a JSON object',
      received: problem instanceof Error ? problem.message : text.trim().slice(0, 40),
    },
    { cause: problem },
  )
}

function parseList<T>(value: unknown, parse: (text: string) => T | undefined): T[] | undefined {
  const texts = typeof value === 'string' ? value.split(',') : value
  if (!Array.isArray(texts)) return undefined
  const items = texts.map(text => (typeof text === 'string' ? parse(text.trim()) : undefined))
  return items.every(item => item !== undefined) ? (items as T[]) : undefined
}

function parseRemote(text: string, defaultPort: number): Endpoint | undefined {
  const endpoint = parseEndpoint(text, defaultPort)
  return endpoint === undefined || endpoint.port === 0 ? undefined : endpoint
}

/** Only addresses: a name may stand for any of several. */
function parseLocal(text: string): BindAddress | undefined {
  const { address, port } = parseEndpoint(text) ?? { ...parseEndpoint(text, 0), port: undefined }
  return address !== undefined && canonicalAddress(address) !== undefined ? { address, port } : undefined
}

function parseController(value: unknown): ControllerAddress | undefined {
  if (typeof value !== 'string') return undefined
  if (!value.startsWith('unix:')) return parseRemote(value, DEFAULT_CONTROLLER_PORT)
  return value.length > 'unix:'.length ? { path: resolve(value.slice('unix:'.length)) } : undefined
}

function parseMemory(value: unknown): number | undefined {
  const [, digits, unit = ''] = /^(\d+)([kmg]?)$/i.exec(String(value)) ?? []
  const bytes = Number(digits) * 1024 ** ' kmg'.indexOf(unit.toLowerCase() || ' ')
  return Number.isSafeInteger(bytes) && bytes >= LEAST_MEMORY_BYTES ? bytes : undefined
}

function parseBusyPolling(value: unknown): BusyPolling | undefined {
  if (value === 'auto') return value
  const us = /^\d+$/.test(String(value)) ? Number(value) : Number.NaN
  return us <= MOST_BUSY_POLL_US ? us : undefined
}

function parseChoice<T extends string>(value: unknown, choices: readonly T[]): T | undefined {
  return choices.find(choice => choice === value)
}

function defaultRuntimeDir(env: Readonly<Record<string, string | undefined>>): string {
  if (env.XDG_RUNTIME_DIR) return join(env.XDG_RUNTIME_DIR, 'serval')
  return join(tmpdir(), `serval-${process.getuid?.() ?? 'user'}`)
}
