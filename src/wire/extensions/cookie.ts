/**
 * COOKIE (type 7, README.md, "Extensions", B5): opaque bytes of a host or router under load, which the client repeats in
 * its next SYN to the one who issued it.
 *
 *    0               8              16                            31
 *   +---------------+---------------+-------------------------------+
 *   |  0x7   bits   |    length     |        bytes of opaque        |
 *   +---------------+---------------+-------------------------------+
 *   |  opaque, zeros up to a multiple of 4 ...
 */
import { align4, copyBytes, readU16, writeU16 } from '../bytes.ts'
import { type WireError, wireErrors } from '../wire-error.ts'
import { BODY, type ExtensionBase, type ExtensionCodec, isZero, readBits, writeStart } from './codec.ts'

const TYPE = 7
const OPAQUE_LENGTH = BODY
const OPAQUE = 4

export interface CookieExtension extends ExtensionBase {
  readonly kind: 'cookie'
  /** At most 248 bytes: the length byte counts to 252 in steps of four. */
  readonly opaque: Uint8Array
}

export function cookie(opaque: Uint8Array): CookieExtension {
  return { kind: 'cookie', bits: 0, opaque }
}

export const cookieCodec: ExtensionCodec<CookieExtension> = {
  type: TYPE,
  kind: 'cookie',
  limit: 1,
  length: extension => align4(OPAQUE + extension.opaque.length),

  parse(buffer: Uint8Array, start: number, end: number): CookieExtension | WireError {
    if (end - start < OPAQUE) return wireErrors.badLength
    const length = readU16(buffer, start + OPAQUE_LENGTH)
    if (align4(OPAQUE + length) !== end - start) return wireErrors.badLength
    const at = start + OPAQUE
    if (!isZero(buffer, at + length, end)) return wireErrors.badValue
    return { kind: 'cookie', bits: readBits(buffer, start), opaque: copyBytes(buffer, at, at + length) }
  },

  emit(extension: CookieExtension, buffer: Uint8Array, offset: number): void {
    const length = cookieCodec.length(extension)
    writeStart(buffer, offset, TYPE, extension.bits, length)
    writeU16(buffer, offset + OPAQUE_LENGTH, extension.opaque.length)
    buffer.set(extension.opaque, offset + OPAQUE)
    buffer.fill(0, offset + OPAQUE + extension.opaque.length, offset + length)
  },
}
