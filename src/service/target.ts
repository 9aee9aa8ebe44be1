/**
 * What an entry of the service table leads to. A target is a value that never changes; entries that lead to the same
 * one, as a million names on a hundred servers do, share it.
 */
import { type Endpoint, formatEndpoint, sameEndpoint } from '../wire/endpoint.ts'
import { type Protocol, protocols } from '../wire/sal-header.ts'
import type { SharingPolicy } from './balance/sharing.ts'
import { Numbered } from './numbered.ts'
import {
  DEFAULT_PRIORITY,
  DEFAULT_WEIGHT,
  type DelayRule,
  type DemuxRule,
  type DropRule,
  type Rule,
  type RuleSource,
  type Target,
} from './rule.ts'

/** Who said so. */
interface Said {
  readonly source: RuleSource
  /** '' where the origin named none. */
  readonly owner: string
}

export interface ForwardTarget extends Said {
  readonly type: 'FORWARD'
  readonly endpoint: Endpoint
  readonly weight: number
  readonly priority: number
  /** Undefined: streams and datagrams. */
  readonly protocol: Protocol | undefined
  readonly sharing?: SharingPolicy
}
export interface DemuxTarget extends Said, DemuxRule {}
export interface DelayTarget extends Said, DelayRule {}
export interface DropTarget extends Said, DropRule {}

/** Each is also a rule of its own (FORWARD: one target), so it can be printed as one. */
export type ServiceTarget = ForwardTarget | DemuxTarget | DelayTarget | DropTarget

/** The targets that a rule stands for. */
export function targetsOf(rule: Rule, source: RuleSource, owner: string): readonly ServiceTarget[] {
  if (rule.type !== 'FORWARD') return [{ ...rule, source, owner }]
  return rule.targets.map(({ endpoint, weight = DEFAULT_WEIGHT, priority = DEFAULT_PRIORITY, protocol }) => {
    const target = { type: rule.type, endpoint, weight, priority, protocol, source, owner }
    return rule.sharing === undefined ? target : { ...target, sharing: rule.sharing }
  })
}

/** Whether two FORWARD targets lead packets of one protocol to one place: of such only one can be said. */
export function overlap(a: Pick<Target, 'endpoint' | 'protocol'>, b: typeof a): boolean {
  const areApart = a.protocol !== undefined && b.protocol !== undefined && a.protocol !== b.protocol
  return !areApart && sameEndpoint(a.endpoint, b.endpoint)
}

/** A text for each place to which a target leads: two targets overlap if they have one in common. */
export function placesOf({ endpoint, protocol }: Pick<Target, 'endpoint' | 'protocol'>): string[] {
  const place = formatEndpoint(endpoint)
  if (protocol !== undefined) return [`${protocol} ${place}`]
  return [`${protocols.STREAM} ${place}`, `${protocols.DATAGRAM} ${place}`]
}

/** Targets by number, one for all that are equal, as long as somebody uses it. */
export class TargetPool {
  readonly #targets = new Numbered<ServiceTarget>()
  readonly #uses: number[] = []
  readonly #numbers = new Map<string, number>()

  /** Number of different targets. */
  get size(): number {
    return this.#numbers.size
  }

  at(number: number): ServiceTarget {
    return this.#targets.at(number)
  }

  /** The number of a target, one use more. */
  take(target: ServiceTarget): number {
    const key = keyOf(target)
    const known = this.#numbers.get(key)
    if (known !== undefined) {
      this.#uses[known]!++
      return known
    }
    const number = this.#targets.add(target)
    this.#numbers.set(key, number)
    this.#uses[number] = 1
    return number
  }

  /** One use less. */
  release(number: number): void {
    if (--this.#uses[number]! > 0) return
    this.#numbers.delete(keyOf(this.at(number)))
    this.#targets.remove(number)
  }
}

/** Of a target without a policy; free text stands where it ends what it is. */
function keyOf(target: ServiceTarget): string {
  return `${target.source} ${target.owner.length} ${target.owner} ${placeOf(target)}`
}

function placeOf(target: ServiceTarget): string {
  switch (target.type) {
    case 'FORWARD':
      return `FORWARD ${target.weight} ${target.priority} ${target.protocol ?? ''} ${formatEndpoint(target.endpoint)}`
    case 'DEMUX':
      return `DEMUX ${target.listenerId} ${target.protocol}${target.shared ? ' shared' : ''}`
    case 'DELAY':
      return 'DELAY'
    case 'DROP':
      return target.reason === undefined ? 'DROP' : `DROP ${target.reason}`
  }
}
