/**
 * What a core hands to a link in one call: packets behind their shims, all of one size but the last, back to
 * back in one buffer, from one local address to one remote. The kernel cuts them apart (UDP_SEGMENT). Made
 * once and filled again and again by `pollTransmit`.
 */
import { MAX_ENCAPSULATED_BYTES } from './encapsulation.ts'
import type { Endpoint } from './endpoint.ts'

export class TransmitBatch {
  readonly buffer = new Uint8Array(MAX_ENCAPSULATED_BYTES + 1)
  /** Bytes of the buffer that count. */
  length = 0
  /** Size of each packet, the last may be shorter; 0 where a batch of one leaves it open. */
  segmentBytes = 0
  packets = 0
  /** The local socket to send from, by the number that the shell gave it. */
  localId = 0
  remote: Endpoint = NOWHERE
}

const NOWHERE: Endpoint = { address: '0.0.0.0', port: 0 }
