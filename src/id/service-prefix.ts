/** A set of serviceIDs that share their first bits: what a rule of the service table matches. */
import { ServalError } from '../errors.ts'
import { SERVICE_ID_BITS, SERVICE_ID_BYTES, ServiceId } from './service-id.ts'

/** Immutable and canonical: the bits of `id` behind the first `bits` are zero. */
export class ServicePrefix {
  static readonly all = new ServicePrefix(ServiceId.zero, 0)

  readonly id: ServiceId
  /** 0 (everything) to 256 (one serviceID). */
  readonly bits: number

  /** Bits of `id` beyond `bits` are cleared; RangeError if `bits` is not 0..256. */
  constructor(id: ServiceId, bits: number) {
    if (!Number.isInteger(bits) || bits < 0 || bits > SERVICE_ID_BITS) {
      throw new RangeError(`a prefix has 0 to ${SERVICE_ID_BITS} bits, not ${bits}`)
    }
    this.id = masked(id, bits)
    this.bits = bits
  }

  /** Reads a raw ID with an optional `/bits` (absent: 256), as rules write it. Throws ESERVICENAME. */
  static parse(text: string): ServicePrefix {
    const slash = text.indexOf('/')
    if (slash < 0) return new ServicePrefix(ServiceId.parse(text), SERVICE_ID_BITS)
    const bits = text.slice(slash + 1)
    if (!/^\d{1,3}$/.test(bits) || Number(bits) > SERVICE_ID_BITS) {
      throw new ServalError('ESERVICENAME', {
        value: text,
        expected: `a prefix is x- and 64 hex digits, then /0 to /${SERVICE_ID_BITS}`,
      })
    }
    return new ServicePrefix(ServiceId.parse(text.slice(0, slash)), Number(bits))
  }

  contains(id: ServiceId): boolean {
    const whole = this.bits >> 3
    for (let i = 0; i < whole; i++) {
      if (id.byteAt(i) !== this.id.byteAt(i)) return false
    }
    const rest = this.bits & 7
    return rest === 0 || (id.byteAt(whole) & topBits(rest)) === this.id.byteAt(whole)
  }

  /** Whether every serviceID of `other` is in this prefix too. */
  covers(other: ServicePrefix): boolean {
    return this.bits <= other.bits && this.contains(other.id)
  }

  equals(other: ServicePrefix): boolean {
    return this.bits === other.bits && this.id.equals(other.id)
  }

  /** The canonical text, `x-` and 64 hex digits, `/bits` unless 256: also the key of maps. */
  toString(): string {
    return this.bits === SERVICE_ID_BITS ? this.id.toString() : `${this.id}/${this.bits}`
  }
}

function masked(id: ServiceId, bits: number): ServiceId {
  if (bits === SERVICE_ID_BITS) return id
  const bytes = id.toBytes()
  const whole = bits >> 3
  bytes[whole] = bytes[whole]! & topBits(bits & 7)
  bytes.fill(0, whole + 1, SERVICE_ID_BYTES)
  return ServiceId.fromBytes(bytes)
}

/** A byte whose first `count` (0..7) bits are set. */
function topBits(count: number): number {
  return (0xff << (8 - count)) & 0xff
}
