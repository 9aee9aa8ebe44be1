/**
 * The datagram of both profiles (protocol 17): a UDP header (RFC 768) with both ports zero.
 *
 *    0                              16                            31
 *   +-------------------------------+-------------------------------+
 *   |        source port, 0         |      destination port, 0      |
 *   +-------------------------------+-------------------------------+
 *   |       length, header too      |     checksum (0: none)        |
 *   +-------------------------------+-------------------------------+
 *   |  payload ...
 *
 * 2014: the checksum is over the IPv4 pseudo-header, or absent (README.md, "Transports"). Native: a connected datagram
 * has none, for the encapsulation's covers it; an unconnected one has one of its own over zero addresses,
 * for routers send it on (README.md, "Layers").
 */
import { readU16, writeU16 } from './bytes.ts'
import { type WireError, wireErrors } from './wire-error.ts'

export const UDP_HEADER_BYTES = 8
/** Offset of the checksum. */
export const UDP_CHECKSUM = 6

const SRC_PORT = 0
const DST_PORT = 2
const LENGTH = 4

export interface UdpHeader {
  readonly srcPort: number
  readonly dstPort: number
  /** Header and payload: 8 or more. Bytes behind are no part of the datagram. */
  readonly lengthBytes: number
  /** As it came; 0 for none. `fillTransportChecksum` computes it. */
  readonly checksum: number
}

/** The header of a datagram with `payloadBytes` of payload, as every Serval sender makes it. */
export function udpHeader(payloadBytes: number): UdpHeader {
  return { srcPort: 0, dstPort: 0, lengthBytes: UDP_HEADER_BYTES + payloadBytes, checksum: 0 }
}

/** The header of the datagram `buffer[start, end)`. The checksum is not verified. */
export function parseUdpHeader(buffer: Uint8Array, start: number, end: number): UdpHeader | WireError {
  if (end - start < UDP_HEADER_BYTES) return wireErrors.truncated
  const lengthBytes = readU16(buffer, start + LENGTH)
  if (lengthBytes < UDP_HEADER_BYTES) return wireErrors.badLength
  if (lengthBytes > end - start) return wireErrors.truncated
  return {
    srcPort: readU16(buffer, start + SRC_PORT),
    dstPort: readU16(buffer, start + DST_PORT),
    lengthBytes,
    checksum: readU16(buffer, start + UDP_CHECKSUM),
  }
}

/** Writes the 8 bytes; RangeError if they do not fit. */
export function emitUdpHeader(header: UdpHeader, buffer: Uint8Array, offset: number): number {
  if (offset + UDP_HEADER_BYTES > buffer.length) throw new RangeError('no room for a UDP header')
  writeU16(buffer, offset + SRC_PORT, header.srcPort)
  writeU16(buffer, offset + DST_PORT, header.dstPort)
  writeU16(buffer, offset + LENGTH, header.lengthBytes)
  writeU16(buffer, offset + UDP_CHECKSUM, header.checksum)
  return UDP_HEADER_BYTES
}
