import { describe, expect, it } from 'vitest'
import { ControlWorld, endpoints, named, registration } from '../../support/control-world.ts'
import { replay, testSeed } from '../../support/random.ts'

describe('a controller that comes back', () => {
  it('has every registration again soon, and knows nobody who is gone', () => {
    const world = new ControlWorld()
    const servers = Array.from({ length: 5 }, (_, i) => world.agent({ at: `10.0.0.${i}:5000` }))
    for (const server of servers) server.core.register(registration('web.example'))
    world.run(1000)
    world.killController()
    world.run(2000)
    servers[0]!.kill()
    world.startController()
    world.run(5000)
    expect(world.registered()).toEqual(['web.example 4'])
    for (const server of servers.slice(1)) expect(server.take('registered')).toHaveLength(2)
  })

  it('finds listeners that opened and closed in its absence as they are now', () => {
    const world = new ControlWorld()
    const server = world.agent({ at: '10.0.0.1:5000' })
    const old = server.core.register(registration('old.example'))
    world.run(100)
    world.killController()
    world.run(10)
    server.core.unregister(old)
    world.run(0)
    expect(server.take('unregistered')).toEqual([{ type: 'unregistered', registrationId: old }])
    server.core.register(registration('new.example'))
    world.startController()
    world.run(1000)
    expect(world.registered()).toEqual(['new.example 1'])
  })

  it('does not empty a router whose servers are not back yet, and in the end leaves only what is true', () => {
    const world = new ControlWorld()
    const router = world.agent({ kind: 'router', at: '10.0.0.9:54325' })
    const kept = world.agent({ at: '10.0.0.1:5000' })
    kept.core.register(registration('kept.example'))
    const lost = world.agent({ at: '10.0.0.2:5000' })
    lost.core.register(registration('lost.example'))
    world.run(1000)
    router.take('rules')
    world.killController()
    world.run(1000)
    lost.kill()
    world.startController()
    world.run(9000)
    expect(world.registered()).toEqual(['kept.example 1'])
    expect(router.take('rules')).toEqual([])
    world.run(3000)
    expect(router.take('rules')).toMatchObject([{ remove: [{ name: 'lost.example' }], add: [] }])
  })

  it('tells a router that is new all that it knows, at once', () => {
    const world = new ControlWorld()
    world.agent({ at: '10.0.0.1:5000' }).core.register(registration('web.example'))
    world.run(10)
    const router = world.agent({ kind: 'router', at: '10.0.0.9:54325' })
    world.run(10)
    expect(router.take('rules')).toMatchObject([{ add: [{ name: 'web.example' }] }])
  })

  it('is asked again about what hosts know, and corrects it', () => {
    const world = new ControlWorld()
    const server = world.agent({ at: '10.0.0.1:5000' })
    server.core.register(registration('web.example'))
    world.run(10)
    const client = world.agent({ at: '10.0.0.3:6000', times: { retryMinMs: 2000 } })
    world.run(10)
    client.core.resolve(named('web.example'), world.nowMs)
    world.run(10)
    client.take('rules')
    world.killController()
    world.run(10)
    server.core.setEndpoints(endpoints('10.0.0.2:5000'))
    world.startController()
    world.run(15_000)
    expect(client.take('rules')).toMatchObject([
      {
        remove: [{ endpoints: endpoints('10.0.0.1:5000') }],
        add: [{ endpoints: endpoints('10.0.0.2:5000') }],
      },
    ])
    expect(client.take('resolved')).toHaveLength(1)
  })

  it('is believed after a lease where it does not know what a host knows', () => {
    const world = new ControlWorld()
    const client = world.agent({ at: '10.0.0.3:6000' })
    const server = world.agent({ at: '10.0.0.1:5000', times: { retryMinMs: 2000 } })
    server.core.register(registration('web.example'))
    world.run(10)
    client.core.resolve(named('web.example'), world.nowMs)
    world.run(10)
    client.take('rules')
    world.killController()
    world.run(10)
    server.core.setEndpoints(endpoints('10.0.0.2:5000'))
    world.startController()
    world.run(9000)
    expect(client.take('rules')).toEqual([])
    world.run(3000)
    expect(client.take('rules')).toMatchObject([
      { remove: [{ endpoints: endpoints('10.0.0.1:5000') }], add: [] },
    ])
  })

  it('lets a host keep what it knows as long as nobody can say better', () => {
    const world = new ControlWorld()
    const client = world.agent({ at: '10.0.0.3:6000' })
    const server = world.agent({ at: '10.0.0.1:5000' })
    server.core.register(registration('web.example'))
    world.run(10)
    client.core.resolve(named('web.example'), world.nowMs)
    world.run(10)
    client.take('rules')
    world.killController()
    world.run(120_000)
    expect(client.take('rules')).toEqual([])
    server.kill()
    world.startController()
    world.run(9000)
    expect(client.take('rules')).toEqual([])
    world.run(10_000)
    expect(client.take('rules')).toMatchObject([{ remove: [{ name: 'web.example' }] }])
  })

  it('that only stalled for long withdraws nobody', () => {
    const world = new ControlWorld()
    const server = world.agent({ at: '10.0.0.1:5000' })
    const client = world.agent({ at: '10.0.0.2:6000' })
    server.core.register(registration('web.example'))
    world.run(1000)
    world.stallController(60_000)
    world.run(70_000)
    expect(world.registered()).toEqual(['web.example 1'])
    expect(client.take('gone')).toEqual([])
  })

  it('that is stopped in good order is looked for again, without pressing', () => {
    const world = new ControlWorld()
    const servers = Array.from({ length: 4 }, (_, i) => world.agent({ at: `10.0.0.${i}:5000` }))
    world.run(1000)
    world.hub!.shutDown('the controller is being stopped')
    world.run(10)
    world.killController()
    expect(servers[0]!.take('disconnected')).toMatchObject([{ reason: 'the controller is being stopped' }])
    world.run(60_000)
    // 100 ms doubling to 5 s, jittered: a dozen or two attempts in a minute, no two agents in step.
    const attempts = servers.map(server => server.take('disconnected').map(({ retryAt }) => retryAt))
    for (const of of attempts) expect(of.length).toBeGreaterThan(12)
    for (const of of attempts) expect(of.length).toBeLessThan(32)
    expect(new Set(attempts.flat()).size).toBe(attempts.flat().length)
  })
})

describe('K1, S1: after any storm of deaths, stalls and restarts', () => {
  it('what is registered is what lives, and routers and hosts hold exactly that', () => {
    for (let seed = testSeed; seed < testSeed + 50; seed++) storm(seed)
  })
})

function storm(seed: number): void {
  const world = new ControlWorld(seed)
  const { random } = world
  const router = world.agent({ kind: 'router', at: '10.0.0.9:54325' })
  const client = world.agent({ at: '10.0.0.8:6000' })
  const names = ['web.example', 'shop.example', 'a.b.c.example', '*.example']
  const servers = Array.from({ length: 6 }, (_, i) => world.agent({ at: `10.0.0.${i}:5000` }))
  const wanted = servers.map(() => new Map<string, number>())
  const deeds: (() => void)[] = [
    () => world.killController(),
    () => world.hub ?? world.startController(),
    () => world.hub ?? world.startController(),
    () => world.stallController(random.below(15_000)),
    () => random.pick(servers).freeze(),
    () => random.pick(servers).thaw(),
    () => random.pick(servers).thaw(),
    () => random.chance(0.3) && random.pick(servers).kill(),
    () => client.core.resolve(named(random.pick(names.slice(0, 3))), world.nowMs),
    ...Array<() => void>(6).fill(() => {
      const i = random.below(servers.length)
      const name = random.pick(names)
      const id = wanted[i]!.get(name)
      if (!servers[i]!.isRunning) return
      if (id === undefined) wanted[i]!.set(name, servers[i]!.core.register(registration(name)))
      else servers[i]!.core.unregister(id)
      if (id !== undefined) wanted[i]!.delete(name)
    }),
  ]
  for (let step = 0; step < 40; step++) {
    random.pick(deeds)()
    world.run(random.below(4000))
  }
  // Liveness: all is well again, and must become right.
  if (world.hub === undefined) world.startController()
  for (const server of servers) server.thaw()
  world.run(60_000)
  const explain = `seed ${seed}; ${replay('test/scenario/control/restart.test.ts', seed)}`
  const expected = names.flatMap(name => {
    const count = servers.filter((server, i) => server.isRunning && wanted[i]!.has(name)).length
    return count === 0 ? [] : [`${name} ${count}`]
  })
  expect(world.registered(), explain).toEqual(expected.sort())
  expect(rulesHeld(router), explain).toEqual(expected.sort())
  for (const name of names.slice(0, 3)) client.core.resolve(named(name), world.nowMs)
  world.run(10)
  const reachable = names.slice(0, 3).flatMap(name => {
    const exact = expected.find(text => text.startsWith(`${name} `))
    const wide = expected.find(text => text.startsWith('*.example '))?.replace('*.example', name)
    return exact ?? wide ?? []
  })
  expect(rulesHeld(client), explain).toEqual(reachable.sort())
}

/** What an agent's table would hold after all it was told: `web.example 2`. */
function rulesHeld(agent: ReturnType<ControlWorld['agent']>): string[] {
  const held = new Map<string, Set<string>>()
  for (const event of agent.events) {
    if (event.type !== 'rules') continue
    for (const rule of event.remove) held.get(rule.name)?.delete(rule.instance)
    for (const rule of event.add) held.set(rule.name, (held.get(rule.name) ?? new Set()).add(rule.instance))
  }
  return [...held].flatMap(([name, { size }]) => (size === 0 ? [] : [`${name} ${size}`])).sort()
}
