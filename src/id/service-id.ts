/** The serviceID: 256 bits that name a service, the unit of routing (src/wire/README.md, "SAL header", B3). */
import { ServalError } from '../errors.ts'

export const SERVICE_ID_BYTES = 32
export const SERVICE_ID_BITS = 8 * SERVICE_ID_BYTES

/** Immutable. Bit 0 is the most significant bit of byte 0, as prefix matching counts. */
export class ServiceId {
  static readonly zero = new ServiceId(eight(() => 0))

  /**
   * As `copyWords` writes them: tables look up by words, far more often than anybody wants bytes. In a list, which takes half
   * the memory of an array of bytes, and as small integers no more than their places.
   */
  readonly #words: readonly number[]
  #text: string | undefined

  private constructor(words: readonly number[]) {
    this.#words = words
  }

  /** Copies the 32 bytes at `offset`; RangeError if there are fewer. */
  static fromBytes(bytes: Uint8Array, offset = 0): ServiceId {
    if (offset < 0 || offset + SERVICE_ID_BYTES > bytes.length) {
      throw new RangeError(`a serviceID takes ${SERVICE_ID_BYTES} bytes, ${bytes.length - offset} given`)
    }
    return new ServiceId(eight(i => wordAt(bytes, offset + 4 * i)))
  }

  /** Reads a raw ID, `x-` or `0x` and 64 hex digits. Throws ESERVICENAME. */
  static parse(text: string): ServiceId {
    if (!RAW_ID.test(text)) {
      throw new ServalError('ESERVICENAME', { value: text, expected: 'a raw ID is x- and 64 hex digits' })
    }
    return new ServiceId(eight(i => Number.parseInt(text.slice(2 + 8 * i, 10 + 8 * i), 16) | 0))
  }

  /** `index` 0..31. */
  byteAt(index: number): number {
    return ((this.#words[index >> 2] ?? 0) >>> (24 - 8 * (index & 3))) & 0xff
  }

  /** A copy. */
  toBytes(): Uint8Array {
    const bytes = new Uint8Array(SERVICE_ID_BYTES)
    this.copyTo(bytes, 0)
    return bytes
  }

  /** Writes the 32 bytes at `offset`; RangeError if they do not fit. */
  copyTo(target: Uint8Array, offset: number): void {
    if (offset < 0 || offset + SERVICE_ID_BYTES > target.length) {
      throw new RangeError(
        `a serviceID takes ${SERVICE_ID_BYTES} bytes, there is room for ${target.length - offset}`,
      )
    }
    for (const [i, word] of this.#words.entries()) {
      const at = offset + 4 * i
      target[at] = word >>> 24
      target[at + 1] = word >>> 16
      target[at + 2] = word >>> 8
      target[at + 3] = word
    }
  }

  /** HOT. Writes the bits as eight 32-bit words from `offset` on, the highest bit of the first is bit 0. */
  copyWords(target: Int32Array, offset = 0): void {
    const words = this.#words
    for (let i = 0; i < words.length; i++) target[offset + i] = words[i]!
  }

  equals(other: ServiceId): boolean {
    return this === other || this.#words.every((word, i) => word === other.#words[i])
  }

  /** The canonical text, `x-` and 64 lower-case hex digits: also the key of maps. */
  toString(): string {
    this.#text ??= `x-${Array.from(this.#words, word => (word >>> 0).toString(16).padStart(8, '0')).join('')}`
    return this.#text
  }

  /** For people: levels and identity apart, `x-83295bd4.aeed6ab5.00000000.b1946ac9…`. */
  format(): string {
    const hex = this.toString().slice(2)
    return `x-${hex.slice(0, 8)}.${hex.slice(8, 16)}.${hex.slice(16, 24)}.${hex.slice(24, 32)}…`
  }
}

const RAW_ID = /^(?:x-|0x)[0-9a-f]{64}$/i

function eight(word: (i: number) => number): readonly number[] {
  return [word(0), word(1), word(2), word(3), word(4), word(5), word(6), word(7)]
}

/** Signed, as `copyWords` writes it. */
function wordAt(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!
}
