/**
 * Captures as tcpdump and Wireshark write and read them: classic pcap (draft-ietf-opsawg-pcap), here with IP packets
 * and nothing in front of them.
 *
 *   file:    magic | version 2.4 | zone 0 | accuracy 0 | longest packet | link type         6 fields, 24 bytes
 *   record:  seconds | microseconds (or nano-) | bytes captured | bytes on the wire | packet
 *
 * Either byte order is read; what is written here is big-endian.
 */
import { addressBytes } from '../id/address.ts'
import { writeU16, writeU32 } from './bytes.ts'
import { type Endpoint, endpointFamily } from './endpoint.ts'
import { DEFAULT_TTL, emitIpv4Header, IPV4_HEADER_BYTES, ipv4Header } from './ipv4.ts'
import { UDP_HEADER_BYTES } from './udp-header.ts'

export interface CapturedPacket {
  /** Since the epoch. */
  readonly atMs: number
  /** From the IP header's first byte on. */
  readonly bytes: Uint8Array
}

/** What a new file begins with. */
export function pcapFileHeader(): Uint8Array {
  const header = new Uint8Array(FILE_HEADER_BYTES)
  writeU32(header, 0, MAGIC)
  writeU16(header, 4, 2)
  writeU16(header, 6, 4)
  writeU32(header, 16, MAX_PACKET_BYTES)
  writeU32(header, LINK_TYPE, LINK_TYPE_RAW_IP)
  return header
}

/**
 * The record of a UDP datagram `payload` from one end point to the other, both of the same family. The UDP checksum
 * is left out: the kernel makes it after us, and has checked it before us.
 */
export function pcapUdpRecord(
  payload: Uint8Array,
  source: Endpoint,
  destination: Endpoint,
  atMs: number,
): Uint8Array {
  const udpBytes = UDP_HEADER_BYTES + payload.length
  const ipBytes = endpointFamily(source) === 4 ? IPV4_HEADER_BYTES : IPV6_HEADER_BYTES
  const record = newRecord(ipBytes + udpBytes, atMs)
  const ip = RECORD_HEADER_BYTES
  if (ipBytes === IPV4_HEADER_BYTES) {
    const header = { ...ipv4Header(source.address, destination.address, udpBytes), protocol: IP_PROTOCOL_UDP }
    emitIpv4Header(header, record, ip)
  } else emitIpv6Header(record, ip, source, destination, udpBytes)
  const udp = ip + ipBytes
  writeU16(record, udp, source.port)
  writeU16(record, udp + 2, destination.port)
  writeU16(record, udp + 4, udpBytes)
  record.set(payload, udp + UDP_HEADER_BYTES)
  return record
}

/** The record of an IP packet, from its header's first byte on. */
export function pcapIpRecord(packet: Uint8Array, atMs: number): Uint8Array {
  const record = newRecord(packet.length, atMs)
  record.set(packet, RECORD_HEADER_BYTES)
  return record
}

function newRecord(packetBytes: number, atMs: number): Uint8Array {
  const record = new Uint8Array(RECORD_HEADER_BYTES + packetBytes)
  const seconds = Math.floor(atMs / 1_000)
  writeU32(record, 0, seconds)
  writeU32(record, FRACTION, Math.floor((atMs - seconds * 1_000) * 1_000))
  writeU32(record, CAPTURED_LENGTH, packetBytes)
  writeU32(record, WIRE_LENGTH, packetBytes)
  return record
}

/** RFC 8200 section 3: version 6, no class, no flow label. */
function emitIpv6Header(
  buffer: Uint8Array,
  offset: number,
  source: Endpoint,
  destination: Endpoint,
  payloadBytes: number,
): void {
  writeU32(buffer, offset, 6 << 28)
  writeU16(buffer, offset + 4, payloadBytes)
  buffer[offset + 6] = IP_PROTOCOL_UDP
  buffer[offset + 7] = DEFAULT_TTL
  buffer.set(addressBytes(source.address) ?? [], offset + 8)
  buffer.set(addressBytes(destination.address) ?? [], offset + 24)
}

/**
 * The packets of a capture, in its order; views into `data`. A text says why it is none. A last record that is cut, as
 * in a file that is still being written, is left out.
 */
export function parsePcap(data: Uint8Array): CapturedPacket[] | string {
  if (data.length < FILE_HEADER_BYTES) return 'it is too short for a pcap file'
  return new PcapReader().push(data)
}

/** Reads a capture as it grows. */
export class PcapReader {
  #format: PcapFormat | undefined
  /** What has come of a header or record of which more is to come. */
  #rest: Uint8Array = new Uint8Array(0)

  /** The packets that are whole with these bytes; a text says why it is no capture. `data` is the reader's from now on. */
  push(data: Uint8Array): CapturedPacket[] | string {
    const bytes = this.#rest.length === 0 ? data : joined(this.#rest, data)
    this.#rest = bytes
    let at = 0
    if (this.#format === undefined) {
      if (bytes.length < FILE_HEADER_BYTES) return []
      const format = parseFormat(bytes)
      if (typeof format === 'string') return format
      this.#format = format
      at = FILE_HEADER_BYTES
    }
    const { little, fractionsPerMs, linkBytes } = this.#format
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    const packets: CapturedPacket[] = []
    while (at + RECORD_HEADER_BYTES <= bytes.length) {
      const start = at + RECORD_HEADER_BYTES
      const length = view.getUint32(at + CAPTURED_LENGTH, little)
      // A length that no capture has would have us wait, and keep bytes, for ever.
      if (length > MAX_RECORD_BYTES) return `it is damaged: a packet of ${length} bytes`
      const end = start + length
      if (end > bytes.length) break
      const atMs = view.getUint32(at, little) * 1_000 + view.getUint32(at + FRACTION, little) / fractionsPerMs
      packets.push({ atMs, bytes: bytes.subarray(Math.min(start + linkBytes, end), end) })
      at = end
    }
    this.#rest = bytes.subarray(at)
    return packets
  }
}

interface PcapFormat {
  readonly little: boolean
  readonly fractionsPerMs: number
  readonly linkBytes: number
}

/** Of a file header; a text says why it is none. */
function parseFormat(data: Uint8Array): PcapFormat | string {
  const view = new DataView(data.buffer, data.byteOffset, data.length)
  const magic = MAGICS.find(({ value, little }) => view.getUint32(0, little) === value)
  if (magic === undefined) return 'it is no pcap file (pcapng can be converted: editcap -F pcap)'
  const { little, fractionsPerMs } = magic
  // draft-ietf-opsawg-pcap section 4: the upper bits tell of a frame check sequence.
  const linkType = view.getUint32(LINK_TYPE, little) & 0xffff
  const linkBytes = LINK_HEADER_BYTES.get(linkType)
  return linkBytes === undefined
    ? `its link type ${linkType} is not known here`
    : { little, fractionsPerMs, linkBytes }
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const both = new Uint8Array(a.length + b.length)
  both.set(a)
  both.set(b, a.length)
  return both
}

const MAGIC = 0xa1b2c3d4
/** Whose fractions of a second are nanoseconds. */
const NANOSECOND_MAGIC = 0xa1b23c4d
const MAGICS = [
  { value: MAGIC, little: false, fractionsPerMs: 1e3 },
  { value: MAGIC, little: true, fractionsPerMs: 1e3 },
  { value: NANOSECOND_MAGIC, little: false, fractionsPerMs: 1e6 },
  { value: NANOSECOND_MAGIC, little: true, fractionsPerMs: 1e6 },
]

const FILE_HEADER_BYTES = 24
const LINK_TYPE = 20
const MAX_PACKET_BYTES = 0x40000
/** As libpcap reads at most. */
const MAX_RECORD_BYTES = 0x10_0000
const RECORD_HEADER_BYTES = 16
const FRACTION = 4
const CAPTURED_LENGTH = 8
const WIRE_LENGTH = 12
const IPV6_HEADER_BYTES = 40
const IP_PROTOCOL_UDP = 17

/** tcpdump.org/linktypes */
const LINK_TYPE_RAW_IP = 101
/** Bytes in front of the IP header: Ethernet, raw IP, Linux cooked v1 and v2. */
const LINK_HEADER_BYTES: ReadonlyMap<number, number> = new Map([
  [1, 14],
  [LINK_TYPE_RAW_IP, 0],
  [113, 16],
  [276, 20],
])
