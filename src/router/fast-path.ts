/**
 * HOT: the router's short way for what nearly all of its packets are, SYNs and unconnected datagrams that a FORWARD rule
 * sends on: parsed where they lie, rewritten where they lie, nothing allocated. Whatever is unusual in any way (answers,
 * loops, SYNs that are sent again, other extensions, DELAY, a packet to be refused) it leaves as it was for the router's core, `Router`, which
 * does the same for every packet, slower; test/property/fast-path.test.ts holds the two together.
 *
 * ROUTE grows by an entry at the end of the SAL header. A SYN ends there; of a datagram the header moves down, so the
 * slot in which it lies has `HEADROOM_BYTES` to spare in front, and a SYN's as many behind.
 *
 *    | headroom | shim, SAL header ... ROUTE | payload | tailroom |
 *       <------------ moves down
 */
import { addressText } from '../id/address.ts'
import { affinityOf } from '../service/balance/affinity.ts'
import type { Choice } from '../service/balance/balancer.ts'
import { resolveForward } from '../service/resolve.ts'
import { uniformOfAttempt } from '../service/resolve-attempt.ts'
import type { ServiceTable } from '../service/service-table.ts'
import type { ForwardTarget } from '../service/target.ts'
import { readU16, readU32, writeU16 } from '../wire/bytes.ts'
import { foldChecksum, sumWords } from '../wire/checksum.ts'
import { DATA_PREFIX_BYTES, SHIM_BYTES, WIRE_VERSION } from '../wire/encapsulation.ts'
import type { Endpoint } from '../wire/endpoint.ts'
import { controlFlags } from '../wire/extensions/control.ts'
import { MAX_ROUTE_ENTRIES, ROUTE_MAC_BYTES } from '../wire/extensions/route.ts'
import { nativeProfile } from '../wire/native-profile.ts'
import { BASE_HEADER_BYTES, MAX_HEADER_BYTES, peekDstFlowId, peekProtocol } from '../wire/sal-header.ts'
import type { AllowList } from './allow-list.ts'
import { PacketKey } from './read-ahead.ts'
import type { RouteMac } from './route-mac.ts'

/** What a packet grows by at most: ROUTE's start and an entry for IPv6. */
export const HEADROOM_BYTES = 32

export interface FastPathParts {
  readonly table: ServiceTable
  readonly mac: RouteMac
  readonly allowed: AllowList
  readonly counters: { packets: number; bytes: number; forwarded: number; forwardedBytes: number }
  readonly uniform: () => number
  readonly isNear: (endpoint: Endpoint) => boolean
  /** Whether there is a socket from which the target can be reached. */
  readonly canReach: (target: ForwardTarget) => boolean
}

// Of the shim.
const HOPS = 1
const LENGTH = 2
// Of the SAL header, from the shim on.
const HEADER_WORDS = SHIM_BYTES + 8
const CHECKSUM = SHIM_BYTES + 10
const EXTENSIONS = SHIM_BYTES + BASE_HEADER_BYTES

const CONTROL = 1
const CONTROL_BYTES = 20
const SERVICE = 2
const SERVICE_BYTES = 36
const SERVICE_ID = 4
const KEY = 5
const KEY_BYTES = [20, 36]
const ROUTE = 9
/** Nothing is known of these but that they are skipped. */
const IDENT = 11
const UNASSIGNED = 14
const MAX_EXTENSIONS = nativeProfile.extensions.limit
const ROUTE_START_BYTES = 4
const ENTRY_START_BYTES = 4

const FLAGS = Object.values(controlFlags).reduce((all, flag) => all | flag, 0)

export class FastPath {
  /** Where the packet that `forward` has rewritten begins, from the shim on, and ends. */
  start = 0
  end = 0

  readonly #bytes: Uint8Array
  readonly #words: Int32Array
  readonly #parts: FastPathParts
  readonly #choice: InPlaceChoice

  // Of the packet in hand.
  /** Its first serviceID; 0: none. */
  #service = 0
  #isSyn = false
  /** What a SYN says which of its flow's it is: 0, nothing, or the first. */
  #attempt = 0
  /** Of its ROUTE, the last extension; 0: there is none. */
  #routeBytes = 0

  /** `bytes`, a buffer of its own, holds the packets, each from a multiple of 4 on, and the addresses that they came from. */
  constructor(bytes: Uint8Array, parts: FastPathParts) {
    this.#bytes = bytes
    this.#words = new Int32Array(bytes.buffer)
    this.#parts = parts
    this.#choice = new InPlaceChoice(bytes, parts.isNear)
  }

  /**
   * Takes the datagram `[start, end)` that came from `port` of the address `[address, address + addressBytes)`, 4 or 16.
   * The target that it goes to now that it is rewritten; or undefined, and it is as it was.
   */
  forward(
    start: number,
    end: number,
    address: number,
    addressBytes: number,
    port: number,
    nowMs: number,
  ): ForwardTarget | undefined {
    const bytes = this.#bytes
    const { allowed, counters } = this.#parts
    const headerEnd = this.#headerEnd(start, end)
    if (headerEnd === 0 || !this.#readExtensions(start, headerEnd)) return undefined
    if (!allowed.admitsBytes(bytes, address, addressBytes)) return undefined
    const flowId = readU32(bytes, start + SHIM_BYTES)
    if (this.#routeBytes > 0 && !this.#mayGrow(headerEnd, flowId, address, addressBytes, port, nowMs)) {
      return undefined
    }
    const entryBytes = ENTRY_START_BYTES + addressBytes + ROUTE_MAC_BYTES
    const growth = entryBytes + (this.#routeBytes === 0 ? ROUTE_START_BYTES : 0)
    if (headerEnd + growth - start - SHIM_BYTES > MAX_HEADER_BYTES || end + growth - start > 0xffff) {
      return undefined
    }
    const attempt = this.#attempt
    const uniform =
      attempt === 0 ? this.#parts.uniform() : uniformOfAttempt(flowId, bytes[start + HOPS]!, attempt)
    this.#choice.set(this.#service, address, addressBytes, nowMs, uniform)
    const target = this.#resolve(start, end)
    if (target === undefined) return undefined
    this.#grow(start, end, headerEnd, growth)
    this.#putEntry(headerEnd + this.start - start, growth, address, addressBytes, port, flowId, nowMs)
    counters.packets++
    counters.bytes += end - start
    counters.forwarded++
    counters.forwardedBytes += end - start + growth
    return target
  }

  /** Where the SAL header of the one packet ends that the datagram must be; 0 if it is none for this way. */
  #headerEnd(start: number, end: number): number {
    const bytes = this.#bytes
    const length = end - start
    if (length < DATA_PREFIX_BYTES || readU16(bytes, start + LENGTH) !== length) return 0
    if (bytes[start] !== WIRE_VERSION || bytes[start + HOPS] === 0) return 0
    if (peekDstFlowId(bytes, start + SHIM_BYTES) !== 0) return 0
    const headerEnd = start + SHIM_BYTES + 4 * bytes[start + HEADER_WORDS]!
    if (headerEnd > end || headerEnd < start + EXTENSIONS) return 0
    return this.#isSumRight(start + SHIM_BYTES, headerEnd) ? headerEnd : 0
  }

  /** The Internet checksum four bytes at a time, in this machine's order: the order does not matter (RFC 1071 section 2B). */
  #isSumRight(start: number, end: number): boolean {
    const words = this.#words
    let sum = 0
    for (let i = start >> 2; i < end >> 2; i++) {
      const word = words[i]!
      sum += (word & 0xffff) + (word >>> 16)
    }
    return foldChecksum(sum) === 0
  }

  /** Whether there is nothing but what a SYN or a datagram has and what is skipped, and ROUTE last if at all. */
  #readExtensions(start: number, headerEnd: number): boolean {
    const bytes = this.#bytes
    let extensions = 0
    let services = 0
    let controls = 0
    let keys = 0
    this.#service = this.#routeBytes = this.#attempt = 0
    for (let at = start + EXTENSIONS; at < headerEnd; ) {
      const length = bytes[at + 1]!
      if (++extensions > MAX_EXTENSIONS) return false
      switch (bytes[at]! >> 4) {
        case CONTROL:
          if (length !== CONTROL_BYTES || ++controls > 1) return false
          if ((bytes[at + 2]! & FLAGS) !== controlFlags.SYN) return false
          this.#attempt = bytes[at + 3]!
          if (this.#attempt > 1) return false
          break
        case SERVICE:
          if (length !== SERVICE_BYTES || ++services > 2) return false
          if (services === 1) this.#service = at + SERVICE_ID
          break
        case KEY:
          if (length !== KEY_BYTES[bytes[at + 2]!] || ++keys > 1) return false
          break
        case ROUTE:
          if (length < ROUTE_START_BYTES || at + length !== headerEnd) return false
          this.#routeBytes = length
          break
        case IDENT:
        case UNASSIGNED:
          if (length < 4 || length % 4 !== 0) return false
          break
        default:
          return false
      }
      at += length
      if (at > headerEnd) return false
    }
    this.#isSyn = controls === 1
    return services > 0
  }

  /** Whether ROUTE is well-formed, has room for an entry, and shows no loop: none from here, none from the sender. */
  #mayGrow(
    headerEnd: number,
    flowId: number,
    address: number,
    addressBytes: number,
    port: number,
    nowMs: number,
  ): boolean {
    const bytes = this.#bytes
    const { mac } = this.#parts
    const route = headerEnd - this.#routeBytes
    const count = bytes[route + 2]!
    if (count >= MAX_ROUTE_ENTRIES) return false
    let at = route + ROUTE_START_BYTES
    for (let i = 0; i < count; i++) {
      if (at + ENTRY_START_BYTES > headerEnd || bytes[at + 1] !== 0) return false
      const family = bytes[at]!
      if (family !== 4 && family !== 6) return false
      const length = family === 4 ? 4 : 16
      const entryAddress = at + ENTRY_START_BYTES
      const entryMac = entryAddress + length
      if (entryMac + ROUTE_MAC_BYTES > headerEnd) return false
      const entryPort = readU16(bytes, at + 2)
      if (entryPort === port && length === addressBytes && this.#isEqual(entryAddress, address, length)) {
        return false
      }
      if (mac.verify(bytes, entryAddress, length, entryPort, flowId, nowMs, bytes, entryMac)) return false
      at = entryMac + ROUTE_MAC_BYTES
    }
    return at === headerEnd
  }

  #isEqual(a: number, b: number, length: number): boolean {
    const bytes = this.#bytes
    for (let i = 0; i < length; i += 4) if (readU32(bytes, a + i) !== readU32(bytes, b + i)) return false
    return true
  }

  #resolve(start: number, end: number): ForwardTarget | undefined {
    const { table, canReach } = this.#parts
    const choice = this.#choice
    const protocol = peekProtocol(this.#bytes, start + SHIM_BYTES)
    return resolveForward(table, choice, protocol, end - start, choice, !this.#isSyn, canReach)
  }

  /** Makes room behind the header, and counts it in: lengths, hops, checksum. */
  #grow(start: number, end: number, headerEnd: number, growth: number): void {
    const bytes = this.#bytes
    const hasPayload = headerEnd < end
    const to = hasPayload ? start - growth : start
    if (hasPayload) bytes.copyWithin(to, start, headerEnd)
    this.start = to
    this.end = to + end - start + growth
    bytes[to + HOPS]!--
    writeU16(bytes, to + LENGTH, end - start + growth)
    bytes[to + HEADER_WORDS]! += growth >> 2
  }

  /** Writes the entry that ends where the header now ends, and the checksum of all. */
  #putEntry(
    routeEnd: number,
    growth: number,
    address: number,
    addressBytes: number,
    port: number,
    flowId: number,
    nowMs: number,
  ): void {
    const bytes = this.#bytes
    let at = routeEnd
    // The sum of a header with its checksum is 0xffff, so without it this (RFC 1624, equation 3); then what has been added.
    let sum = 0xffff - readU16(bytes, this.start + CHECKSUM) + ((growth >> 2) << 8)
    if (this.#routeBytes === 0) {
      bytes[at] = ROUTE << 4
      bytes[at + 1] = growth
      bytes[at + 2] = 1
      bytes[at + 3] = 0
      at += ROUTE_START_BYTES
    } else {
      const route = routeEnd - this.#routeBytes
      bytes[route + 1]! += growth
      bytes[route + 2]!++
      sum += growth + 0x100
    }
    bytes[at] = addressBytes === 4 ? 4 : 6
    bytes[at + 1] = 0
    writeU16(bytes, at + 2, port)
    for (let i = 0; i < addressBytes; i++) bytes[at + ENTRY_START_BYTES + i] = bytes[address + i]!
    const mac = at + ENTRY_START_BYTES + addressBytes
    this.#parts.mac.write(bytes, address, addressBytes, port, flowId, nowMs, bytes, mac)
    writeU16(bytes, this.start + CHECKSUM, foldChecksum(sumWords(bytes, routeEnd, routeEnd + growth, sum)))
  }
}

/** What may decide between targets, and the serviceID that is looked up, read from the packet where it lies. */
class InPlaceChoice extends PacketKey implements Choice {
  uniform = 0
  nowMs = 0
  readonly isNear: (endpoint: Endpoint) => boolean
  readonly #bytes: Uint8Array
  #address = 0
  #addressBytes = 0

  constructor(bytes: Uint8Array, isNear: (endpoint: Endpoint) => boolean) {
    super(new DataView(bytes.buffer))
    this.#bytes = bytes
    this.isNear = isNear
  }

  set(service: number, address: number, addressBytes: number, nowMs: number, uniform: number): void {
    this.at = service
    this.#address = address
    this.#addressBytes = addressBytes
    this.nowMs = nowMs
    this.uniform = uniform
  }

  affinity(): number {
    const address = this.#bytes.subarray(this.#address, this.#address + this.#addressBytes)
    return affinityOf(addressText(address), this)
  }

  byteAt(index: number): number {
    return this.#bytes[this.at + index]!
  }
}
