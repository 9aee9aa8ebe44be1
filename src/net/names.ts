/** From what a program writes where a service stands to names and serviceIDs. */
import { hostname } from 'node:os'
import { parseServiceName, type ServiceName } from '../id/name.ts'
import { parsePortService, portServiceName } from '../id/port-service.ts'

/** A name, or a port of a host: `8080` of `localhost` is the service `8080.localhost.inet`. */
export type ServiceTarget =
  | string
  | { readonly service: string }
  | { readonly port: number; readonly host?: string | undefined }

/** What a listener is known as. */
export interface ListenNames {
  readonly name: ServiceName
  /** The names that lead to it beside its own. */
  readonly aliases: readonly ServiceName[]
}

const LOCALHOST = 'localhost'

/** Throws ESERVICENAME, ERR_SOCKET_BAD_PORT. */
export function nameOfTarget(target: ServiceTarget): ServiceName {
  if (typeof target === 'string') return parseServiceName(target)
  if ('service' in target) return parseServiceName(target.service)
  return parseServiceName(portServiceName(target.port, target.host))
}

/**
 * The names of a listener on a host that has these addresses: a port without a host, or of the unspecified address, is
 * one of each of them; a self-certifying name stands for the plain one too. Throws as `nameOfTarget`.
 */
export function namesOfListener(target: ServiceTarget, addresses: readonly string[]): ListenNames {
  const name = nameOfTarget(target)
  if (name.identity !== undefined)
    return { name, aliases: [parseServiceName(name.text.replace(/^[^.]+\./, ''))] }
  if (typeof target === 'string' || 'service' in target || !isEverywhere(target.host))
    return { name, aliases: [] }
  const hosts = [...addresses, hostname().toLowerCase()]
  return { name, aliases: hosts.flatMap(host => aliasOf(target.port, host, name)) }
}

/** Whether only programs of this host can mean it. */
export function isLocalName(name: string): boolean {
  return parsePortService(name)?.host === LOCALHOST
}

/** The pattern of all such names. */
export const LOCAL_NAMES = `*.${LOCALHOST}.inet`

function isEverywhere(host: string | undefined): boolean {
  return host === undefined || host === '' || host === '0.0.0.0' || host === '::'
}

/** None for a loopback address, which is `localhost`, and for a host name that is no name of a service. */
function aliasOf(port: number, host: string, own: ServiceName): ServiceName[] {
  try {
    const alias = parseServiceName(portServiceName(port, host))
    return alias.text === own.text ? [] : [alias]
  } catch {
    return []
  }
}
