/**
 * The service table's stupid twin: a list of lines, matched as strings of '0' and '1', shorter ones tried
 * after longer ones. It shares nothing with the table but the values it is given.
 */
import type { ServiceId } from '../../src/id/service-id.ts'
import type { ServicePrefix } from '../../src/id/service-prefix.ts'
import type { RuleOrigin } from '../../src/service/rule.ts'
import type { Endpoint } from '../../src/wire/endpoint.ts'
import type { Protocol } from '../../src/wire/sal-header.ts'

interface Line {
  readonly bits: string
  readonly origin: RuleOrigin
  readonly endpoint: Endpoint
  readonly weight: number
  /** Undefined: all. */
  readonly protocol: Protocol | undefined
}

export class LinearServiceTable {
  #lines: Line[] = []

  insert(
    prefix: ServicePrefix,
    endpoint: Endpoint,
    weight: number,
    protocol: Protocol | undefined,
    origin: RuleOrigin,
  ): void {
    const line = { bits: bitsOf(prefix.id).slice(0, prefix.bits), origin, endpoint, weight, protocol }
    const same = (other: Line) =>
      key(other) === key(line) && new Set([other.protocol, protocol, undefined]).size < 3
    const at = this.#lines.findIndex(same)
    if (at < 0) this.#lines.push(line)
    else {
      this.#lines[at] = line
      this.#lines = this.#lines.filter(other => other === line || !same(other))
    }
  }

  remove(prefix: ServicePrefix, owner: string, protocol: Protocol | undefined): number {
    const bits = bitsOf(prefix.id).slice(0, prefix.bits)
    const isMeant = (line: Line) => protocol === undefined || line.protocol === protocol
    return this.#drop(line => line.bits === bits && line.origin.owner === owner && isMeant(line))
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

  /** What shares the packets for an ID of a protocol, as text: of the longest prefix that has anything for it. */
  serving(id: ServiceId, protocol: number): string[] {
    const bits = bitsOf(id)
    const fit = this.#lines.filter(
      line => bits.startsWith(line.bits) && line.weight > 0 && [undefined, protocol].includes(line.protocol),
    )
    const longest = Math.max(...fit.map(line => line.bits.length))
    return fit.filter(line => line.bits.length === longest).map(lineText)
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
export function targetText(
  endpoint: Endpoint,
  weight: number,
  protocol: Protocol | undefined,
  owner: string,
): string {
  return `${endpoint.address}:${endpoint.port} weight ${weight} for ${protocol ?? 'all'} of ${owner}`
}

function lineText({ endpoint, weight, protocol, origin }: Line): string {
  return targetText(endpoint, weight, protocol, origin.owner ?? '')
}

function entryText(lines: readonly Line[]): string {
  return `/${lines[0]?.bits.length}: ${lines.map(lineText).join(', ')}`
}

function key({ bits, origin, endpoint }: Line): string {
  return `${bits} ${origin.source} ${targetText(endpoint, 0, undefined, origin.owner ?? '')}`
}

function bitsOf(id: ServiceId): string {
  return Array.from(id.toBytes(), byte => byte.toString(2).padStart(8, '0')).join('')
}
