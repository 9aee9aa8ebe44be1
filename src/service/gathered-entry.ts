/**
 * An entry to which several rules may have added: each server its own FORWARD target, the local stack its listeners, a
 * person a DROP. What resolution needs is put in order when the entry changes, so that a packet only reads.
 */
import { ServalError } from '../errors.ts'
import type { ServicePrefix } from '../id/service-prefix.ts'
import { type Endpoint, sameEndpoint } from '../wire/endpoint.ts'
import type { Choice } from './balance/balancer.ts'
import type { Observation } from './balance/observed.ts'
import { Sharing, type SharingPolicy } from './balance/sharing.ts'
import { addTo, type Counters, zeroCounters } from './counters.ts'
import type { DemuxRule, Rule, RuleOrigin, RuleType } from './rule.ts'
import { checkRule } from './rule-check.ts'
import type { EntryTarget, Scope, ServiceEntry, TargetSelector, TargetState } from './service-entry.ts'
import {
  type DelayTarget,
  type DemuxTarget,
  type DropTarget,
  type ForwardTarget,
  type ServiceTarget,
  targetsOf,
} from './target.ts'

interface Installed extends TargetState {
  readonly target: ServiceTarget
  readonly counters: Counters
}

const RANDOM: SharingPolicy = {}

export class GatheredEntry implements ServiceEntry {
  readonly prefix: ServicePrefix
  readonly counters: Counters
  #name: string | undefined
  #targets: readonly Installed[] = []

  // Derived from #targets, for resolution.
  #drop: DropTarget | undefined
  #delay: DelayTarget | undefined
  #listeners: readonly DemuxTarget[] = []
  /** FORWARD targets that may serve, by priority, the highest first. */
  #levels: readonly (readonly ForwardTarget[])[] = []
  /** By level: made, once the targets have changed, of the earlier ones by the next packet. */
  #sharings: Sharing[] = []
  #earlierSharings: readonly Sharing[] = []

  /** An empty one, or one that goes on from a target and its counters. */
  constructor(prefix: ServicePrefix, name?: string, target?: ServiceTarget, counters = zeroCounters()) {
    this.prefix = prefix
    this.counters = counters
    this.#name = name
    if (target === undefined) return
    this.#become([{ target, alive: true, expiresAt: Infinity, counters: { ...counters } }])
  }

  get bits(): number {
    return this.prefix.bits
  }

  get name(): string {
    return this.#name ?? this.prefix.toString()
  }

  /** The pattern as a person wrote it. */
  get givenName(): string | undefined {
    return this.#name
  }

  get targets(): readonly EntryTarget[] {
    return this.#targets.map(({ target, ...state }) => ({ ...target, ...state }))
  }

  get isEmpty(): boolean {
    return this.#targets.length === 0
  }

  get serving(): readonly ForwardTarget[] {
    return this.#levels[0] ?? []
  }

  /** Its target, if it is no more than that: one that stays, is not shared, and has all that was ever counted. */
  get only(): ServiceTarget | undefined {
    const [installed, other] = this.#targets
    if (installed === undefined || other !== undefined) return undefined
    const { target, alive, expiresAt, counters } = installed
    if (!alive || expiresAt < Infinity || (target.type === 'FORWARD' && target.sharing)) return undefined
    return sameCounters(counters, this.counters) ? target : undefined
  }

  /** The earliest instant at which a target expires; Infinity if none does. */
  get nextExpiryAt(): number {
    return this.#targets.reduce((earliest, { expiresAt }) => Math.min(earliest, expiresAt), Infinity)
  }

  listener(protocol: number): DemuxTarget | undefined {
    return this.#listeners.find(target => target.protocol === protocol)
  }

  pick(protocol: number, scope: Scope, choice: Choice): ServiceTarget | undefined {
    if (this.#drop !== undefined) return this.#drop
    if (scope !== 'remote') {
      const listener = this.#listenerFor(protocol, choice.uniform)
      if (listener !== undefined || scope === 'local') return listener
    }
    if (this.#levels.length === 0) return this.#delay
    const level = this.#levelFor(choice)
    return this.#levels[level]![this.#shared(choice.nowMs)[level]!.pick(choice)]
  }

  peek(protocol: number, scope: Scope): RuleType | undefined {
    if (this.#drop !== undefined) return 'DROP'
    if (scope !== 'remote' && this.listener(protocol) !== undefined) return 'DEMUX'
    if (scope === 'local') return undefined
    return this.#levels.length === 0 ? this.#delay?.type : 'FORWARD'
  }

  count(target: ServiceTarget, packets: number, bytes: number, drops: number): boolean {
    const installed = this.#targets.find(other => other.target === target)
    if (installed === undefined) return false
    addTo(installed.counters, packets, bytes, drops)
    addTo(this.counters, packets, bytes, drops)
    return true
  }

  /** Takes down how the target at an endpoint does. */
  observe(endpoint: Endpoint, observation: Observation, nowMs: number): boolean {
    let isKnown = false
    for (const sharing of this.#shared(nowMs)) {
      isKnown = sharing.observe(endpoint, observation, nowMs) || isKnown
    }
    return isKnown
  }

  /** Whether there is a target that `choice` does not avoid. */
  hasOther(choice: Choice): boolean {
    return this.#shared(choice.nowMs).some(sharing => sharing.hasOther(choice))
  }

  /** How long to wait for those whom `choice` avoids before another is asked too; undefined: there is no other. */
  patienceMs(choice: Choice): number | undefined {
    if (this.#levels.length === 0 || choice.avoids === undefined) return undefined
    return this.#shared(choice.nowMs)[this.#levelFor(choice)]!.patienceMs(choice.avoids)
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
      this.#targets.filter(({ target }) => !selects(selector, target)),
      rules,
      origin,
    )
  }

  /** Takes out the selected targets; returns how many. */
  remove(selector: TargetSelector): number {
    return this.#keepOnly(({ target }) => !selects(selector, target))
  }

  /** Takes out the targets whose time has come; returns how many. */
  expire(nowMs: number): number {
    return this.#keepOnly(({ expiresAt }) => expiresAt > nowMs)
  }

  /** Marks the FORWARD targets at an endpoint as answering or not; returns how many changed. */
  setAlive(endpoint: Endpoint, alive: boolean): number {
    let changed = 0
    const targets = this.#targets.map(installed => {
      const { target } = installed
      if (target.type !== 'FORWARD' || installed.alive === alive) return installed
      if (!sameEndpoint(target.endpoint, endpoint)) return installed
      changed++
      return { ...installed, alive }
    })
    if (changed > 0) this.#become(targets)
    return changed
  }

  #listenerFor(protocol: number, uniform: number): DemuxTarget | undefined {
    let matching = 0
    for (const target of this.#listeners) if (target.protocol === protocol) matching++
    let left = Math.floor(uniform * matching)
    for (const target of this.#listeners) if (target.protocol === protocol && left-- === 0) return target
    return undefined
  }

  /** The highest of which something is left to try: all are, where nothing is. */
  #levelFor(choice: Choice): number {
    if (this.#levels.length === 1) return 0
    const sharings = this.#shared(choice.nowMs)
    const open = sharings.findIndex(sharing => !sharing.isDown(choice.nowMs) && sharing.hasOther(choice))
    if (open >= 0) return open
    return Math.max(
      0,
      sharings.findIndex(sharing => sharing.hasOther(choice)),
    )
  }

  #shared(nowMs: number): readonly Sharing[] {
    if (this.#sharings.length < this.#levels.length) {
      const policy = this.#levels.flat().find(target => target.sharing !== undefined)?.sharing ?? RANDOM
      this.#sharings = this.#levels.map(targets => new Sharing(policy, targets, nowMs, this.#earlierSharings))
      this.#earlierSharings = []
    }
    return this.#sharings
  }

  #update(kept: Installed[], rules: readonly Rule[], origin: RuleOrigin): void {
    for (const rule of rules) this.#mergeInto(kept, rule, origin)
    this.#become(kept)
    this.#name ??= origin.name
  }

  #keepOnly(stays: (installed: Installed) => boolean): number {
    const before = this.#targets.length
    this.#become(this.#targets.filter(stays))
    return before - this.#targets.length
  }

  #mergeInto(targets: Installed[], rule: Rule, origin: RuleOrigin): void {
    const { source, owner = '', expiresAt = Infinity, name } = origin
    checkRule(rule, () => `${name ?? this.name} ${rule.type}`)
    if (rule.type === 'DEMUX') this.#refuseSecondListener(targets, rule)
    for (const target of targetsOf(rule, source, owner)) {
      const sameTarget = ({ target: other }: Installed) =>
        other.source === source && other.owner === owner && samePlace(other, target)
      const counters = this.#targets.find(sameTarget)?.counters ?? zeroCounters()
      const at = targets.findIndex(sameTarget)
      targets[at < 0 ? targets.length : at] = { target, expiresAt, alive: true, counters }
    }
  }

  #refuseSecondListener(targets: readonly Installed[], { protocol, listenerId, shared }: DemuxRule): void {
    for (const { target: other } of targets) {
      if (other.type !== 'DEMUX' || other.protocol !== protocol || other.listenerId === listenerId) continue
      if (shared && other.shared) continue
      throw new ServalError('EADDRINUSE', { service: this.name, owner: `listener ${other.listenerId}` })
    }
  }

  #become(installed: readonly Installed[]): void {
    const targets = installed.map(({ target }) => target)
    const able = installed
      .filter(({ alive }) => alive)
      .map(({ target }) => target)
      .filter(target => target.type === 'FORWARD')
      .filter(({ weight }) => weight > 0)
    const priorities = [...new Set(able.map(({ priority }) => priority))].sort((a, b) => b - a)
    this.#targets = installed
    this.#drop = targets.find(target => target.type === 'DROP')
    this.#delay = targets.find(target => target.type === 'DELAY')
    this.#listeners = targets.filter(target => target.type === 'DEMUX')
    this.#levels = priorities.map(level => able.filter(({ priority }) => priority === level))
    if (this.#sharings.length > 0) this.#earlierSharings = this.#sharings
    this.#sharings = []
  }
}

function sameCounters(a: Counters, b: Counters): boolean {
  return a.packets === b.packets && a.bytes === b.bytes && a.drops === b.drops
}

/** Whether of the two an origin can have only one in an entry. */
function samePlace(a: ServiceTarget, b: ServiceTarget): boolean {
  if (a.type === 'FORWARD') return b.type === 'FORWARD' && sameEndpoint(a.endpoint, b.endpoint)
  if (a.type !== 'DEMUX') return a.type === b.type
  if (b.type !== 'DEMUX' || a.protocol !== b.protocol) return false
  return a.listenerId === b.listenerId || !(a.shared && b.shared)
}

export function selects(selector: TargetSelector, target: ServiceTarget): boolean {
  const { type, source, owner, endpoint, protocol } = selector
  return (
    (type === undefined || type === target.type) &&
    (source === undefined || source === target.source) &&
    (owner === undefined || owner === target.owner) &&
    (endpoint === undefined || (target.type === 'FORWARD' && sameEndpoint(endpoint, target.endpoint))) &&
    (protocol === undefined || (target.type === 'DEMUX' && protocol === target.protocol))
  )
}
