/** Settings of the kernel's datagram sockets: most mean nothing here, and are checked as by `node:dgram` all the same. */
import { isIP } from 'node:net'
import { ServalError } from '../errors.ts'
import type { Stack } from '../net/stack.ts'
import { wrongValue } from './arguments.ts'
import { isOwnAddress } from './host-lookup.ts'
import { systemError } from './system-error.ts'

/** How many routers may send a datagram on. Throws EINVAL. */
export function checkHops(syscall: string, hops: number, least: number): number {
  if (hops >= least && hops <= 255) return hops
  throw invalid(syscall)
}

/** Throws ERR_SOCKET_BAD_BUFFER_SIZE. */
export function checkBufferSize(bytes: unknown): number {
  if (Number.isInteger(bytes) && Number(bytes) > 0 && Number(bytes) <= 0xffffffff) return Number(bytes)
  throw new ServalError('ERR_SOCKET_BAD_BUFFER_SIZE', {})
}

/** Where multicast is to leave. Throws EINVAL, EADDRNOTAVAIL. */
export function checkInterface(syscall: string, address: string, stack: Stack): void {
  if (!isIP(address)) throw invalid(syscall)
  if (!isOwnAddress(address, stack))
    throw systemError(new ServalError('EADDRNOTAVAIL', { syscall, address }), {})
}

/** Why a group is not joined or left. */
export function groupError(syscall: string, group: string): ServalError {
  if (!isGroup(group)) return invalid(syscall)
  const expected =
    'left out: bind to a name, and give that name a rule "FORWARD ... to=all" where it is resolved'
  return wrongValue('multicastAddress', expected, group)
}

/** Of RFC 5771 or RFC 4291 section 2.7. */
function isGroup(address: string): boolean {
  return (
    (isIP(address) === 4 && /^2(2[4-9]|3\d)\./.test(address)) || (isIP(address) === 6 && /^ff/i.test(address))
  )
}

function invalid(syscall: string): ServalError {
  return systemError(new ServalError('EINVAL', { syscall }), {})
}
