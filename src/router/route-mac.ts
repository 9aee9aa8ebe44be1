/**
 * The MACs by which a router knows its own ROUTE entries again (src/wire/README.md, "ROUTE"): a loop shows at once, and an
 * answer that comes back by way of the router is relayed only along an entry that the router wrote itself, lately.
 *
 *   HMAC(secret, "serval route" | flowID of the sender (u32) | port (u16) | address (4 or 16)), first 8 bytes
 */
import { addressBytes } from '../id/address.ts'
import type { FlowId } from '../id/flow-id.ts'
import { writeU16, writeU32 } from '../wire/bytes.ts'
import type { Endpoint } from '../wire/endpoint.ts'
import { ROUTE_MAC_BYTES, type RouteEntry } from '../wire/extensions/route.ts'

/** How long a secret makes MACs; it verifies as long again. */
const SECRET_TURN_MS = 120_000
const SECRET_BYTES = 32

/** HMAC-SHA256 or the like: any result of 8 bytes or more. */
export type Hmac = (key: Uint8Array, bytes: Uint8Array) => Uint8Array

export class RouteMac {
  readonly #hmac: Hmac
  readonly #randomBytes: (n: number) => Uint8Array
  #secret: Uint8Array
  #previous: Uint8Array
  #turnedAt = -Infinity

  constructor(hmac: Hmac, randomBytes: (n: number) => Uint8Array) {
    this.#hmac = hmac
    this.#randomBytes = randomBytes
    this.#secret = randomBytes(SECRET_BYTES)
    this.#previous = this.#secret
  }

  /** The entry that says that a packet of this flowID came from `source`. */
  entry(source: Endpoint, flowId: FlowId, nowMs: number): RouteEntry {
    this.#turn(nowMs)
    const { address, port } = source
    return { address, port, mac: this.#mac(this.#secret, source, flowId) }
  }

  /** Whether this router wrote the entry, for this flowID, less than four minutes ago. */
  isOwn(entry: RouteEntry, flowId: FlowId, nowMs: number): boolean {
    this.#turn(nowMs)
    return (
      equal(entry.mac, this.#mac(this.#secret, entry, flowId)) ||
      equal(entry.mac, this.#mac(this.#previous, entry, flowId))
    )
  }

  #turn(nowMs: number): void {
    const ageMs = nowMs - this.#turnedAt
    if (ageMs < SECRET_TURN_MS) return
    const fresh = this.#randomBytes(SECRET_BYTES)
    // After a long silence the last secret is as stale as the one before it.
    this.#previous = ageMs < 2 * SECRET_TURN_MS ? this.#secret : fresh
    this.#secret = fresh
    this.#turnedAt = nowMs
  }

  #mac(secret: Uint8Array, { address, port }: Endpoint, flowId: FlowId): Uint8Array {
    const source = addressBytes(address) ?? NO_ADDRESS
    const input = new Uint8Array(LABEL.length + 6 + source.length)
    input.set(LABEL)
    writeU32(input, LABEL.length, flowId)
    writeU16(input, LABEL.length + 4, port)
    input.set(source, LABEL.length + 6)
    return this.#hmac(secret, input).subarray(0, ROUTE_MAC_BYTES)
  }
}

const LABEL = new TextEncoder().encode('serval route')
const NO_ADDRESS = new Uint8Array(0)

/** Looks at every byte, whichever differs. */
function equal(a: Uint8Array, b: Uint8Array): boolean {
  let difference = a.length ^ b.length
  for (let i = 0; i < a.length; i++) difference |= a[i]! ^ b[i]!
  return difference === 0
}
