/**
 * Resolution: from a packet's serviceID to the one target that gets it, counted (NSDI 2012, section 3.2).
 *
 * Within an entry DROP comes before all, then this stack's listener for the protocol, then the FORWARD targets
 * of the highest priority that has live ones, then DELAY. An entry that has nothing for this packet (a listener
 * of another protocol, dead targets alone) gives way to the next shorter prefix: a host whose own knowledge
 * fails still asks its router.
 */
import type { ServiceId } from '../id/service-id.ts'
import { weightedRandom } from './balance/weighted-random.ts'
import type { RuleType } from './rule.ts'
import type { EntryTarget, ServiceEntry } from './service-entry.ts'
import type { ServiceTable } from './service-table.ts'

/**
 * `any`: a packet that starts here. `local`: one that came to an end point, which is delivered or refused and
 * never sent on. `remote`: one that crosses a router.
 */
export type Scope = 'any' | 'local' | 'remote'

/** The target for a packet of `bytes`, by `uniform` in [0, 1) where several share; undefined: nobody serves it. */
export function resolve(
  table: ServiceTable,
  id: ServiceId,
  protocol: number,
  bytes: number,
  uniform: number,
  scope: Scope = 'any',
): EntryTarget | undefined {
  for (let entry = table.lookup(id); entry !== undefined; entry = nextShorter(table, id, entry)) {
    const target = pick(entry, protocol, uniform, scope)
    if (target === undefined) continue
    const drops = target.type === 'DROP' ? 1 : 0
    count(target, bytes, drops)
    count(entry, bytes, drops)
    count(table, bytes, drops)
    return target
  }
  table.counters.misses++
  return undefined
}

/** Of which type `resolve` would yield a target now. Counts nothing. */
export function peekType(
  table: ServiceTable,
  id: ServiceId,
  protocol: number,
  scope: Scope = 'any',
): RuleType | undefined {
  for (let entry = table.lookup(id); entry !== undefined; entry = nextShorter(table, id, entry)) {
    const target = pick(entry, protocol, 0, scope)
    if (target !== undefined) return target.type
  }
  return undefined
}

function nextShorter(table: ServiceTable, id: ServiceId, entry: ServiceEntry): ServiceEntry | undefined {
  return table.lookup(id, entry.prefix.bits - 1)
}

function pick(entry: ServiceEntry, protocol: number, uniform: number, scope: Scope): EntryTarget | undefined {
  if (entry.drop !== undefined) return entry.drop
  if (scope !== 'remote') {
    const listener = entry.listener(protocol)
    if (listener !== undefined || scope === 'local') return listener
  }
  return weightedRandom.pick(entry.serving, uniform) ?? entry.delay
}

function count(counted: Pick<EntryTarget, 'counters'>, bytes: number, drops: number): void {
  counted.counters.packets++
  counted.counters.bytes += bytes
  counted.counters.drops += drops
}
