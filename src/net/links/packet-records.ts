/**
 * What goes over a link as records of a capture: a record a packet, as on the wire, whatever the kernel cuts and merges.
 * What is no packet, to the end of its datagram, is a record of its own.
 */
import { readU16 } from '../../wire/bytes.ts'
import { PacketWalk, SHIM_BYTES } from '../../wire/encapsulation.ts'
import type { Endpoint } from '../../wire/endpoint.ts'
import { pcapIpRecord, pcapUdpRecord } from '../../wire/pcap.ts'

/** Records of `buffer[0, length)` as it went from one endpoint to the other; copies. */
export type PacketRecords = (
  buffer: Uint8Array,
  length: number,
  source: Endpoint,
  destination: Endpoint,
  atMs: number,
) => Uint8Array[]

/** For links that carry payloads of UDP, or, where `isRawIp`, IP packets as they are. */
export function packetRecords(isRawIp: boolean): PacketRecords {
  return isRawIp ? ipRecords : udpRecords
}

const walk = new PacketWalk()

const udpRecords: PacketRecords = (buffer, length, source, destination, atMs) => {
  const records: Uint8Array[] = []
  const add = (start: number, end: number) =>
    records.push(pcapUdpRecord(buffer.subarray(start, end), source, destination, atMs))
  walk.reset(buffer, 0, length)
  let end = 0
  while (walk.next()) {
    end = walk.packetEnd
    add(walk.packetStart - SHIM_BYTES, end)
  }
  if (end < length) add(end, length)
  return records
}

const ipRecords: PacketRecords = (buffer, length, _source, _destination, atMs) => {
  const records: Uint8Array[] = []
  for (let at = 0; at < length; ) {
    // RFC 791 section 3.1: the total length, at 2.
    const bytes = at + 4 <= length ? readU16(buffer, at + 2) : 0
    const end = bytes > 0 ? Math.min(at + bytes, length) : length
    records.push(pcapIpRecord(buffer.subarray(at, end), atMs))
    at = end
  }
  return records
}
