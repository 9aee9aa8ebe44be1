/**
 * The service table: from a serviceID to the entry of its longest prefix (NSDI 2012, section 3.2). It knows nothing of
 * packets; `resolve.ts` picks a target of the entry. The match itself is `prefix-trie.ts`, behind three verbs.
 */
import { SERVICE_ID_BITS, SERVICE_ID_BYTES, type ServiceId } from '../id/service-id.ts'
import { ServicePrefix } from '../id/service-prefix.ts'
import type { Endpoint } from '../wire/endpoint.ts'
import { PrefixTrie } from './prefix-trie.ts'
import type { Rule, RuleOrigin } from './rule.ts'
import { ServiceEntry, type TargetSelector, zeroCounters } from './service-entry.ts'

export class ServiceTable {
  /** Of the whole table; `misses` are packets for which nothing was found. */
  readonly counters = { ...zeroCounters(), misses: 0 }

  readonly #trie = new PrefixTrie()
  /** By the trie's values; freed numbers are used again. */
  readonly #entries: (ServiceEntry | undefined)[] = []
  readonly #freeSlots: number[] = []
  /** Entries of which something expires. */
  readonly #expiring = new Set<ServiceEntry>()
  #nextExpiryAt = Infinity
  readonly #key = new Uint8Array(SERVICE_ID_BYTES)

  /** Number of entries, each one prefix. */
  get size(): number {
    return this.#trie.size
  }

  /** When `expire` has something to do, or earlier; Infinity if never. */
  get nextExpiryAt(): number {
    return this.#nextExpiryAt
  }

  /** The entry of the longest prefix of `id` with at most `maxBits` bits. Allocates nothing. */
  lookup(id: ServiceId, maxBits = SERVICE_ID_BITS): ServiceEntry | undefined {
    id.copyTo(this.#key, 0)
    const slot = this.#trie.longestMatch(this.#key, maxBits)
    return slot < 0 ? undefined : this.#entries[slot]
  }

  /** The entry of exactly this prefix. */
  find(prefix: ServicePrefix): ServiceEntry | undefined {
    prefix.id.copyTo(this.#key, 0)
    const slot = this.#trie.valueOf(this.#key, prefix.bits)
    return slot < 0 ? undefined : this.#entries[slot]
  }

  /** Adds what a rule says to the entry of its prefix, as `ServiceEntry.insert`. */
  insert(prefix: ServicePrefix, rule: Rule, origin: RuleOrigin): ServiceEntry {
    const entry = this.find(prefix) ?? new ServiceEntry(prefix)
    entry.insert(rule, origin)
    this.#settle(entry)
    return entry
  }

  /**
   * Puts `rules` in the place of the selected targets of an entry, at once: no lookup sees a state between.
   * Without a selector what goes is all that the origin's source and owner had there. Errors as `insert`.
   */
  replace(
    prefix: ServicePrefix,
    rules: readonly Rule[],
    origin: RuleOrigin,
    selector: TargetSelector = { source: origin.source, owner: origin.owner ?? '' },
  ): void {
    const entry = this.find(prefix) ?? new ServiceEntry(prefix)
    entry.replace(rules, origin, selector)
    this.#settle(entry)
  }

  /** Takes the selected targets (all, if none are selected) from a prefix's entry; returns how many. */
  remove(prefix: ServicePrefix, selector: TargetSelector = {}): number {
    const entry = this.find(prefix)
    return entry === undefined ? 0 : this.#removeFrom(entry, selector)
  }

  /** Takes the selected targets from every entry, as when an owner is gone; returns how many. */
  removeEverywhere(selector: TargetSelector, under = ServicePrefix.all): number {
    return this.entries(under).reduce((removed, entry) => removed + this.#removeFrom(entry, selector), 0)
  }

  /** All entries under a prefix as they are now, a shorter prefix before those that it covers. */
  entries(under = ServicePrefix.all): ServiceEntry[] {
    under.id.copyTo(this.#key, 0)
    return this.#trie.valuesUnder(this.#key, under.bits).map(slot => this.#entries[slot]!)
  }

  /** Says whether the FORWARD targets at an endpoint answer; returns how many of the entry's targets changed. */
  setAlive(prefix: ServicePrefix, endpoint: Endpoint, alive: boolean): number {
    return this.find(prefix)?.setAlive(endpoint, alive) ?? 0
  }

  /** Takes out what has expired; returns how many targets. */
  expire(nowMs: number): number {
    if (nowMs < this.#nextExpiryAt) return 0
    let removed = 0
    this.#nextExpiryAt = Infinity
    for (const entry of [...this.#expiring]) {
      removed += entry.expire(nowMs)
      this.#settle(entry)
    }
    return removed
  }

  #removeFrom(entry: ServiceEntry, selector: TargetSelector): number {
    const removed = entry.remove(selector)
    this.#settle(entry)
    return removed
  }

  /** Keeps trie, slots and expiry in step with an entry that has changed; an empty one vanishes. */
  #settle(entry: ServiceEntry): void {
    const { id, bits } = entry.prefix
    id.copyTo(this.#key, 0)
    const slot = this.#trie.valueOf(this.#key, bits)
    if (entry.targets.length === 0) {
      if (slot >= 0) this.#free(bits, slot)
    } else if (slot < 0) {
      this.#trie.insert(this.#key, bits, this.#occupy(entry))
    }
    const { nextExpiryAt } = entry
    if (nextExpiryAt < Infinity) this.#expiring.add(entry)
    else this.#expiring.delete(entry)
    this.#nextExpiryAt = Math.min(this.#nextExpiryAt, nextExpiryAt)
  }

  #occupy(entry: ServiceEntry): number {
    const slot = this.#freeSlots.pop() ?? this.#entries.length
    this.#entries[slot] = entry
    return slot
  }

  /** Expects the prefix in `#key`. */
  #free(bits: number, slot: number): void {
    this.#trie.remove(this.#key, bits)
    this.#entries[slot] = undefined
    this.#freeSlots.push(slot)
  }
}
