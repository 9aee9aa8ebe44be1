/**
 * Errors as programs written for `node:net` expect them: `errno` beside `code` and `syscall`, and ECONNREFUSED where a
 * number stands for the service, for "nobody serves this port" has no other meaning there.
 */
import { isIP } from 'node:net'
import { constants } from 'node:os'
import { ServalError } from '../errors.ts'
import type { Target } from './target.ts'

/** Why `connect` failed. */
export function connectError(error: ServalError, target: Target): ServalError {
  const { service, port } = target
  if (port === undefined) return systemError(error, { syscall: 'connect', service })
  const isNobody = error.code === 'ENOSERVICE' || error.code === 'ENOROUTER'
  if (isNobody || error.code === 'ECONNREFUSED') return portRefused(error, target, port)
  // The address to connect from is none of this host's.
  if ('syscall' in error && error.syscall === 'bind') return systemError(error, {})
  return systemError(error, { syscall: 'connect', service, port, address: addressOf(target) })
}

/** Adds `errno`, negative as in Node, where the system has a number for the code, and `details`. */
export function systemError(error: ServalError, details: Record<string, unknown>): ServalError {
  const errnos: Partial<Record<string, number>> = constants.errno
  const errno = errnos[error.code]
  return Object.assign(error, errno === undefined ? details : { errno: -errno, ...details })
}

/** In Node's own words; `reason` and `cause` say more. */
function portRefused(cause: ServalError, target: Target, port: number): ServalError {
  const { service, localAddress, localPort } = target
  const reason = 'reason' in cause ? cause.reason : 'nobody serves it'
  const address = addressOf(target)
  const from = localAddress && localPort ? ` - Local (${localAddress}:${localPort})` : ''
  const message = `connect ECONNREFUSED ${address}:${port}${from}`
  const error = new ServalError('ECONNREFUSED', { service, reason, message }, { cause })
  const local = from === '' ? {} : { localAddress, localPort }
  return systemError(error, { syscall: 'connect', port, address, ...local })
}

function addressOf({ host = LOCALHOST }: Target): string {
  return isIP(host) === 0 && host === LOCALHOST ? '127.0.0.1' : host
}

const LOCALHOST = 'localhost'
