/**
 * TAG: the keyed authenticator of a packet (src/wire/README.md, "TAG").
 *
 *   HMAC-SHA256(key, "serval tag" | version u8 | epoch u16 | direction u8 | covered), first 16 bytes
 *
 * `covered` is the packet from the source flowID to its end, payload too, with checksum and TAG value as zero.
 * Addresses and the shim's hops are not covered: routers and NATs change them.
 */
import { createHmac, type KeyObject, timingSafeEqual } from 'node:crypto'
import type { Direction } from './keys.ts'

/** Bytes of a TAG value: HMAC-SHA256 cut to 128 bits (RFC 2104 section 5). */
export const tagBytes = 16

const label = new TextEncoder().encode('serval tag')
const version = 1
const directionByte = { client: 1, server: 2 } as const satisfies Record<Direction, number>

/** The TAG value of a packet that `sender` sends under `epoch`. */
export function computeTag(
  key: KeyObject,
  epoch: number,
  sender: Direction,
  covered: Uint8Array,
): Uint8Array {
  const preface = new Uint8Array(label.length + 4)
  preface.set(label)
  preface[label.length] = version
  preface[label.length + 1] = epoch >>> 8
  preface[label.length + 2] = epoch
  preface[label.length + 3] = directionByte[sender]
  return createHmac('sha256', key).update(preface).update(covered).digest().subarray(0, tagBytes)
}

/** Whether `value` is the TAG that `sender` would have put on the packet; in constant time. */
export function verifyTag(
  key: KeyObject,
  epoch: number,
  sender: Direction,
  covered: Uint8Array,
  value: Uint8Array,
): boolean {
  return value.length === tagBytes && timingSafeEqual(computeTag(key, epoch, sender, covered), value)
}
