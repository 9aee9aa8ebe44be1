/**
 * Numbers where a port stands: the host-scoped service `8080.<host>.inet` (src/wire/README.md, "Names"), so that programs
 * that think in ports work. Two of them meet exactly if they mean the same port of the same host.
 */
import { ServalError } from '../errors.ts'
import { addressBytes, addressText } from './address.ts'
import { parseServiceName } from './name.ts'

/** Where a free port is looked for (RFC 6335 section 6), and how often. */
export const dynamicPorts = { first: 49_152, end: 65_536, tries: 64 } as const

export interface PortService {
  readonly port: number
  /** As in the name: `localhost`, `10-0-0-1`, `fd00--7`, `db.lan`. */
  readonly host: string
}

/**
 * The name of a port of a host. `host` is an address or a host name; empty, absent, 127.0.0.0/8, ::1 and
 * the unspecified addresses (Node's way to say "any") all mean `localhost`. Throws ERR_SOCKET_BAD_PORT unless `port` is 1..65535, ESERVICENAME for a bad host.
 */
export function portServiceName(port: number, host = ''): string {
  if (!isPort(port)) throw new ServalError('ERR_SOCKET_BAD_PORT', { argument: 'port', received: port })
  return parseServiceName(`${port}.${hostLabels(host)}.${TOP}`).text
}

/** The port and host of such a name; undefined for any other name. */
export function parsePortService(name: string): PortService | undefined {
  const match = PORT_NAME.exec(name)
  if (match === null) return undefined
  const port = Number(match[1])
  return isPort(port) ? { port, host: match[2]! } : undefined
}

const TOP = 'inet'
const LOCALHOST = 'localhost'
const HERE = new Set(['::1', '::', '0.0.0.0'])
const PORT_NAME = new RegExp(`^([1-9]\\d{0,4})\\.(.+)\\.${TOP}$`)

function isPort(port: number): boolean {
  return Number.isInteger(port) && port >= 1 && port <= 0xffff
}

function hostLabels(host: string): string {
  if (host === '') return LOCALHOST
  const bytes = addressBytes(host)
  if (bytes === undefined) return host
  const text = addressText(bytes).replace(/^::ffff:(?=\d+\.)/, '')
  if (text.startsWith('127.') || HERE.has(text)) return LOCALHOST
  return text.replace(/[.:]/g, '-')
}
