/**
 * Entries of one target, which is what most of a large table is: a number of four bytes each, and sixteen more for
 * counters once anything is counted. An object is made only of those that are looked at.
 */
import type { ServicePrefix } from '../id/service-prefix.ts'
import type { Choice } from './balance/balancer.ts'
import type { Counters } from './counters.ts'
import type { PrefixIndex } from './prefix-index.ts'
import type { RuleType } from './rule.ts'
import type { EntryTarget, Scope, ServiceEntry } from './service-entry.ts'
import { type DemuxTarget, type ForwardTarget, type ServiceTarget, TargetPool } from './target.ts'

const NO_TARGET = 0

/** By slot of the table's index. */
export class PlainEntries {
  readonly #index: PrefixIndex
  readonly #pool = new TargetPool()
  /** Numbers of the pool, plus one. */
  #numbers = new Uint32Array(0)
  /** Packets and bytes, in turn; empty as long as there are none. */
  #traffic = new Float64Array(0)
  /** Packets that were resolved and not delivered: few entries have any. */
  readonly #drops = new Map<number, number>()
  readonly #names = new Map<number, string>()

  constructor(index: PrefixIndex) {
    this.#index = index
  }

  get byteLength(): number {
    return this.#numbers.byteLength + this.#traffic.byteLength
  }

  /** The target in a slot; undefined if no plain entry is there. */
  targetAt(slot: number): ServiceTarget | undefined {
    const number = this.#numbers[slot]
    return number === undefined || number === NO_TARGET ? undefined : this.#pool.at(number - 1)
  }

  entryAt(slot: number): PlainEntry | undefined {
    const target = this.targetAt(slot)
    return target === undefined ? undefined : new PlainEntry(this, this.#index, slot, target)
  }

  nameAt(slot: number): string | undefined {
    return this.#names.get(slot)
  }

  countersAt(slot: number): Counters {
    const packets = this.#traffic[2 * slot] ?? 0
    const bytes = this.#traffic[2 * slot + 1] ?? 0
    const target = this.targetAt(slot)
    return { packets, bytes, drops: target?.type === 'DROP' ? packets : (this.#drops.get(slot) ?? 0) }
  }

  put(slot: number, target: ServiceTarget, name: string | undefined, counters: Counters): void {
    if (slot >= this.#numbers.length) {
      const larger = new Uint32Array(this.#index.capacity)
      larger.set(this.#numbers)
      this.#numbers = larger
    }
    const number = this.#pool.take(target) + 1
    this.remove(slot)
    this.#numbers[slot] = number
    if (name !== undefined) this.#names.set(slot, name)
    if (counters.packets > 0) this.count(slot, counters.packets, counters.bytes, counters.drops)
  }

  remove(slot: number): void {
    const number = this.#numbers[slot] ?? NO_TARGET
    if (number === NO_TARGET) return
    this.#pool.release(number - 1)
    this.#numbers[slot] = NO_TARGET
    this.#drops.delete(slot)
    this.#names.delete(slot)
    this.#traffic.fill(0, 2 * slot, 2 * slot + 2)
  }

  count(slot: number, packets: number, bytes: number, drops: number): void {
    if (2 * slot >= this.#traffic.length) {
      const larger = new Float64Array(2 * this.#numbers.length)
      larger.set(this.#traffic)
      this.#traffic = larger
    }
    this.#traffic[2 * slot]! += packets
    this.#traffic[2 * slot + 1]! += bytes
    // Of a DROP all packets are.
    if (drops > 0 && this.targetAt(slot)?.type !== 'DROP') {
      this.#drops.set(slot, (this.#drops.get(slot) ?? 0) + drops)
    }
  }
}

export class PlainEntry implements ServiceEntry {
  readonly #entries: PlainEntries
  readonly #index: PrefixIndex
  readonly #slot: number
  readonly #target: ServiceTarget

  constructor(entries: PlainEntries, index: PrefixIndex, slot: number, target: ServiceTarget) {
    this.#entries = entries
    this.#index = index
    this.#slot = slot
    this.#target = target
  }

  get prefix(): ServicePrefix {
    return this.#index.prefixOf(this.#slot)
  }

  get bits(): number {
    return this.#index.bitsOf(this.#slot)
  }

  get name(): string {
    return this.#entries.nameAt(this.#slot) ?? this.prefix.toString()
  }

  get counters(): Counters {
    return this.#entries.countersAt(this.#slot)
  }

  get targets(): readonly EntryTarget[] {
    return [{ ...this.#target, alive: true, expiresAt: Infinity, counters: this.counters }]
  }

  get serving(): readonly ForwardTarget[] {
    return this.#target.type === 'FORWARD' && this.#target.weight > 0 ? [this.#target] : []
  }

  listener(protocol: number): DemuxTarget | undefined {
    return this.#target.type === 'DEMUX' && this.#target.protocol === protocol ? this.#target : undefined
  }

  pick(protocol: number, scope: Scope, _choice?: Choice): ServiceTarget | undefined {
    const target = this.#target
    switch (target.type) {
      case 'FORWARD':
        return scope !== 'local' && target.weight > 0 ? target : undefined
      case 'DEMUX':
        return scope !== 'remote' && target.protocol === protocol ? target : undefined
      case 'DELAY':
        return scope === 'local' ? undefined : target
      case 'DROP':
        return target
    }
  }

  peek(protocol: number, scope: Scope): RuleType | undefined {
    return this.pick(protocol, scope)?.type
  }

  count(target: ServiceTarget, packets: number, bytes: number, drops: number): boolean {
    if (target !== this.#target) return false
    this.#entries.count(this.#slot, packets, bytes, drops)
    return true
  }
}
