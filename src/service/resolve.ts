/**
 * Resolution: from a packet's serviceID to the one target that gets it, counted (NSDI 2012, section 3.2).
 *
 * Within an entry DROP comes before all, then this stack's listener for the protocol, then of the FORWARD targets that take
 * the protocol those of the highest priority that has live ones, then DELAY. An entry that has nothing for this packet (a listener
 * of another protocol, dead targets alone) gives way to the next shorter prefix: a host whose own knowledge
 * fails still asks its router.
 */
import type { ServiceId } from '../id/service-id.ts'
import type { Choice } from './balance/balancer.ts'
import { addTo } from './counters.ts'
import type { RuleType } from './rule.ts'
import type { Scope, ServiceEntry } from './service-entry.ts'
import type { ServiceKey, ServiceTable } from './service-table.ts'
import type { ForwardTarget, ServiceTarget } from './target.ts'

/** HOT. The target for a packet of `bytes`, by `choice` where several share; undefined: nobody serves it. */
export function resolve(
  table: ServiceTable,
  id: ServiceId,
  protocol: number,
  bytes: number,
  choice: Choice,
  scope: Scope = 'any',
): ServiceTarget | undefined {
  for (let entry = table.glance(id); entry !== undefined; entry = nextShorter(table, id, entry)) {
    const target = entry.pick(protocol, scope, choice)
    if (target === undefined) continue
    count(table, entry, target, bytes)
    return target
  }
  table.counters.misses++
  return undefined
}

/** As `resolve`, but nothing is counted. */
export function pick(
  table: ServiceTable,
  id: ServiceId,
  protocol: number,
  choice: Choice,
  scope: Scope,
): ServiceTarget | undefined {
  for (let entry = table.glance(id); entry !== undefined; entry = nextShorter(table, id, entry)) {
    const target = entry.pick(protocol, scope, choice)
    if (target !== undefined) return target
  }
  return undefined
}

/**
 * HOT. As `resolve` (`mayBeToAll`: as `resolveAll`) for a packet that crosses a router, where it leads to one FORWARD
 * target that `canReach` takes; undefined otherwise, and then nothing has been counted: the packet is for those two.
 */
export function resolveForward(
  table: ServiceTable,
  id: ServiceKey,
  protocol: number,
  bytes: number,
  choice: Choice,
  mayBeToAll: boolean,
  canReach: (target: ForwardTarget) => boolean,
): ForwardTarget | undefined {
  for (let entry = table.glance(id); entry !== undefined; entry = table.glance(id, entry.bits - 1)) {
    const type = entry.peek(protocol, 'remote')
    if (type === undefined) continue
    if (mayBeToAll && isToAll(entry, protocol)) return undefined
    const target = type === 'FORWARD' ? entry.pick(protocol, 'remote', choice) : undefined
    if (target?.type !== 'FORWARD' || !canReach(target)) return undefined
    count(table, entry, target, bytes)
    return target
  }
  return undefined
}

/**
 * As `resolve`, but all of those that share where the rule says so (`to=all`), this stack's own listener among them, each
 * counted; none: nobody serves it.
 */
export function resolveAll(
  table: ServiceTable,
  id: ServiceId,
  protocol: number,
  bytes: number,
  choice: Choice,
  scope: Scope = 'any',
): readonly ServiceTarget[] {
  for (let entry = table.glance(id); entry !== undefined; entry = nextShorter(table, id, entry)) {
    const target = entry.pick(protocol, scope, choice)
    if (target === undefined) continue
    const targets = isToAll(entry, protocol) ? together(target, entry.servingFor(protocol)) : [target]
    for (const each of targets) count(table, entry, each, bytes)
    return targets
  }
  table.counters.misses++
  return []
}

function together(target: ServiceTarget, serving: readonly ServiceTarget[]): readonly ServiceTarget[] {
  if (target.type === 'DEMUX') return [target, ...serving]
  return target.type === 'FORWARD' ? serving : [target]
}

/** A packet that was resolved to `target` could not be sent. */
export function countDrop(table: ServiceTable, id: ServiceId, target: ServiceTarget): void {
  table.counters.drops++
  for (let entry = table.glance(id); entry !== undefined; entry = nextShorter(table, id, entry)) {
    if (entry.count(target, 0, 0, 1)) return
  }
}

/** Of which type `resolve` would yield a target now. Counts nothing. */
export function peekType(
  table: ServiceTable,
  id: ServiceId,
  protocol: number,
  scope: Scope = 'any',
): RuleType | undefined {
  return peekEntry(table, id, protocol, scope)?.peek(protocol, scope)
}

/** The entry of which `resolve` would yield a target now. Counts nothing. */
export function peekEntry(
  table: ServiceTable,
  id: ServiceId,
  protocol: number,
  scope: Scope = 'any',
): ServiceEntry | undefined {
  for (let entry = table.lookup(id); entry !== undefined; entry = table.lookup(id, entry.bits - 1)) {
    if (entry.peek(protocol, scope) !== undefined) return entry
  }
  return undefined
}

function isToAll(entry: ServiceEntry, protocol: number): boolean {
  return entry.servingFor(protocol).some(({ sharing }) => sharing?.toAll === true)
}

function nextShorter(table: ServiceTable, id: ServiceId, entry: ServiceEntry): ServiceEntry | undefined {
  return table.glance(id, entry.bits - 1)
}

function count(table: ServiceTable, entry: ServiceEntry, target: ServiceTarget, bytes: number): void {
  const drops = target.type === 'DROP' ? 1 : 0
  entry.count(target, 1, bytes, drops)
  addTo(table.counters, 1, bytes, drops)
}
