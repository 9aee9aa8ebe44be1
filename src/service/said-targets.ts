/** Rules that are said together, in a file or on a command line: what leads to one target is said in one of them. */
import type { RuleLine } from './rule-text.ts'
import { placesOf } from './target.ts'

/** `Where` tells people where a rule stands. */
export class SaidTargets<Where> {
  readonly #said = new Map<string, Where>()

  /** Where an earlier rule for the same pattern says something of the same target; undefined: none does. */
  add({ prefix, rule }: Pick<RuleLine, 'prefix' | 'rule'>, where: Where): Where | undefined {
    const places = rule.type === 'FORWARD' ? rule.targets.flatMap(placesOf) : [rule.type]
    const keys = places.map(place => `${prefix} ${place}`)
    const earlier = keys.map(key => this.#said.get(key)).find(found => found !== undefined)
    for (const key of keys) this.#said.set(key, where)
    return earlier
  }
}
