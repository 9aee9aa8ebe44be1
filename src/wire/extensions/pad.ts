/** Pad (type 0, README.md, "Extensions"): one byte and no length. 2014 profile only, where nobody has ever sent it. */
import { type ExtensionBase, type ExtensionCodec, readBits } from './codec.ts'

export interface PadExtension extends ExtensionBase {
  readonly kind: 'pad'
}

export const padCodec: ExtensionCodec<PadExtension> = {
  type: 0,
  kind: 'pad',
  limit: Number.POSITIVE_INFINITY,
  length: () => 1,
  extent: () => 1,

  parse(buffer: Uint8Array, start: number): PadExtension {
    return { kind: 'pad', bits: readBits(buffer, start) }
  },

  emit(extension: PadExtension, buffer: Uint8Array, offset: number): void {
    buffer[offset] = extension.bits
  },
}
