/**
 * How much a receiver lets its peer have on the way: little at first, then a multiple of what the reader takes in a round
 * trip (dynamic right-sizing, Fisk and Feng 2001; Linux's tcp_rcv_space_adjust). So an idle flow, or one whose reader is
 * slow, never has much to keep, and a fast one is not held up. It only grows: a window is not taken back.
 */
export class ReceiveWindow {
  readonly #maxBytes: number
  readonly #burstBytes: number
  #bytes: number
  /** When the reader was looked at last, and what it had taken by then. */
  #lookedAt = Number.NEGATIVE_INFINITY
  #readOffset: number

  /**
   * `burstBytes`: what the link keeps while the program is busy. More is on offer only where a round trip is so long that
   * it does not all come meanwhile. `readOffset`, `bytes`: where a stream goes on that has rested.
   */
  constructor(
    maxBytes: number,
    burstBytes: number,
    readOffset = 0,
    bytes = firstWindowBytes(maxBytes, burstBytes),
  ) {
    this.#maxBytes = Math.min(maxBytes, MAX_WINDOW_BYTES)
    this.#burstBytes = burstBytes
    this.#readOffset = readOffset
    this.#bytes = bytes
  }

  get bytes(): number {
    return this.#bytes
  }

  /** HOT. Data has come; the reader has taken everything before `readOffset`. */
  update(readOffset: number, rttMs: number, nowMs: number): void {
    if (nowMs - this.#lookedAt < rttMs) return
    const wantedBytes = HEADROOM * (readOffset - this.#readOffset)
    this.#lookedAt = nowMs
    this.#readOffset = readOffset
    if (wantedBytes <= this.#bytes) return
    const mostBytes = Math.min(this.#maxBytes, this.#burstBytes * Math.max(1, rttMs / BUSY_MS))
    this.#bytes = Math.max(this.#bytes, Math.min(wantedBytes, mostBytes))
  }
}

/** What a window begins with. */
export function firstWindowBytes(maxBytes: number, burstBytes: number): number {
  return Math.min(INITIAL_WINDOW_BYTES, maxBytes, burstBytes)
}

/**
 * The edge to offer when `readOffset` has been read: the one offered last, or the window's where that is worth telling
 * (RFC 9293 section 3.8.6.2.2).
 */
export function advancedEdge(
  edge: number,
  readOffset: number,
  windowBytes: number,
  segmentBytes = MIN_SEGMENT_BYTES,
): number {
  const admitted = readOffset + windowBytes
  return admitted - edge >= Math.min(windowBytes / 2, segmentBytes) ? admitted : edge
}

/** RFC 9293 section 3.7.1: what a peer that says nothing may send at least. */
export const MIN_SEGMENT_BYTES = 536
/** What the window field holds. */
const MAX_WINDOW_BYTES = 0xffffffff
/** Eighteen initial windows (RFC 6928): enough until the reader has been seen. */
const INITIAL_WINDOW_BYTES = 262_144
/**
 * While slow start doubles the flight each round trip, what is read lags two of them behind it, and is told one later.
 */
const HEADROOM = 8
/** How long a program keeps the event loop to itself. */
const BUSY_MS = 20
