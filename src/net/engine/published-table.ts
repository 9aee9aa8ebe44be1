/**
 * The table of the router's main thread: every change of it is published, so that the workers make it as well. Each has a
 * table of its own: it looks there without locks, counts there, and balances there, and a change is made between two
 * batches of packets, when nobody looks. (One table in shared memory would have to be built of nothing but arrays, the
 * balancers and their observations too, and be locked against readers while it grows.)
 */
import { ServicePrefix } from '../../id/service-prefix.ts'
import type { Load } from '../../service/balance/observed.ts'
import type { Rule, RuleOrigin } from '../../service/rule.ts'
import type { TargetSelector } from '../../service/service-entry.ts'
import { ServiceTable } from '../../service/service-table.ts'
import type { Endpoint } from '../../wire/endpoint.ts'
import { packPrefix, type TableChange } from './worker-messages.ts'

export class PublishedTable extends ServiceTable {
  readonly #publish: (change: TableChange) => void

  constructor(publish: (change: TableChange) => void) {
    super()
    this.#publish = publish
  }

  override insert(prefix: ServicePrefix, rule: Rule, origin: RuleOrigin): void {
    super.insert(prefix, rule, origin)
    this.#publish({ verb: 'insert', prefix: packPrefix(prefix), rule, origin: nameless(origin) })
  }

  override replace(
    prefix: ServicePrefix,
    rules: readonly Rule[],
    origin: RuleOrigin,
    selector?: TargetSelector,
  ): void {
    super.replace(prefix, rules, origin, selector)
    this.#publish({
      verb: 'replace',
      prefix: packPrefix(prefix),
      rules,
      origin: nameless(origin),
      selector,
    })
  }

  override remove(prefix: ServicePrefix, selector?: TargetSelector): number {
    const removed = super.remove(prefix, selector)
    if (removed > 0) this.#publish({ verb: 'remove', prefix: packPrefix(prefix), selector })
    return removed
  }

  override removeEverywhere(selector: TargetSelector, under = ServicePrefix.all): number {
    const removed = super.removeEverywhere(selector, under)
    if (removed > 0) this.#publish({ verb: 'removeEverywhere', selector, under: packPrefix(under) })
    return removed
  }

  override setAlive(prefix: ServicePrefix, endpoint: Endpoint, alive: boolean): number {
    const changed = super.setAlive(prefix, endpoint, alive)
    if (changed > 0) this.#publish({ verb: 'setAlive', prefix: packPrefix(prefix), endpoint, alive })
    return changed
  }

  override reportLoad(prefix: ServicePrefix, endpoint: Endpoint, load: Load, nowMs: number): boolean {
    const isKnown = super.reportLoad(prefix, endpoint, load, nowMs)
    if (isKnown) this.#publish({ verb: 'reportLoad', prefix: packPrefix(prefix), endpoint, load, nowMs })
    return isKnown
  }
}

/** Names are for people, and those ask the main thread. */
function nameless({ source, owner, expiresAt }: RuleOrigin): RuleOrigin {
  return { source, owner, expiresAt }
}
