/**
 * TAG: the keyed authenticator of a packet (src/wire/README.md, "TAG").
 *
 *   HMAC-SHA256(key, "serval tag" | version u8 | epoch u16 | direction u8 | covered), first 16 bytes
 *
 * `covered` is the packet from the source flowID to its end, payload too, with checksum and TAG value as zero.
 * Addresses and the shim's hops are not covered: routers and NATs change them.
 */
import { timingSafeEqual } from 'node:crypto'
import { TAG_BYTES } from '../wire/extensions/tag.ts'
import { hmacSha256 } from './hmac.ts'
import type { Direction } from './keys.ts'

const VERSION = 1
/** Label and version stand; epoch and direction are written anew by each call. */
const preface = Uint8Array.of(...new TextEncoder().encode('serval tag'), VERSION, 0, 0, 0)
const EPOCH = preface.length - 3
const DIRECTION = preface.length - 1
const directionByte = { client: 1, server: 2 } as const satisfies Record<Direction, number>

/** The TAG value of a packet that `sender` sends under `epoch`. */
export function computeTag(
  key: Uint8Array,
  epoch: number,
  sender: Direction,
  covered: Uint8Array,
): Uint8Array {
  preface[EPOCH] = epoch >>> 8
  preface[EPOCH + 1] = epoch
  preface[DIRECTION] = directionByte[sender]
  // Cut to 128 bits (RFC 2104 section 5).
  return hmacSha256(key, preface, covered).subarray(0, TAG_BYTES)
}

/** Whether `value` is the TAG that `sender` would have put on the packet; in constant time. */
export function verifyTag(
  key: Uint8Array,
  epoch: number,
  sender: Direction,
  covered: Uint8Array,
  value: Uint8Array,
): boolean {
  return value.length === TAG_BYTES && timingSafeEqual(computeTag(key, epoch, sender, covered), value)
}
