/**
 * How much all peers of a stack together may make it keep. A peer may send what it was promised, and a promise is not
 * taken back (RFC 9293 section 3.8.6): so it is promises that are counted, from the moment that a window is offered until
 * the bytes are read, whether they have come, wait for a gap to close, or were never sent.
 *
 * | while promises are         | a window may grow to                      | a new flow begins with              |
 * |----------------------------|-------------------------------------------|-------------------------------------|
 * | far below the limit        | what its reader takes                     | what every flow begins with         |
 * | near it                    | what is left                              | a small part of what is left        |
 * | at it                      | what it has; the reader's gain goes back  | `LEAST_WINDOW_BYTES`                |
 *
 * Each flow may always have `LEAST_WINDOW_BYTES`: nobody starves, and no flow waits for another. So the sum never exceeds
 * the limit and that much for each flow. Datagrams that wait to be read count as they come; where nothing is left, one is
 * dropped unless little waits.
 */
export class ReceiveBudget {
  readonly limitBytes: number
  readonly #onShort: () => void
  #promisedBytes = 0

  /** `onShort`: told of each window that is smaller than its reader deserves, and of each datagram that is dropped. */
  constructor(limitBytes: number, onShort: () => void) {
    this.limitBytes = limitBytes
    this.#onShort = onShort
  }

  get promisedBytes(): number {
    return this.#promisedBytes
  }

  /** HOT. What may be on offer to one that has `promisedBytes` and would have `wantedBytes`. */
  windowBytes(wantedBytes: number, promisedBytes: number): number {
    const mostBytes = promisedBytes + this.limitBytes - this.#promisedBytes
    if (wantedBytes <= mostBytes) return wantedBytes
    return Math.min(wantedBytes, Math.max(LEAST_WINDOW_BYTES, mostBytes))
  }

  /** What a new flow begins with that would have `wantedBytes`. */
  firstWindowBytes(wantedBytes: number): number {
    const partBytes = (this.limitBytes - this.#promisedBytes) / NEW_FLOWS
    return Math.min(wantedBytes, Math.max(LEAST_WINDOW_BYTES, partBytes))
  }

  /** HOT. So much more is on offer, or waits. */
  promise(bytes: number): void {
    this.#promisedBytes += bytes
  }

  /** HOT. So much was read, or will never come. */
  release(bytes: number): void {
    this.#promisedBytes -= bytes
  }

  /** Whether a datagram of `bytes` may wait behind others of the same queue; counts it if so. */
  admits(bytes: number, waitingBytes: number): boolean {
    const isShort = this.#promisedBytes + bytes > this.limitBytes
    if (isShort && waitingBytes + bytes > LEAST_WINDOW_BYTES) {
      this.#onShort()
      return false
    }
    this.#promisedBytes += bytes
    return true
  }

  noteShort(): void {
    this.#onShort()
  }
}

/** A window of two dozen segments (two initial windows, RFC 6928 section 2): on a LAN hardly a hindrance, far away slow. */
export const LEAST_WINDOW_BYTES = 32_768
/** So many new flows may come at once without having it all. */
const NEW_FLOWS = 256
