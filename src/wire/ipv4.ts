/**
 * The IPv4 header (RFC 791) in front of a packet of the 2014 profile, protocol 144 (README.md, "Layers").
 *
 *    0       4       8              16                            31
 *   +-------+-------+---------------+-------------------------------+
 *   | ver 4 | words |      TOS      |         total length          |
 *   +-------+-------+---------------+-----+-------------------------+
 *   |              id               |flags|     fragment offset     |
 *   +---------------+---------------+-----+-------------------------+
 *   |      TTL      |   protocol    |           checksum            |
 *   +---------------+---------------+-------------------------------+
 *   |                        source address                         |
 *   +---------------------------------------------------------------+
 *   |                     destination address                       |
 *   +---------------------------------------------------------------+
 *   |  options ...
 */
import { addressBytes, addressText } from '../id/address.ts'
import { copyBytes, readU16, writeU16 } from './bytes.ts'
import { checksum } from './checksum.ts'
import { type WireError, wireErrors } from './wire-error.ts'

export const IP_PROTOCOL_SERVAL = 144
export const IPV4_HEADER_BYTES = 20
export const DEFAULT_TTL = 64

const VERSION_WORDS = 0
const TOS = 1
const TOTAL_LENGTH = 2
const ID = 4
const FRAGMENT = 6
const TTL = 8
const PROTOCOL = 9
const CHECKSUM = 10
const SOURCE = 12
const DESTINATION = 16
const ADDRESS_BYTES = 4
const MAX_HEADER_BYTES = 60

export interface Ipv4Header {
  readonly tos: number
  /** Header and payload. */
  readonly totalBytes: number
  readonly id: number
  /** Three flag bits and the fragment offset, as on the wire. */
  readonly fragment: number
  readonly ttl: number
  readonly protocol: number
  /** Dotted. */
  readonly source: string
  readonly destination: string
  /** As they came. */
  readonly options: Uint8Array
}

/** The header as the prototype writes it: 20 bytes, TOS 0, id 0 (Linux fills it), DF clear, TTL 64. */
export function ipv4Header(source: string, destination: string, payloadBytes: number): Ipv4Header {
  return {
    tos: 0,
    totalBytes: IPV4_HEADER_BYTES + payloadBytes,
    id: 0,
    fragment: 0,
    ttl: DEFAULT_TTL,
    protocol: IP_PROTOCOL_SERVAL,
    source,
    destination,
    options: new Uint8Array(0),
  }
}

export function ipv4HeaderLength(header: Ipv4Header): number {
  return IPV4_HEADER_BYTES + header.options.length
}

/** The header of the packet `buffer[start, end)`, checksum included; bytes behind `totalBytes` are padding. */
export function parseIpv4Header(buffer: Uint8Array, start: number, end: number): Ipv4Header | WireError {
  if (end - start < IPV4_HEADER_BYTES) return wireErrors.truncated
  if (buffer[start + VERSION_WORDS]! >> 4 !== 4) return wireErrors.badVersion
  const headerBytes = (buffer[start + VERSION_WORDS]! & 0x0f) * 4
  const totalBytes = readU16(buffer, start + TOTAL_LENGTH)
  if (headerBytes < IPV4_HEADER_BYTES || totalBytes < headerBytes) return wireErrors.badLength
  if (totalBytes > end - start) return wireErrors.truncated
  if (checksum(buffer, start, start + headerBytes) !== 0) return wireErrors.badChecksum
  return {
    tos: buffer[start + TOS]!,
    totalBytes,
    id: readU16(buffer, start + ID),
    fragment: readU16(buffer, start + FRAGMENT),
    ttl: buffer[start + TTL]!,
    protocol: buffer[start + PROTOCOL]!,
    source: addressText(buffer.subarray(start + SOURCE, start + SOURCE + ADDRESS_BYTES)),
    destination: addressText(buffer.subarray(start + DESTINATION, start + DESTINATION + ADDRESS_BYTES)),
    options: copyBytes(buffer, start + IPV4_HEADER_BYTES, start + headerBytes),
  }
}

/** Writes the header, checksum filled, and returns its bytes; RangeError if it does not fit or is none. */
export function emitIpv4Header(header: Ipv4Header, buffer: Uint8Array, offset: number): number {
  const length = ipv4HeaderLength(header)
  if (length > MAX_HEADER_BYTES || length % 4 !== 0) {
    throw new RangeError(`an IPv4 header of ${length} bytes is not possible`)
  }
  if (offset + length > buffer.length) throw new RangeError(`no room for an IPv4 header of ${length} bytes`)
  buffer[offset + VERSION_WORDS] = (4 << 4) | (length / 4)
  buffer[offset + TOS] = header.tos
  writeU16(buffer, offset + TOTAL_LENGTH, header.totalBytes)
  writeU16(buffer, offset + ID, header.id)
  writeU16(buffer, offset + FRAGMENT, header.fragment)
  buffer[offset + TTL] = header.ttl
  buffer[offset + PROTOCOL] = header.protocol
  writeU16(buffer, offset + CHECKSUM, 0)
  writeAddress(buffer, offset + SOURCE, header.source)
  writeAddress(buffer, offset + DESTINATION, header.destination)
  buffer.set(header.options, offset + IPV4_HEADER_BYTES)
  writeU16(buffer, offset + CHECKSUM, checksum(buffer, offset, offset + length))
  return length
}

function writeAddress(buffer: Uint8Array, offset: number, address: string): void {
  const bytes = addressBytes(address)
  if (bytes?.length !== ADDRESS_BYTES) throw new RangeError(`${address} is no IPv4 address`)
  buffer.set(bytes, offset)
}
