/**
 * Whose turn it is: a heap of flows by their next deadline, and a ring of flows that have something to send. Ten
 * thousand idle flows cost a busy one nothing.
 *
 * A deadline that moves later is left where it is and looked at again when it comes up (retransmission timers move
 * with every acknowledgement); one that moves earlier is pushed anew, and its old place is skipped.
 */

/** What can be scheduled; the two fields are this file's own. */
export interface Scheduled {
  readonly nextTimeoutAt: number
  /** When the schedule will look at it; Infinity: never. */
  scheduledAt: number
  /** Whether it is in the ring. */
  ready: boolean
}

/** Below so many places none are dropped. */
const SWEEP_FROM = 64

export class DeadlineHeap<T extends Scheduled> {
  #items: T[] = []
  #keys: number[] = []
  #sweepAt = SWEEP_FROM

  /** The instant at which `takeDue` has something to look at; Infinity: never. */
  get nextAt(): number {
    return this.#keys[0] ?? Number.POSITIVE_INFINITY
  }

  get size(): number {
    return this.#items.length
  }

  /** Notes that `item.nextTimeoutAt` may have changed. */
  rearm(item: T): void {
    const at = item.nextTimeoutAt
    if (at >= item.scheduledAt) return
    item.scheduledAt = at
    if (this.#items.length >= this.#sweepAt) this.#sweep()
    this.#push(at, item)
  }

  /** Drops the places that were left behind by items that moved, or went. */
  #sweep(): void {
    const items = this.#items
    const keys = this.#keys
    this.#items = []
    this.#keys = []
    const kept = new Set<T>()
    for (const [i, item] of items.entries()) {
      if (item.scheduledAt !== keys[i] || kept.has(item)) continue
      kept.add(item)
      this.#push(keys[i]!, item)
    }
    this.#sweepAt = Math.max(SWEEP_FROM, 2 * this.#items.length)
  }

  forget(item: T): void {
    item.scheduledAt = Number.POSITIVE_INFINITY
  }

  /** One item whose deadline has come, or undefined. It must be armed again afterwards. */
  takeDue(nowMs: number): T | undefined {
    while (this.nextAt <= nowMs) {
      const at = this.nextAt
      const item = this.#pop()
      if (item === undefined || item.scheduledAt !== at) continue
      item.scheduledAt = Number.POSITIVE_INFINITY
      if (item.nextTimeoutAt <= nowMs) return item
      this.rearm(item)
    }
    return undefined
  }

  #push(key: number, item: T): void {
    const keys = this.#keys
    const items = this.#items
    let at = keys.length
    keys.push(key)
    items.push(item)
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (keys[parent]! <= key) break
      keys[at] = keys[parent]!
      items[at] = items[parent]!
      at = parent
    }
    keys[at] = key
    items[at] = item
  }

  #pop(): T | undefined {
    const keys = this.#keys
    const items = this.#items
    const top = items[0]
    const key = keys.pop()
    const item = items.pop()
    if (key === undefined || item === undefined || keys.length === 0) return top
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= keys.length) break
      if (child + 1 < keys.length && keys[child + 1]! < keys[child]!) child++
      if (keys[child]! >= key) break
      keys[at] = keys[child]!
      items[at] = items[child]!
      at = child
    }
    keys[at] = key
    items[at] = item
    return top
  }
}

/** Items that take turns, first in first out. */
export class ReadyRing<T extends Scheduled> {
  #items: T[] = []
  #head = 0

  get empty(): boolean {
    return this.#head === this.#items.length
  }

  get first(): T | undefined {
    return this.#items[this.#head]
  }

  add(item: T): void {
    if (item.ready) return
    item.ready = true
    this.#items.push(item)
  }

  /** The first item has had its turn: it goes to the back of the ring, or leaves it. */
  rotate(stays: boolean): void {
    const item = this.first
    if (item === undefined) return
    this.#head++
    item.ready = false
    if (this.#head >= 64 && 2 * this.#head >= this.#items.length) {
      this.#items = this.#items.slice(this.#head)
      this.#head = 0
    }
    if (stays) this.add(item)
  }
}
