/**
 * The MACs by which a router knows its own ROUTE entries again (src/wire/README.md, "ROUTE"): a loop shows at once, and an
 * answer that comes back by way of the router is relayed only along an entry that the router wrote itself, lately.
 *
 *   SipHash-2-4(key of the period, flowID of the sender (u32) | port (u16) | bytes of the address (u16) | address)
 *
 * Time is cut into periods of two minutes, and each has a key that follows from one secret: whoever shares the secret and the
 * clock, as the workers of one router do, knows the entries of the others without a word between them.
 */
import { addressBytes } from '../id/address.ts'
import type { FlowId } from '../id/flow-id.ts'
import { readU32, writeU32 } from '../wire/bytes.ts'
import type { Endpoint } from '../wire/endpoint.ts'
import { ROUTE_MAC_BYTES, type RouteEntry } from '../wire/extensions/route.ts'
import { type SipKey, sipHash } from './sip-hash.ts'

/** An entry holds until the end of the period after the one in which it was made. */
const PERIOD_MS = 120_000
export const ROUTE_SECRET_BYTES = 16

export class RouteMac {
  #secret: SipKey
  /** Added to the time that callers say. */
  #aheadMs = 0
  #period = Number.NaN
  #key: SipKey = new Int32Array(4)
  #previousKey: SipKey = this.#key
  readonly #message = new Int32Array(6)
  readonly #digest = new Int32Array(2)

  /** `secret`: 16 random bytes. */
  constructor(secret: Uint8Array) {
    this.#secret = secretKey(secret)
  }

  /** Goes on as another router that has this secret, and whose clock is ahead by so much: both know the entries of either. */
  adopt(secret: Uint8Array, aheadMs: number): void {
    this.#secret = secretKey(secret)
    this.#aheadMs = aheadMs
    this.#period = Number.NaN
  }

  /** The entry that says that a packet of this flowID came from `source`. */
  entry({ address, port }: Endpoint, flowId: FlowId, nowMs: number): RouteEntry {
    const bytes = addressBytes(address) ?? NO_ADDRESS
    const mac = new Uint8Array(ROUTE_MAC_BYTES)
    this.write(bytes, 0, bytes.length, port, flowId, nowMs, mac, 0)
    return { address, port, mac }
  }

  /** Whether this router wrote the entry, for this flowID, in this period or the one before. */
  isOwn({ address, port, mac }: RouteEntry, flowId: FlowId, nowMs: number): boolean {
    const bytes = addressBytes(address) ?? NO_ADDRESS
    return this.verify(bytes, 0, bytes.length, port, flowId, nowMs, mac, 0)
  }

  /** HOT. Writes the MAC of the source whose address is `bytes[at, at + length)` to `target`. */
  write(
    bytes: Uint8Array,
    at: number,
    length: number,
    port: number,
    flowId: FlowId,
    nowMs: number,
    target: Uint8Array,
    targetAt: number,
  ): void {
    this.#turn(nowMs)
    this.#hash(this.#key, this.#fill(bytes, at, length, port, flowId))
    writeU32(target, targetAt, this.#digest[0]!)
    writeU32(target, targetAt + 4, this.#digest[1]!)
  }

  /** HOT. Whether the MAC at `mac[macAt]` is one that `write` wrote for the same, lately enough. */
  verify(
    bytes: Uint8Array,
    at: number,
    length: number,
    port: number,
    flowId: FlowId,
    nowMs: number,
    mac: Uint8Array,
    macAt: number,
  ): boolean {
    this.#turn(nowMs)
    const count = this.#fill(bytes, at, length, port, flowId)
    this.#hash(this.#key, count)
    if (this.#isDigest(mac, macAt)) return true
    this.#hash(this.#previousKey, count)
    return this.#isDigest(mac, macAt)
  }

  #turn(nowMs: number): void {
    const period = Math.floor((nowMs + this.#aheadMs) / PERIOD_MS)
    if (period === this.#period) return
    this.#period = period
    this.#key = this.#keyOf(period)
    this.#previousKey = this.#keyOf(period - 1)
  }

  #keyOf(period: number): SipKey {
    const key = new Int32Array(4)
    for (const half of [0, 1]) {
      this.#message[0] = period
      this.#message[1] = half
      this.#hash(this.#secret, 2)
      key.set(this.#digest, 2 * half)
    }
    return key
  }

  /** Returns how many words it takes. */
  #fill(bytes: Uint8Array, at: number, length: number, port: number, flowId: FlowId): number {
    const message = this.#message
    message[0] = flowId
    message[1] = (port << 16) | length
    message[3] = 0
    for (let i = 0; i < length; i += 4) message[2 + (i >> 2)] = readU32(bytes, at + i)
    return length > 8 ? 6 : 4
  }

  #hash(key: SipKey, count: number): void {
    sipHash(key, this.#message, count, this.#digest)
  }

  /** Looks at every byte, whichever differs. */
  #isDigest(mac: Uint8Array, at: number): boolean {
    const difference = (readU32(mac, at) ^ this.#digest[0]!) | (readU32(mac, at + 4) ^ this.#digest[1]!)
    return difference === 0
  }
}

const NO_ADDRESS = new Uint8Array(0)

function secretKey(secret: Uint8Array): SipKey {
  return Int32Array.from({ length: 4 }, (_, i) => readU32(secret, 4 * i))
}
