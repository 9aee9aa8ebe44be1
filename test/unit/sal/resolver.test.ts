/** Late binding: where a SYN goes by the rules of the moment, and what a refusal means. */
import { describe, expect, it } from 'vitest'
import { ServalError } from '../../../src/errors.ts'
import type { Flow } from '../../../src/flow/flow.ts'
import { serviceIdOf } from '../../../src/id/name.ts'
import { ServicePrefix } from '../../../src/id/service-prefix.ts'
import { Locals } from '../../../src/sal/locals.ts'
import { type Ask, Resolver } from '../../../src/sal/resolver.ts'
import type { Rule } from '../../../src/service/rule.ts'
import { ServiceTable } from '../../../src/service/service-table.ts'
import { endpoint } from '../../../src/wire/endpoint.ts'
import { reasonCodes } from '../../../src/wire/extensions/reason.ts'
import { nativeProfile } from '../../../src/wire/native-profile.ts'
import { protocols } from '../../../src/wire/sal-header.ts'
import { Random } from '../../support/random.ts'
import { pair } from '../../support/simulator/scenes.ts'

const NAME = 'web.example'
const exact = new ServicePrefix(serviceIdOf(NAME), 256)
const there = endpoint('10.0.0.9', 9)

function desk(...rules: readonly Rule[]) {
  const table = new ServiceTable()
  for (const rule of rules) table.insert(exact, rule, { source: 'user' })
  const locals = new Locals()
  for (const id of [1, 2]) {
    locals.add({ id, endpoint: endpoint(`10.0.0.${id}`, 4000), prefixBits: 24, mtu: 1500 })
  }
  const asked: (string | undefined)[] = []
  const ask: Ask = (_, name) => asked.push(name)
  const resolver = new Resolver(table, locals, nativeProfile, new Random(1).bytes, ask)
  return { table, locals, resolver, asked }
}

const flow = () =>
  ({
    service: serviceIdOf(NAME),
    serviceName: NAME,
    protocol: protocols.STREAM,
    fail: () => undefined,
  }) as unknown as Flow
const forward = (...targets: readonly (typeof there)[]): Rule => {
  return { type: 'FORWARD', targets: targets.map(target => ({ endpoint: target })) }
}

describe('the next SYN of a flow goes', () => {
  it('where the rule says, from another address of this host’s each time', () => {
    const { resolver } = desk(forward(there))
    const one = flow()
    const targets = [0, 1, 2].map(() => resolver.next(one, 0))
    expect(targets).toMatchObject([1, 2, 1].map(id => ({ local: { id }, remote: there })))
    expect(resolver.targetOf(one)).toEqual(there)
  })

  it('where the first went, once that has answered: nothing of it is remembered', () => {
    const { resolver } = desk(forward(there))
    const one = flow()
    resolver.next(one, 0)
    resolver.handleAnswered(one, there, 5)
    expect(resolver.targetOf(one)).toBeUndefined()
    expect(resolver.next(one, 10)).toMatchObject({ local: { id: 1 }, remote: there })
  })

  it('by the rules as they are then', () => {
    const { resolver, table } = desk(forward(there))
    const one = flow()
    resolver.next(one, 0)
    const moved = endpoint('10.0.0.10', 9)
    table.replace(exact, [forward(moved)], { source: 'user' })
    expect(resolver.next(one, 0)).toMatchObject({ remote: moved })
  })

  it('to this stack’s own listener by its own address', () => {
    const { resolver } = desk({ type: 'DEMUX', listenerId: 1, protocol: protocols.STREAM })
    expect(resolver.next(flow(), 0)).toMatchObject({ remote: { address: '10.0.0.1' } })
  })

  it('nowhere: nobody knows the service, a rule drops it, or this host has no address', () => {
    expect(desk().resolver.next(flow(), 0)).toMatchObject({ code: 'ENOSERVICE', service: NAME })
    const dropped = desk({ type: 'DROP', reason: 'closed for winter' }).resolver.next(flow(), 0)
    expect(dropped).toMatchObject({ code: 'EHOSTUNREACH', reason: 'closed for winter' })
    const bare = desk(forward(endpoint('fd00::1', 9))).resolver.next(flow(), 0)
    expect(bare).toMatchObject({ code: 'EHOSTUNREACH', service: NAME })
  })
})

describe('a DELAY rule', () => {
  it('parks the flows, asks once, and lets them go when another rule is there', () => {
    const { resolver, table, asked } = desk({ type: 'DELAY' })
    const [first, second] = [flow(), flow()]
    expect([resolver.next(first, 0), resolver.next(second, 0)]).toEqual(['waiting', 'waiting'])
    expect(asked).toEqual([NAME])
    expect(resolver.release(ServicePrefix.all)).toEqual([])
    table.replace(exact, [forward(there)], { source: 'user' })
    expect(resolver.release(new ServicePrefix(serviceIdOf('other.example'), 256))).toEqual([])
    expect(resolver.release(ServicePrefix.all)).toEqual([first, second])
    expect(resolver.release(ServicePrefix.all)).toEqual([])
  })

  it('lets them go when nobody says who serves it', () => {
    const { resolver } = desk({ type: 'DELAY' })
    const one = flow()
    resolver.next(one, 5)
    expect(resolver.nextTimeoutAt).toBe(10_005)
    expect(resolver.handleTimeout(10_004)).toEqual([])
    expect(resolver.handleTimeout(10_005)).toEqual([one])
  })

  it('holds no more than 1,024: the oldest fails', () => {
    const { resolver } = desk({ type: 'DELAY' })
    const failed: ServalError[] = []
    for (let i = 0; i < 1100; i++) {
      const one = { ...flow(), fail: (error: ServalError) => failed.push(error) } as unknown as Flow
      resolver.next(one, i)
    }
    expect(failed).toHaveLength(1100 - 1024)
    expect(failed[0]).toMatchObject({ code: 'EHOSTUNREACH' })
    expect(resolver.queues[0]).toMatchObject({ size: 1024, limit: 1024 })
  })

  it('that ends in no fails every connect with the error given', () => {
    const { world, client } = pair()
    client.rule('late.example', { type: 'DELAY' })
    const flows = [client.connect('late.example'), client.connect('late.example')]
    world.run(100)
    const error = new ServalError('ENOSERVICE', { service: 'late.example', asked: 'the controller' })
    client.sal.unresolved(serviceIdOf('late.example'), error, world.nowMs)
    client.wake()
    world.run(1)
    expect(flows.map(({ error }) => error)).toEqual([error, error])
    expect(client.sal.flows.size).toBe(0)
  })
})

describe('a refusal', () => {
  const meaning = (code: number, ...rules: readonly Rule[]) =>
    desk(...rules).resolver.refusal(flow(), { reason: code, detail: '', remote: there }, 0)

  it('that there is no such service, or that it is dropped, is final', () => {
    expect(meaning(reasonCodes.NO_SERVICE)).toMatchObject({ error: { code: 'ENOSERVICE' }, retry: 'never' })
    expect(meaning(reasonCodes.DROPPED)).toMatchObject({ error: { code: 'EHOSTUNREACH' }, retry: 'never' })
    expect(meaning(reasonCodes.NO_ROUTE)).toMatchObject({ error: { code: 'EHOSTUNREACH' }, retry: 'never' })
  })

  it('of an instance is worth another try where there may be another one', () => {
    const retry = (...rules: readonly Rule[]) => meaning(reasonCodes.REFUSED, ...rules).retry
    expect(retry(forward(there))).toBe('never')
    expect(retry(forward(there, endpoint('10.0.0.10', 9)))).toBe('at once')
  })

  it('that will pass is worth waiting for, even where there is no other instance', () => {
    for (const code of [reasonCodes.OVERLOAD, reasonCodes.DRAINING]) {
      expect(meaning(code, forward(there)).retry).toBe('later')
    }
  })

  it('names its reason and who refused', () => {
    for (const [code, reason] of [
      [reasonCodes.REFUSED, 'refused'],
      [reasonCodes.DRAINING, 'draining'],
      [reasonCodes.OVERLOAD, 'overload'],
      [99, 'refused'],
    ] as const) {
      expect(meaning(code).error).toMatchObject({ code: 'ECONNREFUSED', reason, asked: '10.0.0.9:9' })
    }
  })
})
