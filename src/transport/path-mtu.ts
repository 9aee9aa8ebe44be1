/**
 * How large the packets are that a path takes: Datagram Packetization Layer Path MTU Discovery (RFC 8899). Sizes are bytes
 * of UDP payload, from the shim to the packet's end.
 *
 *        lost MAX_PROBES times: smaller ones between          nothing is left between
 *   BASE -----------------> SEARCHING <----------- confirmed: larger -----------> SEARCH_COMPLETE
 *     ^                                                                            |  after PMTU_RAISE_TIMER: again
 *     +---- black hole, EMSGSIZE --------------------------------------------------+
 *
 * There is no timer. Whether something is due is asked when data leaves in packets of full size, for nobody else gains by
 * larger ones, and a flow that idles costs nothing.
 */

export interface PathMtuOptions {
  /** What packets have at first. */
  readonly startBytes: number
  /** What the interface takes: MAX_PLPMTU. */
  readonly maxBytes: number
  /** IP and UDP headers: 28, or 48 for IPv6. */
  readonly overheadBytes: number
}

export class PathMtu {
  readonly #overheadBytes: number
  #packetBytes: number
  #maxBytes: number
  /** PROBED_SIZE, while a probe is out; else 0. */
  #probedBytes = 0
  /** PROBE_COUNT: probes of that size that were lost. */
  #probeCount = 0
  /** The smallest size that this search has given up. */
  #failedBytes = NO_SIZE
  #settled = false
  /** Until then `probeDue` has nothing to say. */
  #dueAt = Number.NEGATIVE_INFINITY

  constructor({ startBytes, maxBytes, overheadBytes }: PathMtuOptions) {
    this.#overheadBytes = overheadBytes
    this.#maxBytes = maxBytes
    this.#packetBytes = startBytes
    this.#begin()
  }

  /** The largest packet to send: PLPMTU. */
  get packetBytes(): number {
    return this.#packetBytes
  }

  /** The same with IP's header and what stands between. */
  get ipPacketBytes(): number {
    return this.#packetBytes + this.#overheadBytes
  }

  /** HOT. When `probeDue` is worth a call. */
  get dueAt(): number {
    return this.#dueAt
  }

  /** Packets of full size leave, and the peer answers: the size of the probe to send along, 0 for none. */
  probeDue(rtoMs: number, nowMs: number): number {
    if (nowMs < this.#dueAt) return 0
    if (this.#probedBytes > 0) this.#handleProbeLost()
    else if (this.#settled) this.#begin()
    const bytes = this.#probedBytes || this.#nextSize()
    this.#probedBytes = bytes
    if (bytes === 0) this.#settle(nowMs)
    // RFC 8899 section 5.1.1: longer than an answer takes, and not below a second
    else this.#dueAt = nowMs + Math.max(PROBE_TIMER_MS, rtoMs)
    return bytes
  }

  /** The peer has echoed the probe that is out (RFC 8899 section 5.3.1). */
  handleConfirmed(): void {
    if (this.#probedBytes === 0) return
    this.#packetBytes = Math.max(this.#packetBytes, this.#probedBytes)
    this.#endProbe()
  }

  /**
   * The retransmission timer has run out `count` times and nothing was acknowledged in between. That may be a black hole
   * for large packets (RFC 8899 section 4.3), or an outage; after that one, a single probe brings the size back. True if
   * packets are smaller now.
   */
  handleTimeouts(count: number): boolean {
    if (count < BLACK_HOLE_TIMEOUTS) return false
    // RFC 8899 section 5.2, Error State: where even BASE_PLPMTU does not pass, MIN_PLPMTU may.
    return this.#lower(count < 2 * BLACK_HOLE_TIMEOUTS ? this.#baseBytes() : this.#minBytes())
  }

  /** The system has refused a packet as too long (EMSGSIZE). True if packets are smaller now. */
  handleRefused(): boolean {
    if (this.#probedBytes > 0) {
      this.#failedBytes = this.#probedBytes
      this.#endProbe()
      return false
    }
    return this.#lower(this.#baseBytes())
  }

  /** The interface takes other packets than before. True if ours are smaller now. */
  setMax(maxBytes: number): boolean {
    if (maxBytes === this.#maxBytes) return false
    this.#maxBytes = maxBytes
    this.#begin()
    return this.#lower(maxBytes)
  }

  #baseBytes(): number {
    return Math.min(BASE_PACKET_BYTES, this.#maxBytes)
  }

  /** RFC 8899 section 5.1.2, MIN_PLPMTU: what every host takes (RFC 1122 section 3.3.2), what every IPv6 link carries. */
  #minBytes(): number {
    return Math.min(this.#baseBytes(), (this.#overheadBytes > 28 ? 1280 : 576) - this.#overheadBytes)
  }

  #lower(bytes: number): boolean {
    if (bytes >= this.#packetBytes) return false
    this.#packetBytes = bytes
    this.#begin()
    return true
  }

  #begin(): void {
    this.#failedBytes = NO_SIZE
    this.#settled = false
    this.#endProbe()
  }

  #endProbe(): void {
    this.#probedBytes = this.#probeCount = 0
    this.#dueAt = Number.NEGATIVE_INFINITY
  }

  /** Nothing but the size is concluded from it: a lost probe says nothing of congestion (RFC 8899 section 3, item 7). */
  #handleProbeLost(): void {
    if (++this.#probeCount < MAX_PROBES) return
    this.#failedBytes = this.#probedBytes
    this.#endProbe()
  }

  /** RFC 8899 section 5.2, SEARCH_COMPLETE: the path may take larger packets later. */
  #settle(nowMs: number): void {
    this.#settled = true
    this.#dueAt = this.#packetBytes < this.#maxBytes ? nowMs + PMTU_RAISE_TIMER_MS : Number.POSITIVE_INFINITY
  }

  /**
   * RFC 8899 section 5.3.2: the size that most paths take first, then the largest, then between what passes and what does
   * not; 0 if there is nothing between.
   */
  #nextSize(): number {
    const ethernetBytes = 1500 - this.#overheadBytes
    const sizes = [...LINK_MTUS.map(mtu => mtu - this.#overheadBytes), this.#maxBytes]
      .filter(bytes => bytes > this.#packetBytes && bytes <= this.#maxBytes && bytes < this.#failedBytes)
      .sort((a, b) => a - b)
    if (sizes.length === 0) return 0
    if (this.#failedBytes < NO_SIZE) return sizes[sizes.length >> 1]!
    return sizes.includes(ethernetBytes) ? ethernetBytes : sizes[sizes.length - 1]!
  }
}

/** UDP payload that every path is taken to carry (RFC 8899 section 5.1.2, BASE_PLPMTU). */
export const BASE_PACKET_BYTES = 1200

/** Beyond all: the length field of UDP has 16 bits. */
const NO_SIZE = 0x10000
/** RFC 8899 section 5.1.2. */
export const MAX_PROBES = 3
/** RFC 8899 section 5.1.1. */
export const PROBE_TIMER_MS = 1_000
export const PMTU_RAISE_TIMER_MS = 600_000

/** A tail probe was lost before them. */
const BLACK_HOLE_TIMEOUTS = 2

/**
 * What links take, and tunnels over Ethernet leave: IPv6's least, mobile carriers and clouds, WireGuard, VXLAN, Google's
 * network, 6in4, GRE, PPPoE, Ethernet; the jumbo frames of clouds and of switches.
 */
const LINK_MTUS = [1228, 1280, 1360, 1400, 1420, 1450, 1460, 1476, 1480, 1492, 1500, 4000, 8500, 8900, 9000]
