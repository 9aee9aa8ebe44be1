import { describe, expect, it } from 'vitest'
import { parseServicePattern, serviceIdOf } from '../../../src/id/name.ts'
import { uniformFrom } from '../../../src/service/balance/uniform.ts'
import { weightedRandom } from '../../../src/service/balance/weighted-random.ts'
import { countDrop, peekEntry, peekType, resolve, resolveAll } from '../../../src/service/resolve.ts'
import { formatRule, parseRule } from '../../../src/service/rule-text.ts'
import type { Scope } from '../../../src/service/service-entry.ts'
import { ServiceTable } from '../../../src/service/service-table.ts'
import { formatEndpoint, parseEndpoint } from '../../../src/wire/endpoint.ts'
import { choice } from '../../support/choice.ts'
import { Random, replay, testSeed } from '../../support/random.ts'

const WEB = serviceIdOf('web.example')
const STREAM = 6
const DATAGRAM = 17
/** One that no target can name. */
const ANOTHER = 132

function tableOf(...rules: string[]): ServiceTable {
  const table = new ServiceTable()
  for (const text of rules) {
    const { prefix, pattern, rule } = parseRule(text)
    table.insert(prefix, rule, { source: 'user', name: pattern })
  }
  return table
}

/** What becomes of a packet of 100 bytes to web.example. */
function outcome(
  table: ServiceTable,
  protocol = STREAM,
  scope: Scope = 'any',
  uniform = 0.5,
): string | undefined {
  const target = resolve(table, WEB, protocol, 100, choice(uniform), scope)
  if (target === undefined) return undefined
  return target.type === 'FORWARD' ? formatEndpoint(target.endpoint) : formatRule('', target).trim()
}

function setAlive(table: ServiceTable, endpoint: string, alive: boolean): number {
  return table.setAlive(parseServicePattern('web.example'), parseEndpoint(endpoint)!, alive)
}

describe('resolution', () => {
  it('yields the target of a FORWARD rule', () => {
    expect(outcome(tableOf('web.example FORWARD 10.0.0.1:1'))).toBe('10.0.0.1:1')
  })

  it('is undefined where nobody serves, and counts the miss', () => {
    const table = tableOf('other.example FORWARD 10.0.0.1:1')
    expect(outcome(table)).toBeUndefined()
    expect(table.counters).toEqual({ packets: 0, bytes: 0, drops: 0, misses: 1 })
  })

  it('uses the highest priority alone, and falls back as its targets die', () => {
    const table = tableOf(
      'web.example FORWARD 10.0.0.1:1 priority 3, 10.0.0.2:1 priority 3, 10.0.0.3:1 priority 2, 10.0.0.4:1',
    )
    expect(outcome(table, STREAM, 'any', 0.25)).toBe('10.0.0.1:1')
    expect(outcome(table, STREAM, 'any', 0.75)).toBe('10.0.0.2:1')
    expect(setAlive(table, '10.0.0.1:1', false)).toBe(1)
    expect(setAlive(table, '10.0.0.1:1', false)).toBe(0)
    expect(outcome(table, STREAM, 'any', 0.25)).toBe('10.0.0.2:1')
    setAlive(table, '10.0.0.2:1', false)
    expect(outcome(table)).toBe('10.0.0.3:1')
    setAlive(table, '10.0.0.3:1', false)
    expect(outcome(table)).toBe('10.0.0.4:1')
    setAlive(table, '10.0.0.4:1', false)
    expect(outcome(table)).toBeUndefined()
    expect(setAlive(table, '10.0.0.2:1', true)).toBe(1)
    expect(outcome(table)).toBe('10.0.0.2:1')
  })

  it('gives a target of weight 0 nothing, and falls back where there is no other', () => {
    const table = tableOf('web.example FORWARD 10.0.0.1:1 weight 0 priority 2, 10.0.0.2:1')
    expect(outcome(table)).toBe('10.0.0.2:1')
  })

  it('takes a target that registers again for alive', () => {
    const table = tableOf('web.example FORWARD 10.0.0.1:1')
    setAlive(table, '10.0.0.1:1', false)
    const { prefix, rule } = parseRule('web.example FORWARD 10.0.0.1:1')
    table.insert(prefix, rule, { source: 'user' })
    expect(outcome(table)).toBe('10.0.0.1:1')
  })

  it('leads to the listener of the protocol, else on', () => {
    const table = tableOf('web.example DEMUX 7 stream', 'default FORWARD 10.0.0.9:1')
    expect(outcome(table, STREAM)).toBe('DEMUX 7 stream')
    expect(outcome(table, DATAGRAM)).toBe('10.0.0.9:1')
  })

  it('leads to a target that takes the protocol, else on', () => {
    const table = tableOf('web.example FORWARD 10.0.0.1:1 stream', 'default FORWARD 10.0.0.9:1')
    expect(outcome(table, STREAM)).toBe('10.0.0.1:1')
    expect(outcome(table, DATAGRAM)).toBe('10.0.0.9:1')
    expect(outcome(table, ANOTHER)).toBe('10.0.0.9:1')
  })

  it('shares the packets of a protocol among those that take it, by their own priorities', () => {
    const table = tableOf(
      'web.example FORWARD 10.0.0.1:1 stream priority 2, 10.0.0.2:1 datagram, 10.0.0.3:1, 10.0.0.4:1 datagram weight 0',
    )
    expect([0.1, 0.9].map(uniform => outcome(table, STREAM, 'any', uniform))).toEqual([
      '10.0.0.1:1',
      '10.0.0.1:1',
    ])
    expect([0.1, 0.9].map(uniform => outcome(table, DATAGRAM, 'any', uniform))).toEqual([
      '10.0.0.2:1',
      '10.0.0.3:1',
    ])
    expect(outcome(table, ANOTHER)).toBe('10.0.0.3:1')
    setAlive(table, '10.0.0.1:1', false)
    expect(outcome(table, STREAM)).toBe('10.0.0.3:1')
  })

  it('gives one instance another share of each protocol', () => {
    const table = tableOf(
      'web.example FORWARD 10.0.0.1:1 stream weight 3, 10.0.0.1:1 datagram, 10.0.0.2:1 stream, 10.0.0.2:1 datagram weight 3',
    )
    expect(outcome(table, STREAM, 'any', 0.74)).toBe('10.0.0.1:1')
    expect(outcome(table, DATAGRAM, 'any', 0.26)).toBe('10.0.0.2:1')
  })

  it('delays the packets of a protocol that nobody takes yet', () => {
    const table = tableOf('web.example DELAY', 'web.example FORWARD 10.0.0.1:1 datagram')
    expect(outcome(table, STREAM)).toBe('DELAY')
    expect(outcome(table, DATAGRAM)).toBe('10.0.0.1:1')
    expect(peekType(table, WEB, STREAM)).toBe('DELAY')
    expect(peekEntry(table, WEB, DATAGRAM)?.servingFor(STREAM)).toEqual([])
  })

  it('prefers a listener of its own to targets elsewhere', () => {
    const table = tableOf('web.example FORWARD 10.0.0.1:1 priority 9', 'web.example DEMUX 7 stream')
    expect(outcome(table)).toBe('DEMUX 7 stream')
  })

  it('delays only while no target lives', () => {
    const table = tableOf('web.example DELAY', 'default FORWARD 10.0.0.9:1')
    expect(outcome(table)).toBe('DELAY')
    const { prefix, rule } = parseRule('web.example FORWARD 10.0.0.1:1')
    table.insert(prefix, rule, { source: 'controller' })
    expect(outcome(table)).toBe('10.0.0.1:1')
    setAlive(table, '10.0.0.1:1', false)
    expect(outcome(table)).toBe('DELAY')
    table.remove(prefix, { type: 'DELAY' })
    expect(outcome(table)).toBe('10.0.0.9:1')
  })

  it('drops whatever else the entry holds, until the DROP is gone', () => {
    const table = tableOf('web.example FORWARD 10.0.0.1:1', 'web.example DEMUX 7 stream', 'web.example DROP')
    for (const scope of ['any', 'local', 'remote'] as const)
      expect(outcome(table, STREAM, scope)).toBe('DROP')
    table.remove(parseServicePattern('web.example'), { type: 'DROP' })
    expect(outcome(table)).toBe('DEMUX 7 stream')
  })

  it('never sends a received packet on: an end point has listeners alone', () => {
    const table = tableOf('web.example FORWARD 10.0.0.1:1', '*.example DEMUX 7 stream', 'default DELAY')
    expect(outcome(table, STREAM, 'local')).toBe('DEMUX 7 stream')
    expect(outcome(table, DATAGRAM, 'local')).toBeUndefined()
  })

  it('never delivers at a router: it has targets alone', () => {
    const table = tableOf('web.example DEMUX 7 stream', '*.example FORWARD 10.0.0.1:1')
    expect(outcome(table, STREAM, 'remote')).toBe('10.0.0.1:1')
  })

  it('leads datagrams of a to=all rule to all of the highest priority that live, each counted', () => {
    const table = tableOf(
      'web.example FORWARD to=all 10.0.0.1:1, 10.0.0.2:1, 10.0.0.3:1, 10.0.0.4:1 priority 0',
    )
    setAlive(table, '10.0.0.2:1', false)
    const targets = resolveAll(table, WEB, DATAGRAM, 100, choice(), 'remote')
    expect(targets.map(target => target.type === 'FORWARD' && formatEndpoint(target.endpoint))).toEqual([
      '10.0.0.1:1',
      '10.0.0.3:1',
    ])
    expect(table.lookup(WEB)?.targets.map(target => target.counters.packets)).toEqual([1, 0, 1, 0])
    expect(table.counters.packets).toBe(2)
  })

  it('leads datagrams of a to=all rule to those alone that take datagrams', () => {
    const table = tableOf('web.example FORWARD to=all 10.0.0.1:1, 10.0.0.2:1 stream, 10.0.0.3:1 datagram')
    const targets = resolveAll(table, WEB, DATAGRAM, 100, choice(), 'remote')
    expect(targets.map(target => target.type === 'FORWARD' && formatEndpoint(target.endpoint))).toEqual([
      '10.0.0.1:1',
      '10.0.0.3:1',
    ])
  })

  it('leads datagrams to one where the rule does not say all, and to none where there is none', () => {
    const table = tableOf('web.example FORWARD 10.0.0.1:1, 10.0.0.2:1')
    expect(resolveAll(table, WEB, DATAGRAM, 100, choice())).toHaveLength(1)
    expect(resolveAll(table, serviceIdOf('other.example'), DATAGRAM, 100, choice())).toEqual([])
    expect(table.counters).toEqual({ packets: 1, bytes: 100, drops: 0, misses: 1 })
  })

  it('shares among listeners that share, one for each protocol or several', () => {
    const table = tableOf(
      'web.example DEMUX 1 stream shared',
      'web.example DEMUX 2 stream shared',
      'web.example DEMUX 3 datagram',
    )
    expect(outcome(table, STREAM, 'local', 0.49)).toBe('DEMUX 1 stream shared')
    expect(outcome(table, STREAM, 'local', 0.5)).toBe('DEMUX 2 stream shared')
    expect(outcome(table, DATAGRAM, 'local')).toBe('DEMUX 3 datagram')
  })

  it('can be looked at without being counted', () => {
    const table = tableOf('web.example DEMUX 7 stream', '*.example DELAY')
    expect(peekType(table, WEB, STREAM)).toBe('DEMUX')
    expect(peekType(table, WEB, DATAGRAM)).toBe('DELAY')
    expect(peekType(table, WEB, STREAM, 'remote')).toBe('DELAY')
    expect(peekType(table, serviceIdOf('web.other'), STREAM)).toBeUndefined()
    expect(table.counters).toEqual({ packets: 0, bytes: 0, drops: 0, misses: 0 })
  })
})

describe('counters', () => {
  it('tell packets, bytes and drops of each target, of its entry and of the table', () => {
    const table = tableOf('web.example FORWARD 10.0.0.1:1, 10.0.0.2:1', 'other.example DROP')
    for (const uniform of [0, 0.1, 0.9]) resolve(table, WEB, STREAM, 72, choice(uniform))
    resolve(table, serviceIdOf('other.example'), STREAM, 100, choice())

    const web = table.lookup(WEB)
    expect(web?.targets.map(target => target.counters)).toEqual([
      { packets: 2, bytes: 144, drops: 0 },
      { packets: 1, bytes: 72, drops: 0 },
    ])
    expect(web?.counters).toEqual({ packets: 3, bytes: 216, drops: 0 })
    expect(table.lookup(serviceIdOf('other.example'))?.counters).toEqual({ packets: 1, bytes: 100, drops: 1 })
    expect(table.counters).toEqual({ packets: 4, bytes: 316, drops: 1, misses: 0 })
  })

  it('tell what could not be sent, of an entry of one target and of several', () => {
    for (const rule of ['web.example FORWARD 10.0.0.1:1', 'web.example FORWARD 10.0.0.1:1, 10.0.0.2:1']) {
      const table = tableOf(rule, '*.example FORWARD 10.0.0.9:1')
      const target = resolve(table, WEB, STREAM, 72, choice())!
      countDrop(table, WEB, target)
      expect(table.lookup(WEB)?.targets[0]?.counters).toEqual({ packets: 1, bytes: 72, drops: 1 })
      expect(table.lookup(WEB)?.counters).toEqual({ packets: 1, bytes: 72, drops: 1 })
      expect(table.counters.drops).toBe(1)
    }
  })

  it('of an entry outlive its targets', () => {
    const table = tableOf('web.example FORWARD 10.0.0.1:1', 'web.example FORWARD 10.0.0.2:1')
    outcome(table, STREAM, 'any', 0)
    table.remove(parseServicePattern('web.example'), { endpoint: { address: '10.0.0.1', port: 1 } })
    expect(table.lookup(WEB)?.counters.packets).toBe(1)
  })
})

describe('weighted random choice', () => {
  const uniform = uniformFrom(new Random(testSeed).bytes)

  it('shares 1:3 as 1:3', () => {
    const table = tableOf('web.example FORWARD 10.0.0.1:1, 10.0.0.2:1 weight 3')
    for (let i = 0; i < 20_000; i++) resolve(table, WEB, STREAM, 1, choice(uniform()))
    const [one, three] = table.lookup(WEB)!.targets.map(target => target.counters.packets)
    expect(one! + three!).toBe(20_000)
    // Five standard deviations of a binomial with p = 1/4 are 306.
    expect(Math.abs(one! - 5_000), replay('test/unit/service/resolve.test.ts')).toBeLessThan(306)
  })

  it('is exact at the borders of the shares', () => {
    const pick = (uniform: number) => weightedRandom.pick([1, 2, 1], choice(uniform))
    expect([0, 0.2499, 0.25, 0.7499, 0.75, 0.9999].map(pick)).toEqual([0, 0, 1, 1, 2, 2])
  })

  it('gives what rounding leaves over to the last one that has a weight', () => {
    expect(weightedRandom.pick([0.1, 0.2, 0], choice(1))).toBe(1)
  })

  it('draws numbers from 0 up to, but not including, 1', () => {
    let calls = 0
    const draw = uniformFrom(n => {
      calls++
      return new Uint8Array(n).fill(calls === 1 ? 0x00 : 0xff)
    })
    const first = Array.from({ length: 1024 }, draw)
    expect(new Set(first)).toEqual(new Set([0]))
    expect(draw()).toBe((2 ** 32 - 1) / 2 ** 32)
    expect(calls).toBe(2)
  })
})
