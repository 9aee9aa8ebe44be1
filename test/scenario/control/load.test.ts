/** How busy instances are, from where it is known to where flows are shared by it, through a controller. */
import { describe, expect, it } from 'vitest'
import { GATHER_MS } from '../../../controller/loads.ts'
import { REPEAT_MS, REPORT_MS } from '../../../src/control/load-reports.ts'
import type { ServiceLoad } from '../../../src/control/messages.ts'
import type { Load } from '../../../src/service/balance/observed.ts'
import { ControlWorld, named, registration, type WorldAgent } from '../../support/control-world.ts'

/** An instance, and how busy it is. */
interface Instance {
  readonly agent: WorldAgent
  now: Load
}

function instanceOf(world: ControlWorld, at: string, name = 'web.example'): Instance {
  const loads = (): ServiceLoad[] => [{ ...named(name), ...instance.now }]
  const instance: Instance = { agent: world.agent({ at, loads }), now: { flows: 0 } }
  instance.agent.core.register(registration(name))
  return instance
}

const flowsOf = (agent: WorldAgent) =>
  agent.take('loads').flatMap(({ loads }) => loads.map(({ flows }) => flows))

/** The message is sent, gathered for a second at most, and sent on. */
const KNOWN_AFTER_MS = REPORT_MS + GATHER_MS + 10

describe('the load of an instance', () => {
  it('is known to every router two seconds after it has changed', () => {
    const world = new ControlWorld()
    const routers = ['10.0.0.8:54325', '10.0.0.9:54325'].map(at => world.agent({ kind: 'router', at }))
    const server = instanceOf(world, '10.0.0.1:5000')
    world.run(KNOWN_AFTER_MS)
    for (const router of routers) expect(flowsOf(router)).toEqual([0])
    server.now = { flows: 7, load: 0.25 }
    world.run(KNOWN_AFTER_MS)
    for (const router of routers) {
      expect(router.take('loads').flatMap(({ loads }) => loads)).toMatchObject([
        { name: 'web.example', instance: server.agent.core.instance, flows: 7, load: 0.25 },
      ])
    }
  })

  it('is known to a host under the name that it has asked for, and to no other host', () => {
    const world = new ControlWorld()
    const asker = world.agent({ at: '10.0.0.7:5000' })
    const other = world.agent({ at: '10.0.0.8:5000' })
    const server = instanceOf(world, '10.0.0.1:5000', '*.shop.example')
    world.run(10)
    asker.core.resolve(named('www.shop.example'), world.nowMs)
    other.core.resolve(named('web.example'), world.nowMs)
    world.run(10)
    server.now = { flows: 3 }
    world.run(KNOWN_AFTER_MS)
    const told = asker.take('loads').flatMap(({ loads }) => loads)
    expect(told.at(-1)).toMatchObject({ name: 'www.shop.example', flows: 3 })
    expect(told.at(-1)!.prefix.toString()).toBe(named('www.shop.example').prefix.toString())
    expect(other.take('loads')).toEqual([])
  })

  it('is that of the registration to which the name leads, where an instance has others', () => {
    const world = new ControlWorld()
    const asker = world.agent({ at: '10.0.0.7:5000' })
    const all = { ...named('*.shop.example'), flows: 90 }
    const one = { ...named('www.shop.example'), flows: 4 }
    const server = world.agent({ at: '10.0.0.1:5000', loads: () => [one, all] })
    for (const { name } of [all, one]) server.core.register(registration(name))
    world.run(10)
    asker.core.resolve(named('www.shop.example'), world.nowMs)
    asker.core.resolve(named('blog.shop.example'), world.nowMs)
    world.run(KNOWN_AFTER_MS)
    const told = asker
      .take('loads')
      .flatMap(({ loads }) => loads.map(({ name, flows }) => `${name} ${flows}`))
    expect(told.sort()).toEqual(['blog.shop.example 90', 'www.shop.example 4'])
  })

  it('is said once a second at most, and only if it has changed by a flow, or a tenth of many', () => {
    const world = new ControlWorld()
    const router = world.agent({ kind: 'router', at: '10.0.0.9:54325' })
    const server = instanceOf(world, '10.0.0.1:5000')
    server.now = { flows: 100 }
    world.run(KNOWN_AFTER_MS)
    server.now = { flows: 109 }
    world.run(REPORT_MS)
    expect(flowsOf(router)).toEqual([100])
    for (let flows = 200; flows < 300; flows += 10) {
      server.now = { flows }
      world.run(REPORT_MS / 10)
    }
    world.run(KNOWN_AFTER_MS)
    expect(flowsOf(router).length).toBeLessThanOrEqual(2)
  })

  it('is said again as long as it is so, before it is forgotten', () => {
    const world = new ControlWorld()
    const router = world.agent({ kind: 'router', at: '10.0.0.9:54325' })
    instanceOf(world, '10.0.0.1:5000').now = { flows: 5 }
    world.run(KNOWN_AFTER_MS + 2 * (REPEAT_MS + REPORT_MS))
    expect(flowsOf(router)).toEqual([5, 5, 5])
  })

  it('is told in one message for all instances that have spoken in a second', () => {
    const world = new ControlWorld()
    const router = world.agent({ kind: 'router', at: '10.0.0.9:54325' })
    for (let i = 1; i <= 20; i++) instanceOf(world, `10.0.0.${i}:5000`)
    world.run(KNOWN_AFTER_MS)
    expect(router.take('loads').map(({ loads }) => loads.length)).toEqual([20])
  })

  it('is said anew to a controller that has been started again', () => {
    const world = new ControlWorld()
    const router = world.agent({ kind: 'router', at: '10.0.0.9:54325' })
    instanceOf(world, '10.0.0.1:5000').now = { flows: 5 }
    world.run(KNOWN_AFTER_MS)
    expect(flowsOf(router)).toEqual([5])
    world.killController()
    world.run(100)
    world.startController()
    world.run(5000)
    expect(flowsOf(router)).toContain(5)
  })

  it('is that of all its listeners of the name together', () => {
    const world = new ControlWorld()
    const router = world.agent({ kind: 'router', at: '10.0.0.9:54325' })
    const loads: ServiceLoad[] = [
      { ...named('web.example'), flows: 2, load: 0.5 },
      { ...named('web.example'), flows: 1 },
    ]
    world.agent({ at: '10.0.0.1:5000', loads: () => loads }).core.register(registration('web.example'))
    world.run(KNOWN_AFTER_MS)
    expect(router.take('loads').flatMap(({ loads }) => loads)).toMatchObject([{ flows: 3, load: 0.5 }])
  })

  it('of what it has not registered is not believed', () => {
    const world = new ControlWorld()
    const router = world.agent({ kind: 'router', at: '10.0.0.9:54325' })
    instanceOf(world, '10.0.0.2:5000', 'bank.example')
    const liar = world.agent({
      at: '10.0.0.1:5000',
      loads: () => [{ ...named('bank.example'), flows: 0, load: 1 }],
    })
    liar.core.register(registration('web.example'))
    world.run(KNOWN_AFTER_MS)
    const told = router.take('loads').flatMap(({ loads }) => loads)
    expect(told.map(({ instance }) => instance)).not.toContain(liar.core.instance)
    expect(told).toHaveLength(1)
  })

  it('costs a process that serves nothing, or has no controller, no wake-up', () => {
    const world = new ControlWorld()
    let asked = 0
    const client = world.agent({
      at: '10.0.0.1:5000',
      loads: () => {
        asked++
        return []
      },
    })
    world.run(30_000)
    client.core.register(registration('web.example'))
    world.run(10)
    const whileConnected = asked
    world.killController()
    world.run(30_000)
    expect([whileConnected, asked]).toEqual([1, 1])
  })
})
