import { describe, expect, it } from 'vitest'
import { parseServicePattern, serviceIdOf } from '../../../src/id/name.ts'
import { ServicePrefix } from '../../../src/id/service-prefix.ts'
import { resolve } from '../../../src/service/resolve.ts'
import type { RuleOrigin } from '../../../src/service/rule.ts'
import { formatRule, parseRule } from '../../../src/service/rule-text.ts'
import { ServiceTable } from '../../../src/service/service-table.ts'
import { choice } from '../../support/choice.ts'

const A = { address: '10.0.0.1', port: 1 }
const WEB = serviceIdOf('web.shop.example')
const A_SAYS = { source: 'controller', owner: 'a' } as const
const B_SAYS = { source: 'controller', owner: 'b' } as const

function tableOf(...rules: [text: string, origin?: Partial<RuleOrigin>][]): ServiceTable {
  const table = new ServiceTable()
  for (const [text, origin] of rules) insert(table, text, origin)
  return table
}

function insert(table: ServiceTable, text: string, origin: Partial<RuleOrigin> = {}): void {
  const { prefix, pattern, rule } = parseRule(text)
  table.insert(prefix, rule, { source: 'user', name: pattern, ...origin })
}

/** The table as text, a rule for each target. */
function dump(table: ServiceTable, under?: string): string[] {
  const prefix = under === undefined ? undefined : parseServicePattern(under)
  return table.entries(prefix).flatMap(entry => {
    return entry.targets.map(target =>
      formatRule(entry.name, target.type === 'FORWARD' ? { type: 'FORWARD', targets: [target] } : target),
    )
  })
}

describe('a service table', () => {
  it('looks up the longest prefix', () => {
    const table = tableOf(
      ['default DELAY'],
      ['*.example DELAY'],
      ['*.shop.example DELAY'],
      ['web.shop.example DELAY'],
    )
    const named = (name: string) => table.lookup(serviceIdOf(name))?.name
    expect(named('web.shop.example')).toBe('web.shop.example')
    expect(named('api.shop.example')).toBe('*.shop.example')
    expect(named('shop.example')).toBe('*.shop.example')
    expect(named('other.example')).toBe('*.example')
    expect(named('elsewhere')).toBe('*')
  })

  it('misses where nothing matches', () => {
    expect(tableOf(['*.shop.example DELAY']).lookup(serviceIdOf('web.other'))).toBeUndefined()
    expect(new ServiceTable().lookup(WEB)).toBeUndefined()
  })

  it('looks up among shorter prefixes only, down to none', () => {
    const table = tableOf(['default DELAY'], ['*.example DELAY'], ['web.shop.example DELAY'])
    expect(table.lookup(WEB, 255)?.name).toBe('*.example')
    expect(table.lookup(WEB, 31)?.name).toBe('*')
    expect(table.lookup(WEB, -1)).toBeUndefined()
  })

  it('calls an entry that nobody named by its prefix', () => {
    const table = tableOf(['*.example DELAY', { name: undefined }])
    expect(table.lookup(WEB)?.name).toMatch(/^x-[0-9a-f]{8}0{56}\/32$/)
  })

  it('gathers the targets of several owners in one entry, and forgets them one by one', () => {
    const table = tableOf(
      ['web.shop.example FORWARD 10.0.0.1:1', { source: 'controller', owner: 'a' }],
      ['web.shop.example FORWARD 10.0.0.2:1', { source: 'controller', owner: 'b' }],
    )
    insert(table, 'web.shop.example FORWARD 10.0.0.3:1', { source: 'controller', owner: 'b' })
    expect(table.size).toBe(1)
    expect(dump(table)).toEqual([
      'web.shop.example FORWARD 10.0.0.1:1',
      'web.shop.example FORWARD 10.0.0.2:1',
      'web.shop.example FORWARD 10.0.0.3:1',
    ])

    expect(table.remove(parseServicePattern('web.shop.example'), { owner: 'b' })).toBe(2)
    expect(dump(table)).toEqual(['web.shop.example FORWARD 10.0.0.1:1'])
    expect(table.remove(parseServicePattern('web.shop.example'), { owner: 'b' })).toBe(0)
    expect(table.remove(parseServicePattern('web.shop.example'), { owner: 'a' })).toBe(1)
    expect(table.size).toBe(0)
    expect(table.find(parseServicePattern('web.shop.example'))).toBeUndefined()
  })

  it('removes by endpoint, type, protocol or source', () => {
    const rules = [
      'web.shop.example FORWARD 10.0.0.1:1, 10.0.0.2:1',
      'web.shop.example DEMUX 1 stream',
      'web.shop.example DEMUX 2 datagram',
      'web.shop.example DELAY',
      'web.shop.example DROP why',
    ]
    const table = tableOf(...rules.map((rule): [string] => [rule]), [
      'web.shop.example FORWARD 10.0.0.9:1',
      { source: 'config' },
    ])
    const prefix = parseServicePattern('web.shop.example')
    expect(table.remove(prefix, { endpoint: A })).toBe(1)
    expect(table.remove(prefix, { protocol: 6 })).toBe(1)
    expect(table.remove(prefix, { type: 'DELAY' })).toBe(1)
    expect(table.remove(prefix, { type: 'DROP', source: 'config' })).toBe(0)
    expect(table.remove(prefix, { type: 'DROP' })).toBe(1)
    expect(table.remove(prefix, { source: 'config' })).toBe(1)
    expect(dump(table)).toEqual(['web.shop.example FORWARD 10.0.0.2:1', 'web.shop.example DEMUX 2 datagram'])
  })

  it('forgets an owner everywhere, or under a prefix', () => {
    const table = tableOf(
      ['web.shop.example FORWARD 10.0.0.1:1', { owner: 'a' }],
      ['*.shop.example FORWARD 10.0.0.1:1', { owner: 'a' }],
      ['other.example FORWARD 10.0.0.1:1', { owner: 'a' }],
      ['other.example FORWARD 10.0.0.2:1', { owner: 'b' }],
    )
    expect(table.removeEverywhere({ owner: 'a' }, parseServicePattern('*.shop.example'))).toBe(2)
    expect(table.removeEverywhere({ owner: 'a' })).toBe(1)
    expect(dump(table)).toEqual(['other.example FORWARD 10.0.0.2:1'])
  })

  it('dumps a prefix', () => {
    const table = tableOf(['*.shop.example DELAY'], ['web.shop.example DELAY'], ['web.other.example DELAY'])
    expect(dump(table, '*.shop.example')).toEqual(['*.shop.example DELAY', 'web.shop.example DELAY'])
    expect(dump(table, 'web.shop.example')).toEqual(['web.shop.example DELAY'])
    expect(dump(table, 'api.shop.example')).toEqual([])
    expect(dump(table)).toHaveLength(3)
  })

  it('refreshes what an origin had put there: counters stay, the rest is new', () => {
    const table = tableOf(['web.shop.example FORWARD 10.0.0.1:1', { owner: 'a', expiresAt: 100 }])
    resolve(table, WEB, 6, 72, choice())
    insert(table, 'web.shop.example FORWARD 10.0.0.1:1 weight 5', { owner: 'a', expiresAt: 200 })
    expect(table.lookup(WEB)?.targets).toMatchObject([
      { weight: 5, expiresAt: 200, counters: { packets: 1, bytes: 72, drops: 0 } },
    ])
  })

  it('replaces at once what an origin had in an entry, and leaves the others', () => {
    const table = tableOf(
      ['web.shop.example FORWARD 10.0.0.1:1, 10.0.0.2:1', { source: 'controller' }],
      ['web.shop.example FORWARD 10.0.0.9:1'],
    )
    resolve(table, WEB, 6, 72, choice())
    const { prefix, rule } = parseRule('web.shop.example FORWARD 10.0.0.3:1, 10.0.0.1:1')
    table.replace(prefix, [rule], { source: 'controller' })
    expect(dump(table)).toEqual([
      'web.shop.example FORWARD 10.0.0.9:1',
      'web.shop.example FORWARD 10.0.0.3:1',
      'web.shop.example FORWARD 10.0.0.1:1',
    ])
    const stayed = table.lookup(WEB)?.targets[2]
    expect(stayed?.counters.packets).toBe(1)

    table.replace(prefix, [{ type: 'DELAY' }], { source: 'user' }, {})
    expect(dump(table)).toEqual(['web.shop.example DELAY'])
    table.replace(prefix, [], { source: 'user' })
    expect(table.size).toBe(0)
  })

  it('changes nothing where one of the new rules cannot be held', () => {
    const table = tableOf(['web.shop.example FORWARD 10.0.0.1:1'])
    const { prefix } = parseRule('web.shop.example DELAY')
    const rules = [
      { type: 'FORWARD', targets: [{ endpoint: A, weight: 3 }] },
      { type: 'FORWARD', targets: [] },
    ] as const
    expect(() => table.replace(prefix, rules, { source: 'user' })).toThrow(/FORWARD takes one target or more/)
    expect(dump(table)).toEqual(['web.shop.example FORWARD 10.0.0.1:1'])
  })

  it.each([
    [[], 'rule "web.shop.example FORWARD": "" is not accepted: FORWARD takes one target or more'],
    [[{ endpoint: A, weight: -1 }], '"-1" is not accepted: a weight is a number, 0 or more'],
    [[{ endpoint: A, weight: Number.NaN }], '"NaN" is not accepted: a weight is a number, 0 or more'],
    [[{ endpoint: A, priority: Infinity }], '"Infinity" is not accepted: a priority is a number'],
  ])('refuses targets that mean nothing (%#)', (targets, message) => {
    const table = new ServiceTable()
    const prefix = parseServicePattern('web.shop.example')
    const insertion = () =>
      table.insert(prefix, { type: 'FORWARD', targets }, { source: 'user', name: 'web.shop.example' })
    expect(insertion).toThrow(expect.objectContaining({ code: 'ERR_SERVAL_RULE' }))
    expect(insertion).toThrow(message)
    expect(table.size).toBe(0)
  })

  it('holds two targets for one endpoint of an owner, one for each protocol', () => {
    const table = new ServiceTable()
    insert(table, 'web.example FORWARD 10.0.0.1:1 stream, 10.0.0.1:1 datagram weight 2', A_SAYS)
    insert(table, 'web.example FORWARD 10.0.0.1:1 datagram weight 3', A_SAYS)
    expect(dump(table)).toEqual([
      'web.example FORWARD 10.0.0.1:1 stream',
      'web.example FORWARD 10.0.0.1:1 datagram weight 3',
    ])
    expect(table.remove(parseServicePattern('web.example'), { protocol: 6 })).toBe(1)
    expect(dump(table)).toEqual(['web.example FORWARD 10.0.0.1:1 datagram weight 3'])
  })

  it('lets a target for all protocols give way to those for each, and take their place', () => {
    const table = new ServiceTable()
    insert(table, 'web.example FORWARD 10.0.0.1:1', A_SAYS)
    insert(table, 'web.example FORWARD 10.0.0.1:1 datagram', A_SAYS)
    expect(dump(table)).toEqual(['web.example FORWARD 10.0.0.1:1 datagram'])
    insert(table, 'web.example FORWARD 10.0.0.1:1 stream', A_SAYS)
    expect(dump(table)).toEqual([
      'web.example FORWARD 10.0.0.1:1 datagram',
      'web.example FORWARD 10.0.0.1:1 stream',
    ])
    insert(table, 'web.example FORWARD 10.0.0.1:1 weight 5', A_SAYS)
    expect(dump(table)).toEqual(['web.example FORWARD 10.0.0.1:1 weight 5'])
  })

  it('keeps what targets have counted as long as they take the same protocols', () => {
    const table = new ServiceTable()
    insert(table, 'web.example FORWARD 10.0.0.1:1 stream, 10.0.0.1:1 datagram', A_SAYS)
    const entry = table.find(parseServicePattern('web.example'))!
    entry.count(entry.servingFor(17)[0]!, 3, 300, 0)
    insert(table, 'web.example FORWARD 10.0.0.1:1 datagram weight 2', A_SAYS)
    const counted = () =>
      table.find(parseServicePattern('web.example'))!.targets.map(({ counters }) => counters.packets)
    expect(counted()).toEqual([0, 3])
    insert(table, 'web.example FORWARD 10.0.0.1:1', A_SAYS)
    expect(counted()).toEqual([0])
    expect(table.find(parseServicePattern('web.example'))!.counters.packets).toBe(3)
  })

  it('remembers how an instance did, whatever else takes the other protocol meanwhile', () => {
    const table = new ServiceTable()
    insert(table, 'web.example FORWARD eject=2 10.0.0.1:1, 10.0.0.2:1', A_SAYS)
    const flow = { service: serviceIdOf('web.example'), protocol: 6 }
    const failed = { type: 'failed', afterMs: 1 } as const
    for (let i = 0; i < 2; i++) table.observe(flow, { address: '10.0.0.1', port: 1 }, failed, 0)
    insert(table, 'web.example FORWARD 10.0.0.3:1 datagram', B_SAYS)
    const picked = (protocol: number) =>
      [0, 0.3, 0.6, 0.9].map(uniform => {
        const target = table.lookup(flow.service)!.pick(protocol, 'any', choice(uniform))
        return target?.type === 'FORWARD' && target.endpoint.address
      })
    expect(new Set(picked(6))).toEqual(new Set(['10.0.0.2']))
    expect(new Set(picked(17))).toEqual(new Set(['10.0.0.2', '10.0.0.3']))
  })

  it('holds a listener for each protocol of one ID, and refuses a second one', () => {
    const table = tableOf(['web.shop.example DEMUX 1 stream'], ['web.shop.example DEMUX 2 datagram'])
    expect(() => insert(table, 'web.shop.example DEMUX 3 stream')).toThrow(
      expect.objectContaining({
        code: 'EADDRINUSE',
        message: 'listen EADDRINUSE: web.shop.example is already served by listener 1',
      }),
    )
    insert(table, 'web.shop.example DEMUX 1 stream')
    expect(dump(table)).toEqual(['web.shop.example DEMUX 1 stream', 'web.shop.example DEMUX 2 datagram'])
  })

  it('holds several listeners of one protocol where all of them share', () => {
    const table = tableOf(
      ['web.shop.example DEMUX 1 stream shared'],
      ['web.shop.example DEMUX 2 stream shared'],
    )
    expect(() => insert(table, 'web.shop.example DEMUX 3 stream')).toThrow(/EADDRINUSE/)
    insert(table, 'web.shop.example DEMUX 3 stream shared')
    expect(dump(table)).toHaveLength(3)
    table.remove(parseServicePattern('web.shop.example'), { protocol: 6 })
    expect(table.size).toBe(0)
  })

  it('goes through its entries while rules come and go between two of them', () => {
    const names = Array.from({ length: 50 }, (_, i) => `n${i}.shop.example`)
    const table = tableOf(...names.map((name): [string] => [`${name} DELAY`]), ['web.other DELAY'])
    const seen: string[] = []
    for (const entry of table.scan(parseServicePattern('*.shop.example'))) {
      seen.push(entry.name)
      // Half of those not seen yet go, and as many others come.
      const turn = seen.length
      table.remove(parseServicePattern(`n${2 * turn + 1}.shop.example`))
      insert(table, `m${turn}.shop.example DELAY`)
      expect(table.lookup(serviceIdOf('n0.shop.example'))?.name).toBe('n0.shop.example')
    }
    expect(new Set(seen).size).toBe(seen.length)
    expect(seen).not.toContain('web.other')
    for (let i = 0; i < 50; i += 2) expect(seen).toContain(`n${i}.shop.example`)
  })

  it('keeps name and counters while an entry grows and shrinks', () => {
    const table = tableOf(['web.shop.example FORWARD 10.0.0.1:1'])
    resolve(table, WEB, 6, 72, choice())
    insert(table, 'web.shop.example FORWARD 10.0.0.2:1')
    resolve(table, WEB, 6, 72, choice(0.9))
    expect(table.lookup(WEB)?.counters).toEqual({ packets: 2, bytes: 144, drops: 0 })
    table.remove(parseServicePattern('web.shop.example'), { endpoint: A })
    const entry = table.lookup(WEB)
    expect(entry?.name).toBe('web.shop.example')
    expect(entry?.counters).toEqual({ packets: 2, bytes: 144, drops: 0 })
    expect(entry?.targets[0]?.counters).toEqual({ packets: 1, bytes: 72, drops: 0 })
  })

  it('takes no more than numbers for an entry of one target, whatever is counted', () => {
    const table = new ServiceTable()
    const ids = Array.from({ length: 5_000 }, (_, i) => serviceIdOf(`n${i}.example`))
    for (const [i, id] of ids.entries()) {
      const endpoint = { address: `10.0.1.${i % 100}`, port: 1 }
      table.insert(
        new ServicePrefix(id, 256),
        { type: 'FORWARD', targets: [{ endpoint }] },
        { source: 'user' },
      )
    }
    const untouched = table.byteLength / table.size
    for (const id of ids) resolve(table, id, 6, 72, choice())
    expect(table.counters.packets).toBe(5_000)
    expect(untouched).toBeLessThan(80)
    expect(table.byteLength / table.size).toBeLessThan(100)
  })

  it('expires rules at their instant, and says when the next one is due', () => {
    const table = tableOf(
      ['web.shop.example FORWARD 10.0.0.1:1', { owner: 'a', expiresAt: 100 }],
      ['web.shop.example FORWARD 10.0.0.2:1', { owner: 'b', expiresAt: 200 }],
      ['other.example DELAY', { expiresAt: 150 }],
      ['default DELAY'],
    )
    expect(table.nextExpiryAt).toBe(100)
    expect(table.expire(99)).toBe(0)
    expect(table.expire(150)).toBe(2)
    expect(dump(table)).toEqual(['default DELAY', 'web.shop.example FORWARD 10.0.0.2:1'])
    expect(table.nextExpiryAt).toBe(200)
    expect(table.expire(1000)).toBe(1)
    expect(table.nextExpiryAt).toBe(Infinity)
    expect(dump(table)).toEqual(['default DELAY'])
  })
})
