/**
 * Datagrams that wait: to be read by the program, or to leave. Both ends of a flow and whoever sends to a service can fill
 * one, so it has two caps; a full one drops its oldest, which is the least worth (RFC 7567 section 1.1 names the effect),
 * and counts it.
 */

import type { ReceiveBudget } from '../transport/receive-budget.ts'

export interface DatagramLimits {
  readonly items: number
  readonly bytes: number
}

/** As much as the kernel keeps for a UDP socket of its own, several times over: the program is one of many on its loop. */
export const DEFAULT_DATAGRAM_LIMITS: DatagramLimits = { items: 4096, bytes: 1 << 20 }

/** What a datagram costs beside its payload, as it counts. */
export const DATAGRAM_OVERHEAD_BYTES = 64

export class DatagramQueue<T extends { readonly payload: Uint8Array }> {
  /** Those that gave way to later ones. */
  dropped = 0
  limits: DatagramLimits
  #budget: ReceiveBudget | undefined
  #items: T[] = []
  #head = 0
  #payloadBytes = 0

  /** `budget`: where it counts as well, if peers fill this one. */
  constructor(limits: DatagramLimits = DEFAULT_DATAGRAM_LIMITS, budget?: ReceiveBudget) {
    this.limits = limits
    this.#budget = budget
  }

  get size(): number {
    return this.#items.length - this.#head
  }

  /** Of the payloads alone. */
  get payloadBytes(): number {
    return this.#payloadBytes
  }

  /** As it counts against the limit. */
  get bytes(): number {
    return this.#payloadBytes + this.size * DATAGRAM_OVERHEAD_BYTES
  }

  get first(): T | undefined {
    return this.#items[this.#head]
  }

  /** Puts one behind the others; returns what had to go for it, oldest first. */
  put(item: T): readonly T[] {
    if (this.#budget?.admits(costOf(item), this.bytes) === false) {
      this.dropped++
      return [item]
    }
    this.#items.push(item)
    this.#payloadBytes += item.payload.length
    if (this.size <= this.limits.items && this.bytes <= this.limits.bytes) return NONE
    const gone: T[] = []
    // The last one stays, however large: a queue that takes nothing serves nobody.
    while (this.size > 1 && (this.size > this.limits.items || this.bytes > this.limits.bytes)) {
      gone.push(this.take()!)
    }
    this.dropped += gone.length
    return gone
  }

  take(): T | undefined {
    const item = this.first
    if (item === undefined) return undefined
    this.#head++
    this.#payloadBytes -= item.payload.length
    this.#budget?.release(costOf(item))
    if (this.#head === this.#items.length) {
      this.#items = []
      this.#head = 0
    } else if (this.#head >= 64 && 2 * this.#head >= this.#items.length) {
      this.#items = this.#items.slice(this.#head)
      this.#head = 0
    }
    return item
  }

  clear(): void {
    this.#budget?.release(this.bytes)
    this.#items = []
    this.#head = this.#payloadBytes = 0
  }

  /** Nobody fills it any more: what is left to be read counts no longer. */
  forgo(): void {
    this.#budget?.release(this.bytes)
    this.#budget = undefined
  }
}

function costOf({ payload }: { readonly payload: Uint8Array }): number {
  return payload.length + DATAGRAM_OVERHEAD_BYTES
}

const NONE: readonly never[] = []
