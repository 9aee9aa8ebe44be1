/**
 * Entries of one target, which is what most of a large table is: the number of the target in the entry's slot. An object is
 * made only of those that are looked at.
 */
import type { ServicePrefix } from '../id/service-prefix.ts'
import type { Choice } from './balance/balancer.ts'
import type { Counters } from './counters.ts'
import { FETCH_LIMIT, NO_SLOT } from './prefix-index.ts'
import { type RuleType, takes } from './rule.ts'
import type { EntryTarget, Scope, ServiceEntry } from './service-entry.ts'
import type { Slots } from './slots.ts'
import { type DemuxTarget, type ForwardTarget, type ServiceTarget, TargetPool } from './target.ts'

/** Of the slots whose value is above 0: the number of their target, plus one. */
export class PlainEntries {
  readonly slots: Slots
  readonly #pool = new TargetPool()
  readonly #names = new SlotNames()
  /** Of `touch`, which reads in short loops: the processor waits for as many lines at once as it has loads in hand. */
  readonly #numbers = new Int32Array(FETCH_LIMIT)
  readonly #passing = new PlainEntry(this)

  constructor(slots: Slots) {
    this.slots = slots
  }

  /** The target in a slot; undefined if no plain entry is there. */
  targetAt(slot: number): ServiceTarget | undefined {
    const value = this.slots.value(slot)
    return value > 0 ? this.#pool.at(value - 1) : undefined
  }

  /** HOT. Reads the targets in the first `count` of `slots` (below 0: none), so that they are in a cache when they are wanted. */
  touch(slots: Int32Array, count: number): void {
    const numbers = this.#numbers
    for (let i = 0; i < count; i++) numbers[i] = slots[i]! < 0 ? -1 : this.slots.value(slots[i]!) - 1
    this.#pool.touch(numbers, count)
  }

  entryAt(slot: number): PlainEntry | undefined {
    const target = this.targetAt(slot)
    return target === undefined ? undefined : new PlainEntry(this).moveTo(slot, target)
  }

  /** HOT. As `entryAt`, but always the same object: good until the next call. */
  passingAt(slot: number): PlainEntry | undefined {
    const target = this.targetAt(slot)
    return target === undefined ? undefined : this.#passing.moveTo(slot, target)
  }

  nameAt(slot: number): string | undefined {
    return this.#names.at(slot)
  }

  /** With `counters` it goes on from what was counted; without, nothing has been. */
  put(slot: number, target: ServiceTarget, name: string | undefined, counters?: Counters): void {
    const value = this.#pool.take(target) + 1
    this.remove(slot)
    this.slots.setValue(slot, value)
    this.#names.set(slot, name)
    if (counters !== undefined) this.slots.count(slot, counters.packets, counters.bytes, counters.drops)
  }

  /** Leaves the slot with the value 0 and nothing counted. */
  remove(slot: number): void {
    const value = this.slots.value(slot)
    if (value <= 0) return
    this.#pool.release(value - 1)
    this.slots.setValue(slot, 0)
    this.slots.clearCounters(slot)
    this.#names.set(slot, undefined)
  }
}

export class PlainEntry implements ServiceEntry {
  readonly #entries: PlainEntries
  #slot = NO_SLOT
  #target: ServiceTarget = NOWHERE

  constructor(entries: PlainEntries) {
    this.#entries = entries
  }

  moveTo(slot: number, target: ServiceTarget): this {
    this.#slot = slot
    this.#target = target
    return this
  }

  get prefix(): ServicePrefix {
    return this.#entries.slots.prefix(this.#slot)
  }

  get bits(): number {
    return this.#entries.slots.bits(this.#slot)
  }

  get name(): string {
    return this.#entries.nameAt(this.#slot) ?? this.prefix.toString()
  }

  get counters(): Counters {
    return this.#entries.slots.counters(this.#slot)
  }

  get targets(): readonly EntryTarget[] {
    return [{ ...this.#target, alive: true, expiresAt: Infinity, counters: this.counters }]
  }

  get serving(): readonly ForwardTarget[] {
    return this.#target.type === 'FORWARD' && this.#target.weight > 0 ? [this.#target] : []
  }

  servingFor(protocol: number): readonly ForwardTarget[] {
    return this.#target.type === 'FORWARD' && takes(this.#target, protocol) ? this.serving : []
  }

  listener(protocol: number): DemuxTarget | undefined {
    return this.#target.type === 'DEMUX' && this.#target.protocol === protocol ? this.#target : undefined
  }

  pick(protocol: number, scope: Scope, _choice?: Choice): ServiceTarget | undefined {
    const target = this.#target
    switch (target.type) {
      case 'FORWARD':
        return scope !== 'local' && target.weight > 0 && takes(target, protocol) ? target : undefined
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
    this.#entries.slots.count(this.#slot, packets, bytes, drops)
    return true
  }
}

/** By slot, in pieces, so that none of them is ever copied. */
class SlotNames {
  readonly #pieces: (string | undefined)[][] = []

  at(slot: number): string | undefined {
    return this.#pieces[slot >>> PIECE_BITS]?.[slot & (PIECE - 1)]
  }

  set(slot: number, name: string | undefined): void {
    const piece = this.#pieces[slot >>> PIECE_BITS]
    if (piece !== undefined) piece[slot & (PIECE - 1)] = name
    else if (name !== undefined) {
      while (this.#pieces.length <= slot >>> PIECE_BITS) this.#pieces.push([])
      this.#pieces.at(-1)![slot & (PIECE - 1)] = name
    }
  }
}

/** Of an entry that is nowhere yet. */
const NOWHERE: ServiceTarget = { type: 'DELAY', source: 'config', owner: '' }

const PIECE_BITS = 12
const PIECE = 1 << PIECE_BITS
