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
import { createHmac, createSecretKey, type KeyObject } from 'node:crypto'

/** Who sent a packet: TAG covers it, so a packet cannot be reflected to its sender. */
export type Direction = 'client' | 'server'

/** What a flow's two ends share. `clientIsn` and `serverIsn` are the 48-bit initial numbers of the two streams. */
export interface FlowKeys {
  readonly tagKey: KeyObject
  readonly clientIsn: number
  readonly serverIsn: number
}

/** Bytes of the nonce in a KEY extension of mode `plain`. */
export const plainNonceBytes = 16

const label = 'serval plain'

export function derivePlainKeys(clientNonce: Uint8Array, serverNonce: Uint8Array): FlowKeys {
  const prk = createHmac('sha256', label).update(clientNonce).update(serverNonce).digest()
  const numbers = expand(prk, 'isn')
  return {
    tagKey: createSecretKey(expand(prk, 'tag')),
    clientIsn: numbers.readUIntBE(0, 6),
    serverIsn: numbers.readUIntBE(6, 6),
  }
}

function expand(prk: Uint8Array, name: string) {
  return createHmac('sha256', prk)
    .update(name)
    .update(new Uint8Array([1]))
    .digest()
}
