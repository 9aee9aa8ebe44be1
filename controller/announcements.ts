/** What there is to say about the registry, as values: the whole to a new router, answers, changes. */
import type { KnownRules, RuleChange } from '../src/control/known-rules.ts'
import type {
  ControlRule,
  ControlRuleKey,
  LoadReport,
  NamedPrefix,
  RuleUpdate,
} from '../src/control/messages.ts'
import { SERVICE_ID_BITS } from '../src/id/service-id.ts'
import type { InstanceLoad } from './loads.ts'
import { ruleFor } from './policy.ts'
import type { Member, Registry, Service } from './registry.ts'

/** Every rule for a router. */
export function allRules(registry: Registry, receiver: Member): ControlRule[] {
  return [...registry.services.values()].flatMap(service => rulesOf(registry, service, receiver))
}

/**
 * The rules for exactly what a host asks; empty if nobody serves it whom the host can reach. Of very many
 * instances each host is told others, so that together they use all.
 */
export function answer(registry: Registry, asked: NamedPrefix, receiver: Member): ControlRule[] {
  const service = registry.resolve(asked)
  const rules = service === undefined ? [] : rulesOf(registry, service, receiver)
  const start = rules.length > RULES_PER_MESSAGE ? Number.parseInt(receiver.instance.slice(0, 8), 16) : 0
  const some = Array.from({ length: Math.min(rules.length, RULES_PER_MESSAGE) }, (_, i) => {
    return rules[(start + i) % rules.length]!
  })
  return some.map(rule => ({ ...rule, name: asked.name, prefix: asked.prefix }))
}

/** What a router is to take away and put in. */
export function changeForRouter(
  registry: Registry,
  changed: readonly ControlRuleKey[],
  receiver: Member,
): { add: ControlRule[]; remove: ControlRuleKey[] } {
  const add: ControlRule[] = []
  const remove: ControlRuleKey[] = []
  for (const key of changed) {
    const registration = registry.find(key)
    const owner = registry.members.get(key.instance)
    const sharing = registration && registry.policies.sharingOf(key.prefix)
    const rule = registration && owner && ruleFor(registration, owner, receiver, sharing)
    if (rule === undefined) remove.push(key)
    else add.push(rule)
  }
  return { add, remove }
}

/** What becomes different for a host that was told what `known` holds, by changes under these keys. */
export function changeForHost(
  registry: Registry,
  changed: readonly ControlRuleKey[],
  known: KnownRules,
  receiver: Member,
): RuleChange {
  const add: ControlRule[] = []
  const remove: ControlRule[] = []
  for (const service of affected(known, changed)) {
    const change = known.handleAnswer(service, answer(registry, service, receiver))
    for (const rule of change.add) add.push(rule)
    for (const key of change.remove) remove.push(key)
  }
  return { add, remove }
}

/**
 * What of these loads a host is to hear that was told what `known` holds: by the names that it asked for, of the registration
 * that each of them leads to.
 */
export function loadsForHost(
  registry: Registry,
  loads: readonly InstanceLoad[],
  known: KnownRules,
): InstanceLoad[] {
  return loads.flatMap(load => {
    const { instance } = load
    const services = affected(known, [load]).filter(
      service =>
        known.find({ ...service, instance }) && registry.resolve(service)?.prefix.equals(load.prefix),
    )
    return services.map(({ name, prefix }) => ({ ...load, name, prefix }))
  })
}

/** As many messages as it takes. */
export function loadReports(loads: readonly InstanceLoad[]): LoadReport[] {
  const reports: LoadReport[] = []
  for (let from = 0; from < loads.length; from += RULES_PER_MESSAGE) {
    reports.push({ type: 'load', loads: loads.slice(from, from + RULES_PER_MESSAGE) })
  }
  return reports
}

/** As many updates as it takes; always one if `full`, none if there is nothing to say. */
export function ruleUpdates(
  full: boolean,
  add: readonly ControlRule[],
  remove: readonly ControlRuleKey[],
): RuleUpdate[] {
  const updates: RuleUpdate[] = []
  const count = Math.max(add.length, remove.length, full ? 1 : 0)
  for (let from = 0; from < count; from += RULES_PER_MESSAGE) {
    const to = from + RULES_PER_MESSAGE
    updates.push({
      type: 'ruleUpdate',
      full: full && from === 0,
      more: to < count,
      add: add.slice(from, to),
      remove: remove.slice(from, to),
    })
  }
  return updates
}

/** Of the longest names and most addresses, so many still fit into a frame. */
const RULES_PER_MESSAGE = 256

function rulesOf(registry: Registry, service: Service, receiver: Member): ControlRule[] {
  const sharing = registry.policies.sharingOf(service.prefix)
  return [...service.registrations.values()].flatMap(registration => {
    const owner = registry.members.get(registration.instance)
    const rule = owner && ruleFor(registration, owner, receiver, sharing)
    return rule === undefined ? [] : [rule]
  })
}

/** The services known that a change may touch: those that its prefix contains. */
function affected(known: KnownRules, changed: readonly ControlRuleKey[]): NamedPrefix[] {
  const isWide = changed.some(({ prefix }) => prefix.bits < SERVICE_ID_BITS)
  if (!isWide) return changed.filter(key => known.has(key))
  return known.services().filter(service => changed.some(({ prefix }) => prefix.covers(service.prefix)))
}
