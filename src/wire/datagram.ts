/**
 * A whole datagram of protocol 17 (README.md, "Transports"): the UDP header of `udp-header.ts` and the payload behind it.
 *
 * Whether its checksum is there, and over which addresses, is for whoever sends it to say: native connected datagrams have
 * none, native unconnected ones one over no addresses, those of 2014 one over the addresses of the packet around it.
 */
import { protocols } from './sal-header.ts'
import { fillTransportChecksum, type PseudoHeader, verifyTransportChecksum } from './transport-checksum.ts'
import { emitUdpHeader, parseUdpHeader, UDP_HEADER_BYTES } from './udp-header.ts'
import { WireError, wireErrors } from './wire-error.ts'

export interface Datagram {
  /** The number of the sender's service where that is a port of its host, or 0. */
  readonly srcPort: number
  /** A view into the buffer that it came in. */
  readonly payload: Uint8Array
}

/** What is summed: nothing (or it need not be summed again), the datagram alone, or it and the addresses of the packet. */
export type ChecksumOver = 'nothing' | 'itself' | PseudoHeader

/** The datagram at the start of `buffer[start, end)`; what is behind its own length is padding. */
export function parseDatagram(
  buffer: Uint8Array,
  start: number,
  end: number,
  over: ChecksumOver = 'itself',
): Datagram | WireError {
  const header = parseUdpHeader(buffer, start, end)
  if (header instanceof WireError) return header
  const stop = start + header.lengthBytes
  const isGood =
    over === 'nothing' || verifyTransportChecksum(buffer, start, stop, protocols.DATAGRAM, addressesIn(over))
  if (!isGood) return wireErrors.badChecksum
  return { srcPort: header.srcPort, payload: buffer.subarray(start + UDP_HEADER_BYTES, stop) }
}

/** Writes header, payload and checksum at `offset`; returns the bytes written. RangeError if they do not fit. */
export function emitDatagram(
  { srcPort, payload }: Datagram,
  over: ChecksumOver,
  buffer: Uint8Array,
  offset: number,
): number {
  const lengthBytes = UDP_HEADER_BYTES + payload.length
  if (offset + lengthBytes > buffer.length)
    throw new RangeError(`no room for a datagram of ${lengthBytes} bytes`)
  emitUdpHeader({ srcPort, dstPort: 0, lengthBytes, checksum: 0 }, buffer, offset)
  buffer.set(payload, offset + UDP_HEADER_BYTES)
  if (over !== 'nothing')
    fillTransportChecksum(buffer, offset, offset + lengthBytes, protocols.DATAGRAM, addressesIn(over))
  return lengthBytes
}

function addressesIn(over: 'itself' | PseudoHeader): PseudoHeader | undefined {
  return over === 'itself' ? undefined : over
}
