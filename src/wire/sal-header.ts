/**
 * The SAL base header (README.md, "SAL header"), the same in both profiles and in every version.
 *
 *    0               8              16              24            31
 *   +---------------------------------------------------------------+
 *   |                        source flowID                          |
 *   +---------------------------------------------------------------+
 *   |              destination flowID (0: not known)                |
 *   +---------------+---------------+-------------------------------+
 *   | header words  |   protocol    |           checksum            |
 *   +---------------+---------------+-------------------------------+
 *
 * The header length counts 32-bit words, extensions included; the checksum covers as much, and no payload.
 */
import type { FlowId } from '../id/flow-id.ts'
import { readU32, writeU16, writeU32 } from './bytes.ts'
import { checksum } from './checksum.ts'
import { type WireError, wireErrors } from './wire-error.ts'

export const BASE_HEADER_BYTES = 12
/** The header length is one byte of words. */
export const MAX_HEADER_BYTES = 255 * 4

/** The protocol that follows the SAL header. */
export const protocols = { STREAM: 6, DATAGRAM: 17 } as const
export type Protocol = (typeof protocols)[keyof typeof protocols]

/** Offsets from the start of the packet. */
export const SRC_FLOW_ID = 0
export const DST_FLOW_ID = 4
export const HEADER_WORDS = 8
const PROTOCOL = 9
export const SAL_CHECKSUM = 10

export interface SalHeader {
  readonly srcFlowId: FlowId
  readonly dstFlowId: FlowId
  /** Base header and extensions: 12..1020, a multiple of 4. */
  readonly headerBytes: number
  /** 6 stream, 17 datagram. */
  readonly protocol: number
}

/** Lengths and checksum of the SAL header at `start`; allocates nothing. */
export function checkSalHeader(buffer: Uint8Array, start: number, end: number): WireError | undefined {
  if (end - start < BASE_HEADER_BYTES) return wireErrors.truncated
  const headerBytes = peekHeaderBytes(buffer, start)
  if (headerBytes < BASE_HEADER_BYTES) return wireErrors.badLength
  if (headerBytes > end - start) return wireErrors.truncated
  return checksum(buffer, start, start + headerBytes) === 0 ? undefined : wireErrors.badChecksum
}

export function parseSalHeader(buffer: Uint8Array, start: number, end: number): SalHeader | WireError {
  return (
    checkSalHeader(buffer, start, end) ?? {
      srcFlowId: peekSrcFlowId(buffer, start),
      dstFlowId: peekDstFlowId(buffer, start),
      headerBytes: peekHeaderBytes(buffer, start),
      protocol: peekProtocol(buffer, start),
    }
  )
}

/** Writes the 12 bytes with a zero checksum; `fillSalChecksum` follows once the extensions are there. */
export function emitSalHeader(header: SalHeader, buffer: Uint8Array, offset: number): void {
  writeU32(buffer, offset + SRC_FLOW_ID, header.srcFlowId)
  writeU32(buffer, offset + DST_FLOW_ID, header.dstFlowId)
  buffer[offset + HEADER_WORDS] = header.headerBytes >> 2
  buffer[offset + PROTOCOL] = header.protocol
  writeU16(buffer, offset + SAL_CHECKSUM, 0)
}

/** Computes the checksum of the SAL header at `offset`, whose header length is set. */
export function fillSalChecksum(buffer: Uint8Array, offset: number): void {
  writeU16(buffer, offset + SAL_CHECKSUM, 0)
  writeU16(buffer, offset + SAL_CHECKSUM, checksum(buffer, offset, offset + peekHeaderBytes(buffer, offset)))
}

/** Whether the base headers at `a` and `b` are equal, as those of one flow's data packets are. */
export function sameBaseHeader(buffer: Uint8Array, a: number, b: number): boolean {
  for (let i = 0; i < BASE_HEADER_BYTES; i++) if (buffer[a + i] !== buffer[b + i]) return false
  return true
}

/** The `peek` functions read one field of a header that `checkSalHeader` found good. */
export function peekSrcFlowId(buffer: Uint8Array, start: number): FlowId {
  return readU32(buffer, start + SRC_FLOW_ID)
}

export function peekDstFlowId(buffer: Uint8Array, start: number): FlowId {
  return readU32(buffer, start + DST_FLOW_ID)
}

export function peekHeaderBytes(buffer: Uint8Array, start: number): number {
  return buffer[start + HEADER_WORDS]! * 4
}

export function peekProtocol(buffer: Uint8Array, start: number): number {
  return buffer[start + PROTOCOL]!
}
