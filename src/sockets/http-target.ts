/** Which service an HTTP request is for: `{ service }`, else the host's name, or a port of a host. */
import { isIP } from 'node:net'
import type { TargetOptions } from './arguments.ts'

export interface HttpTarget {
  readonly service?: string | undefined
  readonly host?: string | null | undefined
  /** What a URL gives: empty where it says none. */
  readonly port?: number | string | null | undefined
  /** Of the request: given, the host is one whose address the program finds itself. */
  readonly lookup?: unknown
}

/**
 * `http://web.example/` is the service `web.example`. A port other than HTTP's own, and any host that names this machine
 * or an address, has it the way of `net.connect(port, host)`.
 */
export function targetOfRequest({ service, host, port, lookup }: HttpTarget): TargetOptions {
  if (service !== undefined) return { service }
  const name = withoutBrackets(host || LOCALHOST)
  const isDefaultPort = !port || Number(port) === HTTP_PORT
  if (isDefaultPort && !lookup && name !== LOCALHOST && !isAddress(name)) return { service: name }
  return { port: port || HTTP_PORT, host: name }
}

/** Asked several times a request, for the name of the pool: most names need no look at the whole grammar. */
function isAddress(name: string): boolean {
  return MAY_BE_ADDRESS.test(name) && isIP(name) !== 0
}

function withoutBrackets(host: string): string {
  return host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host
}

const MAY_BE_ADDRESS = /^[\d.]+$|:/
const HTTP_PORT = 80
const LOCALHOST = 'localhost'
