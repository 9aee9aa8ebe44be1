/**
 * A path is a value: one local address and one of the peer's, what is known of the way between them, and whether the
 * peer has proven that it receives there. A flow has one active path, keeps the last proven ones (late data still
 * comes from there), and up to four candidates.
 */

import { addressBytes } from '../id/address.ts'
import type { TransportPath } from '../transport/path.ts'
import { BASE_PACKET_BYTES, PathMtu } from '../transport/path-mtu.ts'
import { DATA_PREFIX_BYTES } from '../wire/encapsulation.ts'
import { type Endpoint, endpointFamily, sameEndpoint } from '../wire/endpoint.ts'
import { SEGMENT_HEADER_BYTES } from '../wire/segment.ts'

/** One bound UDP socket of this host, or its stand-in. */
export interface Local {
  /** Unique in a stack, never used again. */
  readonly id: number
  readonly endpoint: Endpoint
  /** Length of the subnet's prefix, for choosing the address that is nearest to a peer. */
  readonly prefixBits: number
  /** Bytes of the largest IP packet that the interface takes. */
  readonly mtu: number
  /** Its link is full: no data leaves from here for now. */
  isHeld?: boolean
}

/** An unproven address is sent at most this many times the bytes that came from it (RFC 9000 section 8). */
export const AMPLIFICATION_LIMIT = 3

/** What has come from an address, and gone to it: of the address, so paths to it from other ends of ours share one. */
export interface Credit {
  receivedBytes: number
  sentBytes: number
}

export class Path {
  readonly local: Local
  readonly remote: Endpoint
  readonly transport: TransportPath
  readonly mtu: PathMtu
  /** The peer has shown that it receives at `remote`: it returned what was sent there. */
  proven = false
  /** verno of the RSYN that brought this path; undefined for the one of the set-up. */
  verno: number | undefined
  /** The CHALLENGE sent there, until it is echoed. */
  challenge: Uint8Array | undefined
  challengedAt = 0
  challenges = 0
  expiresAt = Number.POSITIVE_INFINITY
  readonly credit: Credit

  constructor(
    local: Local,
    remote: Endpoint,
    transport: TransportPath,
    credit: Credit = { receivedBytes: 0, sentBytes: 0 },
    mtu = mtuOf(local, remote),
  ) {
    this.local = local
    this.remote = remote
    this.transport = transport
    this.credit = credit
    this.mtu = mtu
  }

  /** Whether `bytes` more may go there. */
  admits(bytes: number): boolean {
    const { sentBytes, receivedBytes } = this.credit
    return this.proven || sentBytes + bytes <= AMPLIFICATION_LIMIT * receivedBytes
  }

  joins(localId: number, remote: Endpoint): boolean {
    return this.local.id === localId && sameEndpoint(this.remote, remote)
  }
}

/** More is not worth a segment's memory, even where loopback would take 64 KiB. */
const MAX_PACKET_BYTES = 9000

/**
 * On a link of our own packets have the interface's MTU at once, and black holes are found should it be wrong; beyond it
 * they begin with what every path carries.
 */
export function mtuOf(local: Local, remote: Endpoint): PathMtu {
  const maxBytes = maxPacketBytes(local, remote)
  const startBytes = isOnLink(local, remote) ? maxBytes : Math.min(BASE_PACKET_BYTES, maxBytes)
  return new PathMtu({ startBytes, maxBytes, overheadBytes: udpOverheadBytes(remote) })
}

/** Payload of a segment that fills a packet. */
export function segmentBytesOf(mtu: PathMtu): number {
  return mtu.packetBytes - DATA_PREFIX_BYTES - SEGMENT_HEADER_BYTES
}

/** UDP payload that the interface takes. */
export function maxPacketBytes(local: Local, remote: Endpoint): number {
  return Math.min(MAX_PACKET_BYTES, local.mtu - udpOverheadBytes(remote))
}

/** IP and UDP headers of a packet to `remote`. */
export function udpOverheadBytes(remote: Endpoint): number {
  return endpointFamily(remote) === 6 ? 48 : 28
}

/** Whether `remote` is in the subnet of `local`, so that no router is between them. */
export function isOnLink(local: Pick<Local, 'endpoint' | 'prefixBits'>, remote: Endpoint): boolean {
  return commonPrefixBits(local.endpoint.address, remote.address) >= local.prefixBits
}

/** Leading bits that two addresses share, zones apart; 0 where they are of different families. */
export function commonPrefixBits(a: string, b: string): number {
  const left = addressBytes(a)
  const right = addressBytes(b)
  if (left === undefined || right === undefined || left.length !== right.length) return 0
  for (let i = 0; i < left.length; i++) {
    const differing = left[i]! ^ right[i]!
    if (differing !== 0) return 8 * i + Math.clz32(differing) - 24
  }
  return 8 * left.length
}
