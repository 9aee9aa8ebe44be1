/**
 * ROUTE (type 9) and PATHS (type 10, README.md, "Extensions"): lists of at most 8 end points.
 *
 *    0               8              16              24            31
 *   +---------------+---------------+---------------+---------------+
 *   |0x9, 0xa  bits |    length     |     count     |   reserved    |
 *   +---------------+---------------+---------------+---------------+
 *   |  count entries ...
 *
 *   An entry:
 *   +---------------+---------------+-------------------------------+
 *   | family (4, 6) |       0       |             port              |
 *   +---------------+---------------+-------------------------------+
 *   |  address: 4 bytes, or 16                                      |
 *   +---------------------------------------------------------------+
 *   |  ROUTE only: MAC of the router that wrote it (64)             |
 *   +                                                               +
 *   |                                                               |
 *   +---------------------------------------------------------------+
 *
 * Entry i of ROUTE is the source address that the i-th router saw: the first is the client, as the first
 * router saw it. PATHS lists other addresses of the sender.
 */
import { addressBytes, addressText } from '../../id/address.ts'
import { copyBytes, readU16, writeU16 } from '../bytes.ts'
import { WireError, wireErrors } from '../wire-error.ts'
import {
  BODY,
  type ExtensionBase,
  type ExtensionCodec,
  type ReservedField,
  readBits,
  writeFixed,
  writeStart,
} from './codec.ts'

const ROUTE_TYPE = 9
const PATHS_TYPE = 10
const COUNT = BODY
const RESERVED = 3
const ENTRIES = 4

const FAMILY = 0
const ENTRY_ZERO = 1
const PORT = 2
const ADDRESS = 4

/** Eight entries of 28 bytes still fit into the length byte. */
export const MAX_ROUTE_ENTRIES = 8
export const ROUTE_MAC_BYTES = 8
/** What routers may add to a packet: the start and eight entries for IPv6. */
export const MAX_ROUTE_BYTES = 4 + MAX_ROUTE_ENTRIES * 28

export interface PathEntry {
  /** Canonical text, as in `Endpoint`. */
  readonly address: string
  readonly port: number
}

export interface RouteEntry extends PathEntry {
  /** 8 bytes, by which the router knows its own entry again. */
  readonly mac: Uint8Array
}

export interface RouteExtension extends ExtensionBase, ReservedField {
  readonly kind: 'route'
  readonly entries: readonly RouteEntry[]
}

export interface PathsExtension extends ExtensionBase, ReservedField {
  readonly kind: 'paths'
  readonly entries: readonly PathEntry[]
}

export function route(entries: readonly RouteEntry[]): RouteExtension {
  return { kind: 'route', bits: 0, reserved: 0, entries }
}

export function paths(entries: readonly PathEntry[]): PathsExtension {
  return { kind: 'paths', bits: 0, reserved: 0, entries }
}

export const routeCodec: ExtensionCodec<RouteExtension> = {
  type: ROUTE_TYPE,
  kind: 'route',
  limit: 1,
  length: extension => listLength(extension.entries, ROUTE_MAC_BYTES),

  parse(buffer: Uint8Array, start: number, end: number): RouteExtension | WireError {
    const entries = parseEntries(buffer, start, end, ROUTE_MAC_BYTES, (address, port, at) => ({
      address,
      port,
      mac: copyBytes(buffer, at, at + ROUTE_MAC_BYTES),
    }))
    if (entries instanceof WireError) return entries
    return { kind: 'route', bits: readBits(buffer, start), reserved: buffer[start + RESERVED]!, entries }
  },

  emit(extension: RouteExtension, buffer: Uint8Array, offset: number): void {
    emitListStart(ROUTE_TYPE, extension, routeCodec.length(extension), buffer, offset)
    let at = offset + ENTRIES
    for (const entry of extension.entries) {
      at = emitEntry(entry, buffer, at)
      writeFixed(buffer, at, entry.mac, ROUTE_MAC_BYTES)
      at += ROUTE_MAC_BYTES
    }
  },
}

export const pathsCodec: ExtensionCodec<PathsExtension> = {
  type: PATHS_TYPE,
  kind: 'paths',
  limit: 1,
  length: extension => listLength(extension.entries, 0),

  parse(buffer: Uint8Array, start: number, end: number): PathsExtension | WireError {
    const entries = parseEntries(buffer, start, end, 0, (address, port) => ({ address, port }))
    if (entries instanceof WireError) return entries
    return { kind: 'paths', bits: readBits(buffer, start), reserved: buffer[start + RESERVED]!, entries }
  },

  emit(extension: PathsExtension, buffer: Uint8Array, offset: number): void {
    emitListStart(PATHS_TYPE, extension, pathsCodec.length(extension), buffer, offset)
    let at = offset + ENTRIES
    for (const entry of extension.entries) at = emitEntry(entry, buffer, at)
  },
}

const IPV4 = { family: 4, bytes: 4 } as const
const IPV6 = { family: 6, bytes: 16 } as const

function listLength(entries: readonly PathEntry[], macBytes: number): number {
  return entries.reduce((sum, entry) => sum + ADDRESS + familyOf(entry).bytes + macBytes, ENTRIES)
}

function familyOf(entry: PathEntry): typeof IPV4 | typeof IPV6 {
  return entry.address.includes(':') ? IPV6 : IPV4
}

/** `entry` makes an entry from its address, its port and the offset of what follows the address. */
function parseEntries<E>(
  buffer: Uint8Array,
  start: number,
  end: number,
  macBytes: number,
  entry: (address: string, port: number, at: number) => E,
): E[] | WireError {
  if (end - start < ENTRIES) return wireErrors.badLength
  const count = buffer[start + COUNT]!
  if (count > MAX_ROUTE_ENTRIES) return wireErrors.badLength
  const entries: E[] = []
  let at = start + ENTRIES
  for (let i = 0; i < count; i++) {
    if (at + ADDRESS > end) return wireErrors.badLength
    const family = buffer[at + FAMILY]!
    if (family !== IPV4.family && family !== IPV6.family) return wireErrors.badValue
    if (buffer[at + ENTRY_ZERO] !== 0) return wireErrors.badValue
    const behind = at + ADDRESS + (family === IPV4.family ? IPV4.bytes : IPV6.bytes)
    if (behind + macBytes > end) return wireErrors.badLength
    const address = addressText(buffer.subarray(at + ADDRESS, behind))
    entries.push(entry(address, readU16(buffer, at + PORT), behind))
    at = behind + macBytes
  }
  return at === end ? entries : wireErrors.badLength
}

function emitListStart(
  type: number,
  list: RouteExtension | PathsExtension,
  length: number,
  buffer: Uint8Array,
  offset: number,
): void {
  const count = list.entries.length
  if (count > MAX_ROUTE_ENTRIES) throw new RangeError(`at most ${MAX_ROUTE_ENTRIES} entries, not ${count}`)
  writeStart(buffer, offset, type, list.bits, length)
  buffer[offset + COUNT] = count
  buffer[offset + RESERVED] = list.reserved
}

/** Returns the offset behind the address. */
function emitEntry(entry: PathEntry, buffer: Uint8Array, offset: number): number {
  const { family, bytes } = familyOf(entry)
  buffer[offset + FAMILY] = family
  buffer[offset + ENTRY_ZERO] = 0
  writeU16(buffer, offset + PORT, entry.port)
  writeFixed(buffer, offset + ADDRESS, addressBytes(entry.address) ?? new Uint8Array(0), bytes)
  return offset + ADDRESS + bytes
}
