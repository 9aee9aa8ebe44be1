/**
 * Packets of the 2014 profile as they travel: an IPv4 header, the SAL packet behind it (README.md, "Layers"). Raw sockets
 * take and give them whole, so checksums that cover addresses are filled and verified here.
 */
import { addressBytes, addressText } from '../id/address.ts'
import { readU16, writeU16 } from './bytes.ts'
import { checksum } from './checksum.ts'
import { DEFAULT_TTL, IP_PROTOCOL_SERVAL, IPV4_HEADER_BYTES } from './ipv4.ts'
import {
  BASE_HEADER_BYTES,
  checkSalHeader,
  emitSalHeader,
  fillSalChecksum,
  type Protocol,
  peekHeaderBytes,
  peekProtocol,
  protocols,
} from './sal-header.ts'
import type { TransmitBatch } from './transmit-batch.ts'
import { fillTransportChecksum, type PseudoHeader, verifyTransportChecksum } from './transport-checksum.ts'
import { type WireError, wireErrors } from './wire-error.ts'

/** The largest packet: no original takes more (README.md, "Layers"). */
export const MAX_RAW_PACKET_BYTES = 1500
/** Raw IP has no ports. Where an endpoint has one this stands for none; rules of the profile may leave it out. */
export const RAW_PORT = 54_325
/** IPv4 and SAL headers in front of plain data. */
export const RAW_DATA_PREFIX_BYTES = IPV4_HEADER_BYTES + BASE_HEADER_BYTES

/**
 * Writes the header as the prototype does: no options, TOS 0, id 0 (Linux fills it), DF clear, TTL 64. Both addresses are
 * IPv4; the checksum is right for this length.
 */
export function emitIpv4Envelope(
  buffer: Uint8Array,
  offset: number,
  totalBytes: number,
  source: string,
  destination: string,
): void {
  buffer.fill(0, offset, offset + IPV4_HEADER_BYTES)
  buffer[offset] = 0x45
  buffer[offset + TTL] = DEFAULT_TTL
  buffer[offset + PROTOCOL] = IP_PROTOCOL_SERVAL
  buffer.set(ipv4Bytes(source), offset + SOURCE)
  buffer.set(ipv4Bytes(destination), offset + DESTINATION)
  writeU16(buffer, offset + TOTAL_LENGTH, totalBytes)
  fillIpv4Checksum(buffer, offset)
}

/**
 * Writes the header of a packet that is sent on to `destination`: one hop less, and else as `header`, that of the packet
 * which came, but for options. Its checksum is `finishRawPacket`'s.
 */
export function emitForwardedEnvelope(
  buffer: Uint8Array,
  totalBytes: number,
  header: Uint8Array,
  destination: string,
): void {
  buffer.set(header.subarray(0, IPV4_HEADER_BYTES), 0)
  buffer[0] = 0x45
  buffer[TTL]!--
  writeU16(buffer, TOTAL_LENGTH, totalBytes)
  buffer.set(ipv4Bytes(destination), DESTINATION)
}

/** Writes what stands in front of all data of a flow; the length is the emitter's. */
export function emitRawDataPrefix(
  buffer: Uint8Array,
  srcFlowId: number,
  dstFlowId: number,
  protocol: Protocol,
  source: string,
  destination: string,
): void {
  emitIpv4Envelope(buffer, 0, RAW_DATA_PREFIX_BYTES, source, destination)
  const header = { srcFlowId, dstFlowId, headerBytes: BASE_HEADER_BYTES, protocol }
  emitSalHeader(header, buffer, IPV4_HEADER_BYTES)
  fillSalChecksum(buffer, IPV4_HEADER_BYTES)
}

/** HOT. Fills the checksums of the packets of `batch`, whose lengths are set. */
export function finishRawBatch(batch: TransmitBatch): void {
  const { buffer, length, segmentBytes } = batch
  for (let at = 0; at < length; at += segmentBytes) {
    finishRawPacket(buffer, at, Math.min(at + segmentBytes, length))
  }
}

/** Fills the IPv4 and transport checksums of the packet `buffer[start, end)`. */
export function finishRawPacket(buffer: Uint8Array, start: number, end: number): void {
  fillIpv4Checksum(buffer, start)
  const sal = start + IPV4_HEADER_BYTES
  const transport = sal + peekHeaderBytes(buffer, sal)
  if (transport < end)
    fillTransportChecksum(buffer, transport, end, peekProtocol(buffer, sal), pseudoHeader(buffer, start))
}

/** Where the SAL packet is in what a raw socket received, and between whom it travels. */
export interface RawPacket {
  /** Dotted. */
  readonly source: string
  readonly destination: string
  readonly start: number
  readonly end: number
}

/**
 * Looks at `buffer[0, length)`. Every length and the checksums of SAL header and transport are good then; the IPv4 header's
 * own has been verified by whoever received it.
 */
export function parseRawPacket(buffer: Uint8Array, length: number): RawPacket | WireError {
  if (length < IPV4_HEADER_BYTES) return wireErrors.truncated
  if (buffer[0]! >> 4 !== 4) return wireErrors.badVersion
  const start = (buffer[0]! & 0x0f) * 4
  const end = readU16(buffer, TOTAL_LENGTH)
  if (start < IPV4_HEADER_BYTES || end < start) return wireErrors.badLength
  if (end > length) return wireErrors.truncated
  const error = checkSalHeader(buffer, start, end)
  if (error !== undefined) return error
  const transport = start + peekHeaderBytes(buffer, start)
  const protocol = peekProtocol(buffer, start)
  if (transport < end && !verifies(buffer, transport, end, protocol)) return wireErrors.badChecksum
  return {
    source: addressText(buffer.subarray(SOURCE, DESTINATION)),
    destination: addressText(buffer.subarray(DESTINATION, IPV4_HEADER_BYTES)),
    start,
    end,
  }
}

function verifies(buffer: Uint8Array, transport: number, end: number, protocol: number): boolean {
  // A header that is cut short has no checksum field: its own parser refuses it.
  const minimum = protocol === protocols.DATAGRAM ? 8 : 20
  if (end - transport < minimum) return true
  return verifyTransportChecksum(buffer, transport, end, protocol, pseudoHeader(buffer, 0))
}

function fillIpv4Checksum(buffer: Uint8Array, offset: number): void {
  writeU16(buffer, offset + CHECKSUM, 0)
  writeU16(buffer, offset + CHECKSUM, checksum(buffer, offset, offset + IPV4_HEADER_BYTES))
}

function pseudoHeader(buffer: Uint8Array, offset: number): PseudoHeader {
  return {
    source: buffer.subarray(offset + SOURCE, offset + DESTINATION),
    destination: buffer.subarray(offset + DESTINATION, offset + IPV4_HEADER_BYTES),
  }
}

function ipv4Bytes(address: string): Uint8Array {
  const bytes = addressBytes(address)
  if (bytes?.length !== 4) throw new RangeError(`${address} is no IPv4 address`)
  return bytes
}

const TOTAL_LENGTH = 2
const TTL = 8
const PROTOCOL = 9
const CHECKSUM = 10
const SOURCE = 12
const DESTINATION = 16
