/**
 * Who was heard from lately. One that says nothing for a lease is silent and to be withdrawn; but where many
 * fall silent at once, the network or this process is the likelier cause, and evictions hold for a while
 * (after Eureka's self-preservation).
 */

export interface LeaseOptions {
  readonly leaseMs: number
  /** How long a silent one is kept, at most, while too many are silent. */
  readonly holdMs: number
}

export class Leases<Key> {
  readonly #options: LeaseOptions
  /** When each was last heard, the longest silent first: a Map keeps the order of insertion. */
  readonly #heardAt = new Map<Key, number>()
  #isHolding = false
  /** While holding: when to look again. */
  #lookAgainAt = 0

  constructor(options: LeaseOptions) {
    this.#options = options
  }

  /** Whether evictions are held at present. */
  get isHolding(): boolean {
    return this.#isHolding
  }

  heardAt(key: Key): number | undefined {
    return this.#heardAt.get(key)
  }

  /** It said something, or it is new. */
  renew(key: Key, nowMs: number): void {
    this.#heardAt.delete(key)
    this.#heardAt.set(key, nowMs)
  }

  remove(key: Key): void {
    this.#heardAt.delete(key)
  }

  /** Those to withdraw now; they are forgotten here. */
  takeExpired(nowMs: number): Key[] {
    const { leaseMs, holdMs } = this.#options
    // This process was itself stopped for long (a suspended machine): what was said meanwhile is not read yet.
    if (nowMs - this.nextExpiryAt() > leaseMs / 3) this.#renewAll(nowMs)
    const silent = this.#silentFor(leaseMs, nowMs)
    const isMany = this.#heardAt.size >= HOLD_FROM && silent.length > HOLD_SHARE * this.#heardAt.size
    this.#isHolding = isMany
    this.#lookAgainAt = nowMs + leaseMs / 3
    const expired = isMany ? this.#silentFor(leaseMs + holdMs, nowMs) : silent
    for (const key of expired) this.#heardAt.delete(key)
    return expired
  }

  /** Infinity: there is nobody. */
  nextExpiryAt(): number {
    for (const heardAt of this.#heardAt.values()) {
      const expiresAt = heardAt + this.#options.leaseMs
      return this.#isHolding ? Math.max(expiresAt, this.#lookAgainAt) : expiresAt
    }
    return Number.POSITIVE_INFINITY
  }

  #silentFor(spanMs: number, nowMs: number): Key[] {
    const keys: Key[] = []
    for (const [key, heardAt] of this.#heardAt) {
      // The same sum as in nextExpiryAt: a rounded difference could say otherwise, for ever.
      if (heardAt + spanMs > nowMs) break
      keys.push(key)
    }
    return keys
  }

  #renewAll(nowMs: number): void {
    for (const key of [...this.#heardAt.keys()]) this.renew(key, nowMs)
  }
}

const HOLD_FROM = 10
const HOLD_SHARE = 0.15
