/**
 * Control (type 1, README.md, "Extensions"): what set-up, migration, close and reset are made of.
 *
 *    0               8              16              24            31
 *   +---------------+---------------+---------------+---------------+
 *   |  0x1   bits   |      20       |     flags     |    attempt    |
 *   +---------------+---------------+---------------+---------------+
 *   |                             verno                             |
 *   +---------------------------------------------------------------+
 *   |                             ackno                             |
 *   +---------------------------------------------------------------+
 *   |                     nonce of the sender (64)                  |
 *   +                                                               +
 *   |                                                               |
 *   +---------------------------------------------------------------+
 *
 * Native: the nonce is random in a SYN and what answers it untagged, zero once set-up is over; the attempt is that of a SYN
 * and of what answers it, else reserved (README.md, "Extensions"). 2014: reserved.
 */
import { copyBytes, readU32, writeU32 } from '../bytes.ts'
import { type WireError, wireErrors } from '../wire-error.ts'
import { type ExtensionBase, type ExtensionCodec, readBits, writeFixed, writeStart } from './codec.ts'

const TYPE = 1
const LENGTH = 20
const FLAGS = 2
const RESERVED = 3
const VERNO = 4
const ACKNO = 8
const NONCE = 12

export const controlFlags = { SYN: 0x80, RSYN: 0x40, ACK: 0x20, NACK: 0x10, RST: 0x08, FIN: 0x04 } as const

/** Later SYNs of a flow say so too. */
export const MAX_ATTEMPT = 0xff

/** Without the two low bits, which are reserved and not always zero. */
export const KNOWN_CONTROL_FLAGS = 0xfc

export const CONTROL_NONCE_BYTES = 8

export interface ControlExtension extends ExtensionBase {
  readonly kind: 'control'
  /** Kept as it came. Native, of a SYN and of what answers it: which of its flow's SYNs, from 1 on; 0: it does not say. */
  readonly reserved: number
  /** Of `controlFlags`; the two low bits are reserved and kept. */
  readonly flags: number
  /** Number of this control packet, uint32. */
  readonly verno: number
  /** Next control number expected from the peer, uint32; counts if ACK is set. */
  readonly ackno: number
  /** 8 bytes. */
  readonly nonce: Uint8Array
}

export function control(
  flags: number,
  verno: number,
  ackno: number,
  nonce: Uint8Array = NO_NONCE,
  attempt = 0,
): ControlExtension {
  return { kind: 'control', bits: 0, flags, reserved: attempt, verno, ackno, nonce }
}

/** `SYN+ACK`, as traces print it. */
export function formatControlFlags(flags: number): string {
  const names = Object.entries(controlFlags).filter(([, flag]) => (flags & flag) !== 0)
  return names.length === 0 ? 'none' : names.map(([name]) => name).join('+')
}

export const controlCodec: ExtensionCodec<ControlExtension> = {
  type: TYPE,
  kind: 'control',
  limit: 1,
  length: () => LENGTH,

  parse(buffer: Uint8Array, start: number, end: number): ControlExtension | WireError {
    if (end - start !== LENGTH) return wireErrors.badLength
    return {
      kind: 'control',
      bits: readBits(buffer, start),
      flags: buffer[start + FLAGS]!,
      reserved: buffer[start + RESERVED]!,
      verno: readU32(buffer, start + VERNO),
      ackno: readU32(buffer, start + ACKNO),
      nonce: copyBytes(buffer, start + NONCE, start + NONCE + CONTROL_NONCE_BYTES),
    }
  },

  emit(extension: ControlExtension, buffer: Uint8Array, offset: number): void {
    writeStart(buffer, offset, TYPE, extension.bits, LENGTH)
    buffer[offset + FLAGS] = extension.flags
    buffer[offset + RESERVED] = extension.reserved
    writeU32(buffer, offset + VERNO, extension.verno)
    writeU32(buffer, offset + ACKNO, extension.ackno)
    writeFixed(buffer, offset + NONCE, extension.nonce, CONTROL_NONCE_BYTES)
  },
}

const NO_NONCE = new Uint8Array(CONTROL_NONCE_BYTES)
