/** Which service a program means when it says a name, or a number where a port stands (src/wire/README.md, "Names"). */
import { ServalError } from '../errors.ts'
import { parseServiceName } from '../id/name.ts'
import { parsePortService, portServiceName } from '../id/port-service.ts'
import type { ServiceTarget } from '../net/stack.ts'
import { checkPort, checkString, type TargetOptions, wrongType, wrongValue } from './arguments.ts'

export interface Target {
  /** Canonical. Empty for port 0, which nobody can serve. */
  readonly service: string
  /** Where a number stands for the service. */
  readonly port: number | undefined
  readonly host: string | undefined
}

/** Throws ERR_MISSING_ARGS, ERR_INVALID_ARG_TYPE, ERR_SOCKET_BAD_PORT, ESERVICENAME. */
export function connectTarget(options: TargetOptions): Target {
  const { service, port, host } = options
  refusePath(options)
  if (service !== undefined) return namedTarget(service)
  if (port === undefined)
    throw new ServalError('ERR_MISSING_ARGS', { arguments: '"options" or "service" or "port"' })
  if (typeof port !== 'number' && typeof port !== 'string') {
    throw wrongType('options.port', 'one of type number or string', port)
  }
  return portTarget(checkPort(port, 'Port'), host)
}

/** As `connectTarget`, but that null or undefined for a port means any. */
export function listenTarget(options: TargetOptions): Target {
  const { service, port, host } = options
  refusePath(options)
  if (service !== undefined) return namedTarget(service)
  if (port === null || (port === undefined && 'port' in options)) return portTarget(0, host)
  if (typeof port === 'number' || typeof port === 'string') {
    return portTarget(checkPort(port, 'options.port'), host)
  }
  throw wrongValue('options', 'an object with the property "service" or "port"', options)
}

/** The service of `port` at `host`; absent, `host` is this one. */
export function portTarget(port: number, host: string | undefined): Target {
  const name = host === undefined || host === '' ? undefined : checkString(host, 'options.host')
  return { service: port === 0 ? '' : portServiceName(port, name), port, host: name }
}

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
