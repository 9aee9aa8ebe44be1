/** Which service a program means when it says a name, or a number where a port stands (src/wire/README.md, "Names"). */
import { isIP } from 'node:net'
import { ServalError } from '../errors.ts'
import { parseServiceName } from '../id/name.ts'
import { parsePortService, portServiceName } from '../id/port-service.ts'
import type { ServiceTarget } from '../net/stack.ts'
import { checkPort, checkString, refused, type TargetOptions, wrongType, wrongValue } from './arguments.ts'
import type { AddressOptions } from './host-lookup.ts'

export interface Target {
  /** Canonical. Empty for port 0, which nobody can serve. */
  readonly service: string
  /** Where a number stands for the service. */
  readonly port: number | undefined
  readonly host: string | undefined
  /** The host's name, where the program itself is to find its address, or can be told it: `lookUp`. */
  readonly hostToFind?: string | undefined
  /** Where the program wants to connect from: told in errors. */
  readonly localAddress?: string | undefined
  readonly localPort?: number | undefined
}

/** Throws ERR_MISSING_ARGS, ERR_INVALID_ARG_TYPE, ERR_SOCKET_BAD_PORT, ESERVICENAME. */
export function connectTarget(options: TargetOptions & AddressOptions): Target {
  const { service, port } = options
  refusePath(options)
  if (service !== undefined) return namedTarget(service)
  if (port === undefined)
    throw new ServalError('ERR_MISSING_ARGS', { arguments: '"options" or "port" or "path"' })
  if (typeof port !== 'number' && typeof port !== 'string') {
    throw wrongType('options.port', 'one of type number or string', port)
  }
  const { localAddress, localPort } = options
  return { ...hostTarget(checkPort(port, 'Port'), options), localAddress, localPort }
}

/** The same port, of the host whose address has been found. */
export function foundTarget(
  { port = 0, localAddress, localPort }: Target,
  address: string | undefined,
): Target {
  return { ...portTarget(port, address), localAddress, localPort }
}

/** As `connectTarget`, but that null or undefined for a port means any. */
export function listenTarget(options: TargetOptions): Target {
  const { service, port, host } = options
  if (service !== undefined) return namedTarget(service)
  if (port === null || (port === undefined && 'port' in options)) return portTarget(0, host)
  if (typeof port === 'number' || typeof port === 'string') {
    return portTarget(checkPort(port, 'options.port'), host)
  }
  if (typeof options.path === 'string') refusePath(options)
  if ('port' in options || 'path' in options) throw refused('options', options)
  throw refused('options', options, 'must have the property "port" or "path"')
}

/** The service of `port` at `host`; absent, `host` is this one. */
export function portTarget(port: number, host: string | undefined): Target {
  const name = host === undefined || host === '' ? undefined : checkString(host, 'options.host')
  return { service: port === 0 ? '' : portServiceName(port, name), port, host: name }
}

/** Of a host that is told by its name: to be looked up where there is something to find out, or to say. */
function hostTarget(port: number, { host, lookup }: TargetOptions & AddressOptions): Target {
  const name = host ? checkString(host, 'options.host') : LOCALHOST
  if (isIP(name) !== 0) return portTarget(port, name)
  if (name === LOCALHOST && !lookup) return { ...portTarget(port, name), hostToFind: name }
  if (lookup || !isHostName(name)) return { service: '', port, host: name, hostToFind: name }
  return portTarget(port, name)
}

function isHostName(name: string): boolean {
  try {
    return portServiceName(1, name) !== ''
  } catch {
    return false
  }
}

const LOCALHOST = 'localhost'

/** As a stack takes it. */
export function serviceTarget({ service, port, host }: Target): ServiceTarget {
  return port === undefined ? { service } : { port, host }
}

function namedTarget(service: unknown): Target {
  const { text } = parseServiceName(checkString(service, 'options.service'))
  const { port, host } = parsePortService(text) ?? {}
  return { service: text, port, host }
}

function refusePath({ path }: TargetOptions): void {
  if (path === undefined || path === null) return
  throw wrongValue('options.path', 'left out: a service is reached by its name, options.service', path)
}
