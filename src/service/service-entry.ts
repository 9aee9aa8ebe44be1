/**
 * One prefix of the service table and all that it can resolve to. Several origins may feed it: each server
 * adds its own FORWARD target, the local stack its listeners, a person a DROP. What resolution needs is put
 * in order when the entry changes, so that a packet only reads.
 */
import { ServalError } from '../errors.ts'
import type { ServicePrefix } from '../id/service-prefix.ts'
import { type Endpoint, sameEndpoint } from '../wire/endpoint.ts'
import {
  checkRule,
  DEFAULT_PRIORITY,
  DEFAULT_WEIGHT,
  type DelayRule,
  type DemuxRule,
  type DropRule,
  type Rule,
  type RuleOrigin,
  type RuleSource,
  type RuleType,
  type Target,
} from './rule.ts'

/** `packets` and `bytes` were resolved, DROPs included; `drops` of them were not delivered. */
export interface Counters {
  packets: number
  bytes: number
  drops: number
}

export function zeroCounters(): Counters {
  return { packets: 0, bytes: 0, drops: 0 }
}

/** What every target of an entry has, whatever its type. */
interface Installed {
  readonly source: RuleSource
  /** '' where the origin named none. */
  readonly owner: string
  /** Infinity: never. */
  readonly expiresAt: number
  readonly counters: Counters
}

export interface ForwardTarget extends Installed, Required<Target> {
  readonly type: 'FORWARD'
  /** False while the target is known not to answer; it is resolved to no more. */
  readonly alive: boolean
}
export interface DemuxTarget extends Installed, DemuxRule {}
export interface DelayTarget extends Installed, DelayRule {}
export interface DropTarget extends Installed, DropRule {}

/** Each is also a rule of its own (FORWARD: one target), so it can be printed as one. */
export type EntryTarget = ForwardTarget | DemuxTarget | DelayTarget | DropTarget

/** Picks targets; what is absent does not matter. */
export interface TargetSelector {
  readonly type?: RuleType
  readonly source?: RuleSource
  readonly owner?: string
  /** Of FORWARD targets. */
  readonly endpoint?: Endpoint
  /** Of DEMUX targets. */
  readonly protocol?: number
}

/** Changed by its table alone; everybody else reads. */
export class ServiceEntry {
  readonly prefix: ServicePrefix
  readonly counters = zeroCounters()
  #name: string | undefined
  #targets: EntryTarget[] = []

  // Derived from #targets, for resolution.
  #drop: DropTarget | undefined
  #delay: DelayTarget | undefined
  #listeners: DemuxTarget[] = []
  #serving: ForwardTarget[] = []

  constructor(prefix: ServicePrefix) {
    this.prefix = prefix
  }

  /** The pattern as a person wrote it, or the prefix in hex where nobody did. */
  get name(): string {
    return this.#name ?? this.prefix.toString()
  }

  get targets(): readonly EntryTarget[] {
    return this.#targets
  }

  /** The rule that discards everything, if there is one. */
  get drop(): DropTarget | undefined {
    return this.#drop
  }

  get delay(): DelayTarget | undefined {
    return this.#delay
  }

  /** The FORWARD targets among which packets are shared now: alive, of some weight, of the highest priority. */
  get serving(): readonly ForwardTarget[] {
    return this.#serving
  }

  /** The listener for a protocol. */
  listener(protocol: number): DemuxTarget | undefined {
    for (const target of this.#listeners) if (target.protocol === protocol) return target
    return undefined
  }

  /** The earliest instant at which a target expires; Infinity if none does. */
  get nextExpiryAt(): number {
    return this.#targets.reduce((earliest, target) => Math.min(earliest, target.expiresAt), Infinity)
  }

  /**
   * Adds what a rule says. A target that this origin had already put here (same endpoint, protocol or type)
   * gives way to the new one: it keeps its counters and counts as alive again. Throws ERR_SERVAL_RULE, or
   * EADDRINUSE for a second listener of one protocol; the entry is then as it was.
   */
  insert(rule: Rule, origin: RuleOrigin): void {
    this.#update(this.#targets.slice(), [rule], origin)
  }

  /** Puts `rules` in the place of the selected targets, all at once. As `insert` otherwise. */
  replace(rules: readonly Rule[], origin: RuleOrigin, selector: TargetSelector): void {
    this.#update(
      this.#targets.filter(target => !selects(selector, target)),
      rules,
      origin,
    )
  }

  /** Takes out the selected targets; returns how many. */
  remove(selector: TargetSelector): number {
    return this.#keepOnly(target => !selects(selector, target))
  }

  /** Takes out the targets whose time has come; returns how many. */
  expire(nowMs: number): number {
    return this.#keepOnly(target => target.expiresAt > nowMs)
  }

  /** Marks the FORWARD targets at an endpoint as answering or not; returns how many changed. */
  setAlive(endpoint: Endpoint, alive: boolean): number {
    let changed = 0
    const targets = this.#targets.map(target => {
      if (target.type !== 'FORWARD' || target.alive === alive) return target
      if (!sameEndpoint(target.endpoint, endpoint)) return target
      changed++
      return { ...target, alive }
    })
    if (changed > 0) this.#become(targets)
    return changed
  }

  #update(kept: EntryTarget[], rules: readonly Rule[], origin: RuleOrigin): void {
    for (const rule of rules) this.#mergeInto(kept, rule, origin)
    this.#become(kept)
    this.#name ??= origin.name
  }

  #keepOnly(stays: (target: EntryTarget) => boolean): number {
    const before = this.#targets.length
    this.#become(this.#targets.filter(stays))
    return before - this.#targets.length
  }

  #mergeInto(targets: EntryTarget[], rule: Rule, origin: RuleOrigin): void {
    const { source, owner = '', expiresAt = Infinity, name } = origin
    checkRule(rule, () => `${name ?? this.name} ${rule.type}`)
    if (rule.type === 'DEMUX') this.#refuseSecondListener(targets, rule)
    for (const part of partsOf(rule)) {
      const sameTarget = (other: EntryTarget) =>
        other.source === source && other.owner === owner && samePlace(other, part)
      const counters = this.#targets.find(sameTarget)?.counters ?? zeroCounters()
      const at = targets.findIndex(sameTarget)
      targets[at < 0 ? targets.length : at] = { ...part, source, owner, expiresAt, counters }
    }
  }

  #refuseSecondListener(targets: readonly EntryTarget[], { protocol, listenerId }: DemuxRule): void {
    for (const other of targets) {
      if (other.type !== 'DEMUX' || other.protocol !== protocol || other.listenerId === listenerId) continue
      throw new ServalError('EADDRINUSE', { service: this.name, owner: `listener ${other.listenerId}` })
    }
  }

  #become(targets: EntryTarget[]): void {
    this.#targets = targets
    this.#drop = targets.find(target => target.type === 'DROP')
    this.#delay = targets.find(target => target.type === 'DELAY')
    this.#listeners = targets.filter(target => target.type === 'DEMUX')
    const able = targets
      .filter(target => target.type === 'FORWARD')
      .filter(target => target.alive && target.weight > 0)
    const highest = able.reduce((top, target) => Math.max(top, target.priority), -Infinity)
    this.#serving = able.filter(target => target.priority === highest)
  }
}

/** A target without what `Installed` adds. */
type Part = (Required<Target> & { type: 'FORWARD'; alive: boolean }) | DemuxRule | DelayRule | DropRule

function partsOf(rule: Rule): readonly Part[] {
  if (rule.type !== 'FORWARD') return [rule]
  return rule.targets.map(({ endpoint, weight = DEFAULT_WEIGHT, priority = DEFAULT_PRIORITY }) => ({
    type: 'FORWARD',
    endpoint,
    weight,
    priority,
    alive: true,
  }))
}

/** Whether of the two an origin can have only one in an entry. */
function samePlace(a: Part, b: Part): boolean {
  if (a.type === 'FORWARD') return b.type === 'FORWARD' && sameEndpoint(a.endpoint, b.endpoint)
  if (a.type === 'DEMUX') return b.type === 'DEMUX' && a.protocol === b.protocol
  return a.type === b.type
}

function selects(selector: TargetSelector, target: EntryTarget): boolean {
  const { type, source, owner, endpoint, protocol } = selector
  return (
    (type === undefined || type === target.type) &&
    (source === undefined || source === target.source) &&
    (owner === undefined || owner === target.owner) &&
    (endpoint === undefined || (target.type === 'FORWARD' && sameEndpoint(endpoint, target.endpoint))) &&
    (protocol === undefined || (target.type === 'DEMUX' && protocol === target.protocol))
  )
}
