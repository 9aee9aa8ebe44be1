/**
 * The rules that a controller has told an agent, so that each thing it says turns into what changes by it. A
 * router takes whatever comes; a host only what it asked for, and that for a limited time. The controller
 * keeps the same account of each host, to tell it of changes.
 */
import type { SharingPolicy } from '../service/balance/sharing.ts'
import { formatSharing } from '../service/sharing-text.ts'
import { sameEndpoint } from '../wire/endpoint.ts'
import type { ControlRule, ControlRuleKey, InstanceId, NamedPrefix, RuleUpdate } from './messages.ts'
import { sameShares } from './shares.ts'

/** Both empty: nothing changed. A rule that changed is in both; take `remove` away before you put `add` in. */
export interface RuleChange {
  readonly remove: readonly ControlRule[]
  readonly add: readonly ControlRule[]
}

export class KnownRules {
  readonly #takesUnasked: boolean
  readonly #groups = new Map<string, Group>()
  /** No group expires before; one of then may be gone already. */
  #nextExpiryAt = Number.POSITIVE_INFINITY
  /** The state that a full update brings, as far as it has come. */
  #incoming: Map<string, Group> | undefined

  /** `takesUnasked`: as a router does. */
  constructor(takesUnasked: boolean) {
    this.#takesUnasked = takesUnasked
  }

  get size(): number {
    return this.#groups.size
  }

  /** The services of which something is known, in the order they were first told. */
  services(): NamedPrefix[] {
    return [...this.#groups.values()].map(group => group.service)
  }

  handleUpdate(update: RuleUpdate): RuleChange {
    if (update.full) this.#incoming = new Map()
    if (this.#incoming === undefined) return this.#applyIncrement(update)
    for (const rule of update.add) putRule(this.#incoming, rule)
    return update.more ? NO_CHANGE : this.#replaceAll()
  }

  /** Whether anything is known of exactly this service. */
  has(service: NamedPrefix): boolean {
    return this.#groups.has(keyOf(service))
  }

  /** The rule that a key names. */
  find(key: ControlRuleKey): ControlRule | undefined {
    return this.#groups.get(keyOf(key))?.rules.get(key.instance)
  }

  /**
   * An answer: from now on these, and only these, are the rules of `service`. Without an instant of expiry
   * the one that it had stays.
   */
  handleAnswer(
    service: NamedPrefix,
    rules: readonly ControlRule[],
    expiresAt = this.#groups.get(keyOf(service))?.expiresAt ?? Number.POSITIVE_INFINITY,
  ): RuleChange {
    const { name, prefix } = service
    const byInstance = new Map(rules.map(rule => [rule.instance, { ...rule, name, prefix }]))
    const group = { service: { name, prefix }, rules: byInstance, expiresAt }
    this.#nextExpiryAt = Math.min(this.#nextExpiryAt, expiresAt)
    return this.#replace(keyOf(service), group)
  }

  /** Keeps what is known of every service until `at` at least. */
  postponeExpiry(at: number): void {
    for (const group of this.#groups.values()) group.expiresAt = Math.max(group.expiresAt, at)
    this.#nextExpiryAt = Math.max(this.#nextExpiryAt, at)
  }

  /** Lets what is known of a service expire at this instant. */
  keepUntil(service: NamedPrefix, at: number): void {
    const group = this.#groups.get(keyOf(service))
    if (group === undefined) return
    group.expiresAt = at
    this.#nextExpiryAt = Math.min(this.#nextExpiryAt, at)
  }

  nextExpiryAt(): number {
    return this.#nextExpiryAt
  }

  /** Takes away what has expired. */
  expire(nowMs: number): RuleChange {
    if (nowMs < this.#nextExpiryAt) return NO_CHANGE
    const remove: ControlRule[] = []
    this.#nextExpiryAt = Number.POSITIVE_INFINITY
    for (const [key, group] of this.#groups) {
      if (group.expiresAt > nowMs) {
        this.#nextExpiryAt = Math.min(this.#nextExpiryAt, group.expiresAt)
        continue
      }
      remove.push(...group.rules.values())
      this.#groups.delete(key)
    }
    return { remove, add: [] }
  }

  /** A connection ended: what it had begun to tell is void. */
  forgetIncoming(): void {
    this.#incoming = undefined
  }

  #applyIncrement(update: RuleUpdate): RuleChange {
    const add = update.add.filter(rule => this.#takesUnasked || this.#groups.has(keyOf(rule)))
    const touched = new Map([...update.remove, ...add].map(key => [ruleKeyOf(key), key]))
    const before = [...touched.values()].map(key => this.find(key))
    for (const key of update.remove) this.#groups.get(keyOf(key))?.rules.delete(key.instance)
    for (const rule of add) putRule(this.#groups, rule)
    const after = [...touched.values()].map(key => this.find(key))
    for (const key of update.remove) this.#dropIfEmpty(keyOf(key))
    return {
      remove: before.filter((rule, i): rule is ControlRule => rule !== undefined && !isSame(rule, after[i])),
      add: after.filter((rule, i): rule is ControlRule => rule !== undefined && !isSame(rule, before[i])),
    }
  }

  #replaceAll(): RuleChange {
    const incoming = this.#incoming!
    this.#incoming = undefined
    const remove: ControlRule[] = []
    const add: ControlRule[] = []
    for (const key of new Set([...this.#groups.keys(), ...incoming.keys()])) {
      const change = this.#replace(key, incoming.get(key))
      remove.push(...change.remove)
      add.push(...change.add)
    }
    return { remove, add }
  }

  #replace(key: string, group: Group | undefined): RuleChange {
    const old = this.#groups.get(key)?.rules ?? new Map<InstanceId, ControlRule>()
    const rules = group?.rules ?? new Map<InstanceId, ControlRule>()
    if (group === undefined || rules.size === 0) this.#groups.delete(key)
    else this.#groups.set(key, group)
    return { remove: missingFrom(rules, old), add: missingFrom(old, rules) }
  }

  #dropIfEmpty(key: string): void {
    if (this.#groups.get(key)?.rules.size === 0) this.#groups.delete(key)
  }
}

interface Group {
  readonly service: NamedPrefix
  readonly rules: Map<InstanceId, ControlRule>
  /** Infinity for what a router is told. */
  expiresAt: number
}

const NO_CHANGE: RuleChange = { remove: [], add: [] }

function keyOf({ prefix }: NamedPrefix): string {
  return prefix.toString()
}

function ruleKeyOf(key: ControlRuleKey): string {
  return `${key.prefix} ${key.instance}`
}

function putRule(groups: Map<string, Group>, rule: ControlRule): void {
  const key = keyOf(rule)
  const group = groups.get(key)
  if (group !== undefined) {
    group.rules.set(rule.instance, rule)
    return
  }
  const { name, prefix } = rule
  const rules = new Map([[rule.instance, rule]])
  groups.set(key, { service: { name, prefix }, rules, expiresAt: Number.POSITIVE_INFINITY })
}

/** Those of `rules` that are not, or not the same, in `others`. */
function missingFrom(
  others: ReadonlyMap<InstanceId, ControlRule>,
  rules: ReadonlyMap<InstanceId, ControlRule>,
): ControlRule[] {
  return [...rules.values()].filter(rule => !isSame(rule, others.get(rule.instance)))
}

function isSame(a: ControlRule, b: ControlRule | undefined): boolean {
  return (
    b !== undefined &&
    sameShares(a, b) &&
    a.name === b.name &&
    sameSharing(a.sharing, b.sharing) &&
    a.endpoints.length === b.endpoints.length &&
    a.endpoints.every((endpoint, i) => sameEndpoint(endpoint, b.endpoints[i]!))
  )
}

/** To have said nothing is another thing than to have said that nothing is special. */
function sameSharing(a: SharingPolicy | undefined, b: SharingPolicy | undefined): boolean {
  if (a === undefined || b === undefined) return a === b
  return a === b || formatSharing(a).join() === formatSharing(b).join()
}
