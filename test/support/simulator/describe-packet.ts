/** A packet in words, from its bytes: what a trace prints, and what scenarios are written in. */
import { formatFlowId } from '../../../src/id/flow-id.ts'
import { parseDatagram } from '../../../src/wire/datagram.ts'
import { PacketWalk, WIRE_VERSION } from '../../../src/wire/encapsulation.ts'
import { formatControlFlags } from '../../../src/wire/extensions/control.ts'
import { formatReason } from '../../../src/wire/extensions/reason.ts'
import { nativeProfile } from '../../../src/wire/native-profile.ts'
import { parsePacket, type SalPacket } from '../../../src/wire/packet.ts'
import { protocols } from '../../../src/wire/sal-header.ts'
import { parseSegment, segmentFlags } from '../../../src/wire/segment.ts'
import { UDP_HEADER_BYTES } from '../../../src/wire/udp-header.ts'
import { WireError } from '../../../src/wire/wire-error.ts'
import { describe2014, isRawIp, summarize2014 } from './describe-2014.ts'

/** The SAL packet behind the shim, parsed; undefined where there is none of this version. */
export function packetOf(bytes: Uint8Array): SalPacket | undefined {
  const walk = new PacketWalk()
  walk.reset(bytes, 0, bytes.length)
  if (!walk.next() || walk.version !== WIRE_VERSION) return undefined
  const packet = parsePacket(bytes, walk.packetStart, walk.packetEnd, nativeProfile)
  return packet instanceof WireError ? undefined : packet
}

/** Its kind, `RSYN+ACK challenge` or `data 1164`, without numbers that differ from run to run. */
export function summarize(bytes: Uint8Array): string {
  if (isRawIp(bytes)) return summarize2014(bytes)
  const packet = packetOf(bytes)
  if (packet === undefined) return 'malformed'
  const words = [...controlWords(packet), ...extensionWords(packet), ...payloadWords(packet)]
  return words.join(' ')
}

/** As tcpdump would print it: every number. */
export function describe(bytes: Uint8Array): string {
  if (isRawIp(bytes)) return describe2014(bytes)
  const packet = packetOf(bytes)
  if (packet === undefined) return `malformed, ${bytes.length} bytes`
  const { control } = packet
  const words = [`${formatFlowId(packet.srcFlowId)}>${formatFlowId(packet.dstFlowId)}`, summarize(bytes)]
  if (control) words.push(`verno ${control.verno} ackno ${control.ackno}`)
  const segment = segmentOf(packet)
  if (segment) {
    words.push(`seq ${segment.seq} ack ${segment.ack} win ${segment.windowBytes}`)
    if (segment.sack.length > 0)
      words.push(`sack ${segment.sack.map(({ start, end }) => `${start}-${end}`).join(',')}`)
  }
  words.push(`length ${bytes.length}`)
  return words.join(' ')
}

function controlWords({ control }: SalPacket): string[] {
  return control === undefined || control.flags === 0 ? [] : [formatControlFlags(control.flags)]
}

function extensionWords(packet: SalPacket): string[] {
  return packet.extensions.flatMap(extension => {
    switch (extension.kind) {
      case 'service':
        return packet.control && packet.control.flags & 0x20 ? ['service'] : []
      case 'challenge':
        return [extension.echo ? 'echo' : 'challenge']
      case 'end':
        return [`end ${extension.finalOffset}`]
      case 'reason':
        return [formatReason(extension.code)]
      case 'route':
        return [`by ${extension.entries.length}`]
      case 'cookie':
        return ['cookie']
      default:
        return []
    }
  })
}

function payloadWords(packet: SalPacket): string[] {
  if (packet.protocol === protocols.DATAGRAM) return datagramWords(packet)
  const segment = segmentOf(packet)
  if (segment === undefined) return []
  const { length } = segment.payload
  if (packet.control === undefined && length === 0) return [segment.sack.length > 0 ? 'ack sack' : 'ack']
  const kind = segment.flags & segmentFlags.PROBE ? 'padding' : 'data'
  return length === 0 ? [] : [`${kind} ${length}`]
}

function datagramWords({ control, transport }: SalPacket): string[] {
  const datagram = parseDatagram(transport, 0, transport.length)
  if (datagram instanceof WireError) return transport.length === 0 ? [] : ['malformed datagram']
  const { length } = datagram.payload
  const paddingBytes = transport.length - UDP_HEADER_BYTES - length
  const padding = paddingBytes > 0 ? [`padding ${paddingBytes}`] : []
  return control !== undefined && length === 0 ? padding : [`datagram ${length}`, ...padding]
}

function segmentOf(packet: SalPacket) {
  if (packet.protocol !== protocols.STREAM || packet.transport.length === 0) return undefined
  const segment = parseSegment(packet.transport, 0, packet.transport.length)
  return segment instanceof WireError ? undefined : segment
}
