/**
 * The answer to a packet of a version that is not spoken here (README.md, "Shim"): the versions that
 * are. Its own version is 0, which no packet has; shim and base header are those of every version. Nothing
 * authenticates it, so it is a hint only, to whoever waits under the flowID.
 *
 *    0               8              16              24            31
 *   +---------------+---------------+-------------------------------+
 *   |  version (0)  |     hops      |   length, shim to packet end  |
 *   +---------------+---------------+-------------------------------+
 *   |  base header: source flowID 0, the asker's as destination     |
 *   ~                                                               ~
 *   +---------------+---------------+-------------------------------+
 *   |     count     |  count versions, zeros up to a multiple of 4  |
 *   +---------------+---------------+-------------------------------+
 */
import { type FlowId, NO_FLOW_ID } from '../id/flow-id.ts'
import { align4 } from './bytes.ts'
import { emitShim, SHIM_BYTES } from './encapsulation.ts'
import {
  BASE_HEADER_BYTES,
  checkSalHeader,
  emitSalHeader,
  fillSalChecksum,
  peekDstFlowId,
  peekHeaderBytes,
  protocols,
} from './sal-header.ts'
import { type WireError, wireErrors } from './wire-error.ts'

/** In the shim of a version hint, and of nothing else. */
export const HINT_VERSION = 0

export interface VersionHint {
  readonly dstFlowId: FlowId
  /** Each 1..255. */
  readonly versions: readonly number[]
}

/** Bytes of a hint, shim to end. */
export function versionHintLength(hint: VersionHint): number {
  return SHIM_BYTES + BASE_HEADER_BYTES + align4(1 + hint.versions.length)
}

/** Parses the packet behind the shim, `buffer[start, end)`. */
export function parseVersionHint(buffer: Uint8Array, start: number, end: number): VersionHint | WireError {
  const error = checkSalHeader(buffer, start, end)
  if (error !== undefined) return error
  const list = start + peekHeaderBytes(buffer, start)
  if (list === end) return wireErrors.truncated
  const versions = [...buffer.subarray(list + 1, Math.min(list + 1 + buffer[list]!, end))]
  if (versions.length < buffer[list]!) return wireErrors.badLength
  return { dstFlowId: peekDstFlowId(buffer, start), versions }
}

/** Writes shim and packet at `offset` and returns their length; RangeError if they do not fit. */
export function emitVersionHint(hint: VersionHint, buffer: Uint8Array, offset: number): number {
  const length = versionHintLength(hint)
  if (offset + length > buffer.length) throw new RangeError(`no room for a version hint of ${length} bytes`)
  emitShim(buffer, offset, length)
  buffer[offset] = HINT_VERSION
  const header = {
    srcFlowId: NO_FLOW_ID,
    dstFlowId: hint.dstFlowId,
    headerBytes: BASE_HEADER_BYTES,
    protocol: protocols.STREAM,
  }
  emitSalHeader(header, buffer, offset + SHIM_BYTES)
  fillSalChecksum(buffer, offset + SHIM_BYTES)
  const list = offset + SHIM_BYTES + BASE_HEADER_BYTES
  buffer.fill(0, list, offset + length)
  buffer[list] = hint.versions.length
  buffer.set(hint.versions, list + 1)
  return length
}
