/**
 * Packets as text, a line each, as tcpdump prints them:
 *
 *     10.0.0.1:7000 > 10.0.0.2:8000 1a2b3c4d>00000000 SYN verno 16909060 service 2a9902179a3d3b71.. key plain
 *     10.0.0.2:8000 > 10.0.0.1:7000 5e6f7081>1a2b3c4d seq 17:1417 ack 99 win 65536 len 1400
 *
 * The Wireshark dissector (wireshark/serval.lua) says the same in more detail.
 */
import { addressText } from '../id/address.ts'
import { formatFlowId } from '../id/flow-id.ts'
import { readU16 } from './bytes.ts'
import { PacketWalk } from './encapsulation.ts'
import { formatEndpoint } from './endpoint.ts'
import { controlFlags, formatControlFlags } from './extensions/control.ts'
import { keyModes } from './extensions/key.ts'
import { answererOf, isTrace, type LargeExtension } from './extensions/large.ts'
import { formatReason, readableDetail } from './extensions/reason.ts'
import { type Extension, formatExtensionType } from './extensions.ts'
import { IP_PROTOCOL_SERVAL, parseIpv4Header } from './ipv4.ts'
import { nativeProfile } from './native-profile.ts'
import { parsePacket, type SalPacket } from './packet.ts'
import type { Profile } from './profile.ts'
import { profile2014 } from './profile-2014.ts'
import { protocols } from './sal-header.ts'
import { parseSegment, segmentFlags } from './segment.ts'
import { parseTcpHeader, tcpFlags, tcpHeaderLength } from './tcp-header.ts'
import { parseUdpHeader, UDP_HEADER_BYTES } from './udp-header.ts'
import { HINT_VERSION } from './version-hint.ts'
import { WireError } from './wire-error.ts'

/** The lines of an IP packet, one a Serval packet: none if it is not Serval's. */
export function formatIpPacket(bytes: Uint8Array): string[] {
  const ip = parseIp(bytes)
  if (ip === undefined) return []
  const { protocol, source, destination, start, end } = ip
  if (protocol === IP_PROTOCOL_SERVAL) {
    return [`${source} > ${destination} ${formatPacket(bytes, start, end, profile2014)}`]
  }
  if (protocol !== IP_PROTOCOL_UDP || end - start < UDP_HEADER_BYTES) return []
  const from = formatEndpoint({ address: source, port: readU16(bytes, start) })
  const to = formatEndpoint({ address: destination, port: readU16(bytes, start + 2) })
  return formatDatagram(bytes, start + UDP_HEADER_BYTES, end).map(line => `${from} > ${to} ${line}`)
}

/** The lines of a UDP payload `buffer[start, end)`: packets behind their shims. None if it holds nothing of ours. */
export function formatDatagram(buffer: Uint8Array, start: number, end: number): string[] {
  const walk = new PacketWalk()
  const lines: string[] = []
  walk.reset(buffer, start, end)
  while (walk.next()) {
    if (walk.version === HINT_VERSION) lines.push('version hint')
    else lines.push(formatPacket(buffer, walk.packetStart, walk.packetEnd, nativeProfile))
  }
  if (walk.error !== undefined && lines.length > 0) lines.push(`dropped: ${walk.error.message}`)
  return lines
}

/** The packet `buffer[start, end)`, from its SAL header on. */
export function formatPacket(buffer: Uint8Array, start: number, end: number, profile: Profile): string {
  const packet = parsePacket(buffer, start, end, profile)
  if (packet instanceof WireError) return `malformed: ${packet.message}`
  const words = [
    `${formatFlowId(packet.srcFlowId)}>${formatFlowId(packet.dstFlowId)}`,
    ...packet.extensions.flatMap(formatExtension),
    ...formatTransport(packet, profile),
  ]
  return words.join(' ')
}

function formatExtension(extension: Extension): string[] {
  switch (extension.kind) {
    case 'pad':
    case 'tag':
      return []
    case 'control': {
      const { flags, verno, ackno, reserved: attempt } = extension
      const acknowledges = (flags & controlFlags.ACK) !== 0
      return [
        formatControlFlags(flags),
        `verno ${verno}`,
        ...(acknowledges ? [`ackno ${ackno}`] : []),
        ...(attempt > 1 ? [`attempt ${attempt}`] : []),
      ]
    }
    case 'service':
      return [`service ${hex(extension.serviceId.toBytes().subarray(0, SHOWN_SERVICE_BYTES))}..`]
    case 'key':
      return [`key ${extension.mode === keyModes.PLAIN ? 'plain' : extension.mode}`]
    case 'cookie':
      return [`cookie ${extension.opaque.length} bytes`]
    case 'challenge':
      return [`${extension.echo ? 'echo' : 'challenge'} ${hex(extension.value)}`]
    case 'route':
      return [`via ${extension.entries.map(formatEndpoint).join(' ')}`]
    case 'paths':
      return [`paths ${extension.entries.map(formatEndpoint).join(' ')}`]
    case 'reason':
      return [
        `(${[formatReason(extension.code), readableDetail(extension)].filter(text => text !== '').join(': ')})`,
      ]
    case 'end':
      return [`end ${extension.finalOffset}`]
    case 'source':
      return [`via ${extension.addresses.join(' ')}`]
    case 'address':
      return ['address']
    case 'large':
      if (isTrace(extension)) return [formatTrace(extension)]
      return [`extension ${formatExtensionType(extension)}`]
    case 'unknown':
      return [`extension ${formatExtensionType(extension)}`]
  }
}

function formatTrace(extension: LargeExtension): string {
  const from = answererOf(extension)
  return from === undefined ? 'trace' : `trace ${formatEndpoint(from)}`
}

function formatTransport({ protocol, transport }: SalPacket, profile: Profile): string[] {
  if (transport.length === 0) return []
  if (protocol === protocols.DATAGRAM) {
    const header = parseUdpHeader(transport, 0, transport.length)
    return [header instanceof WireError ? BAD_TRANSPORT : `len ${header.lengthBytes - UDP_HEADER_BYTES}`]
  }
  if (protocol !== protocols.STREAM) return [`protocol ${protocol} len ${transport.length}`]
  return profile.name === 'native' ? formatSegment(transport) : formatTcp(transport)
}

function formatSegment(transport: Uint8Array): string[] {
  const segment = parseSegment(transport, 0, transport.length)
  if (segment instanceof WireError) return [BAD_TRANSPORT]
  const { seq, ack, windowBytes, flags, sack, payload } = segment
  const isProbe = (flags & segmentFlags.PROBE) !== 0
  return [
    formatRange(seq, payload.length),
    ...((flags & segmentFlags.ACK) === 0 ? [] : [`ack ${ack}`]),
    `win ${windowBytes}`,
    ...(sack.length === 0 ? [] : [`sack ${sack.map(({ start, end }) => `${start}:${end}`).join(' ')}`]),
    ...((flags & segmentFlags.DSACK) === 0 ? [] : ['(the first a duplicate)']),
    ...(isProbe ? ['probe'] : []),
    `len ${payload.length}`,
  ]
}

function formatTcp(transport: Uint8Array): string[] {
  const header = parseTcpHeader(transport, 0, transport.length)
  if (header instanceof WireError) return [BAD_TRANSPORT]
  const flags = Object.entries(tcpFlags).flatMap(([name, flag]) =>
    (header.flags & flag) === 0 ? [] : [name],
  )
  const bytes = transport.length - tcpHeaderLength(header)
  return [
    `[${flags.join('+')}]`,
    formatRange(header.seq, bytes),
    ...((header.flags & tcpFlags.ACK) === 0 ? [] : [`ack ${header.ack}`]),
    `win ${header.window}`,
    `len ${bytes}`,
  ]
}

/** As tcpdump does: the first byte and the one behind the last. */
function formatRange(seq: number, bytes: number): string {
  return bytes === 0 ? `seq ${seq}` : `seq ${seq}:${seq + bytes}`
}

interface IpPacket {
  readonly protocol: number
  readonly source: string
  readonly destination: string
  /** Where what the IP packet carries lies. */
  readonly start: number
  readonly end: number
}

function parseIp(bytes: Uint8Array): IpPacket | undefined {
  if (bytes[0]! >> 4 === 6) return parseIpv6(bytes)
  const header = parseIpv4Header(bytes, 0, bytes.length)
  if (header instanceof WireError) return undefined
  const { protocol, source, destination, options, totalBytes } = header
  return { protocol, source, destination, start: 20 + options.length, end: totalBytes }
}

/** RFC 8200 section 3. Packets with extension headers are not ours. */
function parseIpv6(bytes: Uint8Array): IpPacket | undefined {
  if (bytes.length < IPV6_HEADER_BYTES) return undefined
  return {
    protocol: bytes[6]!,
    source: addressText(bytes.subarray(8, 24)),
    destination: addressText(bytes.subarray(24, 40)),
    start: IPV6_HEADER_BYTES,
    end: Math.min(bytes.length, IPV6_HEADER_BYTES + readU16(bytes, 4)),
  }
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, byte => byte.toString(16).padStart(2, '0')).join('')
}

const IPV6_HEADER_BYTES = 40
const IP_PROTOCOL_UDP = 17
/** The levels of a name are told apart by so much. */
const SHOWN_SERVICE_BYTES = 12
const BAD_TRANSPORT = 'malformed transport'
