/**
 * What daemons of 2014 tell each other of services, in datagrams from service 55555 to service 88888 (src/wire/README.md,
 * "Registrations"):
 *
 *    0        1        2                 4
 *   +--------+--------+-----------------+----------------------------------+
 *   | type   | retval | length, 48      | xid (the sender's byte order)    |
 *   +--------+--------+--------+--------+----------------------------------+
 *   | flags  | pad    | bits   | flags  | old IPv4 address                 |
 *   |        |        |        | (svc)  |                                  |
 *   +--------+--------+--------+--------+----------------------------------+
 *   | serviceID, 32 bytes                                                  |
 *   +----------------------------------------------------------------------+
 */
import { addressText } from '../id/address.ts'
import { SERVICE_ID_BITS, ServiceId } from '../id/service-id.ts'
import { ServicePrefix } from '../id/service-prefix.ts'
import { readU16 } from '../wire/bytes.ts'
import { type WireError, wireErrors } from '../wire/wire-error.ts'

export interface DaemonMessage {
  readonly type: 'REGISTER' | 'UNREGISTER'
  readonly prefix: ServicePrefix
  /** The host's address before it moved; undefined: it has not. */
  readonly oldAddress: string | undefined
}

/** 88888 in the first four bytes: who listens for registrations. */
export const REGISTRAR = `x-00015b38${'0'.repeat(56)}`

export function parseDaemonMessage(payload: Uint8Array): DaemonMessage | WireError {
  if (payload.length < MESSAGE_BYTES) return wireErrors.truncated
  if (readU16(payload, LENGTH) !== MESSAGE_BYTES) return wireErrors.badLength
  const type = ([REGISTER, UNREGISTER] as const)[payload[0]!]
  if (type === undefined) return wireErrors.badValue
  const id = ServiceId.fromBytes(payload, SERVICE)
  const old = addressText(payload.subarray(OLD_ADDRESS, SERVICE))
  const hasMoved = (payload[FLAGS]! & REREGISTER) !== 0 && old !== NO_ADDRESS
  return { type, prefix: prefixOf(id, payload[PREFIX_BITS]!), oldAddress: hasMoved ? old : undefined }
}

/** One byte has no room for 256, so 0 stands for it; for everything only where the serviceID is all zero. */
function prefixOf(id: ServiceId, bits: number): ServicePrefix {
  const isAll = bits === 0 && id.equals(ServiceId.zero)
  return isAll ? ServicePrefix.all : new ServicePrefix(id, bits === 0 ? SERVICE_ID_BITS : bits)
}

const REGISTER = 'REGISTER'
const UNREGISTER = 'UNREGISTER'
const NO_ADDRESS = '0.0.0.0'
const LENGTH = 2
const FLAGS = 8
const PREFIX_BITS = 10
const OLD_ADDRESS = 12
const SERVICE = 16
const MESSAGE_BYTES = 48
const REREGISTER = 0x01
