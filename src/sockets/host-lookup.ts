/**
 * The host of a port, where a program names one. `node:net` asks for its address before it connects; here the name is a
 * part of the service's, which the stack resolves. What is looked up is what a program looks up itself (`lookup`), and
 * `localhost`, of which it is known.
 */
import { ADDRCONFIG, ALL, V4MAPPED } from 'node:dns'
import { isIP, type LookupFunction } from 'node:net'
import { constants } from 'node:os'
import { ServalError } from '../errors.ts'
import { canonicalAddress, isLoopback } from '../id/address.ts'
import type { Stack } from '../net/stack.ts'
import { checkFunction, checkInteger, checkNumber, refused, wrongType } from './arguments.ts'

/** What `node:net` takes of addresses and of how they are found. */
export interface AddressOptions {
  /** Stands in for the look-up of the host's name. */
  lookup?: LookupFunction | undefined
  /** For `lookup`: 4, 6 or 0. */
  family?: number | undefined
  /** For `lookup`: flags of `node:dns`. */
  hints?: number | undefined
  /** One of this host's; the stack chooses among them for each path. */
  localAddress?: string | undefined
  /** Told in errors; a flow has no port of its own. */
  localPort?: number | undefined
  /** Checked as by Node; the stack tries every address of a service. */
  autoSelectFamily?: boolean | undefined
  autoSelectFamilyAttemptTimeout?: number | undefined
}

/** Throws as Node: ERR_INVALID_IP_ADDRESS, ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE. */
export function checkAddressOptions(options: AddressOptions & { host?: string | undefined }): void {
  const { localAddress, localPort, autoSelectFamily, autoSelectFamilyAttemptTimeout, lookup, hints, family } =
    options
  if (localAddress && !isIP(localAddress))
    throw new ServalError('ERR_INVALID_IP_ADDRESS', { address: localAddress })
  if (localPort) checkNumber(localPort, 'options.localPort')
  if (autoSelectFamily !== undefined && autoSelectFamily !== null && typeof autoSelectFamily !== 'boolean')
    throw wrongType('options.autoSelectFamily', 'of type boolean', autoSelectFamily)
  if (autoSelectFamilyAttemptTimeout !== undefined && autoSelectFamilyAttemptTimeout !== null)
    checkInteger(autoSelectFamilyAttemptTimeout, 'options.autoSelectFamilyAttemptTimeout', 1)
  if (isIP(options.host ?? '') !== 0) return
  if (lookup !== undefined && lookup !== null) checkFunction(lookup, 'options.lookup')
  else if (family !== undefined && family !== null && !FAMILIES.has(family))
    throw refused('options.family', family, 'must be one of: 0, 4, 6')
  if (hints && (hints & ~(ADDRCONFIG | ALL | V4MAPPED)) !== 0) throw refused('hints', hints)
}

export type OnFound = (error: Error | null, address?: string, family?: number) => void

/** Finds the address of `host`, no address itself; undefined: the stack is to resolve it. */
export function lookUp(host: string, options: AddressOptions, onFound: OnFound): void {
  const { lookup, family, hints = 0 } = options
  if (lookup) {
    const ask = lookup as unknown as (host: string, options: object, onFound: OnFound) => void
    ask(host, { family: family === 4 || family === 6 ? family : 0, hints }, onFound)
  } else if (host !== LOCALHOST) process.nextTick(onFound, notFound(host))
  else if (family === 6) process.nextTick(onFound, null, '::1', 6)
  else process.nextTick(onFound, null, '127.0.0.1', 4)
}

/** What is wrong with what a program has found; undefined: nothing. */
export function foundError(
  address: unknown,
  family: unknown,
  { host, port }: { readonly host: string; readonly port: unknown },
): ServalError | undefined {
  if (typeof address !== 'string' || !isIP(address))
    return new ServalError('ERR_INVALID_IP_ADDRESS', { address })
  if (family === 4 || family === 6) return undefined
  return new ServalError('ERR_INVALID_ADDRESS_FAMILY', { addressType: family, host, port })
}

/** Whether it is one of this host's. Of those of a link (RFC 4007) only the kernel knows. */
export function isOwnAddress(text: string, { endpoints }: Stack): boolean {
  const address = canonicalAddress(text)?.replace(/^::ffff:(?=\d+\.)/, '') ?? text
  return (
    isLoopback(address) ||
    ANY.has(address) ||
    address.includes('%') ||
    endpoints.some(own => own.address === address)
  )
}

const LOCALHOST = 'localhost'
/** As `node:dns` takes them. */
const FAMILIES: ReadonlySet<unknown> = new Set([0, 4, 6, 'IPv4', 'IPv6'])
const ANY: ReadonlySet<string> = new Set(['0.0.0.0', '::'])

function notFound(hostname: string): ServalError {
  return new ServalError('ENOTFOUND', { errno: -constants.errno.ENOENT, hostname, syscall: 'getaddrinfo' })
}
