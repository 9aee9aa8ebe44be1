/**
 * The service table: from a serviceID to the entry of its longest prefix (NSDI 2012, section 3.2). It knows nothing of
 * packets; `resolve.ts` picks a target of the entry. The match itself is `prefix-index.ts`, behind three verbs.
 *
 * It is made for a million rules: an entry of one target is a number in its slot (`plain-entries.ts`), and only what more can
 * be said of is an object. A change makes an object of the entry, changes it, and puts it back in the smallest form. No change
 * moves more than a few thousand words, however large the table is, so that packets do not wait for it.
 */
import { SERVICE_ID_BITS, type ServiceId } from '../id/service-id.ts'
import { ServicePrefix } from '../id/service-prefix.ts'
import type { Endpoint } from '../wire/endpoint.ts'
import type { Choice } from './balance/balancer.ts'
import type { Load, Observation } from './balance/observed.ts'
import { DEFAULT_HEDGE_AT } from './balance/patience.ts'
import { zeroCounters } from './counters.ts'
import { GatheredEntry, selects } from './gathered-entry.ts'
import { Numbered } from './numbered.ts'
import { PlainEntries } from './plain-entries.ts'
import { FETCH_LIMIT, NO_SLOT, PrefixIndex } from './prefix-index.ts'
import type { Rule, RuleOrigin } from './rule.ts'
import { checkRule } from './rule-check.ts'
import type { ServiceEntry, TargetSelector } from './service-entry.ts'
import { KEY_WORDS } from './slots.ts'
import { targetsOf } from './target.ts'

/** A serviceID as far as a lookup goes: a packet's, where it lies, will do. */
export type ServiceKey = Pick<ServiceId, 'copyWords'>

/** What is looked for an instance of its service: a flow. */
export interface Asker {
  readonly service: ServiceId
  readonly protocol: number
}

export class ServiceTable {
  /** Of the whole table; `misses` are packets for which nothing was found. */
  readonly counters = { ...zeroCounters(), misses: 0 }

  readonly #index: PrefixIndex
  // Each entry is in one of the two, as the value of its slot says: above 0 plain, below gathered (-1 is number 0).
  readonly #plain: PlainEntries
  readonly #gathered = new Numbered<GatheredEntry>()
  /** Slots of entries of which something expires. */
  readonly #expiring = new Set<number>()
  #nextExpiryAt = Infinity
  readonly #key = new Int32Array(KEY_WORDS)
  // Of `fetch`.
  readonly #keys = new Int32Array(FETCH_LIMIT * KEY_WORDS)
  readonly #slots = new Int32Array(FETCH_LIMIT)

  /** `salt`: 32 random bits, where IDs come from strangers (`PrefixIndex`). */
  constructor(salt = 0) {
    this.#index = new PrefixIndex(salt)
    this.#plain = new PlainEntries(this.#index.slots)
  }

  /** Number of entries, each one prefix. */
  get size(): number {
    return this.#index.size
  }

  /** Bytes of its arrays, which is all there is for an entry of one target without a name. */
  get byteLength(): number {
    return this.#index.byteLength
  }

  /** When `expire` has something to do, or earlier; Infinity if never. */
  get nextExpiryAt(): number {
    return this.#nextExpiryAt
  }

  /** HOT. The entry of the longest prefix of `id` with at most `maxBits` bits. */
  lookup(id: ServiceKey, maxBits = SERVICE_ID_BITS): ServiceEntry | undefined {
    id.copyWords(this.#key)
    const slot = this.#index.longestMatch(this.#key, maxBits)
    return slot === NO_SLOT ? undefined : this.#entryAt(slot)
  }

  /** HOT. As `lookup`, for who is done with an entry before the next call: it may be the same object then, and stand for another. */
  glance(id: ServiceKey, maxBits = SERVICE_ID_BITS): ServiceEntry | undefined {
    id.copyWords(this.#key)
    const slot = this.#index.longestMatch(this.#key, maxBits)
    if (slot === NO_SLOT) return undefined
    return this.#plain.passingAt(slot) ?? this.#gatheredAt(slot)!
  }

  /**
   * HOT. Reads ahead what lookups of these IDs, or the first `all` of them, will read, for who has several packets in hand: a large table is memory that no
   * cache holds, and waiting for many lines of it at once takes little longer than for one. Changes nothing.
   */
  fetch(ids: readonly ServiceKey[], all = ids.length): void {
    for (let from = 0; from < all; from += FETCH_LIMIT) {
      const count = Math.min(FETCH_LIMIT, all - from)
      for (let i = 0; i < count; i++) ids[from + i]!.copyWords(this.#keys, KEY_WORDS * i)
      this.#index.fetch(this.#keys, count, this.#slots)
      this.#plain.touch(this.#slots, count)
    }
  }

  /** The entry of exactly this prefix. */
  find(prefix: ServicePrefix): ServiceEntry | undefined {
    const slot = this.#slotOf(prefix)
    return slot === NO_SLOT ? undefined : this.#entryAt(slot)
  }

  /** Adds what a rule says to the entry of its prefix, as `GatheredEntry.insert`. */
  insert(prefix: ServicePrefix, rule: Rule, origin: RuleOrigin): void {
    const slot = this.#slotOf(prefix)
    if (slot === NO_SLOT && isPlain(rule, origin)) return this.#insertPlain(prefix, rule, origin)
    const entry = this.#gather(slot, prefix)
    entry.insert(rule, origin)
    this.#settle(slot, entry)
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
    const slot = this.#slotOf(prefix)
    const [rule, another] = rules
    if (slot === NO_SLOT && rule !== undefined && another === undefined && isPlain(rule, origin)) {
      return this.#insertPlain(prefix, rule, origin)
    }
    const entry = this.#gather(slot, prefix)
    entry.replace(rules, origin, selector)
    this.#settle(slot, entry)
  }

  /** Takes the selected targets (all, if none are selected) from a prefix's entry; returns how many. */
  remove(prefix: ServicePrefix, selector: TargetSelector = {}): number {
    return this.#removeAt(this.#slotOf(prefix), selector)
  }

  /** Takes the selected targets from every entry, as when an owner is gone; returns how many. */
  removeEverywhere(selector: TargetSelector, under = ServicePrefix.all): number {
    let removed = 0
    for (const slot of this.#slotsUnder(under)) removed += this.#removeAt(slot, selector)
    return removed
  }

  /** All entries under a prefix as they are now, by their bits, a shorter prefix before those that it covers. */
  entries(under = ServicePrefix.all): ServiceEntry[] {
    const slots = [...this.#slotsUnder(under)].sort((a, b) => this.#index.slots.compare(a, b))
    return slots.map(slot => this.#entryAt(slot))
  }

  /**
   * The entries under a prefix one by one, in no order: for dumps of large tables, as others may look up and change
   * rules between two of them. Entries that are there all the time come once; others come or do not.
   */
  *scan(under = ServicePrefix.all): Generator<ServiceEntry, void> {
    for (const slot of this.#slotsUnder(under)) yield this.#entryAt(slot)
  }

  /** Says whether the FORWARD targets at an endpoint answer; returns how many of the entry's targets changed. */
  setAlive(prefix: ServicePrefix, endpoint: Endpoint, alive: boolean): number {
    const slot = this.#slotOf(prefix)
    if (slot === NO_SLOT) return 0
    const entry = this.#gather(slot, prefix)
    const changed = entry.setAlive(endpoint, alive)
    this.#settle(slot, entry)
    return changed
  }

  /** Tells how a target did to whoever shares packets of a flow among several; true if anybody knows that target. */
  observe(
    { service, protocol }: Asker,
    endpoint: Endpoint,
    observation: Observation,
    nowMs: number,
  ): boolean {
    for (
      let entry = this.glance(service);
      entry !== undefined;
      entry = this.glance(service, entry.bits - 1)
    ) {
      if (entry instanceof GatheredEntry && entry.observe(protocol, endpoint, observation, nowMs)) return true
    }
    return false
  }

  /** As `observe`, what the target at an endpoint says of itself, where exactly this prefix leads there. */
  reportLoad(prefix: ServicePrefix, endpoint: Endpoint, load: Load, nowMs: number): boolean {
    const slot = this.#slotOf(prefix)
    const entry = slot === NO_SLOT ? undefined : this.#gatheredAt(slot)
    return entry?.observeAll(endpoint, { type: 'load', ...load }, nowMs) ?? false
  }

  /** Whether a target for a flow is left that `choice` does not avoid. */
  hasOther(asker: Asker, choice: Choice): boolean {
    return this.#sharedEntry(asker)?.hasOther(asker.protocol, choice) ?? false
  }

  /**
   * How long to wait for the targets for a flow that `choice` avoids, which have been asked, before another is asked too;
   * undefined: there is no other, or the rule says that none is to be asked.
   */
  patienceMs(asker: Asker, choice: Choice): number | undefined {
    return this.#sharedEntry(asker)?.patienceMs(asker.protocol, choice)
  }

  /** The share of answers for which the rule for a flow waits before another is asked too; 0: for all. */
  hedgeAt(asker: Asker): number {
    return this.#sharedEntry(asker)?.hedgeAt(asker.protocol) ?? DEFAULT_HEDGE_AT
  }

  /** Takes out what has expired; returns how many targets. */
  expire(nowMs: number): number {
    if (nowMs < this.#nextExpiryAt) return 0
    let removed = 0
    this.#nextExpiryAt = Infinity
    for (const slot of [...this.#expiring]) {
      const entry = this.#gatheredAt(slot)!
      removed += entry.expire(nowMs)
      this.#settle(slot, entry)
    }
    return removed
  }

  /** The entry that shares the packets of a flow among several. */
  #sharedEntry({ service, protocol }: Asker): GatheredEntry | undefined {
    for (
      let entry = this.glance(service);
      entry !== undefined;
      entry = this.glance(service, entry.bits - 1)
    ) {
      if (entry.servingFor(protocol).length > 0) return entry instanceof GatheredEntry ? entry : undefined
    }
    return undefined
  }

  #entryAt(slot: number): ServiceEntry {
    return this.#plain.entryAt(slot) ?? this.#gatheredAt(slot)!
  }

  #gatheredAt(slot: number): GatheredEntry | undefined {
    const value = this.#index.slots.value(slot)
    return value < 0 ? this.#gathered.at(-value - 1) : undefined
  }

  #slotOf(prefix: ServicePrefix): number {
    prefix.id.copyWords(this.#key)
    return this.#index.find(this.#key, prefix.bits)
  }

  *#slotsUnder(under: ServicePrefix): Generator<number, void> {
    const key = new Int32Array(KEY_WORDS)
    under.id.copyWords(key)
    // Slots that are added meanwhile would make it endless for who adds one each time.
    const { slots } = this.#index
    const end = slots.limit
    for (let slot = 0; slot < end; slot++) {
      if (slots.isUnder(slot, key, under.bits)) yield slot
    }
  }

  #removeAt(slot: number, selector: TargetSelector): number {
    if (slot === NO_SLOT) return 0
    const target = this.#plain.targetAt(slot)
    if (target === undefined) {
      const entry = this.#gatheredAt(slot)!
      const removed = entry.remove(selector)
      this.#settle(slot, entry)
      return removed
    }
    if (!selects(selector, target)) return 0
    this.#vanish(slot)
    return 1
  }

  /** The entry in a slot as an object that can be changed: then it must `#settle`. */
  #gather(slot: number, prefix: ServicePrefix): GatheredEntry {
    if (slot === NO_SLOT) return new GatheredEntry(prefix)
    const target = this.#plain.targetAt(slot)
    if (target === undefined) return this.#gatheredAt(slot)!
    return new GatheredEntry(prefix, this.#plain.nameAt(slot), target, this.#index.slots.counters(slot))
  }

  /** A million rules come this way: no entry is made of a rule that is but a target. */
  #insertPlain(prefix: ServicePrefix, rule: Rule, { source, owner = '', name }: RuleOrigin): void {
    checkRule(rule, () => `${name ?? prefix} ${rule.type}`)
    const [target] = targetsOf(rule, source, owner)
    this.#plain.put(this.#newSlot(prefix), target!, name)
  }

  /** Keeps an entry that has changed in the smallest form; an empty one vanishes. */
  #settle(slot: number, entry: GatheredEntry): void {
    if (entry.isEmpty) return this.#vanish(slot)
    const at = slot === NO_SLOT ? this.#newSlot(entry.prefix) : slot
    const { only, nextExpiryAt } = entry
    if (only !== undefined) {
      this.#forgetGathered(at)
      this.#plain.put(at, only, entry.givenName, entry.counters)
    } else if (this.#gatheredAt(at) === undefined) {
      this.#plain.remove(at)
      this.#index.slots.setValue(at, -1 - this.#gathered.add(entry))
    }
    if (nextExpiryAt < Infinity) this.#expiring.add(at)
    else this.#expiring.delete(at)
    this.#nextExpiryAt = Math.min(this.#nextExpiryAt, nextExpiryAt)
  }

  #newSlot(prefix: ServicePrefix): number {
    prefix.id.copyWords(this.#key)
    return this.#index.insert(this.#key, prefix.bits)
  }

  #vanish(slot: number): void {
    if (slot === NO_SLOT) return
    this.#plain.remove(slot)
    this.#forgetGathered(slot)
    this.#expiring.delete(slot)
    this.#index.remove(slot)
  }

  #forgetGathered(slot: number): void {
    const value = this.#index.slots.value(slot)
    if (value >= 0) return
    this.#gathered.remove(-value - 1)
    this.#index.slots.setValue(slot, 0)
  }
}

/** Whether an entry of this rule alone is plain. */
function isPlain(rule: Rule, { expiresAt = Infinity }: RuleOrigin): boolean {
  if (expiresAt < Infinity) return false
  return rule.type !== 'FORWARD' || (rule.targets.length === 1 && rule.sharing === undefined)
}
