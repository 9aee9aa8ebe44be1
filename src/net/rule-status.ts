/**
 * What a process and its operator say to each other about the service table, at the status socket: JSON, a value a line.
 * `serval rules` asks; `rule-desk.ts` answers.
 */
import { parseServicePattern } from '../id/name.ts'
import type { ServicePrefix } from '../id/service-prefix.ts'
import { addTo, type Counters, zeroCounters } from '../service/counters.ts'
import { nameOfProtocol, type RuleSource, type RuleType } from '../service/rule.ts'
import { type RuleOfOrigin, rulesOf } from '../service/rule-lines.ts'
import type { EntryTarget, ServiceEntry } from '../service/service-entry.ts'
import { formatSharing } from '../service/sharing-text.ts'
import { type ForwardTarget, overlap } from '../service/target.ts'
import { formatEndpoint } from '../wire/endpoint.ts'

export type RuleRequest =
  /**
   * The entries under a prefix (its canonical text): answered by `entries` again and again, then `done`. `uncounted`: what others
   * who forward beside the table have counted is not asked for, which takes its time.
   */
  | { readonly ask: 'rules'; readonly under: string; readonly uncounted?: boolean }
  /** Rules for the change that comes next, each with its line: not answered. */
  | { readonly ask: 'stage'; readonly rules: readonly StagedRule[] }
  /** Do so with all that was staged, or with nothing of it: answered by `changed` or `refused`. */
  | { readonly ask: 'change'; readonly verb: ChangeVerb }
  /** Takes what was set by hand from a pattern, or a target `ADDRESS:PORT [stream|datagram]` of it: answered by `changed` or `refused`. */
  | { readonly ask: 'delete'; readonly pattern: string; readonly target: string | null }

/**
 * `add` refuses what is there already, `mod` what is not; `import` takes both, and `replace` takes away what was set by
 * hand before.
 */
export const CHANGE_VERBS = ['add', 'mod', 'import', 'replace'] as const
export type ChangeVerb = (typeof CHANGE_VERBS)[number]

export type StagedRule = readonly [line: number, text: string]

export type RuleAnswer =
  | { readonly entries: readonly RuleStatus[] }
  | { readonly done: true }
  | { readonly changed: RuleChangeCount }
  | { readonly refused: readonly Complaint[] }
  /** Said every half second while a change takes its time. */
  | { readonly progress: RuleProgress }

export interface RuleProgress {
  /** `waiting`: for a change that came before; `applying`: for those who forward beside the table. */
  readonly step: 'waiting' | 'reading' | 'checking' | 'setting' | 'applying'
  /** Through with this step. */
  readonly rules: number
}

export interface RuleChangeCount {
  /** Rules that hold now. */
  readonly set: number
  /** Targets that are gone. */
  readonly removed: number
}

/** Why a change is refused; by then nothing has been changed. */
export interface Complaint {
  /** Of the rule that was staged; null where it is not about one. */
  readonly line: number | null
  /** Quotes the rule. */
  readonly message: string
}

/** One entry of the table: a prefix, and all that was said about it. */
export interface RuleStatus {
  /** As somebody wrote it, or the prefix in hex. */
  readonly pattern: string
  /** x-, 64 hex digits, /bits unless 256. */
  readonly prefix: string
  /** Of the entry, targets that are gone included. */
  readonly packets: number
  readonly bytes: number
  readonly drops: number
  readonly rules: readonly RuleOfOrigin[]
  readonly targets: readonly TargetStatus[]
}

/** What was resolved by an entry, and what each of its targets got. */
export type EntryCounts = Pick<RuleStatus, 'packets' | 'bytes' | 'drops' | 'targets'>

export interface TargetStatus {
  readonly source: RuleSource
  readonly owner: string
  readonly type: RuleType
  /** Address and port of a FORWARD, with what it takes where it does not take all, listener of a DEMUX, reason of a DROP. */
  readonly to: string
  readonly weight: number | null
  readonly priority: number | null
  /** The OPTIONs of its rule, as a rule writes them; '' for none. */
  readonly policy: string
  readonly state: 'serving' | 'standby' | 'down'
  readonly expiresInMs: number | null
  readonly packets: number
  readonly bytes: number
  readonly drops: number
}

export function ruleStatus(entry: ServiceEntry, nowMs: number): RuleStatus {
  const pattern = patternOf(entry)
  const { targets } = entry
  const rules = rulesOf(pattern, targets)
  return { pattern, prefix: entry.prefix.toString(), rules, ...entryCounts(entry, nowMs, targets) }
}

export function entryCounts(entry: ServiceEntry, nowMs: number, targets = entry.targets): EntryCounts {
  const { packets, bytes, drops } = entry.counters
  const { serving } = entry
  const hasDrop = targets.some(({ type }) => type === 'DROP')
  const stateOf = (target: EntryTarget & { type: 'FORWARD' }): TargetStatus['state'] => {
    if (!target.alive) return 'down'
    // Before all else of an entry comes its DROP (resolve.ts).
    return !hasDrop && serving.some(other => isSame(other, target)) ? 'serving' : 'standby'
  }
  return { packets, bytes, drops, targets: targets.map(target => targetStatus(target, stateOf, nowMs)) }
}

/** With what others, who have the same rules in tables of their own, have counted there. */
export function withCounts(status: RuleStatus, others: readonly (EntryCounts | undefined)[]): RuleStatus {
  const present = others.filter(counts => counts !== undefined)
  const targets = status.targets.map(target => {
    const same = present.flatMap(counts => counts.targets.find(other => isSameTarget(other, target)) ?? [])
    return { ...target, ...sumOf([target, ...same]) }
  })
  return { ...status, ...sumOf([status, ...present]), targets }
}

/** Whether a target was set by a person: on the command line, in a file, by `serval rules`. */
export function isByHand({ source, owner }: { source: RuleSource; owner: string }): boolean {
  return (source === 'user' || source === 'config') && owner === ''
}

function isSameTarget(a: TargetStatus, b: TargetStatus): boolean {
  return a.source === b.source && a.owner === b.owner && a.type === b.type && a.to === b.to
}

function sumOf(all: readonly Counters[]): Counters {
  const sum = zeroCounters()
  for (const { packets, bytes, drops } of all) addTo(sum, packets, bytes, drops)
  return sum
}

/** What rules call everything. */
const DEFAULT_PATTERN = 'default'

/** A name is shown only if it leads to the prefix: it may be that of a program's listener, or of an earlier rule. */
function patternOf({ name, prefix }: ServiceEntry): string {
  if (prefix.bits === 0) return DEFAULT_PATTERN
  return leadsTo(name, prefix) ? name : prefix.toString()
}

function leadsTo(name: string, prefix: ServicePrefix): boolean {
  try {
    return parseServicePattern(name).equals(prefix)
  } catch {
    return false
  }
}

function isSame(a: ForwardTarget, b: ForwardTarget): boolean {
  return a.source === b.source && a.owner === b.owner && overlap(a, b)
}

function targetStatus(
  target: EntryTarget,
  stateOf: (target: EntryTarget & { type: 'FORWARD' }) => TargetStatus['state'],
  nowMs: number,
): TargetStatus {
  const { source, owner, type, expiresAt, counters } = target
  const isForward = target.type === 'FORWARD'
  return {
    ...{ source, owner, type, to: placeOf(target) },
    weight: isForward ? target.weight : null,
    priority: isForward ? target.priority : null,
    policy: isForward ? formatSharing(target.sharing).join(' ') : '',
    state: isForward ? stateOf(target) : 'serving',
    expiresInMs: expiresAt === Number.POSITIVE_INFINITY ? null : Math.max(0, Math.round(expiresAt - nowMs)),
    packets: counters.packets,
    bytes: counters.bytes,
    drops: counters.drops,
  }
}

export function placeOf(target: EntryTarget): string {
  switch (target.type) {
    case 'FORWARD': {
      const endpoint = formatEndpoint(target.endpoint)
      return target.protocol === undefined ? endpoint : `${endpoint} ${nameOfProtocol(target.protocol)}`
    }
    case 'DEMUX':
      return `listener ${target.listenerId} ${nameOfProtocol(target.protocol)}`
    case 'DELAY':
      return ''
    case 'DROP':
      return target.reason ?? ''
  }
}
