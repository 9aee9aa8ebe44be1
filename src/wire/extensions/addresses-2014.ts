/**
 * The two extensions of the 2014 profile that list IPv4 addresses (README.md, "Extensions", A3.4). The native profile
 * has ROUTE and PATHS instead.
 *
 * Address (type 3): never produced, and skipped on receipt.
 *
 *    0               8              16                            31
 *   +---------------+---------------+-------------------------------+
 *   |  0x3   bits   |    length     |           reserved            |
 *   +---------------+---------------+-------------------------------+
 *   |                             verno                             |
 *   +---------------------------------------------------------------+
 *   |                             ackno                             |
 *   +---------------------------------------------------------------+
 *   |  addresses ...
 *
 * Source (type 4): added by service routers, repeated in the SYN-ACK with the server's own address behind.
 *
 *    0               8              16                            31
 *   +---------------+---------------+-------------------------------+
 *   |  0x4   bits   |    4 + 4n     |           reserved            |
 *   +---------------+---------------+-------------------------------+
 *   |  n addresses, 2 or more: the client, the address it sent to, one per further router
 */
import { addressBytes, addressText } from '../../id/address.ts'
import { copyBytes, readU16, readU32, writeU16, writeU32 } from '../bytes.ts'
import { type WireError, wireErrors } from '../wire-error.ts'
import {
  type ExtensionBase,
  type ExtensionCodec,
  type ReservedField,
  readBits,
  writeFixed,
  writeStart,
} from './codec.ts'

const RESERVED = 2

const ADDRESS_TYPE = 3
const ADDRESS_VERNO = 4
const ADDRESS_ACKNO = 8
const ADDRESS_LIST = 12

const SOURCE_TYPE = 4
const SOURCE_LIST = 4
const SOURCE_LEAST = 2
const IPV4_BYTES = 4

export interface AddressExtension extends ExtensionBase, ReservedField {
  readonly kind: 'address'
  readonly verno: number
  readonly ackno: number
  /** As they came: nothing reads them. */
  readonly addresses: Uint8Array
}

export interface SourceExtension extends ExtensionBase, ReservedField {
  readonly kind: 'source'
  /** Dotted IPv4; the first is the client as the first router saw it. */
  readonly addresses: readonly string[]
}

export function source(addresses: readonly string[]): SourceExtension {
  return { kind: 'source', bits: 0, reserved: 0, addresses }
}

export const addressCodec: ExtensionCodec<AddressExtension> = {
  type: ADDRESS_TYPE,
  kind: 'address',
  limit: Number.POSITIVE_INFINITY,
  length: extension => ADDRESS_LIST + extension.addresses.length,

  parse(buffer: Uint8Array, start: number, end: number): AddressExtension | WireError {
    if (end - start < ADDRESS_LIST) return wireErrors.badLength
    return {
      kind: 'address',
      bits: readBits(buffer, start),
      reserved: readU16(buffer, start + RESERVED),
      verno: readU32(buffer, start + ADDRESS_VERNO),
      ackno: readU32(buffer, start + ADDRESS_ACKNO),
      addresses: copyBytes(buffer, start + ADDRESS_LIST, end),
    }
  },

  emit(extension: AddressExtension, buffer: Uint8Array, offset: number): void {
    writeStart(buffer, offset, ADDRESS_TYPE, extension.bits, addressCodec.length(extension))
    writeU16(buffer, offset + RESERVED, extension.reserved)
    writeU32(buffer, offset + ADDRESS_VERNO, extension.verno)
    writeU32(buffer, offset + ADDRESS_ACKNO, extension.ackno)
    buffer.set(extension.addresses, offset + ADDRESS_LIST)
  },
}

export const sourceCodec: ExtensionCodec<SourceExtension> = {
  type: SOURCE_TYPE,
  kind: 'source',
  limit: 1,
  length: extension => SOURCE_LIST + extension.addresses.length * IPV4_BYTES,

  parse(buffer: Uint8Array, start: number, end: number): SourceExtension | WireError {
    const count = (end - start - SOURCE_LIST) / IPV4_BYTES
    if (!Number.isInteger(count) || count < SOURCE_LEAST) return wireErrors.badLength
    const at = start + SOURCE_LIST
    return {
      kind: 'source',
      bits: readBits(buffer, start),
      reserved: readU16(buffer, start + RESERVED),
      addresses: Array.from({ length: count }, (_, i) =>
        addressText(buffer.subarray(at + i * IPV4_BYTES, at + (i + 1) * IPV4_BYTES)),
      ),
    }
  },

  emit(extension: SourceExtension, buffer: Uint8Array, offset: number): void {
    writeStart(buffer, offset, SOURCE_TYPE, extension.bits, sourceCodec.length(extension))
    writeU16(buffer, offset + RESERVED, extension.reserved)
    for (const [i, address] of extension.addresses.entries()) {
      const bytes = addressBytes(address) ?? new Uint8Array(0)
      writeFixed(buffer, offset + SOURCE_LIST + i * IPV4_BYTES, bytes, IPV4_BYTES)
    }
  },
}
