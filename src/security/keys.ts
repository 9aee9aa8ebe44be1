/**
 * Keys of a flow in mode `plain` (src/wire/README.md, "Set-up and keys").
 *
 * Both ends derive them from the two nonces that the KEY extensions of SYN and SYN-ACK carry, so they keep out
 * whoever has not seen the set-up (off-path attackers), and nobody else.
 *
 *   prk = HMAC-SHA256("serval plain", client nonce | server nonce)
 *   tag = HMAC-SHA256(prk, "tag" 0x01)                       32 bytes, both directions (TAG covers the direction)
 *   isn = HMAC-SHA256(prk, "isn" 0x01), bytes 0..5 client's, 6..11 server's stream: nothing to send, nothing to guess
 */
import { readU48 } from '../wire/bytes.ts'
import { hmacSha256 } from './hmac.ts'

/** Who sent a packet: TAG covers it, so a packet cannot be reflected to its sender. */
export type Direction = 'client' | 'server'

/** What a flow's two ends share. `clientIsn` and `serverIsn` are the 48-bit initial numbers of the two streams. */
export interface FlowKeys {
  /** 32 bytes. */
  readonly tagKey: Uint8Array
  readonly clientIsn: number
  readonly serverIsn: number
}

/** Bytes of the nonce in a KEY extension of mode `plain`. */
export const plainNonceBytes = 16

const ascii = new TextEncoder()
const label = ascii.encode('serval plain')
const tagInfo = ascii.encode('tag\x01')
const isnInfo = ascii.encode('isn\x01')

export function derivePlainKeys(clientNonce: Uint8Array, serverNonce: Uint8Array): FlowKeys {
  const prk = hmacSha256(label, clientNonce, serverNonce)
  const numbers = hmacSha256(prk, isnInfo)
  return {
    tagKey: hmacSha256(prk, tagInfo),
    clientIsn: readU48(numbers, 0),
    serverIsn: readU48(numbers, 6),
  }
}
