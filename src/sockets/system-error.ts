/**
 * Errors as programs written for `node:net` expect them: `errno` beside `code` and `syscall`, and ECONNREFUSED where a
 * number stands for the service, for "nobody serves this port" has no other meaning there.
 */
import { constants } from 'node:os'
import { ServalError } from '../errors.ts'
import type { Target } from './target.ts'

/** Why `connect` failed. */
export function connectError(error: ServalError, target: Target): ServalError {
  const { service, port, host } = target
  const where = port === undefined ? { service } : { service, port, address: host }
  const isNobody = error.code === 'ENOSERVICE' || error.code === 'ENOROUTER'
  if (port === undefined || !isNobody) return systemError(error, { syscall: 'connect', ...where })
  const refusal = new ServalError('ECONNREFUSED', { service, reason: 'nobody serves it' }, { cause: error })
  return systemError(refusal, { syscall: 'connect', ...where })
}

/** Adds `errno`, negative as in Node, where the system has a number for the code, and `details`. */
export function systemError(error: ServalError, details: Record<string, unknown>): ServalError {
  const errnos: Partial<Record<string, number>> = constants.errno
  const errno = errnos[error.code]
  return Object.assign(error, errno === undefined ? details : { errno: -errno, ...details })
}
