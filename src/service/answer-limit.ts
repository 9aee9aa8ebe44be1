/**
 * How many answers an address may be sent: whoever spoofs a victim's address must not make a router flood it. A
 * token bucket for each IPv4 address or IPv6 /64, in memory of a fixed size: addresses share buckets by a keyed
 * hash, so nobody can choose whom to starve.
 */
import { addressBytes } from '../id/address.ts'

export interface AnswerRate {
  readonly perSecond: number
  /** How many may follow each other after a quiet time. */
  readonly burst: number
}

/** A host that looks for many services at once still hears of each; at 44 bytes a NACK this is 70 kbit/s. */
export const DEFAULT_ANSWER_RATE: AnswerRate = { perSecond: 200, burst: 200 }

const BUCKETS = 4096
const SUBNET_BYTES = 8

export class AnswerLimit {
  readonly #rate: AnswerRate
  readonly #salt: number
  readonly #tokens = new Float64Array(BUCKETS)
  readonly #filledAt = new Float64Array(BUCKETS).fill(-Infinity)

  constructor(randomBytes: (n: number) => Uint8Array, rate: Partial<AnswerRate> = {}) {
    this.#rate = { ...DEFAULT_ANSWER_RATE, ...rate }
    this.#salt = randomBytes(4).reduce((salt, byte) => (salt << 8) | byte, 0)
  }

  /** Whether one more answer may go to the address; counts it if so. */
  admits(address: string, nowMs: number): boolean {
    const bucket = this.#bucketOf(address)
    const { perSecond, burst } = this.#rate
    const refilled = ((nowMs - this.#filledAt[bucket]!) * perSecond) / 1000
    const tokens = Math.min(burst, this.#tokens[bucket]! + refilled)
    this.#filledAt[bucket] = nowMs
    this.#tokens[bucket] = tokens < 1 ? tokens : tokens - 1
    return tokens >= 1
  }

  /** FNV-1a over the subnet, started from the salt and mixed once more at the end. */
  #bucketOf(address: string): number {
    let hash = this.#salt
    for (const byte of addressBytes(address)?.subarray(0, SUBNET_BYTES) ?? []) {
      hash = Math.imul(hash ^ byte, 0x01000193)
    }
    return Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d) >>> 20
  }
}
