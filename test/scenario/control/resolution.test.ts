import { describe, expect, it } from 'vitest'
import { ControlWorld, endpoints, named, registration } from '../../support/control-world.ts'

/** A world with one client and one server of web.example, all connected. */
function pair(seed = 1) {
  const world = new ControlWorld(seed)
  const client = world.agent({ at: '10.0.0.2:6000' })
  const server = world.agent({ at: '10.0.0.1:5000' })
  server.core.register(registration('web.example'))
  world.run(10)
  return { world, client, server }
}

describe('a host that asks for a name', () => {
  it('gets its rules within one round trip', () => {
    const { world, client, server } = pair()
    client.core.resolve(named('web.example'), world.nowMs)
    world.run(2)
    const rule = {
      ...named('web.example'),
      instance: server.core.instance,
      endpoints: endpoints('10.0.0.1:5000'),
      weight: 1,
      priority: 1,
    }
    expect(client.take('rules')).toEqual([{ type: 'rules', remove: [], add: [rule] }])
    expect(client.take('resolved')).toEqual([
      { type: 'resolved', service: named('web.example'), rules: [rule] },
    ])
  })

  it('is told at once that nobody serves it, and who was asked', () => {
    const { world, client } = pair()
    client.core.resolve(named('shop.example'), world.nowMs)
    world.run(2)
    expect(client.take('unresolved')).toEqual([
      {
        type: 'unresolved',
        service: named('shop.example'),
        reason: 'not-found',
        asked: expect.stringMatching(/^controller [0-9a-f]{8} \(pid 101\)$/),
      },
    ])
    expect(client.take('rules')).toEqual([])
    expect(world.hub!.counters.unresolved).toBe(1)
  })

  it('asks once, however often the program does', () => {
    const { world, client } = pair()
    for (let i = 0; i < 5; i++) client.core.resolve(named('web.example'), world.nowMs)
    world.run(10)
    expect(client.take('resolved')).toHaveLength(1)
    client.core.resolve(named('web.example'), world.nowMs)
    world.run(10)
    expect(client.take('resolved')).toHaveLength(1)
  })

  it('is told of instances that appear later', () => {
    const { world, client } = pair()
    client.core.resolve(named('web.example'), world.nowMs)
    world.run(10)
    client.take('rules')
    const second = world.agent({ at: '10.0.0.3:5000' })
    second.core.register(registration('web.example'))
    world.run(10)
    expect(client.take('rules')).toMatchObject([
      { remove: [], add: [{ instance: second.core.instance, endpoints: endpoints('10.0.0.3:5000') }] },
    ])
    second.kill()
    world.run(2)
    expect(client.take('rules')).toMatchObject([{ remove: [{ instance: second.core.instance }], add: [] }])
  })

  it('is told nothing about names it did not ask for', () => {
    const { world, client } = pair()
    world.agent({ at: '10.0.0.3:5000' }).core.register(registration('web.example'))
    world.run(10)
    expect(client.take('rules')).toEqual([])
  })

  it('forgets the answer after its time, and asks anew', () => {
    const { world, client } = pair()
    client.core.resolve(named('web.example'), world.nowMs)
    world.run(29_000)
    expect(client.take('rules')).toHaveLength(1)
    world.run(2000)
    expect(client.take('rules')).toMatchObject([{ add: [], remove: [{ name: 'web.example' }] }])
    client.core.resolve(named('web.example'), world.nowMs)
    world.run(10)
    expect(client.take('rules')).toMatchObject([{ add: [{ name: 'web.example' }], remove: [] }])
  })

  it('gets the rules of the longest prefix, for exactly the name that it asked', () => {
    const { world, client } = pair()
    const wide = world.agent({ at: '10.0.0.3:5000' })
    wide.core.register(registration('*.example'))
    const narrow = world.agent({ at: '10.0.0.4:5000' })
    narrow.core.register(registration('*.shop.example'))
    world.run(10)
    const instances = ['web.example', 'cart.shop.example', 'other.example'].map(name => {
      client.core.resolve(named(name), world.nowMs)
      world.run(10)
      const [told] = client.take('rules')
      expect(told!.add).toHaveLength(1)
      expect(told!.add[0]).toMatchObject(named(name))
      return told!.add[0]!.instance
    })
    expect(instances.slice(1)).toEqual([narrow.core.instance, wide.core.instance])
    // A more specific service appears: the host that was sent to the wide one is told.
    const specific = world.agent({ at: '10.0.0.5:5000' })
    specific.core.register(registration('other.example'))
    world.run(10)
    expect(client.take('rules')).toMatchObject([
      { remove: [{ instance: wide.core.instance }], add: [{ instance: specific.core.instance }] },
    ])
    // And the wide one goes, which concerns nobody any longer.
    wide.kill()
    world.run(10)
    expect(client.take('rules')).toEqual([])
  })

  it('is not told loopback addresses of other hosts, and loopback last on its own', () => {
    const world = new ControlWorld()
    const near = world.agent({ hostId: 'a', at: '127.0.0.1:1 10.0.0.2:1' })
    const far = world.agent({ hostId: 'b', at: '10.0.0.3:1' })
    const server = world.agent({ hostId: 'a', at: '127.0.0.1:5000 10.0.0.2:5000' })
    server.core.register(registration('web.example'))
    world.run(10)
    near.core.resolve(named('web.example'), world.nowMs)
    far.core.resolve(named('web.example'), world.nowMs)
    world.run(10)
    expect(near.take('resolved')[0]!.rules[0]!.endpoints).toEqual(endpoints('10.0.0.2:5000 127.0.0.1:5000'))
    expect(far.take('resolved')[0]!.rules[0]!.endpoints).toEqual(endpoints('10.0.0.2:5000'))
  })
})

describe('without a controller', () => {
  it('a question fails as soon as the first attempt to reach one has', () => {
    const world = new ControlWorld()
    world.killController()
    const client = world.agent({ at: '10.0.0.2:6000' })
    client.core.resolve(named('web.example'), world.nowMs)
    world.run(2)
    expect(client.take('unresolved')).toMatchObject([{ reason: 'unreachable' }])
    expect(client.take('disconnected')).toMatchObject([{ reason: 'ECONNREFUSED' }])
    client.core.resolve(named('web.example'), world.nowMs)
    world.run(0)
    expect(client.take('unresolved')).toMatchObject([{ reason: 'unreachable' }])
  })

  it('a question waits a while for one that was there before', () => {
    const { world, client, server } = pair()
    world.killController()
    world.run(10)
    client.core.resolve(named('web.example'), world.nowMs)
    world.run(500)
    world.startController()
    world.run(1500)
    expect(server.core.state).toBe('READY')
    expect(client.take('unresolved').map(event => event.reason)).not.toContain('unreachable')
    world.killController()
    world.run(10)
    client.core.resolve(named('shop.example'), world.nowMs)
    world.run(2900)
    expect(client.take('unresolved').filter(({ service }) => service.name === 'shop.example')).toEqual([])
    world.run(200)
    expect(client.take('unresolved')).toMatchObject([{ reason: 'unreachable' }])
  })

  it('a controller that is connected but silent lets questions time out', () => {
    const { world, client } = pair()
    world.stallController(20_000)
    client.core.resolve(named('web.example'), world.nowMs)
    world.run(3100)
    expect(client.take('unresolved')).toMatchObject([{ reason: 'timeout' }])
  })

  it('a stopped agent answers every question itself', () => {
    const { world, client } = pair()
    client.core.resolve(named('web.example'), world.nowMs)
    client.core.stop(world.nowMs)
    client.core.resolve(named('shop.example'), world.nowMs)
    world.run(0)
    expect(client.take('unresolved').map(({ reason }) => reason)).toEqual(['stopped', 'stopped'])
  })

  it('a program cannot pile up questions without end', () => {
    const { world, client } = pair()
    for (let i = 0; i < 2000; i++) client.core.resolve(named(`n${i}.example`), world.nowMs)
    world.run(0)
    expect(client.take('unresolved').map(({ reason }) => reason)).toEqual(Array(976).fill('overload'))
    world.run(10)
    expect(client.take('unresolved')).toHaveLength(1024)
  })
})
