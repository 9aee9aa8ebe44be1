/**
 * The FORWARD targets of an entry that may get packets of a protocol, by priority: the highest level of which something is
 * left to try serves. What has been observed of a target goes on when the targets change.
 */
import type { Endpoint } from '../wire/endpoint.ts'
import type { Choice } from './balance/balancer.ts'
import type { Observation } from './balance/observed.ts'
import { DEFAULT_HEDGE_AT } from './balance/patience.ts'
import { Sharing, type SharingPolicy } from './balance/sharing.ts'
import type { ForwardTarget } from './target.ts'

const RANDOM: SharingPolicy = {}

export class Levels {
  /** The highest first. */
  readonly #levels: readonly (readonly ForwardTarget[])[]
  /** By level: made of the earlier ones by the first packet. */
  #sharings: readonly Sharing[] | undefined
  #earlier: readonly Sharing[]

  /** `able`: alive, and of some weight. `earlier`: what took their place before, the nearest first. */
  constructor(able: readonly ForwardTarget[] = [], earlier: readonly Levels[] = []) {
    const priorities = [...new Set(able.map(({ priority }) => priority))].sort((a, b) => b - a)
    this.#levels = priorities.map(level => able.filter(({ priority }) => priority === level))
    this.#earlier = [...new Set(earlier.flatMap(levels => levels.#sharings ?? levels.#earlier))]
  }

  get isEmpty(): boolean {
    return this.#levels.length === 0
  }

  /** The highest level. */
  get serving(): readonly ForwardTarget[] {
    return this.#levels[0] ?? []
  }

  /** HOT. There is at least one. */
  pick(choice: Choice): ForwardTarget {
    const level = this.#levelFor(choice)
    return this.#levels[level]![this.#shared(choice.nowMs)[level]!.pick(choice)]!
  }

  /** Takes down how the target at an endpoint does; false if there is none. */
  observe(endpoint: Endpoint, observation: Observation, nowMs: number): boolean {
    let isKnown = false
    for (const sharing of this.#shared(nowMs)) {
      isKnown = sharing.observe(endpoint, observation, nowMs) || isKnown
    }
    return isKnown
  }

  /** Whether there is a target that `choice` does not avoid. */
  hasOther(choice: Choice): boolean {
    return this.#shared(choice.nowMs).some(sharing => sharing.hasOther(choice))
  }

  /** How long to wait for those whom `choice` avoids before another is asked too; undefined: there is no other. */
  patienceMs(choice: Choice): number | undefined {
    if (this.isEmpty || choice.avoids === undefined) return undefined
    return this.#shared(choice.nowMs)[this.#levelFor(choice)]!.patienceMs(choice.avoids)
  }

  /** Of the rule, not of what is known: the share of answers for which one waits; 0: for all. */
  get hedgeAt(): number {
    return this.#policy().hedgeAt ?? DEFAULT_HEDGE_AT
  }

  #policy(): SharingPolicy {
    return this.#levels.flat().find(target => target.sharing !== undefined)?.sharing ?? RANDOM
  }

  /** The highest of which something is left to try: all are, where nothing is. */
  #levelFor(choice: Choice): number {
    if (this.#levels.length === 1) return 0
    const sharings = this.#shared(choice.nowMs)
    const open = sharings.findIndex(sharing => !sharing.isDown(choice.nowMs) && sharing.hasOther(choice))
    if (open >= 0) return open
    return Math.max(
      0,
      sharings.findIndex(sharing => sharing.hasOther(choice)),
    )
  }

  #shared(nowMs: number): readonly Sharing[] {
    if (this.#sharings === undefined) {
      const policy = this.#policy()
      this.#sharings = this.#levels.map(targets => new Sharing(policy, targets, nowMs, this.#earlier))
      this.#earlier = []
    }
    return this.#sharings
  }
}
