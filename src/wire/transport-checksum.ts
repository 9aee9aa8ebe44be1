/**
 * The checksum inside a TCP segment or UDP datagram, over the ordinary pseudo-header (README.md, "Transports", B1). The
 * addresses are those of the packet as it travels, 4 or 16 bytes each; a native unconnected datagram has
 * none of them.
 */
import { readU16, writeU16 } from './bytes.ts'
import { checksum, pseudoHeaderSum } from './checksum.ts'
import { protocols } from './sal-header.ts'
import { TCP_CHECKSUM } from './tcp-header.ts'
import { UDP_CHECKSUM } from './udp-header.ts'

export interface PseudoHeader {
  readonly source: Uint8Array
  readonly destination: Uint8Array
}

/** Fills the checksum of the segment or datagram `buffer[start, end)`, of `protocol` 6 or 17. */
export function fillTransportChecksum(
  buffer: Uint8Array,
  start: number,
  end: number,
  protocol: number,
  addresses?: PseudoHeader,
): void {
  const field = start + fieldOffset(protocol)
  writeU16(buffer, field, 0)
  const sum = pseudoHeaderSum(protocol, end - start, addresses?.source, addresses?.destination)
  const value = checksum(buffer, start, end, sum)
  // RFC 768: a computed zero is sent as all ones, for zero means none.
  writeU16(buffer, field, value === 0 && protocol === protocols.DATAGRAM ? 0xffff : value)
}

/** Whether the checksum of `buffer[start, end)`, whose header was parsed, is right. UDP: 0 means none, and is. */
export function verifyTransportChecksum(
  buffer: Uint8Array,
  start: number,
  end: number,
  protocol: number,
  addresses?: PseudoHeader,
): boolean {
  if (protocol === protocols.DATAGRAM && readU16(buffer, start + UDP_CHECKSUM) === 0) return true
  const sum = pseudoHeaderSum(protocol, end - start, addresses?.source, addresses?.destination)
  return checksum(buffer, start, end, sum) === 0
}

function fieldOffset(protocol: number): number {
  return protocol === protocols.DATAGRAM ? UDP_CHECKSUM : TCP_CHECKSUM
}
