/**
 * TAG (type 6, README.md, "Extensions"): authenticates the packet; always the last extension, so that its value ends
 * where the SAL header ends. What it covers: `tagInput` in ../packet-tag.ts.
 *
 *    0               8              16                            31
 *   +---------------+---------------+-------------------------------+
 *   |  0x6   bits   |      20       |             epoch             |
 *   +---------------+---------------+-------------------------------+
 *   |                        HMAC-SHA256 (128)                      |
 *   ~                                                               ~
 *   +---------------------------------------------------------------+
 */
import { copyBytes, readU16, writeU16 } from '../bytes.ts'
import { type WireError, wireErrors } from '../wire-error.ts'
import { BODY, type ExtensionBase, type ExtensionCodec, readBits, writeFixed, writeStart } from './codec.ts'

export const TAG_TYPE = 6
export const TAG_BYTES = 16
const LENGTH = 20
const EPOCH = BODY
const VALUE = 4

export interface TagExtension extends ExtensionBase {
  readonly kind: 'tag'
  /** Key generation of the flow, uint16. */
  readonly epoch: number
  /** 16 bytes. */
  readonly value: Uint8Array
}

/** Without a value: the place that `writeTag` fills once the whole packet is written. */
export function tag(epoch: number, value: Uint8Array = UNFILLED): TagExtension {
  return { kind: 'tag', bits: 0, epoch, value }
}

export const tagCodec: ExtensionCodec<TagExtension> = {
  type: TAG_TYPE,
  kind: 'tag',
  limit: 1,
  length: () => LENGTH,

  parse(buffer: Uint8Array, start: number, end: number): TagExtension | WireError {
    if (end - start !== LENGTH) return wireErrors.badLength
    return {
      kind: 'tag',
      bits: readBits(buffer, start),
      epoch: readU16(buffer, start + EPOCH),
      value: copyBytes(buffer, start + VALUE, end),
    }
  },

  emit(extension: TagExtension, buffer: Uint8Array, offset: number): void {
    writeStart(buffer, offset, TAG_TYPE, extension.bits, LENGTH)
    writeU16(buffer, offset + EPOCH, extension.epoch)
    writeFixed(buffer, offset + VALUE, extension.value, TAG_BYTES)
  },
}

const UNFILLED = new Uint8Array(TAG_BYTES)
