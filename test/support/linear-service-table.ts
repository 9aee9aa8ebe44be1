/**
 * The service table's stupid twin: a list of lines, matched as strings of '0' and '1', shorter ones tried
 * after longer ones. It shares nothing with the table but the values it is given.
 */
import type { ServiceId } from '../../src/id/service-id.ts'
import type { ServicePrefix } from '../../src/id/service-prefix.ts'
import type { RuleOrigin } from '../../src/service/rule.ts'
import type { Endpoint } from '../../src/wire/endpoint.ts'

interface Line {
  readonly bits: string
  readonly origin: RuleOrigin
  readonly endpoint: Endpoint
  readonly weight: number
}

export class LinearServiceTable {
  #lines: Line[] = []

  insert(prefix: ServicePrefix, endpoint: Endpoint, weight: number, origin: RuleOrigin): void {
    const line = { bits: bitsOf(prefix.id).slice(0, prefix.bits), origin, endpoint, weight }
    const same = (other: Line) => key(other) === key(line)
    if (this.#lines.some(same)) this.#lines = this.#lines.map(other => (same(other) ? line : other))
    else this.#lines.push(line)
  }

  remove(prefix: ServicePrefix, owner: string): number {
    const bits = bitsOf(prefix.id).slice(0, prefix.bits)
    return this.#drop(line => line.bits === bits && line.origin.owner === owner)
  }

  removeEverywhere(owner: string, under: ServicePrefix): number {
    const bits = bitsOf(under.id).slice(0, under.bits)
    return this.#drop(line => line.bits.startsWith(bits) && line.origin.owner === owner)
  }

  expire(nowMs: number): number {
    return this.#drop(line => (line.origin.expiresAt ?? Infinity) <= nowMs)
  }

  /** The matching entry as text: its length and its targets. */
  lookup(id: ServiceId, maxBits: number): string | undefined {
    const bits = bitsOf(id)
    const matching = this.#lines.filter(line => line.bits.length <= maxBits && bits.startsWith(line.bits))
    const longest = Math.max(...matching.map(line => line.bits.length))
    return matching.length === 0
      ? undefined
      : entryText(matching.filter(line => line.bits.length === longest))
  }

  /** Every entry under a prefix, as text, in the order of their bits. */
  entries(under: ServicePrefix): string[] {
    const bits = bitsOf(under.id).slice(0, under.bits)
    const prefixes = new Set(this.#lines.map(line => line.bits).filter(other => other.startsWith(bits)))
    return [...prefixes].sort().map(prefix => entryText(this.#lines.filter(line => line.bits === prefix)))
  }

  #drop(goes: (line: Line) => boolean): number {
    const before = this.#lines.length
    this.#lines = this.#lines.filter(line => !goes(line))
    return before - this.#lines.length
  }
}

/** One line per target, in the order in which they came. */
export function targetText(endpoint: Endpoint, weight: number, owner: string): string {
  return `${endpoint.address}:${endpoint.port} weight ${weight} of ${owner}`
}

function entryText(lines: readonly Line[]): string {
  const targets = lines.map(line => targetText(line.endpoint, line.weight, line.origin.owner ?? ''))
  return `/${lines[0]?.bits.length}: ${targets.join(', ')}`
}

function key({ bits, origin, endpoint }: Line): string {
  return `${bits} ${origin.source} ${targetText(endpoint, 0, origin.owner ?? '')}`
}

function bitsOf(id: ServiceId): string {
  return Array.from(id.toBytes(), byte => byte.toString(2).padStart(8, '0')).join('')
}
