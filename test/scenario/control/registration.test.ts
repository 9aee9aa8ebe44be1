import { describe, expect, it } from 'vitest'
import { ControlWorld, endpoints, named, registration } from '../../support/control-world.ts'

describe('a listener', () => {
  it('is registered within one round trip, and every router is told', () => {
    const world = new ControlWorld()
    const router = world.agent({ kind: 'router', at: '10.0.0.9:54325' })
    const server = world.agent({ at: '10.0.0.1:5000' })
    world.run(10)
    const id = server.core.register(registration('web.example', 2))
    world.run(2)
    expect(server.take('registered')).toEqual([{ type: 'registered', registrationId: id }])
    world.run(1)
    expect(router.take('rules')).toMatchObject([
      {
        remove: [],
        add: [{ name: 'web.example', weight: 2, priority: 1, endpoints: endpoints('10.0.0.1:5000') }],
      },
    ])
  })

  it('that closes is withdrawn, and its router told', () => {
    const world = new ControlWorld()
    const router = world.agent({ kind: 'router', at: '10.0.0.9:54325' })
    const server = world.agent({ at: '10.0.0.1:5000' })
    const id = server.core.register(registration('web.example'))
    world.run(10)
    router.take('rules')
    server.core.unregister(id)
    world.run(10)
    expect(server.take('unregistered')).toEqual([{ type: 'unregistered', registrationId: id }])
    expect(router.take('rules')).toMatchObject([{ remove: [{ name: 'web.example' }], add: [] }])
    expect(world.registered()).toEqual([])
  })

  it('is one of several instances of a name, each with its weight', () => {
    const world = new ControlWorld()
    for (const [i, weight] of [1, 2, 3].entries()) {
      world.agent({ at: `10.0.0.${i}:5000` }).core.register(registration('web.example', weight))
    }
    world.run(10)
    const router = world.agent({ kind: 'router', at: '10.0.0.9:54325' })
    world.run(10)
    const [told] = router.take('rules')
    expect(told!.add.map(rule => rule.weight).sort()).toEqual([1, 2, 3])
  })

  it('may be two of one process, and the name stays until both are closed', () => {
    const world = new ControlWorld()
    const server = world.agent({ at: '10.0.0.1:5000' })
    const stream = server.core.register(registration('web.example'))
    const datagram = server.core.register(registration('web.example'))
    world.run(10)
    server.core.unregister(stream)
    world.run(10)
    expect(world.registered()).toEqual(['web.example 1'])
    server.core.unregister(datagram)
    world.run(10)
    expect(world.registered()).toEqual([])
    expect(server.take('unregistered')).toHaveLength(2)
  })

  it('of a malformed, mismatched or host-scoped name is refused, and says why', () => {
    const world = new ControlWorld()
    const server = world.agent({ at: '10.0.0.1:5000' })
    server.core.register({ ...registration('web.example'), name: 'Web..example' })
    server.core.register({ ...registration('web.example'), name: 'shop.example' })
    server.core.register(registration('8080.localhost.inet'))
    world.run(10)
    expect(server.take('refused').map(({ code, message }) => `${code} ${message}`)).toEqual([
      expect.stringMatching(/^ESERVICENAME .*web\.\.example.* is not a service name/),
      expect.stringMatching(/^ESERVICENAME shop\.example is x-\w+, not x-\w+$/),
      expect.stringMatching(/^ESERVICENAME 8080\.localhost\.inet means this host on every host/),
    ])
    expect(world.registered()).toEqual([])
    expect(world.hub!.counters.refused).toBe(3)
  })

  it('that moves is told at its new addresses', () => {
    const world = new ControlWorld()
    const router = world.agent({ kind: 'router', at: '10.0.0.9:54325' })
    const server = world.agent({ at: '10.0.0.1:5000' })
    server.core.register(registration('web.example'))
    world.run(10)
    router.take('rules')
    server.core.setEndpoints(endpoints('10.0.0.2:5000'))
    world.run(10)
    expect(router.take('rules')).toMatchObject([
      {
        remove: [{ endpoints: endpoints('10.0.0.1:5000') }],
        add: [{ endpoints: endpoints('10.0.0.2:5000') }],
      },
    ])
  })

  it('without an address is no rule until it has one', () => {
    const world = new ControlWorld()
    const router = world.agent({ kind: 'router', at: '10.0.0.9:54325' })
    const server = world.agent()
    server.core.register(registration('web.example'))
    world.run(10)
    expect(router.take('rules')).toEqual([])
    server.core.setEndpoints(endpoints('10.0.0.2:5000'))
    world.run(10)
    expect(router.take('rules')).toMatchObject([{ add: [{ name: 'web.example' }] }])
  })
})

describe('a process that dies', () => {
  it('is withdrawn at once: router and hosts are told, and which endpoints are gone', () => {
    const world = new ControlWorld()
    const router = world.agent({ kind: 'router', at: '10.0.0.9:54325' })
    const client = world.agent({ at: '10.0.0.2:6000' })
    const server = world.agent({ at: '10.0.0.1:5000' })
    server.core.register(registration('web.example'))
    world.run(10)
    client.core.resolve(named('web.example'), world.nowMs)
    world.run(10)
    client.take('rules')
    router.take('rules')
    server.kill()
    world.run(2)
    expect(router.take('rules')).toMatchObject([{ remove: [{ name: 'web.example' }], add: [] }])
    expect(client.take('rules')).toMatchObject([{ remove: [{ name: 'web.example' }], add: [] }])
    expect(client.take('gone')).toEqual([
      { type: 'gone', instance: server.core.instance, endpoints: endpoints('10.0.0.1:5000'), reason: 'died' },
    ])
    expect(router.take('gone')).toEqual([])
  })

  it('is not said to be gone if it said goodbye', () => {
    const world = new ControlWorld()
    const client = world.agent({ at: '10.0.0.2:6000' })
    const server = world.agent({ at: '10.0.0.1:5000' })
    server.core.register(registration('web.example'))
    world.run(10)
    server.core.stop(world.nowMs)
    world.run(10)
    expect(client.take('gone')).toEqual([])
    expect(world.registered()).toEqual([])
    expect(server.core.nextTimeoutAt()).toBe(Number.POSITIVE_INFINITY)
  })

  it('leaves alone an endpoint that a new process has taken over meanwhile', () => {
    const world = new ControlWorld()
    const client = world.agent({ at: '10.0.0.2:6000' })
    const server = world.agent({ at: '10.0.0.1:5000 10.0.1.1:5000' })
    world.agent({ at: '10.0.0.1:5000' })
    world.run(10)
    server.kill()
    world.run(10)
    expect(client.take('gone')).toMatchObject([{ endpoints: endpoints('10.0.1.1:5000') }])
  })

  it('if it was a router, is no longer among the routers that hosts are told', () => {
    const world = new ControlWorld()
    const host = world.agent({ at: '10.0.0.2:6000' })
    world.run(10)
    expect(host.take('routers')).toEqual([{ type: 'routers', routers: [] }])
    const router = world.agent({ kind: 'router', program: 'serval router', at: '10.0.0.9:54325' })
    world.run(10)
    const name = 'serval router on host (pid 1)'
    const { instance } = router.core
    expect(host.take('routers')).toEqual([
      { type: 'routers', routers: [{ instance, name, endpoints: endpoints('10.0.0.9:54325') }] },
    ])
    router.kill()
    world.run(2)
    expect(host.take('routers')).toEqual([{ type: 'routers', routers: [] }])
    expect(host.take('gone')).toEqual([])
  })
})

describe('a process that is stopped', () => {
  it('is withdrawn after one lease, as silent, and registers again when it goes on', () => {
    const world = new ControlWorld()
    const client = world.agent({ at: '10.0.0.2:6000' })
    const server = world.agent({ at: '10.0.0.1:5000' })
    server.core.register(registration('web.example'))
    world.run(1000)
    server.freeze()
    world.run(6000)
    expect(world.registered()).toEqual(['web.example 1'])
    world.run(5000)
    expect(world.registered()).toEqual([])
    expect(client.take('gone')).toMatchObject([{ reason: 'silent' }])
    server.thaw()
    world.run(500)
    expect(world.registered()).toEqual(['web.example 1'])
  })

  it('is kept for a while where too many fall silent at once', () => {
    const world = new ControlWorld(1, { holdMs: 60_000 })
    const servers = Array.from({ length: 10 }, (_, i) => world.agent({ at: `10.0.0.${i}:5000` }))
    for (const server of servers) server.core.register(registration('web.example'))
    world.run(1000)
    for (const server of servers.slice(0, 2)) server.freeze()
    world.run(30_000)
    expect(world.registered()).toEqual(['web.example 10'])
    expect(world.hub!.isHoldingEvictions).toBe(true)
    world.run(50_000)
    expect(world.registered()).toEqual(['web.example 8'])
    expect(world.hub!.isHoldingEvictions).toBe(false)
  })

  it('is withdrawn where few of many are silent', () => {
    const world = new ControlWorld()
    const servers = Array.from({ length: 20 }, (_, i) => world.agent({ at: `10.0.0.${i}:5000` }))
    for (const server of servers) server.core.register(registration('web.example'))
    world.run(1000)
    for (const server of servers.slice(0, 3)) server.freeze()
    world.run(11_000)
    expect(world.registered()).toEqual(['web.example 17'])
  })
})
