/** A packet with extensions, as it came: what was parsed of it, its bytes (TAG covers them), and whence. */
import type { Endpoint } from '../wire/endpoint.ts'
import type { SalPacket } from '../wire/packet.ts'
import type { Local } from './path.ts'

export interface Arrival {
  readonly packet: SalPacket
  /** The SAL packet is `buffer[start, end)`. */
  readonly buffer: Uint8Array
  readonly start: number
  readonly end: number
  readonly local: Local
  readonly remote: Endpoint
}

/** What it counts towards the peer's address being proven. */
export function arrivalBytes(arrival: Arrival): number {
  return arrival.end - arrival.start
}
