/** The controller's rules in a service table: each instance is a FORWARD target at the best endpoint that can be reached. */
import type { ControlRule } from '../control/messages.ts'
import type { ServicePrefix } from '../id/service-prefix.ts'
import { targetProblem } from '../service/rule-check.ts'
import type { ServiceTable } from '../service/service-table.ts'
import { type Endpoint, formatEndpoint } from '../wire/endpoint.ts'

export class ControlRules {
  readonly #table: ServiceTable
  readonly #isReachable: (endpoint: Endpoint) => boolean
  readonly #rules = new Map<string, ControlRule>()

  constructor(table: ServiceTable, isReachable: (endpoint: Endpoint) => boolean) {
    this.#table = table
    this.#isReachable = isReachable
  }

  /** Takes some away, then puts others in; returns the prefixes that have changed. */
  apply(remove: readonly ControlRule[], add: readonly ControlRule[]): ServicePrefix[] {
    const changed = new Map<string, ServicePrefix>()
    for (const rule of remove) {
      this.#rules.delete(keyOf(rule))
      changed.set(rule.prefix.toString(), rule.prefix)
      // What replaces a rule takes its place at once, so that no packet finds it missing.
      if (!add.some(other => keyOf(other) === keyOf(rule))) this.#table.remove(rule.prefix, selectorOf(rule))
    }
    for (const rule of add) {
      this.#rules.set(keyOf(rule), rule)
      changed.set(rule.prefix.toString(), rule.prefix)
      this.#install(rule)
    }
    return [...changed.values()]
  }

  /** The addresses of this host have changed: other endpoints may be the best. */
  refresh(): void {
    for (const rule of this.#rules.values()) this.#install(rule)
  }

  #install(rule: ControlRule): void {
    const { prefix, name, weight, priority, endpoints } = rule
    const endpoint = bestOf(
      endpoints.filter(endpoint => targetProblem(endpoint) === undefined),
      this.#isReachable,
    )
    if (endpoint === undefined) return this.#refuse(rule)
    const target = { endpoint, weight, priority }
    this.#table.replace(prefix, [{ type: 'FORWARD', targets: [target] }], { ...selectorOf(rule), name })
  }

  /** An instance says of itself where it is, and may be wrong: this process goes on without it. */
  #refuse(rule: ControlRule): void {
    const { prefix, name, endpoints } = rule
    this.#table.remove(prefix, selectorOf(rule))
    const quoted = `${name || prefix} FORWARD ${endpoints.map(formatEndpoint).join(', ')}`
    const problem = endpoints[0] && targetProblem(endpoints[0])
    process.emitWarning(
      `rule "${quoted}" of the controller is left out: ${problem ?? 'it has no target'}; see SERVAL_BIND of that instance`,
      { code: 'SERVAL_RULE' },
    )
  }
}

/** The first that can be reached, or the first. */
export function bestOf(
  endpoints: readonly Endpoint[],
  isReachable: (endpoint: Endpoint) => boolean,
): Endpoint | undefined {
  return endpoints.find(isReachable) ?? endpoints[0]
}

function selectorOf({ instance }: ControlRule) {
  return { source: 'controller', owner: instance } as const
}

function keyOf({ prefix, instance }: ControlRule): string {
  return `${prefix} ${instance}`
}
