/**
 * All that is said of one prefix, in one line of the processor's cache: its key, its length, what it leads to and what has
 * been counted. A lookup in a large table waits for memory and for little else, so that this is what it costs.
 *
 * Keys are eight 32-bit words; the highest bit of the first is bit 0, and those behind the prefix are 0.
 */
import { SERVICE_ID_BITS, SERVICE_ID_BYTES, ServiceId } from '../id/service-id.ts'
import { ServicePrefix } from '../id/service-prefix.ts'
import type { Counters } from './counters.ts'
import { Records } from './records.ts'

export const KEY_WORDS = SERVICE_ID_BITS / 32

// A slot's words, and doubles; its key is the first.
const WORD_BITS = 4
/** Its length plus one: 0 in a slot that is free. */
const LENGTH = KEY_WORDS
const VALUE = KEY_WORDS + 1
const PACKETS = 5
const BYTES = 6
const DROPS = 7

export class Slots {
  readonly #records = new Records(WORD_BITS)

  /** Number of those in use. */
  get size(): number {
    return this.#records.size
  }

  /** Slots are numbers below this; not all of them are in use. */
  get limit(): number {
    return this.#records.limit
  }

  get byteLength(): number {
    return this.#records.byteLength
  }

  /** A slot for the first `bits` bits of `key`, with the value 0 and nothing counted. */
  take(key: Int32Array, bits: number): number {
    const slot = this.#records.take()
    const words = this.#records.chunk(slot)
    const at = this.#records.at(slot)
    const whole = bits >>> 5
    for (let i = 0; i < whole; i++) words[at + i] = key[i]!
    const rest = bits & 31
    if (rest > 0) words[at + whole] = firstBits(key[whole]!, rest)
    words[at + LENGTH] = bits + 1
    return slot
  }

  release(slot: number): void {
    this.#records.release(slot)
  }

  /** Length of the prefix in a slot; -1 of one that is free. */
  bits(slot: number): number {
    return this.#records.chunk(slot)[this.#records.at(slot) + LENGTH]! - 1
  }

  /** Word number `i` of its key. */
  word(slot: number, i: number): number {
    return this.#records.chunk(slot)[this.#records.at(slot) + i]!
  }

  /** Its key, to be read before anything changes. */
  key(slot: number): Int32Array {
    const at = this.#records.at(slot)
    return this.#records.chunk(slot).subarray(at, at + KEY_WORDS)
  }

  prefix(slot: number): ServicePrefix {
    const bytes = new Uint8Array(SERVICE_ID_BYTES)
    const view = new DataView(bytes.buffer)
    for (let i = 0; i < KEY_WORDS; i++) view.setInt32(4 * i, this.word(slot, i))
    return new ServicePrefix(ServiceId.fromBytes(bytes), this.bits(slot))
  }

  /** HOT. Whether a slot's prefix is one of `key`'s, and has `minBits` to `maxBits` bits. */
  covers(slot: number, key: Int32Array, minBits: number, maxBits: number): boolean {
    const words = this.#records.chunk(slot)
    const at = this.#records.at(slot)
    const bits = words[at + LENGTH]! - 1
    if (bits > maxBits || bits < minBits) return false
    const whole = bits >>> 5
    for (let i = 0; i < whole; i++) if (words[at + i] !== key[i]) return false
    const rest = bits & 31
    return rest === 0 || firstBits(key[whole]!, rest) === words[at + whole]
  }

  /** Whether a slot's prefix has at least `count` words, and begins as `key` does. */
  begins(slot: number, key: Int32Array, count: number): boolean {
    const words = this.#records.chunk(slot)
    const at = this.#records.at(slot)
    if (words[at + LENGTH]! <= 32 * count) return false
    for (let i = 0; i < count; i++) if (words[at + i] !== key[i]) return false
    return true
  }

  /** Whether a prefix is in a slot that begins with (`key`, `bits`), whose bits behind it are 0. */
  isUnder(slot: number, key: Int32Array, bits: number): boolean {
    if (this.bits(slot) < bits) return false
    const whole = bits >>> 5
    for (let i = 0; i < whole; i++) if (this.word(slot, i) !== key[i]) return false
    const rest = bits & 31
    return rest === 0 || firstBits(this.word(slot, whole), rest) === key[whole]
  }

  /** Orders slots by the bits of their prefixes, a shorter one before those that it covers: below, or above 0. */
  compare(a: number, b: number): number {
    for (let i = 0; i < KEY_WORDS; i++) {
      const difference = (this.word(a, i) >>> 0) - (this.word(b, i) >>> 0)
      if (difference !== 0) return difference
    }
    return this.bits(a) - this.bits(b)
  }

  /** HOT. What a slot leads to, by a number that its table understands. */
  value(slot: number): number {
    return this.#records.chunk(slot)[this.#records.at(slot) + VALUE]!
  }

  /** HOT. Reads the first `count` of `slots`, those that are there, so that they are in a cache when they are wanted. */
  touch(slots: Int32Array, count: number): void {
    this.#records.touch(slots, count)
  }

  setValue(slot: number, value: number): void {
    this.#records.chunk(slot)[this.#records.at(slot) + VALUE] = value
  }

  /** HOT. */
  count(slot: number, packets: number, bytes: number, drops: number): void {
    const doubles = this.#records.doubles(slot)
    const at = this.#records.at(slot) >>> 1
    doubles[at + PACKETS]! += packets
    doubles[at + BYTES]! += bytes
    if (drops > 0) doubles[at + DROPS]! += drops
  }

  /** What has been counted there, as it is now. */
  counters(slot: number): Counters {
    const doubles = this.#records.doubles(slot)
    const at = this.#records.at(slot) >>> 1
    return {
      packets: doubles[at + PACKETS]!,
      bytes: doubles[at + BYTES]!,
      drops: doubles[at + DROPS]!,
    }
  }

  clearCounters(slot: number): void {
    const at = this.#records.at(slot) >>> 1
    this.#records.doubles(slot).fill(0, at + PACKETS, at + DROPS + 1)
  }
}

/** The first 1 to 32 bits of a word, the others 0. */
export function firstBits(word: number, length: number): number {
  return word & (-1 << (32 - length))
}
