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
  /**
   * By text and port, which for a million rules is much faster than one long text: the number of one, and from there on in
   * `#next` those that differ in what else is said of them.
   */
  readonly #places = new Map<string, Map<number, number>>()
  readonly #next: number[] = []
  /** Means nothing: a use for what is only read, as the compiler leaves out what has none. */
  touched = 0

  /** Number of different targets. */
  get size(): number {
    return this.#targets.size
  }

  at(number: number): ServiceTarget {
    return this.#targets.at(number)
  }

  /** HOT. Reads the first `count` of those `numbers` that are 0 or above, so that they are in a cache when they are wanted. */
  touch(numbers: Int32Array, count: number): void {
    let touched = 0
    for (let i = 0; i < count; i++) {
      if (numbers[i]! >= 0 && this.at(numbers[i]!).type === 'FORWARD') touched++
    }
    this.touched = touched
  }

  /** The number of a target, one use more. */
  take(target: ServiceTarget): number {
    const ports = this.#portsOf(target)
    const first = ports.get(portOf(target)) ?? NONE
    for (let number = first; number !== NONE; number = this.#next[number]!) {
      if (!saysSame(this.at(number), target)) continue
      this.#uses[number]!++
      return number
    }
    const number = this.#targets.add(target)
    ports.set(portOf(target), number)
    this.#next[number] = first
    this.#uses[number] = 1
    return number
  }

  /** One use less. */
  release(number: number): void {
    if (--this.#uses[number]! > 0) return
    const target = this.at(number)
    const ports = this.#portsOf(target)
    const first = ports.get(portOf(target))!
    if (first !== number) this.#unlink(first, number)
    else if (this.#next[number] !== NONE) ports.set(portOf(target), this.#next[number]!)
    else ports.delete(portOf(target))
    if (ports.size === 0) this.#places.delete(placeTextOf(target))
    this.#targets.remove(number)
  }

  #portsOf(target: ServiceTarget): Map<number, number> {
    const text = placeTextOf(target)
    let ports = this.#places.get(text)
    if (ports === undefined) {
      ports = new Map()
      this.#places.set(text, ports)
    }
    return ports
  }

  #unlink(first: number, number: number): void {
    let before = first
    while (this.#next[before] !== number) before = this.#next[before]!
    this.#next[before] = this.#next[number]!
  }
}

/** No number: the end of a list. */
const NONE = -1

/** Whether two targets of one place and port are equal. */
function saysSame(a: ServiceTarget, b: ServiceTarget): boolean {
  if (a.source !== b.source || a.owner !== b.owner) return false
  if (a.type !== 'FORWARD' || b.type !== 'FORWARD') return true
  return a.weight === b.weight && a.priority === b.priority && a.protocol === b.protocol
}

function portOf(target: ServiceTarget): number {
  return target.type === 'FORWARD' ? target.endpoint.port : 0
}

/** Of a FORWARD its address; of others, which are no addresses, all but who said it. Free text stands where it ends what it is. */
function placeTextOf(target: ServiceTarget): string {
  switch (target.type) {
    case 'FORWARD':
      return target.endpoint.address
    case 'DEMUX':
      return `DEMUX ${target.listenerId} ${target.protocol}${target.shared ? ' shared' : ''}`
    case 'DELAY':
      return 'DELAY'
    case 'DROP':
      return target.reason === undefined ? 'DROP' : `DROP ${target.reason}`
  }
}
