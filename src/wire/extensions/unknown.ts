/**
 * An extension of the native profile whose type is not known here, kept as it came. A receiver skips it,
 * unless MUST_UNDERSTAND is set: then it refuses the packet (README.md, "Extensions").
 */
import { copyBytes } from '../bytes.ts'
import { BODY, type ExtensionBase, readBits, writeStart } from './codec.ts'

export interface UnknownExtension extends ExtensionBase {
  readonly kind: 'unknown'
  /** 5..14. */
  readonly type: number
  /** What follows the length byte. */
  readonly body: Uint8Array
}

export function unknownLength(extension: UnknownExtension): number {
  return BODY + extension.body.length
}

export function parseUnknown(type: number, buffer: Uint8Array, start: number, end: number): UnknownExtension {
  return { kind: 'unknown', bits: readBits(buffer, start), type, body: copyBytes(buffer, start + BODY, end) }
}

export function emitUnknown(extension: UnknownExtension, buffer: Uint8Array, offset: number): void {
  writeStart(buffer, offset, extension.type, extension.bits, unknownLength(extension))
  buffer.set(extension.body, offset + BODY)
}
