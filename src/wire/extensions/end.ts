/**
 * END (type 13): the final offset of the stream, in a FIN and under its TAG (README.md, "Control numbers"). The reader sees
 * the end once every byte before that offset is there.
 *
 *    0               8              16                            31
 *   +---------------+---------------+-------------------------------+
 *   |  0xd   bits   |      12       |           reserved            |
 *   +---------------+---------------+-------------------------------+
 *   |             final offset (64): bytes of the stream            |
 *   +                                                               +
 *   |                                                               |
 *   +---------------------------------------------------------------+
 */
import { readU16, readU32, readU64, writeU16, writeU64 } from '../bytes.ts'
import { type WireError, wireErrors } from '../wire-error.ts'
import {
  BODY,
  type ExtensionBase,
  type ExtensionCodec,
  type ReservedField,
  readBits,
  writeStart,
} from './codec.ts'

const TYPE = 13
const LENGTH = 12
const RESERVED = BODY
const FINAL_OFFSET = 4
/** A stream of 2^53 bytes does not end in a lifetime, and a number beyond is not exact. */
const MAX_HIGH_WORD = 0x1fffff

export interface EndExtension extends ExtensionBase, ReservedField {
  readonly kind: 'end'
  /** How many bytes the stream has, below 2^53. */
  readonly finalOffset: number
}

export function end(finalOffset: number): EndExtension {
  return { kind: 'end', bits: 0, reserved: 0, finalOffset }
}

export const endCodec: ExtensionCodec<EndExtension> = {
  type: TYPE,
  kind: 'end',
  limit: 1,
  length: () => LENGTH,

  parse(buffer: Uint8Array, start: number, stop: number): EndExtension | WireError {
    if (stop - start !== LENGTH) return wireErrors.badLength
    if (readU32(buffer, start + FINAL_OFFSET) > MAX_HIGH_WORD) return wireErrors.badValue
    return {
      kind: 'end',
      bits: readBits(buffer, start),
      reserved: readU16(buffer, start + RESERVED),
      finalOffset: readU64(buffer, start + FINAL_OFFSET),
    }
  },

  emit(extension: EndExtension, buffer: Uint8Array, offset: number): void {
    writeStart(buffer, offset, TYPE, extension.bits, LENGTH)
    writeU16(buffer, offset + RESERVED, extension.reserved)
    writeU64(buffer, offset + FINAL_OFFSET, extension.finalOffset)
  },
}
