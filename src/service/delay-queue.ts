/**
 * Packets, or attempts to connect, that a DELAY rule holds until it is known who serves their serviceID. A
 * first-in-first-out queue with two caps and a time-out for each item; peers fill it, so a full one drops its
 * oldest item, and counts it.
 */
import type { ServiceId } from '../id/service-id.ts'
import type { ServicePrefix } from '../id/service-prefix.ts'

export interface DelayLimits {
  readonly items: number
  readonly bytes: number
  /** How long an item is held. */
  readonly timeoutMs: number
}

/** 1,024 is the prototype's cap; it knew no time-out. */
export const DEFAULT_DELAY_LIMITS: DelayLimits = { items: 1024, bytes: 1 << 20, timeoutMs: 5000 }

export interface Held<T> {
  readonly serviceId: ServiceId
  readonly item: T
  /** What it counts against the cap. */
  readonly bytes: number
  readonly expiresAt: number
}

export class DelayQueue<T> {
  /** Items by what became of them; `evicted` were dropped because a cap was reached. */
  readonly counters = { held: 0, released: 0, evicted: 0, timedOut: 0 }

  readonly #limits: DelayLimits
  /** In the order of arrival, which is that of the time-outs too. */
  readonly #held = new Set<Held<T>>()
  /** How many items each serviceID has here. */
  readonly #waiting = new Map<string, number>()
  #bytes = 0

  constructor(limits: Partial<DelayLimits> = {}) {
    this.#limits = { ...DEFAULT_DELAY_LIMITS, ...limits }
  }

  get size(): number {
    return this.#held.size
  }

  get bytes(): number {
    return this.#bytes
  }

  /** When `handleTimeout` has something to do; Infinity if nothing is held. */
  get nextTimeoutAt(): number {
    // Asked for with every packet: an iterator is garbage.
    if (this.#held.size === 0) return Infinity
    for (const oldest of this.#held) return oldest.expiresAt
    return Infinity
  }

  /** Whether anything of this serviceID is held that `isMeant`, so that its resolution is under way. */
  isWaiting(serviceId: ServiceId, isMeant?: (item: T) => boolean): boolean {
    if (!this.#waiting.has(serviceId.toString())) return false
    if (isMeant === undefined) return true
    return [...this.#held].some(held => held.serviceId.equals(serviceId) && isMeant(held.item))
  }

  /** Holds an item; returns what had to go for it, oldest first (the item itself, if it alone is too large). */
  hold(serviceId: ServiceId, item: T, bytes: number, nowMs: number): Held<T>[] {
    const held = { serviceId, item, bytes, expiresAt: nowMs + this.#limits.timeoutMs }
    this.#held.add(held)
    this.#bytes += bytes
    const key = serviceId.toString()
    this.#waiting.set(key, (this.#waiting.get(key) ?? 0) + 1)
    this.counters.held++
    const evicted = this.#takeWhile(() => this.size > this.#limits.items || this.#bytes > this.#limits.bytes)
    this.counters.evicted += evicted.length
    return evicted
  }

  /**
   * Takes out what is held under a prefix and `goes`, oldest first: to be resolved again, or refused. What stays
   * keeps its time-out.
   */
  release(under: ServicePrefix, goes: (held: Held<T>) => boolean = () => true): Held<T>[] {
    const released = [...this.#held].filter(held => under.contains(held.serviceId) && goes(held))
    for (const held of released) this.#forget(held)
    this.counters.released += released.length
    return released
  }

  /** Takes out what has been held too long, oldest first. */
  handleTimeout(nowMs: number): Held<T>[] {
    const expired = this.#takeWhile(oldest => oldest.expiresAt <= nowMs)
    this.counters.timedOut += expired.length
    return expired
  }

  /** Takes from the oldest on, as long as `goes` says so. */
  #takeWhile(goes: (oldest: Held<T>) => boolean): Held<T>[] {
    const taken: Held<T>[] = []
    for (const oldest of this.#held) {
      if (!goes(oldest)) break
      this.#forget(oldest)
      taken.push(oldest)
    }
    return taken
  }

  #forget(held: Held<T>): void {
    this.#held.delete(held)
    this.#bytes -= held.bytes
    const key = held.serviceId.toString()
    const others = this.#waiting.get(key)! - 1
    if (others > 0) this.#waiting.set(key, others)
    else this.#waiting.delete(key)
  }
}
