/** What instances have said of how busy they are, gathered for a second: then it is spread, the latest word of each. */
import type { ControlRuleKey, ServiceLoad } from '../src/control/messages.ts'

/** Reports are as old as this when they are spread, at most. */
export const GATHER_MS = 1000

/** A load with its instance. */
export type InstanceLoad = ServiceLoad & ControlRuleKey

export class Loads {
  readonly #gathered = new Map<string, InstanceLoad>()
  #dueAt = Number.POSITIVE_INFINITY

  /** When `take` has something; Infinity: nothing has come. */
  get dueAt(): number {
    return this.#dueAt
  }

  add(load: InstanceLoad, nowMs: number): void {
    if (this.#gathered.size === 0) this.#dueAt = nowMs + GATHER_MS
    this.#gathered.set(`${load.prefix} ${load.instance}`, load)
  }

  take(): InstanceLoad[] {
    const loads = [...this.#gathered.values()]
    this.#gathered.clear()
    this.#dueAt = Number.POSITIVE_INFINITY
    return loads
  }
}
