/**
 * CHALLENGE (type 8, README.md, "Extensions", B6): random bytes that prove return reachability, or their echo.
 *
 *    0               8              16              24            31
 *   +---------------+---------------+---------------+---------------+
 *   |  0x8   bits   |      12       |     kind      |   reserved    |
 *   +---------------+---------------+---------------+---------------+
 *   |                         value (64)                            |
 *   +                                                               +
 *   |                                                               |
 *   +---------------------------------------------------------------+
 */
import { copyBytes } from '../bytes.ts'
import { type WireError, wireErrors } from '../wire-error.ts'
import {
  BODY,
  type ExtensionBase,
  type ExtensionCodec,
  type ReservedField,
  readBits,
  writeFixed,
  writeStart,
} from './codec.ts'

const TYPE = 8
const LENGTH = 12
const ROLE = BODY
const RESERVED = 3
const VALUE = 4
export const CHALLENGE_BYTES = 8

const CHALLENGE = 0
const ECHO = 1

export interface ChallengeExtension extends ExtensionBase, ReservedField {
  readonly kind: 'challenge'
  /** Whether this answers a challenge, or is one (kind 1, kind 0 on the wire). */
  readonly echo: boolean
  /** 8 bytes. */
  readonly value: Uint8Array
}

export function challenge(value: Uint8Array): ChallengeExtension {
  return { kind: 'challenge', bits: 0, reserved: 0, echo: false, value }
}

export function challengeEcho(value: Uint8Array): ChallengeExtension {
  return { kind: 'challenge', bits: 0, reserved: 0, echo: true, value }
}

export const challengeCodec: ExtensionCodec<ChallengeExtension> = {
  type: TYPE,
  kind: 'challenge',
  // A packet may echo one challenge and make another: both ends move at once (README.md, "Set-up and keys").
  limit: 2,
  length: () => LENGTH,

  parse(buffer: Uint8Array, start: number, end: number): ChallengeExtension | WireError {
    if (end - start !== LENGTH) return wireErrors.badLength
    const role = buffer[start + ROLE]!
    if (role !== CHALLENGE && role !== ECHO) return wireErrors.badValue
    return {
      kind: 'challenge',
      bits: readBits(buffer, start),
      reserved: buffer[start + RESERVED]!,
      echo: role === ECHO,
      value: copyBytes(buffer, start + VALUE, end),
    }
  },

  emit(extension: ChallengeExtension, buffer: Uint8Array, offset: number): void {
    writeStart(buffer, offset, TYPE, extension.bits, LENGTH)
    buffer[offset + ROLE] = extension.echo ? ECHO : CHALLENGE
    buffer[offset + RESERVED] = extension.reserved
    writeFixed(buffer, offset + VALUE, extension.value, CHALLENGE_BYTES)
  },
}
