import { afterEach, describe, expect, it, vi } from 'vitest'
import type { ControlRule } from '../../../src/control/messages.ts'
import { ControlRules } from '../../../src/net/control-rules.ts'
import { PublishedTable } from '../../../src/net/engine/published-table.ts'
import { applyChange, type TableChange } from '../../../src/net/engine/worker-messages.ts'
import { resolve } from '../../../src/service/resolve.ts'
import { ServiceTable } from '../../../src/service/service-table.ts'
import { formatEndpoint } from '../../../src/wire/endpoint.ts'
import { protocols } from '../../../src/wire/sal-header.ts'
import { choice } from '../../support/choice.ts'
import { endpoints, named } from '../../support/control-world.ts'
import { Random, replay, testSeed } from '../../support/random.ts'

function ruleTo(at: string, instance = 'a'.repeat(32)): ControlRule {
  return {
    ...named('web.example'),
    instance,
    endpoints: endpoints(at),
    weight: 1,
    priority: 1,
  }
}

function targetsIn(table: ServiceTable): string[] {
  const serving = table.find(named('web.example').prefix)?.serving ?? []
  return serving.map(({ endpoint }) => formatEndpoint(endpoint))
}

function rulesOf(table: ServiceTable): ControlRules {
  return new ControlRules({
    table,
    isReachable: () => true,
    onChanged: () => undefined,
    rest: () => Promise.resolve(),
  })
}

afterEach(() => {
  vi.restoreAllMocks()
})

describe('a rule of the controller', () => {
  it.each([
    ['0.0.0.0:5000', 'the unspecified address is no target'],
    ['[::]:5000', 'the unspecified address is no target'],
    ['224.0.0.1:5000', 'a multicast or broadcast address is no target'],
    ['255.255.255.255:5000', 'a multicast or broadcast address is no target'],
    ['[ff02::1]:5000', 'a multicast or broadcast address is no target'],
    ['[fe80::1]:5000', 'a link-local target says its interface'],
    ['10.0.0.1:0', 'a target has a port'],
  ])('to %s is left out, quoted with the reason, and takes away the one before', (at, reason) => {
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined)
    const table = new ServiceTable()
    const rules = rulesOf(table)
    const before = ruleTo('10.0.0.7:5000')
    void rules.apply([], [before])
    void rules.apply([before], [ruleTo(at)])
    expect(targetsIn(table)).toEqual([])
    expect(warn).toHaveBeenCalledWith(expect.stringContaining(`rule "web.example FORWARD ${at}"`), {
      code: 'SERVAL_RULE',
    })
    expect(warn).toHaveBeenCalledWith(expect.stringContaining(reason), expect.anything())
  })

  it('leads to the first of its endpoints that is possible', () => {
    const table = new ServiceTable()
    void rulesOf(table).apply([], [ruleTo('224.0.0.1:5000 10.0.0.7:5000')])
    expect(targetsIn(table)).toEqual(['10.0.0.7:5000'])
  })
})

describe('a rule for some protocols', () => {
  const stream = { protocol: protocols.STREAM, weight: 2, priority: 1 }
  const datagram = { protocol: protocols.DATAGRAM, weight: 3, priority: 1 }
  const web = named('web.example').prefix

  it('is a target for each, in the place of what the instance took before', () => {
    const table = new ServiceTable()
    const rules = rulesOf(table)
    const both = { ...ruleTo('10.0.0.7:5000'), shares: [stream, datagram] }
    void rules.apply([], [both])
    expect(table.find(web)?.servingFor(protocols.STREAM)).toMatchObject([{ weight: 2 }])
    expect(table.find(web)?.servingFor(protocols.DATAGRAM)).toMatchObject([{ weight: 3 }])
    void rules.apply([both], [{ ...both, shares: [datagram] }])
    expect(table.find(web)?.servingFor(protocols.STREAM)).toEqual([])
    expect(table.find(web)?.servingFor(protocols.DATAGRAM)).toMatchObject([{ weight: 3 }])
    void rules.apply([{ ...both, shares: [datagram] }], [ruleTo('10.0.0.7:5000')])
    expect(table.find(web)?.targets).toMatchObject([{ protocol: undefined, weight: 1 }])
    void rules.apply([ruleTo('10.0.0.7:5000')], [])
    expect(table.size).toBe(0)
  })
})

describe('the load of an instance', () => {
  const web = named('web.example')
  const [a, b] = ['a'.repeat(32), 'b'.repeat(32)]
  const random = new Random(testSeed)

  /** The targets of a hundred flows. */
  function chosen(table: ServiceTable, nowMs: number): string[] {
    const targets = Array.from({ length: 100 }, () =>
      resolve(table, web.prefix.id, protocols.STREAM, 0, choice(random.fraction(), { nowMs })),
    )
    return [
      ...new Set(targets.map(target => (target?.type === 'FORWARD' ? formatEndpoint(target.endpoint) : '-'))),
    ]
  }

  function shareByLoad(table: ServiceTable): ControlRules {
    const rules = rulesOf(table)
    const sharing = { balance: 'least-loaded' } as const
    const both = [ruleTo('10.0.0.1:5000', a), ruleTo('10.0.0.2:5000', b)]
    void rules.apply(
      [],
      both.map(rule => ({ ...rule, sharing })),
    )
    return rules
  }

  it('decides who gets the next flow', () => {
    const table = new ServiceTable()
    const rules = shareByLoad(table)
    rules.report(
      [
        { ...web, instance: a, flows: 9 },
        { ...web, instance: b, flows: 2 },
      ],
      1000,
    )
    expect(chosen(table, 1001), replay('test/unit/net/control-rules.test.ts')).toEqual(['10.0.0.2:5000'])
    rules.report([{ ...web, instance: b, flows: 20 }], 2000)
    expect(chosen(table, 2001)).toEqual(['10.0.0.1:5000'])
  })

  it('is known to the workers of a router too', () => {
    const workers = new ServiceTable()
    const changes: TableChange[] = []
    const rules = shareByLoad(new PublishedTable(change => changes.push(structuredClone(change))))
    rules.report(
      [
        { ...web, instance: a, flows: 9 },
        { ...web, instance: b, flows: 2 },
      ],
      1000,
    )
    for (const change of changes) applyChange(workers, change)
    expect(chosen(workers, 1001), replay('test/unit/net/control-rules.test.ts')).toEqual(['10.0.0.2:5000'])
  })

  it('says nothing of an instance without a rule, or of a name that another is the rule for', () => {
    const changes: TableChange[] = []
    const rules = shareByLoad(new PublishedTable(change => changes.push(change)))
    const before = changes.length
    rules.report([{ ...web, instance: 'c'.repeat(32), flows: 9 }], 1000)
    rules.report([{ ...named('shop.example'), instance: a, flows: 9 }], 1000)
    expect(changes).toHaveLength(before)
  })
})
