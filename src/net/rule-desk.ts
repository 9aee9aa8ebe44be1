/**
 * Where the operator of a running process sees and changes its service table, at the process's status socket. A change is
 * looked at as a whole before any of it is made: then all of it is, or nothing.
 *
 * Each rule in the table has an origin, and rules of different origins stand side by side: what is said here is the
 * person's (`user`), and takes the place of what the command line or a file said about the same pattern (`config`). What the
 * controller, the runtime directory and the process's own listeners say is never touched.
 *
 * Large tables are read and changed in slices, between which packets are served.
 */
import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises'
import { ServalError } from '../errors.ts'
import { parseServicePattern } from '../id/name.ts'
import { ServicePrefix } from '../id/service-prefix.ts'
import type { Rule, RuleOrigin } from '../service/rule.ts'
import { checkByHand } from '../service/rule-check.ts'
import { parseRule, parseTargetName, type RuleLine, type TargetName } from '../service/rule-text.ts'
import { SaidTargets } from '../service/said-targets.ts'
import type { EntryTarget, TargetSelector } from '../service/service-entry.ts'
import type { ServiceTable } from '../service/service-table.ts'
import { overlap } from '../service/target.ts'
import type { Endpoint } from '../wire/endpoint.ts'
import { nowMs } from './clock.ts'
import {
  CHANGE_VERBS,
  type ChangeVerb,
  type Complaint,
  type EntryCounts,
  isByHand,
  placeOf,
  type RuleAnswer,
  type RuleProgress,
  type RuleRequest,
  type RuleStatus,
  ruleStatus,
  type StagedRule,
  withCounts,
} from './rule-status.ts'

export interface RuleDeskOptions {
  readonly table: ServiceTable
  /** Of targets that name none; default: they must. */
  readonly defaultPort?: number | undefined
  /** Where the process itself can be reached: no rule may lead there. */
  own(): readonly Endpoint[]
  /** Puts rules in the place of the selected targets, as `ServiceTable.replace`. */
  replace(prefix: ServicePrefix, rules: readonly Rule[], origin: RuleOrigin, selector: TargetSelector): void
  /** Takes the selected targets away, as `ServiceTable.remove`. */
  remove(prefix: ServicePrefix, selector: TargetSelector): number
  /** What others who serve by the same rules have counted for each of these prefixes. Default: there are none. */
  counts?(prefixes: readonly ServicePrefix[]): Promise<readonly (readonly (EntryCounts | undefined)[])[]>
  /** What waits under a prefix may be able to go on. */
  onChanged(prefix: ServicePrefix): void
  /** Resolves when others who serve by the same rules have all changes so far. Default: there are none. */
  caughtUp?(): Promise<void>
}

/** Says a value, and resolves when there is room for another. */
export type Say = (answer: RuleAnswer) => Promise<void>

/** Entries that are shown, or changed, before packets are served again: some 2 ms. */
const SLICE = 256
const MAX_COMPLAINTS = 20
const PROGRESS_MS = 500
const USER: RuleOrigin = { source: 'user', owner: '' }
const BY_HAND: TargetSelector = { source: ['user', 'config'], owner: '' }
const NO_TARGET =
  'is no target: ADDRESS:PORT [stream|datagram] is, as in 10.0.0.1:5000 or [fd00::1]:5000 stream'
const TAKES_BOTH = 'takes streams and datagrams: take it away as a whole, or change it with mod'

export class RuleDesk {
  readonly #options: RuleDeskOptions
  /** One change after the other. */
  #last: Promise<unknown> = Promise.resolve()

  constructor(options: RuleDeskOptions) {
    this.#options = options
  }

  /**
   * A conversation with one operator; the function it returns takes requests, one after another, and rejects what is none. Nothing
   * is changed for one who `isGone` before all was looked at; what has begun is done to its end.
   */
  converse(say: Say, isGone: () => boolean = () => false): (value: unknown) => Promise<void> {
    let staged: Staged[] = []
    let complaints: Complaint[] = []
    let toldAt = nowMs()
    return async value => {
      const request = parseRuleRequest(value)
      if (request === undefined) throw new TypeError('no request about rules')
      switch (request.ask) {
        case 'rules':
          // A change that is being made is seen as a whole.
          await telling(
            this.#last.catch(() => undefined),
            { step: 'waiting', rules: 0 },
            say,
          )
          return this.#list(request.under, request.uncounted !== true, say)
        case 'stage':
          for (const rule of request.rules) {
            const read = this.#read(rule)
            if ('message' in read) complaints.push(read)
            else staged.push(read)
          }
          if (nowMs() - toldAt < PROGRESS_MS) return nextTurn()
          toldAt = nowMs()
          return say({ progress: { step: 'reading', rules: staged.length } })
        case 'change': {
          const [rules, refused] = [staged, complaints]
          staged = []
          complaints = []
          return this.#inTurn(
            progress => this.#change(request.verb, rules, refused, { progress, isGone }),
            say,
          )
        }
        case 'delete':
          return this.#inTurn(() => this.#delete(request.pattern, request.target), say)
      }
    }
  }

  async #list(under: string, isCounted: boolean, say: Say): Promise<void> {
    const counted = (entries: readonly RuleStatus[], prefixes: readonly ServicePrefix[]) =>
      isCounted ? this.#counted(entries, prefixes) : entries
    let entries: RuleStatus[] = []
    let prefixes: ServicePrefix[] = []
    for (const entry of this.#options.table.scan(ServicePrefix.parse(under))) {
      entries.push(ruleStatus(entry, nowMs()))
      prefixes.push(entry.prefix)
      if (entries.length < SLICE) continue
      await say({ entries: await counted(entries, prefixes) })
      await nextTurn()
      entries = []
      prefixes = []
    }
    await say({ entries: await counted(entries, prefixes) })
    await say({ done: true })
  }

  async #counted(entries: readonly RuleStatus[], prefixes: readonly ServicePrefix[]): Promise<RuleStatus[]> {
    const others = (await this.#options.counts?.(prefixes)) ?? []
    return entries.map((entry, i) =>
      withCounts(
        entry,
        others.map(counts => counts[i]),
      ),
    )
  }

  /** Says what a change came to, and how far it is meanwhile. */
  async #inTurn(change: (progress: Progress) => Promise<RuleAnswer>, say: Say): Promise<void> {
    const progress: Progress = { step: 'waiting', rules: 0 }
    const begin = () => change(progress)
    const done = this.#last.then(begin, begin)
    this.#last = done
    return say(await telling(done, progress, say))
  }

  #read([line, text]: StagedRule): Staged | Complaint {
    try {
      const rule = parseRule(text, this.#options.defaultPort)
      checkByHand(rule.rule, this.#options.own(), () => text.trim())
      return { line, text: text.trim(), ...rule }
    } catch (error) {
      if (error instanceof ServalError) return { line, message: error.message }
      throw error
    }
  }

  async #change(
    verb: ChangeVerb,
    staged: readonly Staged[],
    unread: readonly Complaint[],
    { progress, isGone }: { readonly progress: Progress; isGone(): boolean },
  ): Promise<RuleAnswer> {
    const refused = await this.#complaints(verb, staged, unread, progress)
    if (refused.length > 0 || isGone()) return { refused: refused.slice(0, MAX_COMPLAINTS) }
    const groups = groupsOf(staged)
    let removed = 0
    let steps = 0
    enter(progress, 'setting')
    for (const group of groups.values()) {
      removed += this.#put(verb, group)
      progress.rules += group.rules.length
      if (++steps % SLICE === 0) await nextTurn()
    }
    if (verb === 'replace') removed += await this.#removeOthers(groups)
    enter(progress, 'applying')
    await this.#options.caughtUp?.()
    return { changed: { set: staged.length, removed } }
  }

  async #complaints(
    verb: ChangeVerb,
    staged: readonly Staged[],
    unread: readonly Complaint[],
    progress: Progress,
  ): Promise<Complaint[]> {
    enter(progress, 'checking')
    const complaints = [...unread]
    const said = new SaidTargets<number>()
    for (const [index, rule] of staged.entries()) {
      const earlier = said.add(rule, rule.line)
      const complaint = earlier === undefined ? this.#misplaced(verb, rule) : repeats(rule, earlier)
      if (complaint !== undefined) complaints.push(complaint)
      progress.rules = index + 1
      if (index % SLICE === SLICE - 1) await nextTurn()
    }
    return complaints.sort((a, b) => (a.line ?? 0) - (b.line ?? 0))
  }

  /** What of a rule does not go with the verb: `add` of what is there, `mod` of what is not. */
  #misplaced(verb: ChangeVerb, { line, text, pattern, prefix, rule }: Staged): Complaint | undefined {
    const present = this.#byHand(prefix)
    if (verb === 'add') {
      const twin = present.find(target => samePlace(target, rule))
      if (twin === undefined) return undefined
      return { line, message: `rule "${text}": ${describe(twin)} is set there already; change it with mod` }
    }
    if (verb !== 'mod' || present.length > 0) return undefined
    return { line, message: `rule "${text}": ${this.#nothingByHand(pattern, prefix)}; set it with add` }
  }

  /** The rules of one pattern, at once: nobody sees a state between. Returns how many targets are gone. */
  #put(verb: ChangeVerb, { pattern, prefix, rules }: Group): number {
    const { replace, onChanged } = this.#options
    const isNew = (target: EntryTarget) => rules.some(rule => samePlace(target, rule))
    const others = this.#byHand(prefix).filter(target => !isNew(target))
    const isWhole = verb === 'mod' || verb === 'replace'
    replace(prefix, [...(isWhole ? [] : others.map(ruleOf)), ...rules], { ...USER, name: pattern }, BY_HAND)
    onChanged(prefix)
    return isWhole ? others.length : 0
  }

  /** Takes away what was set by hand under other patterns than these. */
  async #removeOthers(groups: ReadonlyMap<string, Group>): Promise<number> {
    let steps = 0
    let removed = 0
    for (const { prefix, targets } of this.#options.table.scan()) {
      if (++steps % SLICE === 0) await nextTurn()
      if (groups.has(prefix.toString()) || !targets.some(isByHand)) continue
      removed += this.#remove(prefix)
    }
    return removed
  }

  async #delete(patternText: string, targetText: string | null): Promise<RuleAnswer> {
    const refuse = (message: string): RuleAnswer => ({ refused: [{ line: null, message }] })
    const { defaultPort } = this.#options
    const target = targetText === null ? undefined : parseTargetName(targetText, defaultPort)
    if (targetText !== null && target === undefined) return refuse(`"${targetText}" ${NO_TARGET}`)
    const pattern = patternText.toLowerCase() === 'default' ? '*' : patternText
    let prefix: ServicePrefix
    try {
      prefix = parseServicePattern(pattern)
    } catch (error) {
      return refuse((error as Error).message)
    }
    const removed = this.#remove(prefix, target)
    if (removed > 0) {
      await this.#options.caughtUp?.()
      return { changed: { set: 0, removed } }
    }
    const wider = target && this.#byHand(prefix).find(other => overlapsTarget(other, target))
    if (wider !== undefined) return refuse(`${describe(wider)} of ${patternText} ${TAKES_BOTH}`)
    const what = targetText === null ? patternText : `${targetText} of ${patternText}`
    return refuse(this.#nothingByHand(what, prefix))
  }

  /** All of a pattern, or what leads to a target: for both protocols unless that says one. */
  #remove(prefix: ServicePrefix, target?: TargetName): number {
    const { remove, onChanged } = this.#options
    const removed = remove(prefix, { ...BY_HAND, ...target })
    if (removed > 0) onChanged(prefix)
    return removed
  }

  #byHand(prefix: ServicePrefix): readonly EntryTarget[] {
    return this.#options.table.find(prefix)?.targets.filter(isByHand) ?? []
  }

  /** Who has said something there instead: only they can take it back. */
  #nothingByHand(pattern: string, prefix: ServicePrefix): string {
    const others = this.#options.table.find(prefix)?.targets.filter(target => !isByHand(target)) ?? []
    const sources = [...new Set(others.map(({ source }) => source))]
    const nothing = `nothing has been set by hand for ${pattern}`
    return sources.length === 0 ? nothing : `${nothing} (what is there is of origin ${sources.join(', ')})`
  }
}

type Progress = { -readonly [K in keyof RuleProgress]: RuleProgress[K] }

/** Says again and again how far it is, until it is done. */
async function telling<T>(done: Promise<T>, progress: RuleProgress, say: Say): Promise<T> {
  let isDone = false
  const settled = done.finally(() => {
    isDone = true
  })
  for (;;) {
    await Promise.race([settled, delay(PROGRESS_MS, undefined, { ref: false })])
    if (isDone) return settled
    await say({ progress: { ...progress } })
  }
}

function enter(progress: Progress, step: RuleProgress['step']): void {
  progress.step = step
  progress.rules = 0
}

interface Staged extends RuleLine {
  readonly line: number
  readonly text: string
}

interface Group {
  readonly pattern: string
  readonly prefix: ServicePrefix
  readonly rules: Rule[]
}

/** What a line of the status socket asks, if it is for this desk. */
function parseRuleRequest(value: unknown): RuleRequest | undefined {
  if (typeof value !== 'object' || value === null || !('ask' in value)) return undefined
  const request = value as Record<string, unknown>
  const isFit =
    (request.ask === 'rules' && typeof request.under === 'string' && isPrefix(request.under)) ||
    (request.ask === 'stage' && Array.isArray(request.rules) && request.rules.every(isStaged)) ||
    (request.ask === 'change' && CHANGE_VERBS.some(verb => verb === request.verb)) ||
    (request.ask === 'delete' &&
      typeof request.pattern === 'string' &&
      (request.target === null || typeof request.target === 'string'))
  return isFit ? (value as RuleRequest) : undefined
}

function isStaged(value: unknown): value is StagedRule {
  return Array.isArray(value) && typeof value[0] === 'number' && typeof value[1] === 'string'
}

function isPrefix(text: string): boolean {
  try {
    return ServicePrefix.parse(text) !== undefined
  } catch {
    return false
  }
}

function groupsOf(staged: readonly Staged[]): Map<string, Group> {
  const groups = new Map<string, Group>()
  for (const { pattern, prefix, rule } of staged) {
    const key = prefix.toString()
    const group = groups.get(key)
    if (group === undefined) groups.set(key, { pattern, prefix, rules: [rule] })
    else group.rules.push(rule)
  }
  return groups
}

function repeats({ line, text }: Staged, earlier: number): Complaint {
  return { line, message: `rule "${text}" repeats a target of line ${earlier}` }
}

/** Whether a rule says something of what a target leads to. */
function samePlace(target: EntryTarget, rule: Rule): boolean {
  if (target.type !== 'FORWARD' || rule.type !== 'FORWARD') return target.type === rule.type
  return rule.targets.some(other => overlap(other, target))
}

function overlapsTarget(target: EntryTarget, name: TargetName): boolean {
  return target.type === 'FORWARD' && overlap(target, name)
}

/** A target as the rule that it is by itself. */
function ruleOf(target: EntryTarget): Rule {
  if (target.type !== 'FORWARD') return target
  const { endpoint, weight, priority, protocol, sharing } = target
  const targets = [{ endpoint, weight, priority, protocol }]
  return sharing === undefined ? { type: 'FORWARD', targets } : { type: 'FORWARD', targets, sharing }
}

function describe(target: EntryTarget): string {
  return target.type === 'FORWARD' ? placeOf(target) : target.type
}
