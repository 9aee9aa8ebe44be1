/** A packet of the 2014 profile in words, IPv4 header first: `SYN service`, `data 1448`, `FIN`. TCP's own end is `fin`. */
import { formatControlFlags, KNOWN_CONTROL_FLAGS } from '../../../src/wire/extensions/control.ts'
import { formatIpPacket } from '../../../src/wire/format-packet.ts'
import { parsePacket, type SalPacket } from '../../../src/wire/packet.ts'
import { profile2014 } from '../../../src/wire/profile-2014.ts'
import { parseRawPacket } from '../../../src/wire/raw-ip.ts'
import { protocols } from '../../../src/wire/sal-header.ts'
import { parseTcpHeader, tcpFlags, tcpHeaderLength } from '../../../src/wire/tcp-header.ts'
import { parseUdpHeader, UDP_HEADER_BYTES } from '../../../src/wire/udp-header.ts'
import { WireError } from '../../../src/wire/wire-error.ts'

/** Whether `bytes` begin with an IPv4 header; a shim has its version there. */
export function isRawIp(bytes: Uint8Array): boolean {
  return bytes[0] === 0x45
}

/** Undefined where a length or a checksum is wrong. */
export function packetOf2014(bytes: Uint8Array): SalPacket | undefined {
  const raw = parseRawPacket(bytes, bytes.length)
  if (raw instanceof WireError) return undefined
  const packet = parsePacket(bytes, raw.start, raw.end, profile2014)
  return packet instanceof WireError ? undefined : packet
}

export function summarize2014(bytes: Uint8Array): string {
  const packet = packetOf2014(bytes)
  if (packet === undefined) return 'malformed'
  const { control, service } = packet
  const isThirdAck = service && control && control.flags & 0x20
  const words = [
    ...(control ? [formatControlFlags(control.flags & KNOWN_CONTROL_FLAGS)] : []),
    ...(isThirdAck ? ['service'] : []),
    ...(packet.extension('source') ? ['source'] : []),
    ...transportWords(packet),
  ]
  return words.join(' ')
}

/** Every number. */
export function describe2014(bytes: Uint8Array): string {
  return formatIpPacket(bytes).join(' ')
}

function transportWords({ control, protocol, transport }: SalPacket): string[] {
  const end = transport.length
  if (end === 0) return []
  if (protocol === protocols.DATAGRAM) {
    const header = parseUdpHeader(transport, 0, end)
    if (header instanceof WireError) return ['malformed datagram']
    const bytes = header.lengthBytes - UDP_HEADER_BYTES
    return control !== undefined && bytes === 0 ? [] : [`datagram ${bytes}`]
  }
  const header = parseTcpHeader(transport, 0, end)
  if (header instanceof WireError) return ['malformed segment']
  const bytes = end - tcpHeaderLength(header)
  const fin = (header.flags & tcpFlags.FIN) === 0 ? [] : ['fin']
  if (bytes > 0) return [`data ${bytes}`, ...fin]
  return control === undefined && fin.length === 0 ? ['ack'] : fin
}
