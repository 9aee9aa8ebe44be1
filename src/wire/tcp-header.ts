/**
 * The stream segment of the 2014 profile: an ordinary TCP header (RFC 9293 3.1) with both ports zero
 * (README.md, "Transports"). Numbers are 32 bits; the checksum is over the IPv4 pseudo-header of the packet as it
 * travels, so whoever knows the addresses fills it (`fillTransportChecksum`).
 *
 *    0               8              16              24            31
 *   +-------------------------------+-------------------------------+
 *   |        source port, 0         |      destination port, 0      |
 *   +-------------------------------+-------------------------------+
 *   |                              seq                              |
 *   +---------------------------------------------------------------+
 *   |                              ack                              |
 *   +-------+-------+---------------+-------------------------------+
 *   | words | resvd |     flags     |            window             |
 *   +-------+-------+---------------+-------------------------------+
 *   |           checksum            |        urgent pointer         |
 *   +-------------------------------+-------------------------------+
 *   |  options, a multiple of 4 bytes ...
 */
import { readU16, readU32, writeU16, writeU32 } from './bytes.ts'
import { type SegmentCodec, type SegmentFields, segmentFlags } from './segment.ts'
import { unwrap32, wrap32 } from './sequence.ts'
import { emitTcpOptions, parseTcpOptions, type TcpOption, tcpOptionsLength } from './tcp-options.ts'
import { WireError, wireErrors } from './wire-error.ts'

export const TCP_HEADER_BYTES = 20
/** Offset of the checksum. */
export const TCP_CHECKSUM = 16

const SRC_PORT = 0
const DST_PORT = 2
const SEQ = 4
const ACK = 8
const WORDS = 12
const FLAGS = 13
const WINDOW = 14
const URGENT = 18

export const tcpFlags = { FIN: 0x01, SYN: 0x02, RST: 0x04, PSH: 0x08, ACK: 0x10, URG: 0x20 } as const

export interface TcpHeader {
  readonly srcPort: number
  readonly dstPort: number
  readonly seq: number
  readonly ack: number
  /** The low half of the words' byte, kept. */
  readonly reserved: number
  /** Of `tcpFlags`. */
  readonly flags: number
  /** Unscaled, uint16. */
  readonly window: number
  /** As it came; `fillTransportChecksum` computes it. */
  readonly checksum: number
  readonly urgent: number
  readonly options: readonly TcpOption[]
}

/** Header bytes, options included. */
export function tcpHeaderLength(header: TcpHeader): number {
  return TCP_HEADER_BYTES + tcpOptionsLength(header.options)
}

/** The header of the segment `buffer[start, end)`. The checksum is not verified. */
export function parseTcpHeader(buffer: Uint8Array, start: number, end: number): TcpHeader | WireError {
  const error = checkTcpHeader(buffer, start, end)
  if (error !== undefined) return error
  const options = parseTcpOptions(buffer, start + TCP_HEADER_BYTES, start + headerBytes(buffer, start))
  if (options instanceof WireError) return options
  return {
    srcPort: readU16(buffer, start + SRC_PORT),
    dstPort: readU16(buffer, start + DST_PORT),
    seq: readU32(buffer, start + SEQ),
    ack: readU32(buffer, start + ACK),
    reserved: buffer[start + WORDS]! & 0x0f,
    flags: buffer[start + FLAGS]!,
    window: readU16(buffer, start + WINDOW),
    checksum: readU16(buffer, start + TCP_CHECKSUM),
    urgent: readU16(buffer, start + URGENT),
    options,
  }
}

/** Writes header and options and returns the bytes written; RangeError if options or header do not fit. */
export function emitTcpHeader(header: TcpHeader, buffer: Uint8Array, offset: number): number {
  const length = tcpHeaderLength(header)
  if (length > MAX_TCP_HEADER_BYTES || length % 4 !== 0) {
    throw new RangeError(`a TCP header of ${length} bytes is not possible`)
  }
  if (offset + length > buffer.length) throw new RangeError(`no room for a TCP header of ${length} bytes`)
  writeU16(buffer, offset + SRC_PORT, header.srcPort)
  writeU16(buffer, offset + DST_PORT, header.dstPort)
  writeU32(buffer, offset + SEQ, header.seq)
  writeU32(buffer, offset + ACK, header.ack)
  buffer[offset + WORDS] = (length << 2) | header.reserved
  buffer[offset + FLAGS] = header.flags
  writeU16(buffer, offset + WINDOW, header.window)
  writeU16(buffer, offset + TCP_CHECKSUM, header.checksum)
  writeU16(buffer, offset + URGENT, header.urgent)
  emitTcpOptions(header.options, buffer, offset + TCP_HEADER_BYTES)
  return length
}

/** Gives the header at `buffer[offset...]` another sequence number; its checksum must not be there yet. */
export function renumberTcpHeader(buffer: Uint8Array, offset: number, seq: number): void {
  writeU32(buffer, offset + SEQ, seq)
}

/**
 * The segment header of the 2014 profile as the stream sees it: ports zero, no options, checksum left zero.
 * The set-up's options go through `TcpHeader`.
 */
export const tcpSegment: SegmentCodec = {
  headerBytes: TCP_HEADER_BYTES,
  maxSackRanges: 0,
  windowScaled: true,
  endsInBand: true,
  wrap: wrap32,
  unwrap: unwrap32,

  parseInto(fields: SegmentFields, buffer: Uint8Array, start: number, end: number): WireError | undefined {
    const error = checkTcpHeader(buffer, start, end)
    if (error !== undefined) return error
    fields.seq = readU32(buffer, start + SEQ)
    fields.ack = readU32(buffer, start + ACK)
    fields.windowBytes = readU16(buffer, start + WINDOW)
    fields.flags = translate(buffer[start + FLAGS]!, 'tcp', 'segment')
    fields.sackCount = 0
    fields.payloadStart = start + headerBytes(buffer, start)
    fields.payloadEnd = end
    fields.segmentBytes = end - fields.payloadStart
    return undefined
  },

  emitHeader(buffer, offset, seq, ack, windowBytes, flags): void {
    // What asks for an acknowledgement is numbered one too low: that is answered at once (RFC 9293 sections 3.8.4, 3.10.7.4).
    const number = (flags & segmentFlags.PROBE) === 0 ? seq : (seq - 1) >>> 0
    writeU32(buffer, offset + SRC_PORT, 0)
    writeU32(buffer, offset + SEQ, number)
    writeU32(buffer, offset + ACK, ack)
    buffer[offset + WORDS] = TCP_HEADER_BYTES << 2
    buffer[offset + FLAGS] = translate(flags, 'segment', 'tcp')
    writeU16(buffer, offset + WINDOW, windowBytes)
    writeU32(buffer, offset + TCP_CHECKSUM, 0)
  },
}

/**
 * The same between two ends that have agreed on window scales (RFC 7323 section 2): what comes counts in units of
 * `2 ** peerShift` bytes, what goes in units of `2 ** ownShift`.
 */
export function scaledTcpSegment(ownShift: number, peerShift: number): SegmentCodec {
  return {
    ...tcpSegment,
    parseInto(fields, buffer, start, end): WireError | undefined {
      const error = tcpSegment.parseInto(fields, buffer, start, end)
      fields.windowBytes *= 2 ** peerShift
      return error
    },
    emitHeader(buffer, offset, seq, ack, windowBytes, flags): void {
      const units = Math.min(Math.floor(windowBytes / 2 ** ownShift), MAX_WINDOW_UNITS)
      tcpSegment.emitHeader(buffer, offset, seq, ack, units, flags)
    },
  }
}

export const MAX_WINDOW_UNITS = 0xffff

const MAX_TCP_HEADER_BYTES = 60

/** The flags that both segment headers have. */
const SHARED_FLAGS = [
  { tcp: tcpFlags.ACK, segment: segmentFlags.ACK },
  { tcp: tcpFlags.PSH, segment: segmentFlags.PSH },
  { tcp: tcpFlags.FIN, segment: segmentFlags.FIN },
  { tcp: tcpFlags.SYN, segment: segmentFlags.SYN },
  { tcp: tcpFlags.RST, segment: segmentFlags.RST },
] as const

function translate(flags: number, from: 'tcp' | 'segment', to: 'tcp' | 'segment'): number {
  return SHARED_FLAGS.reduce((sum, flag) => ((flags & flag[from]) === 0 ? sum : sum | flag[to]), 0)
}

function checkTcpHeader(buffer: Uint8Array, start: number, end: number): WireError | undefined {
  if (end - start < TCP_HEADER_BYTES) return wireErrors.truncated
  if (headerBytes(buffer, start) < TCP_HEADER_BYTES) return wireErrors.badLength
  return headerBytes(buffer, start) > end - start ? wireErrors.truncated : undefined
}

function headerBytes(buffer: Uint8Array, start: number): number {
  return (buffer[start + WORDS]! >> 4) * 4
}
