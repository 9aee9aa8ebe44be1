/** From what an entry of the service table holds back to the rules that put it there, to be shown and exported. */
import type { ForwardRule, Rule, RuleSource } from './rule.ts'
import { formatRule } from './rule-text.ts'
import { formatSharing } from './sharing-text.ts'
import type { ServiceTarget } from './target.ts'

/** A rule and who said so. */
export interface RuleOfOrigin {
  readonly source: RuleSource
  /** '' where the origin named none. */
  readonly owner: string
  /** In its one spelling, which `parseRule` reads back. */
  readonly text: string
}

/** One rule for all FORWARD targets of one origin and policy, one for each other target; in the order of the targets. */
export function rulesOf(pattern: string, targets: readonly ServiceTarget[]): RuleOfOrigin[] {
  const rules = new Map<string, { source: RuleSource; owner: string; rule: Rule }>()
  for (const [index, target] of targets.entries()) {
    const { source, owner } = target
    const policy = target.type === 'FORWARD' ? formatSharing(target.sharing).join(' ') : String(index)
    const key = `${source} ${owner.length} ${owner} ${target.type} ${policy}`
    const known = rules.get(key)?.rule
    rules.set(key, { source, owner, rule: extended(known, target) })
  }
  return [...rules.values()].map(({ source, owner, rule }) => ({
    source,
    owner,
    text: formatRule(pattern, rule),
  }))
}

function extended(rule: Rule | undefined, target: ServiceTarget): Rule {
  if (target.type !== 'FORWARD') return target
  const { endpoint, weight, priority, protocol, sharing } = target
  const others = rule?.type === 'FORWARD' ? rule.targets : []
  const forward: ForwardRule = {
    type: 'FORWARD',
    targets: [...others, { endpoint, weight, priority, protocol }],
  }
  return sharing === undefined ? forward : { ...forward, sharing }
}
