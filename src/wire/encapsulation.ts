/**
 * Packets in UDP datagrams, native profile (README.md, "Layers"). Each packet stands behind a shim; a datagram, or a
 * buffer of datagrams that the kernel merged (UDP_GRO), is a batch of packets of equal length:
 *
 *    0               8              16                            31
 *   +---------------+---------------+-------------------------------+
 *   |  version (1)  |     hops      |   length, shim to packet end  |
 *   +---------------+---------------+-------------------------------+
 *   |  SAL header, extensions, segment or datagram ...
 *
 * The shim and the base header never change between versions. `hops` counts down at routers.
 */
import type { FlowId } from '../id/flow-id.ts'
import { readU16, writeU16, writeU32 } from './bytes.ts'
import { foldChecksum } from './checksum.ts'
import {
  BASE_HEADER_BYTES,
  DST_FLOW_ID,
  HEADER_WORDS,
  type Protocol,
  protocols,
  SAL_CHECKSUM,
  SRC_FLOW_ID,
} from './sal-header.ts'
import { type WireError, wireErrors } from './wire-error.ts'

export const WIRE_VERSION = 1
export const INITIAL_HOPS = 32
export const SHIM_BYTES = 4
/** Shim and a base header without extensions, in front of every data segment. */
export const DATA_PREFIX_BYTES = SHIM_BYTES + BASE_HEADER_BYTES
/** What the length field can count. */
export const MAX_ENCAPSULATED_BYTES = 0xffff

/** Writes the 4 bytes in front of a packet; `lengthBytes` counts them too. */
export function emitShim(buffer: Uint8Array, offset: number, lengthBytes: number, hops = INITIAL_HOPS): void {
  buffer[offset + VERSION] = WIRE_VERSION
  buffer[offset + HOPS] = hops
  writeU16(buffer, offset + LENGTH, lengthBytes)
}

/** What the shim at `offset` says of its packet's length, itself included. */
export function shimLength(buffer: Uint8Array, offset: number): number {
  return readU16(buffer, offset + LENGTH)
}

/** How many packets `buffer[0, length)` holds if all are as long as the first says, and at least the least; the last may be shorter. */
export function packetsIn(buffer: Uint8Array, length: number): number {
  return Math.ceil(length / Math.max(shimLength(buffer, 0), DATA_PREFIX_BYTES))
}

/** Changes the hops of the packet whose shim is at `offset`: neither a checksum nor TAG covers them. */
export function setHops(buffer: Uint8Array, offset: number, hops: number): void {
  buffer[offset + HOPS] = hops
}

/** Changes the length in the shim at `offset`, as a sender does that keeps a flow's data prefix. */
export function setLength(buffer: Uint8Array, offset: number, lengthBytes: number): void {
  writeU16(buffer, offset + LENGTH, lengthBytes)
}

/**
 * Writes the shim and base header of a packet of data without extensions: 16 bytes, the same for every such
 * packet of a flow but for the length. `lengthBytes` counts from the shim to the end of the payload.
 */
export function emitDataPrefix(
  buffer: Uint8Array,
  offset: number,
  srcFlowId: FlowId,
  dstFlowId: FlowId,
  lengthBytes: number,
  protocol: Protocol = protocols.STREAM,
): void {
  emitShim(buffer, offset, lengthBytes)
  const header = offset + SHIM_BYTES
  writeU32(buffer, header + SRC_FLOW_ID, srcFlowId)
  writeU32(buffer, header + DST_FLOW_ID, dstFlowId)
  const word = ((BASE_HEADER_BYTES / 4) << 8) | protocol
  writeU16(buffer, header + HEADER_WORDS, word)
  const sum = (srcFlowId >>> 16) + (srcFlowId & 0xffff) + (dstFlowId >>> 16) + (dstFlowId & 0xffff) + word
  writeU16(buffer, header + SAL_CHECKSUM, foldChecksum(sum))
}

/**
 * Walks over the packets of a received buffer. Made once and reset for each buffer:
 *
 *     walk.reset(buffer, 0, length)
 *     while (walk.next()) handle(buffer, walk.packetStart, walk.packetEnd)
 *     if (walk.error !== undefined) count(walk.error)     // the rest was dropped
 */
export class PacketWalk {
  /** The SAL packet behind the current shim is `buffer[packetStart, packetEnd)`, 12 bytes or more. */
  packetStart = 0
  packetEnd = 0
  hops = 0
  /** Compare with WIRE_VERSION: of a packet of another version only the base header is known. */
  version = 0
  /** Why the rest of the buffer was dropped. */
  error: WireError | undefined

  #buffer: Uint8Array = NOTHING
  #at = 0
  #end = 0
  #firstLength = 0
  #sawShort = false

  reset(buffer: Uint8Array, start: number, end: number): void {
    this.#buffer = buffer
    this.#at = start
    this.#end = end
    this.#firstLength = 0
    this.#sawShort = false
    this.error = undefined
  }

  /** Moves to the next packet; false at the end, and at the first thing wrong. */
  next(): boolean {
    const left = this.#end - this.#at
    if (left === 0) return false
    if (this.#sawShort) return this.#stop(wireErrors.afterShort)
    if (left < DATA_PREFIX_BYTES) return this.#stop(wireErrors.truncated)
    const length = readU16(this.#buffer, this.#at + LENGTH)
    if (length < DATA_PREFIX_BYTES) return this.#stop(wireErrors.badLength)
    if (length > left) return this.#stop(wireErrors.truncated)
    if (this.#firstLength === 0) this.#firstLength = length
    if (length > this.#firstLength) return this.#stop(wireErrors.unequalLength)
    this.#sawShort = length < this.#firstLength
    this.version = this.#buffer[this.#at + VERSION]!
    this.hops = this.#buffer[this.#at + HOPS]!
    this.packetStart = this.#at + SHIM_BYTES
    this.packetEnd = this.#at + length
    this.#at = this.packetEnd
    return true
  }

  /** Behind the current packet there are more bytes. */
  get hasMore(): boolean {
    return this.#at < this.#end
  }

  /** Where the buffer ends. */
  get end(): number {
    return this.#end
  }

  /** Goes on at `at`: what is before it was taken together with the current packet. `sawShort`: with a short one. */
  skipTo(at: number, sawShort: boolean): void {
    this.#at = at
    this.#sawShort = sawShort
  }

  #stop(error: WireError): false {
    this.error = error
    this.#at = this.#end
    return false
  }
}

const VERSION = 0
const HOPS = 1
const LENGTH = 2

const NOTHING = new Uint8Array(0)
