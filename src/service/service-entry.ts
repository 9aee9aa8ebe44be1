/**
 * One prefix of the service table and all that it can resolve to, as its table shows it. Changed by the table alone;
 * good until the table changes.
 */
import type { ServicePrefix } from '../id/service-prefix.ts'
import type { Endpoint } from '../wire/endpoint.ts'
import type { Choice } from './balance/balancer.ts'
import type { Counters } from './counters.ts'
import type { RuleSource, RuleType } from './rule.ts'
import type { DemuxTarget, ForwardTarget, ServiceTarget } from './target.ts'

/**
 * `any`: a packet that starts here. `local`: one that came to an end point, which is delivered or refused and
 * never sent on. `remote`: one that crosses a router.
 */
export type Scope = 'any' | 'local' | 'remote'

/** A target with what its entry knows of it. */
export type EntryTarget = ServiceTarget & TargetState

export interface TargetState {
  /** False while it is known not to answer; packets go to others then. Of FORWARD targets. */
  readonly alive: boolean
  /** Infinity: never. */
  readonly expiresAt: number
  readonly counters: Readonly<Counters>
}

export interface ServiceEntry {
  readonly prefix: ServicePrefix
  /** Length of the prefix. */
  readonly bits: number
  /** The pattern as a person wrote it, or the prefix in hex where nobody did. */
  readonly name: string
  /** Of the entry, targets that are gone included. */
  readonly counters: Readonly<Counters>
  readonly targets: readonly EntryTarget[]
  /** The FORWARD targets that get packets now, of one protocol or of all. */
  readonly serving: readonly ForwardTarget[]
  /** Those among which packets of a protocol are shared now: alive, of some weight, of the highest priority. */
  servingFor(protocol: number): readonly ForwardTarget[]
  /** A listener for a protocol. */
  listener(protocol: number): DemuxTarget | undefined
  /** The target for a packet; undefined: none for this one. Allocates nothing. */
  pick(protocol: number, scope: Scope, choice: Choice): ServiceTarget | undefined
  /** Of which type `pick` would yield a target; has no effect on later choices. */
  peek(protocol: number, scope: Scope): RuleType | undefined
  /** Counts what a target of this entry got, or what of it was dropped; false if it is not of this entry. */
  count(target: ServiceTarget, packets: number, bytes: number, drops: number): boolean
}

/** Picks targets; what is absent does not matter. */
export interface TargetSelector {
  readonly type?: RuleType
  readonly source?: RuleSource | readonly RuleSource[]
  readonly owner?: string
  /** Of FORWARD targets. */
  readonly endpoint?: Endpoint
  /** Of DEMUX targets, and FORWARD targets that say it. */
  readonly protocol?: number | undefined
}
