/** The serviceID: 256 bits that name a service, the unit of routing (src/wire/README.md, "SAL header", B3). */
import { ServalError } from '../errors.ts'

export const SERVICE_ID_BYTES = 32
export const SERVICE_ID_BITS = 8 * SERVICE_ID_BYTES

/** Immutable. Bit 0 is the most significant bit of byte 0, as prefix matching counts. */
export class ServiceId {
  static readonly zero = new ServiceId(new Uint8Array(SERVICE_ID_BYTES))

  readonly #bytes: Uint8Array
  #text: string | undefined

  private constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  /** Copies the 32 bytes at `offset`; RangeError if there are fewer. */
  static fromBytes(bytes: Uint8Array, offset = 0): ServiceId {
    if (offset < 0 || offset + SERVICE_ID_BYTES > bytes.length) {
      throw new RangeError(`a serviceID takes ${SERVICE_ID_BYTES} bytes, ${bytes.length - offset} given`)
    }
    return new ServiceId(bytes.slice(offset, offset + SERVICE_ID_BYTES))
  }

  /** Reads a raw ID, `x-` or `0x` and 64 hex digits. Throws ESERVICENAME. */
  static parse(text: string): ServiceId {
    if (!RAW_ID.test(text)) {
      throw new ServalError('ESERVICENAME', { value: text, expected: 'a raw ID is x- and 64 hex digits' })
    }
    const bytes = new Uint8Array(SERVICE_ID_BYTES)
    for (let i = 0; i < SERVICE_ID_BYTES; i++) {
      bytes[i] = Number.parseInt(text.slice(2 + 2 * i, 4 + 2 * i), 16)
    }
    return new ServiceId(bytes)
  }

  /** `index` 0..31. */
  byteAt(index: number): number {
    return this.#bytes[index] ?? 0
  }

  /** A copy. */
  toBytes(): Uint8Array {
    return this.#bytes.slice()
  }

  /** Writes the 32 bytes at `offset`; RangeError if they do not fit. */
  copyTo(target: Uint8Array, offset: number): void {
    target.set(this.#bytes, offset)
  }

  /** Writes the bits as eight 32-bit words from `offset` on, the highest bit of the first is bit 0. */
  copyWords(target: Int32Array, offset = 0): void {
    const bytes = this.#bytes
    for (let i = offset, at = 0; at < SERVICE_ID_BYTES; i++, at += 4) {
      target[i] = (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!
    }
  }

  equals(other: ServiceId): boolean {
    return this === other || this.#bytes.every((byte, i) => byte === other.#bytes[i])
  }

  /** The canonical text, `x-` and 64 lower-case hex digits: also the key of maps. */
  toString(): string {
    this.#text ??= `x-${Array.from(this.#bytes, byte => byte.toString(16).padStart(2, '0')).join('')}`
    return this.#text
  }

  /** For people: levels and identity apart, `x-83295bd4.aeed6ab5.00000000.b1946ac9…`. */
  format(): string {
    const hex = this.toString().slice(2)
    return `x-${hex.slice(0, 8)}.${hex.slice(8, 16)}.${hex.slice(16, 24)}.${hex.slice(24, 32)}…`
  }
}

const RAW_ID = /^(?:x-|0x)[0-9a-f]{64}$/i
