/**
 * Large (type 15, README.md, "Extensions"): for what is longer than 252 bytes, and for types that the four bits of the
 * start have no room for.
 *
 *    0               8              16                            31
 *   +---------------+---------------+-------------------------------+
 *   |  0xf   bits   |   reserved    |             type              |
 *   +---------------+---------------+-------------------------------+
 *   |            length             |  data ...                     |
 *   +-------------------------------+                               ~
 *   |  ... zeros up to a multiple of 4 (which the length leaves out)
 *   +---------------------------------------------------------------+
 *
 * A receiver skips a type that it does not know, unless it must be understood.
 */
import { addressBytes } from '../../id/address.ts'
import { align4, copyBytes, readU16, writeU16 } from '../bytes.ts'
import { type Endpoint, formatEndpoint, parseEndpoint } from '../endpoint.ts'
import { type WireError, wireErrors } from '../wire-error.ts'
import {
  type ExtensionBase,
  type ExtensionCodec,
  isZero,
  MUST_UNDERSTAND,
  type ReservedField,
  readBits,
  writeStart,
} from './codec.ts'

const TYPE = 15
const RESERVED = 1
const LARGE_TYPE = 2
const LENGTH = 4
const DATA = 6

export interface LargeExtension extends ExtensionBase, ReservedField {
  readonly kind: 'large'
  /** uint16. */
  readonly largeType: number
  readonly data: Uint8Array
}

export function large(largeType: number, data: Uint8Array, bits = 0): LargeExtension {
  return { kind: 'large', bits, reserved: 0, largeType, data }
}

/** Those that mean something. */
export const largeTypes = {
  /**
   * In a SYN, without data: whoever would take it says so, and opens no flow (README.md, "Trace"). In the answer: who gives it, as
   * `address:port`.
   */
  TRACE: 1,
} as const

/** Who does not know TRACE must not take the SYN for another. */
export function trace(): LargeExtension {
  return large(largeTypes.TRACE, NOTHING, MUST_UNDERSTAND)
}

/** In the answer to a SYN with TRACE. The zone of a link-local address means nothing to others. */
export function traceAnswer({ address, port }: Endpoint): LargeExtension {
  const [bare = ''] = address.split('%')
  return large(largeTypes.TRACE, new TextEncoder().encode(formatEndpoint({ address: bare, port })))
}

/** Who gives the answer with this TRACE, an address and a port and nothing else; undefined: it does not say. */
export function answererOf({ data }: LargeExtension): Endpoint | undefined {
  const endpoint = parseEndpoint(new TextDecoder().decode(data))
  if (endpoint === undefined || endpoint.address.includes('%')) return undefined
  return addressBytes(endpoint.address) && endpoint
}

export function isTrace(extension: {
  readonly kind: string
  readonly largeType?: number
}): extension is LargeExtension {
  return extension.kind === 'large' && extension.largeType === largeTypes.TRACE
}

/**
 * A random large extension, to send now and then so that skipping stays true (README.md, "Extensions"). Its types,
 * 0x8000 and up, will never have a meaning. `randomBytes` yields n random bytes.
 */
export function greaseExtension(randomBytes: (n: number) => Uint8Array): LargeExtension {
  const seed = randomBytes(3)
  return large(0x8000 | readU16(seed, 0), randomBytes(seed[2]! & 0x1f))
}

export const largeCodec: ExtensionCodec<LargeExtension> = {
  type: TYPE,
  kind: 'large',
  limit: Number.POSITIVE_INFINITY,
  length: extension => align4(DATA + extension.data.length),

  extent(buffer: Uint8Array, start: number, end: number): number {
    return end - start < DATA ? 0 : align4(readU16(buffer, start + LENGTH))
  },

  parse(buffer: Uint8Array, start: number, end: number): LargeExtension | WireError {
    if (end - start < DATA) return wireErrors.badLength
    const length = readU16(buffer, start + LENGTH)
    if (length < DATA) return wireErrors.badLength
    if (!isZero(buffer, start + length, end)) return wireErrors.badValue
    return {
      kind: 'large',
      bits: readBits(buffer, start),
      reserved: buffer[start + RESERVED]!,
      largeType: readU16(buffer, start + LARGE_TYPE),
      data: copyBytes(buffer, start + DATA, start + length),
    }
  },

  emit(extension: LargeExtension, buffer: Uint8Array, offset: number): void {
    const length = DATA + extension.data.length
    writeStart(buffer, offset, TYPE, extension.bits, extension.reserved)
    writeU16(buffer, offset + LARGE_TYPE, extension.largeType)
    writeU16(buffer, offset + LENGTH, length)
    buffer.set(extension.data, offset + DATA)
    buffer.fill(0, offset + length, offset + align4(length))
  },
}

const NOTHING = new Uint8Array(0)
