/**
 * KEY (type 5, README.md, "Extensions", B4): the mode offered (SYN) or chosen (SYN-ACK), and this end's share of the keys.
 *
 *    0               8              16              24            31
 *   +---------------+---------------+---------------+---------------+
 *   |  0x5   bits   |    length     |     mode      |   reserved    |
 *   +---------------+---------------+---------------+---------------+
 *   |  plain: a nonce (16 bytes).  secure: an X25519 public key (32 bytes)
 *   +---------------------------------------------------------------
 */
import { copyBytes } from '../bytes.ts'
import { type WireError, wireErrors } from '../wire-error.ts'
import {
  BODY,
  type ExtensionBase,
  type ExtensionCodec,
  type ReservedField,
  readBits,
  writeStart,
} from './codec.ts'

const TYPE = 5
const MODE = BODY
const RESERVED = 3
const KEY = 4

export const keyModes = { PLAIN: 0, SECURE: 1 } as const

const SHARE_BYTES: readonly (number | undefined)[] = [16, 32]

export interface KeyExtension extends ExtensionBase, ReservedField {
  readonly kind: 'key'
  /** Of `keyModes`, or one that is not known here and has to be refused. */
  readonly mode: number
  /** 16 bytes in `plain`, 32 in `secure`; a multiple of 4 in any other mode. */
  readonly share: Uint8Array
}

export function key(mode: number, share: Uint8Array): KeyExtension {
  return { kind: 'key', bits: 0, reserved: 0, mode, share }
}

export const keyCodec: ExtensionCodec<KeyExtension> = {
  type: TYPE,
  kind: 'key',
  limit: 1,
  length: extension => KEY + extension.share.length,

  parse(buffer: Uint8Array, start: number, end: number): KeyExtension | WireError {
    if (end - start < KEY) return wireErrors.badLength
    const mode = buffer[start + MODE]!
    const expected = SHARE_BYTES[mode]
    if (expected !== undefined && end - start !== KEY + expected) return wireErrors.badLength
    return {
      kind: 'key',
      bits: readBits(buffer, start),
      reserved: buffer[start + RESERVED]!,
      mode,
      share: copyBytes(buffer, start + KEY, end),
    }
  },

  emit(extension: KeyExtension, buffer: Uint8Array, offset: number): void {
    writeStart(buffer, offset, TYPE, extension.bits, keyCodec.length(extension))
    buffer[offset + MODE] = extension.mode
    buffer[offset + RESERVED] = extension.reserved
    buffer.set(extension.share, offset + KEY)
  },
}
