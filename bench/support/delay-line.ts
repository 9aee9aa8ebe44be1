/**
 * One direction of a cable that is long, narrow and bad: packets are lost at random, wait for their turn at a bottleneck
 * with a queue that drops what does not fit, and come out later, in order.
 */

export interface Impairment {
  /** One way. */
  readonly delayMs: number
  /** Share of the packets that are lost, each by itself; 0 to 1. */
  readonly loss: number
  /** Of the bottleneck. */
  readonly bitsPerSecond: number
  /** What may wait at the bottleneck. */
  readonly queueBytes: number
}

/** Packets on the way at a time; a slot holds one of any MTU up to its size. */
const SLOTS = 8192
const SLOT_BYTES = 2048

export class DelayLine {
  readonly #impairment: Impairment
  readonly #random: () => number
  readonly #bytes = new Uint8Array(SLOTS * SLOT_BYTES)
  readonly #lengths = new Uint16Array(SLOTS)
  readonly #dueAt = new Float64Array(SLOTS)
  /** Packets that have come in and gone out, ever. */
  #in = 0
  #out = 0
  /** When the bottleneck will have sent all that waits. */
  #idleAt = 0

  /** `random`: from 0 to 1, as Math.random. */
  constructor(impairment: Impairment, random: () => number) {
    this.#impairment = impairment
    this.#random = random
  }

  /** False: it was lost, or there was no room for it. */
  push(packet: Uint8Array, nowMs: number): boolean {
    const { delayMs, loss, bitsPerSecond, queueBytes } = this.#impairment
    const bytesPerMs = bitsPerSecond / 8000
    const startAt = Math.max(nowMs, this.#idleAt)
    if (this.#random() < loss) return false
    if ((startAt - nowMs) * bytesPerMs > queueBytes || this.#in - this.#out === SLOTS) return false
    this.#idleAt = startAt + packet.length / bytesPerMs
    const slot = this.#in++ % SLOTS
    this.#bytes.set(packet, slot * SLOT_BYTES)
    this.#lengths[slot] = packet.length
    this.#dueAt[slot] = this.#idleAt + delayMs
    return true
  }

  /** When the next packet comes out; Infinity: none is on the way. */
  get nextAt(): number {
    return this.#out === this.#in ? Number.POSITIVE_INFINITY : this.#dueAt[this.#out % SLOTS]!
  }

  /** The next packet that is due, until the next `push`. */
  shift(nowMs: number): Uint8Array | undefined {
    if (this.nextAt > nowMs) return undefined
    const slot = this.#out++ % SLOTS
    return this.#bytes.subarray(slot * SLOT_BYTES, slot * SLOT_BYTES + this.#lengths[slot]!)
  }
}
