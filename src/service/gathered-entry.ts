/**
 * An entry to which several rules may have added: each server its own FORWARD target, the local stack its listeners, a
 * person a DROP. What resolution needs is put in order when the entry changes, for each protocol, so that a packet only reads.
 */
import { ServalError } from '../errors.ts'
import type { ServicePrefix } from '../id/service-prefix.ts'
import { type Endpoint, sameEndpoint } from '../wire/endpoint.ts'
import { protocols } from '../wire/sal-header.ts'
import type { Choice } from './balance/balancer.ts'
import type { Observation } from './balance/observed.ts'
import { addTo, type Counters, zeroCounters } from './counters.ts'
import { Levels } from './levels.ts'
import { type DemuxRule, type Rule, type RuleOrigin, type RuleType, takes } from './rule.ts'
import { checkRule } from './rule-check.ts'
import type { EntryTarget, Scope, ServiceEntry, TargetSelector, TargetState } from './service-entry.ts'
import {
  type DelayTarget,
  type DemuxTarget,
  type DropTarget,
  type ForwardTarget,
  overlap,
  type ServiceTarget,
  targetsOf,
} from './target.ts'

interface Installed extends TargetState {
  readonly target: ServiceTarget
  readonly counters: Counters
}

export class GatheredEntry implements ServiceEntry {
  readonly prefix: ServicePrefix
  readonly counters: Counters
  #name: string | undefined
  #targets: readonly Installed[] = []

  // Derived from #targets, for resolution.
  #drop: DropTarget | undefined
  #delay: DelayTarget | undefined
  #listeners: readonly DemuxTarget[] = []
  // FORWARD targets that may serve: of a protocol, and of one that no target can name. All one, where none names any.
  #streams = new Levels()
  #datagrams = this.#streams
  #others = this.#streams

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
    return [...new Set([...this.#streams.serving, ...this.#datagrams.serving])]
  }

  servingFor(protocol: number): readonly ForwardTarget[] {
    return this.#levelsFor(protocol).serving
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
    const levels = this.#levelsFor(protocol)
    return levels.isEmpty ? this.#delay : levels.pick(choice)
  }

  peek(protocol: number, scope: Scope): RuleType | undefined {
    if (this.#drop !== undefined) return 'DROP'
    if (scope !== 'remote' && this.listener(protocol) !== undefined) return 'DEMUX'
    if (scope === 'local') return undefined
    return this.#levelsFor(protocol).isEmpty ? this.#delay?.type : 'FORWARD'
  }

  count(target: ServiceTarget, packets: number, bytes: number, drops: number): boolean {
    const installed = this.#targets.find(other => other.target === target)
    if (installed === undefined) return false
    addTo(installed.counters, packets, bytes, drops)
    addTo(this.counters, packets, bytes, drops)
    return true
  }

  /** Takes down how the target at an endpoint does with a protocol. */
  observe(protocol: number, endpoint: Endpoint, observation: Observation, nowMs: number): boolean {
    return this.#levelsFor(protocol).observe(endpoint, observation, nowMs)
  }

  /** As `observe`, what is the same for all protocols. */
  observeAll(endpoint: Endpoint, observation: Observation, nowMs: number): boolean {
    let isKnown = false
    for (const levels of new Set([this.#streams, this.#datagrams, this.#others])) {
      isKnown = levels.observe(endpoint, observation, nowMs) || isKnown
    }
    return isKnown
  }

  /** Whether there is a target for a protocol that `choice` does not avoid. */
  hasOther(protocol: number, choice: Choice): boolean {
    return this.#levelsFor(protocol).hasOther(choice)
  }

  /** How long to wait for those whom `choice` avoids before another is asked too; undefined: there is no other. */
  patienceMs(protocol: number, choice: Choice): number | undefined {
    return this.#levelsFor(protocol).patienceMs(choice)
  }

  /** The share of answers for which a rule waits before another is asked too; 0: for all. */
  hedgeAt(protocol: number): number {
    return this.#levelsFor(protocol).hedgeAt
  }

  /**
   * Adds what a rule says. A target that this origin had already put here (same endpoint, listener or type, and protocol)
   * gives way to the new one: it keeps its counters, where it takes the same protocols, and counts as alive again. Throws ERR_SERVAL_RULE, or
   * EADDRINUSE for a second listener of one protocol; the entry is then as it was.
   */
  insert(rule: Rule, origin: RuleOrigin): void {
    this.#update(this.#targets.slice(), [rule], origin)
  }

  /**
   * Puts `rules` in the place of the selected targets, all at once. As `insert` otherwise; where a rule says what one of those said,
   * it keeps the counters of that one.
   */
  replace(rules: readonly Rule[], origin: RuleOrigin, selector: TargetSelector): void {
    const isReplaced = ({ target }: Installed) => selects(selector, target)
    this.#update(
      this.#targets.filter(installed => !isReplaced(installed)),
      rules,
      origin,
      this.#targets.filter(isReplaced),
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

  #levelsFor(protocol: number): Levels {
    if (protocol === protocols.STREAM) return this.#streams
    return protocol === protocols.DATAGRAM ? this.#datagrams : this.#others
  }

  #update(
    kept: Installed[],
    rules: readonly Rule[],
    origin: RuleOrigin,
    replaced: readonly Installed[] = [],
  ): void {
    for (const rule of rules) this.#mergeInto(kept, rule, origin, replaced)
    this.#become(kept)
    this.#name ??= origin.name
  }

  #keepOnly(stays: (installed: Installed) => boolean): number {
    const before = this.#targets.length
    this.#become(this.#targets.filter(stays))
    return before - this.#targets.length
  }

  #mergeInto(targets: Installed[], rule: Rule, origin: RuleOrigin, replaced: readonly Installed[]): void {
    const { source, owner = '', expiresAt = Infinity, name } = origin
    checkRule(rule, () => `${name ?? this.name} ${rule.type}`)
    if (rule.type === 'DEMUX') this.#refuseSecondListener(targets, rule)
    for (const target of targetsOf(rule, source, owner)) {
      const sameTarget = ({ target: other }: Installed) =>
        other.source === source && other.owner === owner && samePlace(other, target)
      const isOne = ({ target: other }: Installed) =>
        samePlace(other, target) && protocolOf(other) === protocolOf(target)
      const before = this.#targets.find(one => sameTarget(one) && isOne(one)) ?? replaced.find(isOne)
      const counters = before?.counters ?? zeroCounters()
      const at = targets.findIndex(sameTarget)
      targets[at < 0 ? targets.length : at] = { target, expiresAt, alive: true, counters }
      // One for both protocols gives way to the first of the two that are said in its place, or takes the place of two.
      for (let i = targets.length - 1; at >= 0 && i > at; i--)
        if (sameTarget(targets[i]!)) targets.splice(i, 1)
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
    this.#targets = installed
    this.#drop = targets.find(target => target.type === 'DROP')
    this.#delay = targets.find(target => target.type === 'DELAY')
    this.#listeners = targets.filter(target => target.type === 'DEMUX')
    this.#becomeLevels(able)
  }

  #becomeLevels(able: readonly ForwardTarget[]): void {
    const [streams, datagrams, others] = [this.#streams, this.#datagrams, this.#others]
    if (able.every(target => target.protocol === undefined)) {
      this.#streams = this.#datagrams = this.#others = new Levels(able, [streams, datagrams])
      return
    }
    const of = (protocol: number) => able.filter(target => takes(target, protocol))
    this.#streams = new Levels(of(protocols.STREAM), [streams, datagrams])
    this.#datagrams = new Levels(of(protocols.DATAGRAM), [datagrams, streams])
    this.#others = new Levels(of(NO_PROTOCOL), [others])
  }
}

const NO_PROTOCOL = 0

function sameCounters(a: Counters, b: Counters): boolean {
  return a.packets === b.packets && a.bytes === b.bytes && a.drops === b.drops
}

function protocolOf(target: ServiceTarget): number | undefined {
  return 'protocol' in target ? target.protocol : undefined
}

/** Whether of the two an origin can have only one in an entry. */
function samePlace(a: ServiceTarget, b: ServiceTarget): boolean {
  if (a.type === 'FORWARD') return b.type === 'FORWARD' && overlap(a, b)
  if (a.type !== 'DEMUX') return a.type === b.type
  if (b.type !== 'DEMUX' || a.protocol !== b.protocol) return false
  return a.listenerId === b.listenerId || !(a.shared && b.shared)
}

export function selects(selector: TargetSelector, target: ServiceTarget): boolean {
  const { type, source, owner, endpoint, protocol } = selector
  return (
    (type === undefined || type === target.type) &&
    (source === undefined ||
      (typeof source === 'string' ? source === target.source : source.includes(target.source))) &&
    (owner === undefined || owner === target.owner) &&
    (endpoint === undefined || (target.type === 'FORWARD' && sameEndpoint(endpoint, target.endpoint))) &&
    (protocol === undefined || protocol === protocolOf(target))
  )
}
