/**
 * A SAL packet: base header, extensions in their order, and what the transport makes of the rest.
 * `parsePacket` and `emitPacket` are for packets with extensions; the data path works on offsets
 * (encapsulation.ts, segment.ts, the `peek` functions of sal-header.ts).
 */
import type { FlowId } from '../id/flow-id.ts'
import type { ServiceId } from '../id/service-id.ts'
import type { LargeExtension } from './extensions/large.ts'
import type { UnknownExtension } from './extensions/unknown.ts'
import {
  type Extension,
  type ExtensionOf,
  emitExtensions,
  extensionsLength,
  notUnderstood,
  parseExtensions,
} from './extensions.ts'
import type { Profile } from './profile.ts'
import {
  BASE_HEADER_BYTES,
  emitSalHeader,
  fillSalChecksum,
  MAX_HEADER_BYTES,
  parseSalHeader,
} from './sal-header.ts'
import { WireError } from './wire-error.ts'

export interface SalPacketFields {
  readonly srcFlowId: FlowId
  /** 0 while unknown: SYN, unconnected datagrams. */
  readonly dstFlowId: FlowId
  /** Of `protocols`. */
  readonly protocol: number
  readonly extensions: readonly Extension[]
  /** Transport header and payload; default: none. */
  readonly transport?: Uint8Array
}

export class SalPacket {
  readonly srcFlowId: FlowId
  readonly dstFlowId: FlowId
  readonly protocol: number
  readonly extensions: readonly Extension[]
  /** Everything behind the SAL header. Of a parsed packet a view into the buffer it came in. */
  readonly transport: Uint8Array

  constructor(fields: SalPacketFields) {
    this.srcFlowId = fields.srcFlowId
    this.dstFlowId = fields.dstFlowId
    this.protocol = fields.protocol
    this.extensions = fields.extensions
    this.transport = fields.transport ?? NOTHING
  }

  /** The first extension of a kind. */
  extension<K extends Extension['kind']>(kind: K): ExtensionOf<K> | undefined {
    for (const extension of this.extensions) if (isOfKind(extension, kind)) return extension
    return undefined
  }

  get control(): ExtensionOf<'control'> | undefined {
    return this.extension('control')
  }

  get tag(): ExtensionOf<'tag'> | undefined {
    return this.extension('tag')
  }

  /** In their order: the service that is contacted; of an unconnected datagram destination, then source. */
  get services(): readonly ServiceId[] {
    return this.extensions.flatMap(extension => (extension.kind === 'service' ? [extension.serviceId] : []))
  }

  /** The first of `services`. */
  get service(): ServiceId | undefined {
    return this.extension('service')?.serviceId
  }

  /** What must be understood and is not: such a packet is answered with a NACK (README.md, "Extensions"). */
  get mustUnderstand(): UnknownExtension | LargeExtension | undefined {
    return notUnderstood(this.extensions)
  }
}

function isOfKind<K extends Extension['kind']>(extension: Extension, kind: K): extension is ExtensionOf<K> {
  return extension.kind === kind
}

/** Bytes that `emitPacket` writes. */
export function packetLength(packet: SalPacket, profile: Profile): number {
  return headerLength(packet, profile) + packet.transport.length
}

/**
 * Parses the packet `buffer[start, end)`, checksum included. Extension values are copies, the transport is a
 * view; the transport's own header and checksum are not looked at.
 */
export function parsePacket(
  buffer: Uint8Array,
  start: number,
  end: number,
  profile: Profile,
): SalPacket | WireError {
  const header = parseSalHeader(buffer, start, end)
  if (header instanceof WireError) return header
  const transportStart = start + header.headerBytes
  const extensions = parseExtensions(buffer, start + BASE_HEADER_BYTES, transportStart, profile.extensions)
  if (extensions instanceof WireError) return extensions
  return new SalPacket({
    srcFlowId: header.srcFlowId,
    dstFlowId: header.dstFlowId,
    protocol: header.protocol,
    extensions,
    transport: buffer.subarray(transportStart, end),
  })
}

/**
 * Writes the packet at `offset`, SAL checksum filled, and returns the bytes written. The transport's own
 * checksum is its codec's business. RangeError if the packet does not fit or is none of this profile.
 */
export function emitPacket(packet: SalPacket, buffer: Uint8Array, offset: number, profile: Profile): number {
  const { srcFlowId, dstFlowId, protocol, extensions, transport } = packet
  const headerBytes = headerLength(packet, profile)
  const length = headerBytes + transport.length
  if (headerBytes > MAX_HEADER_BYTES || headerBytes % 4 !== 0) {
    throw new RangeError(`a SAL header of ${headerBytes} bytes is not possible`)
  }
  if (offset + length > buffer.length) throw new RangeError(`no room for a packet of ${length} bytes`)
  emitSalHeader({ srcFlowId, dstFlowId, headerBytes, protocol }, buffer, offset)
  emitExtensions(extensions, buffer, offset + BASE_HEADER_BYTES, profile.extensions)
  fillSalChecksum(buffer, offset)
  buffer.set(transport, offset + headerBytes)
  return length
}

function headerLength(packet: SalPacket, profile: Profile): number {
  return BASE_HEADER_BYTES + extensionsLength(packet.extensions, profile.extensions)
}

const NOTHING = new Uint8Array(0)
