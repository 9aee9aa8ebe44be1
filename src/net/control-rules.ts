/**
 * The controller's rules in a service table: each instance is a FORWARD target at the best endpoint that can be reached.
 *
 * What changes waits by prefix, and is made a slice at a time, so that packets are served between two of them however
 * much there is. All that waits for one prefix is made at once, what comes before what goes: no packet finds a service
 * missing that has an instance before and after.
 */
import type { ControlRule, ServiceLoad } from '../control/messages.ts'
import { eachShare } from '../control/shares.ts'
import type { ServicePrefix } from '../id/service-prefix.ts'
import type { ForwardRule } from '../service/rule.ts'
import { targetProblem } from '../service/rule-check.ts'
import type { ServiceTable } from '../service/service-table.ts'
import { type Endpoint, formatEndpoint } from '../wire/endpoint.ts'

/** Prefixes that change in one go: well under a millisecond. */
const SLICE = 64

export interface ControlRulesOptions {
  readonly table: ServiceTable
  isReachable(endpoint: Endpoint): boolean
  /** What waits under a prefix may be able to go on. */
  onChanged(prefix: ServicePrefix): void
  /** Resolves when the next slice may be made. */
  rest(): Promise<unknown>
}

export class ControlRules {
  readonly #options: ControlRulesOptions
  readonly #rules = new Map<string, ControlRule>()
  readonly #pending = new Map<string, Pending>()
  #isRunning = false
  #done: Promise<void> = Promise.resolve()

  constructor(options: ControlRulesOptions) {
    this.#options = options
  }

  /**
   * Takes some away and puts others in; a rule that is in both changes. Resolves when it is done, and all that was asked for
   * before. The first slice is made before this returns, if nothing else is under way.
   */
  apply(remove: readonly ControlRule[], add: readonly ControlRule[]): Promise<void> {
    for (const rule of remove) {
      this.#rules.delete(keyOf(rule))
      this.#stage(rule, false)
    }
    for (const rule of add) {
      this.#rules.set(keyOf(rule), rule)
      this.#stage(rule, true)
    }
    return this.#run()
  }

  /** The addresses of this host have changed: other endpoints may be the best. */
  refresh(): Promise<void> {
    for (const rule of this.#rules.values()) this.#stage(rule, true)
    return this.#run()
  }

  /** How busy instances are, to whoever shares packets among them. */
  report(loads: readonly ServiceLoad[], nowMs: number): void {
    for (const { prefix, instance = '', flows, load } of loads) {
      const rule = this.#rules.get(keyOf({ prefix, instance }))
      const endpoint = rule && this.#targetOf(rule)
      if (endpoint !== undefined) this.#options.table.reportLoad(prefix, endpoint, { flows, load }, nowMs)
    }
  }

  /** What is said last of an instance counts. */
  #stage(rule: ControlRule, stays: boolean): void {
    const key = rule.prefix.toString()
    const pending = this.#pending.get(key) ?? { prefix: rule.prefix, changes: new Map() }
    pending.changes.set(rule.instance, { rule, stays })
    this.#pending.set(key, pending)
  }

  #run(): Promise<void> {
    if (!this.#isRunning) this.#done = this.#makeAll()
    return this.#done
  }

  async #makeAll(): Promise<void> {
    this.#isRunning = true
    this.#makeSlice()
    while (this.#pending.size > 0) {
      await this.#options.rest()
      this.#makeSlice()
    }
    this.#isRunning = false
  }

  #makeSlice(): void {
    let made = 0
    for (const [key, { prefix, changes }] of this.#pending) {
      if (made++ === SLICE) return
      this.#pending.delete(key)
      for (const { rule, stays } of changes.values()) if (stays) this.#install(rule)
      for (const { rule, stays } of changes.values()) {
        if (!stays) this.#options.table.remove(prefix, selectorOf(rule))
      }
      this.#options.onChanged(prefix)
    }
  }

  #targetOf({ endpoints }: ControlRule): Endpoint | undefined {
    return bestOf(
      endpoints.filter(endpoint => targetProblem(endpoint) === undefined),
      this.#options.isReachable,
    )
  }

  #install(rule: ControlRule): void {
    const { prefix, name, sharing } = rule
    const endpoint = this.#targetOf(rule)
    if (endpoint === undefined) return this.#refuse(rule)
    const targets = eachShare(rule).map(share => ({ endpoint, ...share }))
    const forward: ForwardRule = { type: 'FORWARD', targets }
    const shared = sharing === undefined ? forward : { ...forward, sharing }
    this.#options.table.replace(prefix, [shared], { ...selectorOf(rule), name })
  }

  /** An instance says of itself where it is, and may be wrong: this process goes on without it. */
  #refuse(rule: ControlRule): void {
    const { prefix, name, endpoints } = rule
    this.#options.table.remove(prefix, selectorOf(rule))
    const quoted = `${name || prefix} FORWARD ${endpoints.map(formatEndpoint).join(', ')}`
    const problem = endpoints[0] && targetProblem(endpoints[0])
    process.emitWarning(
      `rule "${quoted}" of the controller is left out: ${problem ?? 'it has no target'}; see SERVAL_BIND of that instance`,
      { code: 'SERVAL_RULE' },
    )
  }
}

interface Pending {
  readonly prefix: ServicePrefix
  /** By instance. */
  readonly changes: Map<string, { readonly rule: ControlRule; readonly stays: boolean }>
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

function keyOf({ prefix, instance }: Pick<ControlRule, 'prefix' | 'instance'>): string {
  return `${prefix} ${instance}`
}
