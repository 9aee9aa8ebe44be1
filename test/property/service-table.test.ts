// The service table against its linear twin: random rules of all prefix lengths come and go, lookups agree.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ServiceId } from '../../src/id/service-id.ts'
import { ServicePrefix } from '../../src/id/service-prefix.ts'
import { peekEntry, resolve } from '../../src/service/resolve.ts'
import type { Rule, RuleOrigin } from '../../src/service/rule.ts'
import type { ServiceEntry } from '../../src/service/service-entry.ts'
import { ServiceTable } from '../../src/service/service-table.ts'
import type { ForwardTarget } from '../../src/service/target.ts'
import { type Protocol, protocols } from '../../src/wire/sal-header.ts'
import { choice } from '../support/choice.ts'
import { LinearServiceTable, targetText } from '../support/linear-service-table.ts'
import { replay, testSeed } from '../support/random.ts'

console.log(replay('test/property/service-table.test.ts'))

const flips = fc.oneof(fc.constant(undefined), fc.constantFrom(0, 31, 32, 100, 255), fc.nat(255))
/** Three IDs and their neighbours that differ in one bit: prefixes nest, fork and end next to each other. */
const ids = fc.record({ base: fc.nat(2), flipped: flips }).map(({ base, flipped }) => {
  const bytes = new Uint8Array(32).fill([0x00, 0xff, 0xa5][base]!)
  if (flipped !== undefined) bytes[flipped >> 3]! ^= 0x80 >> (flipped & 7)
  return ServiceId.fromBytes(bytes)
})
const lengths = fc.oneof(fc.nat(256), fc.constantFrom(0, 1, 7, 8, 9, 32, 64, 96, 255, 256))
const prefixes = fc.tuple(ids, lengths).map(([id, bits]) => new ServicePrefix(id, bits))
const owners = fc.constantFrom('a', 'b', 'c')
const carried = fc.constantFrom(undefined, undefined, protocols.STREAM, protocols.DATAGRAM)
/** One of them no target can name. */
const asked = fc.constantFrom(protocols.STREAM, protocols.DATAGRAM, 132)
const ports = fc.integer({ min: 1, max: 3 })

type Step =
  | {
      do: 'insert'
      prefix: ServicePrefix
      port: number
      weight: number
      protocol: Protocol | undefined
      owner: string
      expiresAt: number
    }
  | { do: 'remove'; prefix: ServicePrefix; owner: string; protocol: Protocol | undefined }
  | { do: 'removeEverywhere'; prefix: ServicePrefix; owner: string }
  | { do: 'expire'; nowMs: number }
  | { do: 'lookup'; id: ServiceId; maxBits: number }
  | { do: 'resolve'; id: ServiceId; protocol: number }
  | { do: 'entries'; prefix: ServicePrefix }

const insert = fc.record({
  do: fc.constant('insert' as const),
  prefix: prefixes,
  port: ports,
  weight: fc.nat(9),
  protocol: carried,
  owner: owners,
  expiresAt: fc.oneof(fc.constant(Infinity), fc.nat(100)),
})
const lookup = fc.record({ do: fc.constant('lookup' as const), id: ids, maxBits: lengths })
const resolution = fc.record({ do: fc.constant('resolve' as const), id: ids, protocol: asked })
const steps: fc.Arbitrary<Step> = fc.oneof(
  { arbitrary: insert, weight: 8 },
  { arbitrary: lookup, weight: 8 },
  { arbitrary: resolution, weight: 8 },
  {
    arbitrary: fc.record({
      do: fc.constant('remove' as const),
      prefix: prefixes,
      owner: owners,
      protocol: carried,
    }),
    weight: 4,
  },
  {
    arbitrary: fc.record({ do: fc.constant('removeEverywhere' as const), prefix: prefixes, owner: owners }),
    weight: 1,
  },
  { arbitrary: fc.record({ do: fc.constant('expire' as const), nowMs: fc.nat(100) }), weight: 1 },
  { arbitrary: fc.record({ do: fc.constant('entries' as const), prefix: prefixes }), weight: 2 },
)

function textOf(entry: ServiceEntry): string {
  const targets = entry.targets.map(target =>
    target.type === 'FORWARD' ? textOfTarget(target) : target.type,
  )
  return `/${entry.prefix.bits}: ${targets.join(', ')}`
}

function textOfTarget({ endpoint, weight, protocol, owner }: ForwardTarget): string {
  return targetText(endpoint, weight, protocol, owner)
}

/** Takes one step in both tables and compares what they say. */
function take(step: Step, table: ServiceTable, twin: LinearServiceTable): void {
  switch (step.do) {
    case 'insert': {
      const { prefix, weight, protocol, owner, expiresAt } = step
      const endpoint = { address: '10.0.0.1', port: step.port }
      const origin = { source: 'controller', owner, expiresAt } as const
      table.insert(prefix, { type: 'FORWARD', targets: [{ endpoint, weight, protocol }] }, origin)
      return twin.insert(prefix, endpoint, weight, protocol, origin)
    }
    case 'remove': {
      const { prefix, owner, protocol } = step
      return expect(table.remove(prefix, { owner, protocol })).toBe(twin.remove(prefix, owner, protocol))
    }
    case 'removeEverywhere': {
      const { prefix, owner } = step
      return expect(table.removeEverywhere({ owner }, prefix)).toBe(twin.removeEverywhere(owner, prefix))
    }
    case 'expire':
      return expect(table.expire(step.nowMs)).toBe(twin.expire(step.nowMs))
    case 'lookup': {
      // Reading ahead changes nothing, whatever is there.
      table.fetch([step.id])
      const found = table.lookup(step.id, step.maxBits)
      return expect(found && textOf(found)).toBe(twin.lookup(step.id, step.maxBits))
    }
    case 'resolve': {
      const { id, protocol } = step
      const serving = peekEntry(table, id, protocol, 'remote')?.servingFor(protocol) ?? []
      expect(serving.map(textOfTarget)).toEqual(twin.serving(id, protocol))
      const target = resolve(table, id, protocol, 1, choice(0.5), 'remote')
      return expect(target?.type === 'FORWARD' && !serving.includes(target)).toBe(false)
    }
    case 'entries':
      return expect(table.entries(step.prefix).map(textOf)).toEqual(twin.entries(step.prefix))
  }
}

function agreesWithTwin(makeTable: () => ServiceTable): void {
  fc.assert(
    fc.property(fc.array(steps, { maxLength: 150, size: 'max' }), script => {
      const table = makeTable()
      const twin = new LinearServiceTable()
      for (const step of script) take(step, table, twin)
      for (const id of script.flatMap(step => ('prefix' in step ? [step.prefix.id] : []))) {
        take({ do: 'lookup', id, maxBits: 256 }, table, twin)
      }
      expect(table.entries().map(textOf)).toEqual(twin.entries(ServicePrefix.all))
      expect(table.size).toBe(table.entries().length)
    }),
    { seed: testSeed, numRuns: 200 },
  )
}

describe('the service table', () => {
  it('agrees with its linear twin over random scripts', () => {
    agreesWithTwin(() => new ServiceTable())
  })

  it('finds every one of the 257 prefixes of an ID, each by its own length', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), bytes => {
        const id = ServiceId.fromBytes(bytes)
        const table = new ServiceTable()
        const endpoint = { address: '10.0.0.1', port: 1 }
        for (let bits = 0; bits <= 256; bits++) {
          table.insert(
            new ServicePrefix(id, (bits * 101) % 257),
            { type: 'FORWARD', targets: [{ endpoint }] },
            { source: 'user' },
          )
        }
        for (let bits = 0; bits <= 256; bits++) expect(table.lookup(id, bits)?.prefix.bits).toBe(bits)
        expect(table.size).toBe(257)
        expect(table.removeEverywhere({})).toBe(257)
        expect(table.size).toBe(0)
        expect(table.lookup(id)).toBeUndefined()
      }),
      { seed: testSeed, numRuns: 20 },
    )
  })
})

describe('the comparison itself', () => {
  class BlindToExactIds extends ServiceTable {
    override lookup(id: ServiceId, maxBits = 256): ServiceEntry | undefined {
      return super.lookup(id, Math.min(maxBits, 255))
    }
  }
  class ForgetsEveryOther extends ServiceTable {
    override remove(prefix: ServicePrefix, selector = {}): number {
      return prefix.bits % 2 === 1 ? 0 : super.remove(prefix, selector)
    }
  }

  it('sees a table that never finds a full ID', () => {
    expect(() => agreesWithTwin(() => new BlindToExactIds())).toThrow(/Property failed/)
  })

  it('sees a table that takes datagrams for streams', () => {
    class BlindToProtocols extends ServiceTable {
      override insert(prefix: ServicePrefix, rule: Rule, origin: RuleOrigin): void {
        const targets =
          rule.type === 'FORWARD' ? rule.targets.map(target => ({ ...target, protocol: 6 as const })) : []
        super.insert(prefix, { type: 'FORWARD', targets }, origin)
      }
    }
    expect(() => agreesWithTwin(() => new BlindToProtocols())).toThrow(/Property failed/)
  })

  it('sees a table that forgets to remove', () => {
    expect(() => agreesWithTwin(() => new ForgetsEveryOther())).toThrow(/Property failed/)
  })
})
