/**
 * The vectors of the native profile, test/vectors/native/packets.json: a packet of each kind as values and
 * as bytes. Values are written as the codecs name them, bytes as hex, serviceIDs as text.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ServiceId } from '../../src/id/service-id.ts'
import { emitShim, SHIM_BYTES } from '../../src/wire/encapsulation.ts'
import type { Extension } from '../../src/wire/extensions.ts'
import { nativeProfile } from '../../src/wire/native-profile.ts'
import { emitPacket, packetLength, SalPacket } from '../../src/wire/packet.ts'
import { protocols } from '../../src/wire/sal-header.ts'
import { emitSegment, type Segment, segmentLength } from '../../src/wire/segment.ts'
import { fillTransportChecksum } from '../../src/wire/transport-checksum.ts'
import { emitUdpHeader, UDP_HEADER_BYTES, udpHeader } from '../../src/wire/udp-header.ts'
import { VECTORS } from './pcap.ts'

export interface NativeVector {
  readonly name: string
  readonly hops: number
  readonly srcFlowId: number
  readonly dstFlowId: number
  readonly extensions: readonly Extension[]
  /** One of the two, or neither: a control packet may end behind its SAL header. */
  readonly segment?: Segment
  readonly datagram?: { readonly payload: Uint8Array; readonly checksum: boolean }
  /** Shim to end. */
  readonly bytes: Uint8Array
}

export function nativeVectors(): NativeVector[] {
  return JSON.parse(readFileSync(join(VECTORS, 'native', 'packets.json'), 'utf8'), revive)
}

/** What the codecs make of a vector's values, in a buffer that held garbage before. */
export function emitVector(vector: Omit<NativeVector, 'bytes' | 'name'>): Uint8Array {
  const packet = new SalPacket({
    srcFlowId: vector.srcFlowId,
    dstFlowId: vector.dstFlowId,
    protocol: vector.datagram === undefined ? protocols.STREAM : protocols.DATAGRAM,
    extensions: vector.extensions,
    transport: emitTransport(vector),
  })
  const length = SHIM_BYTES + packetLength(packet, nativeProfile)
  const buffer = new Uint8Array(length).fill(GARBAGE)
  emitShim(buffer, 0, length, vector.hops)
  emitPacket(packet, buffer, SHIM_BYTES, nativeProfile)
  return buffer
}

const GARBAGE = 0xa5

function emitTransport({ segment, datagram }: Pick<NativeVector, 'segment' | 'datagram'>): Uint8Array {
  if (segment !== undefined) {
    const buffer = new Uint8Array(segmentLength(segment)).fill(GARBAGE)
    emitSegment(segment, buffer, 0)
    return buffer
  }
  if (datagram === undefined) return new Uint8Array(0)
  const buffer = new Uint8Array(UDP_HEADER_BYTES + datagram.payload.length).fill(GARBAGE)
  emitUdpHeader(udpHeader(datagram.payload.length), buffer, 0)
  buffer.set(datagram.payload, UDP_HEADER_BYTES)
  if (datagram.checksum) fillTransportChecksum(buffer, 0, buffer.length, protocols.DATAGRAM)
  return buffer
}

const BYTE_FIELDS = new Set(['nonce', 'share', 'value', 'opaque', 'mac', 'body', 'data', 'payload', 'bytes'])

function revive(key: string, value: unknown): unknown {
  if (typeof value !== 'string') return value
  if (BYTE_FIELDS.has(key)) return Uint8Array.from(Buffer.from(value, 'hex'))
  return key === 'serviceId' ? ServiceId.parse(value) : value
}
