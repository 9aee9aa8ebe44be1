/** How services are shared, from the operator's word to the controller to who shares. */
import { describe, expect, it } from 'vitest'
import { parsePolicy } from '../../../src/service/policy-text.ts'
import { ControlWorld, named, registration, type WorldAgent } from '../../support/control-world.ts'

/** What was said of each service: its name and policy; null: nobody has said any. */
function told(agent: WorldAgent): unknown[] {
  return agent.take('rules').flatMap(({ add }) => add.map(({ name, sharing }) => [name, sharing ?? null]))
}

function worldWith(...policies: string[]): ControlWorld {
  const world = new ControlWorld()
  for (const policy of policies) world.hub!.setPolicy(parsePolicy(policy))
  return world
}

describe('a policy', () => {
  it('goes with the rules to routers that come, and to hosts that ask', () => {
    const world = worldWith('web.example SHARE balance=least-loaded eject=5')
    world.agent({ at: '10.0.0.1:5000' }).core.register(registration('web.example'))
    world.agent({ at: '10.0.0.2:5000' }).core.register(registration('other.example'))
    world.run(10)
    const router = world.agent({ kind: 'router', at: '10.0.0.9:54325' })
    const host = world.agent({ at: '10.0.0.7:5000' })
    world.run(10)
    host.core.resolve(named('web.example'), world.nowMs)
    world.run(10)
    const sharing = { balance: 'least-loaded', ejectAfter: 5 }
    expect(told(router)).toEqual([
      ['web.example', sharing],
      ['other.example', null],
    ])
    expect(told(host)).toEqual([['web.example', sharing]])
  })

  it('that changes is told to all who know the service, and to nobody else', () => {
    const world = worldWith()
    for (const at of ['10.0.0.1:5000', '10.0.0.2:5000']) {
      world.agent({ at }).core.register(registration('web.example'))
    }
    const [router, asker, other] = [
      world.agent({ kind: 'router', at: '10.0.0.9:54325' }),
      world.agent({ at: '10.0.0.7:5000' }),
      world.agent({ at: '10.0.0.8:5000' }),
    ]
    world.run(10)
    asker.core.resolve(named('web.example'), world.nowMs)
    world.run(10)
    for (const agent of [router, asker]) expect(told(agent)).toEqual(Array(2).fill(['web.example', null]))
    world.hub!.setPolicy(parsePolicy('web.example SHARE hedge=off'))
    world.run(10)
    for (const agent of [router, asker]) {
      expect(told(agent)).toEqual(Array(2).fill(['web.example', { hedgeAt: 0 }]))
    }
    world.hub!.removePolicy(named('web.example').prefix)
    world.run(10)
    for (const agent of [router, asker]) expect(told(agent)).toEqual(Array(2).fill(['web.example', null]))
    expect(told(other)).toEqual([])
  })

  it('that says the same as before is not told again', () => {
    const world = worldWith('web.example SHARE balance=maglev eject=5')
    world.agent({ at: '10.0.0.1:5000' }).core.register(registration('web.example'))
    const router = world.agent({ kind: 'router', at: '10.0.0.9:54325' })
    world.run(10)
    expect(told(router)).toHaveLength(1)
    world.hub!.setPolicy(parsePolicy('web.example SHARE eject=5 balance=maglev'))
    world.run(10)
    expect(told(router)).toEqual([])
  })

  it('of the longest pattern that covers a service counts, an empty one too', () => {
    const world = worldWith(
      '* SHARE eject=5',
      '*.shop.example SHARE balance=maglev',
      'quiet.shop.example SHARE',
    )
    const server = world.agent({ at: '10.0.0.1:5000' })
    for (const name of ['web.example', 'www.shop.example', 'quiet.shop.example']) {
      server.core.register(registration(name))
    }
    const router = world.agent({ kind: 'router', at: '10.0.0.9:54325' })
    world.run(10)
    expect(told(router)).toEqual([
      ['web.example', { ejectAfter: 5 }],
      ['www.shop.example', { balance: 'maglev' }],
      ['quiet.shop.example', {}],
    ])
  })

  it('of a prefix that is served holds for every name that is asked under it', () => {
    const world = worldWith('*.shop.example SHARE balance=peak-ewma')
    world.agent({ at: '10.0.0.1:5000' }).core.register(registration('*.shop.example'))
    const host = world.agent({ at: '10.0.0.7:5000' })
    world.run(10)
    host.core.resolve(named('www.shop.example'), world.nowMs)
    world.run(10)
    expect(told(host)).toEqual([['www.shop.example', { balance: 'peak-ewma' }]])
  })
})
