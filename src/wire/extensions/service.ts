/**
 * Service (type 2, README.md, "Extensions"). A SYN and the third ACK carry one, the service that is contacted; an
 * unconnected datagram carries two, destination first, source second.
 *
 *    0               8              16                            31
 *   +---------------+---------------+-------------------------------+
 *   |  0x2   bits   |      36       |           reserved            |
 *   +---------------+---------------+-------------------------------+
 *   |                       serviceID (256)                         |
 *   ~                                                               ~
 *   +---------------------------------------------------------------+
 */
import { ServiceId } from '../../id/service-id.ts'
import { readU16, writeU16 } from '../bytes.ts'
import { type WireError, wireErrors } from '../wire-error.ts'
import { type ExtensionBase, type ExtensionCodec, type ReservedField, readBits, writeStart } from './codec.ts'

const TYPE = 2
const LENGTH = 36
const RESERVED = 2
/** Also what a router adds to the start of the extension to look a packet up without parsing it. */
export const SERVICE_ID_OFFSET = 4

export interface ServiceExtension extends ExtensionBase, ReservedField {
  readonly kind: 'service'
  readonly serviceId: ServiceId
}

export function service(serviceId: ServiceId): ServiceExtension {
  return { kind: 'service', bits: 0, reserved: 0, serviceId }
}

export const serviceCodec: ExtensionCodec<ServiceExtension> = {
  type: TYPE,
  kind: 'service',
  limit: 2,
  length: () => LENGTH,

  parse(buffer: Uint8Array, start: number, end: number): ServiceExtension | WireError {
    if (end - start !== LENGTH) return wireErrors.badLength
    return {
      kind: 'service',
      bits: readBits(buffer, start),
      reserved: readU16(buffer, start + RESERVED),
      serviceId: ServiceId.fromBytes(buffer, start + SERVICE_ID_OFFSET),
    }
  },

  emit(extension: ServiceExtension, buffer: Uint8Array, offset: number): void {
    writeStart(buffer, offset, TYPE, extension.bits, LENGTH)
    writeU16(buffer, offset + RESERVED, extension.reserved)
    extension.serviceId.copyTo(buffer, offset + SERVICE_ID_OFFSET)
  },
}
