/** Streams and datagrams of one name: what a controller knows of who takes which, and whom it tells. */
import { describe, expect, it } from 'vitest'
import { eachShare } from '../../../src/control/shares.ts'
import { nameOfProtocol } from '../../../src/service/rule.ts'
import { protocols } from '../../../src/wire/sal-header.ts'
import { ControlWorld, named, registration, type WorldAgent } from '../../support/control-world.ts'

const NAME = 'game.example'
const { STREAM, DATAGRAM } = protocols

/** A controller, a router, and two processes of which each can serve a name. */
function scene() {
  const world = new ControlWorld()
  const router = world.agent({ kind: 'router', at: '10.0.0.9:54325' })
  const [a, b] = [world.agent({ at: '10.0.0.1:5000' }), world.agent({ at: '10.0.0.2:5000' })]
  const client = world.agent({ at: '10.0.0.7:5000' })
  world.run(10)
  return { world, router, a, b, client }
}

/** The rules that an agent was told since it was last looked, as `+10.0.0.1 stream 2`. */
function told(agent: WorldAgent): string[] {
  return agent
    .take('rules')
    .flatMap(({ remove, add }) => [
      ...remove.map(rule => `-${rule.endpoints[0]!.address}`),
      ...add.flatMap(rule =>
        eachShare(rule).map(({ protocol, weight }) =>
          [
            '+',
            rule.endpoints[0]!.address,
            protocol ? ` ${nameOfProtocol(protocol)}` : '',
            ` ${weight}`,
          ].join(''),
        ),
      ),
    ])
}

describe('a name that one process serves with streams and another with datagrams', () => {
  it('is told to routers and hosts with who takes what', () => {
    const { world, router, a, b, client } = scene()
    a.core.register({ ...registration(NAME), protocol: STREAM })
    b.core.register({ ...registration(NAME, 3), protocol: DATAGRAM })
    world.run(10)
    expect(told(router)).toEqual(['+10.0.0.1 stream 1', '+10.0.0.2 datagram 3'])
    client.core.resolve(named(NAME), world.nowMs)
    world.run(10)
    expect(told(client)).toEqual(['+10.0.0.1 stream 1', '+10.0.0.2 datagram 3'])
  })
})

describe('a process that serves a name with both', () => {
  it('is one instance, and told as one where its shares are the same', () => {
    const { world, router, a } = scene()
    a.core.register({ ...registration(NAME), protocol: STREAM })
    a.core.register({ ...registration(NAME), protocol: DATAGRAM })
    world.run(10)
    expect(told(router).at(-1)).toBe('+10.0.0.1 1')
    expect(world.registered()).toEqual([`${NAME} 1`])
  })

  it('may take another share of each', () => {
    const { world, router, a, client } = scene()
    a.core.register({ ...registration(NAME, 2), protocol: STREAM })
    a.core.register({ ...registration(NAME, 5), protocol: DATAGRAM })
    world.run(10)
    expect(told(router).slice(-2)).toEqual(['+10.0.0.1 stream 2', '+10.0.0.1 datagram 5'])
    client.core.resolve(named(NAME), world.nowMs)
    world.run(10)
    expect(told(client)).toEqual(['+10.0.0.1 stream 2', '+10.0.0.1 datagram 5'])
  })

  it('goes on with one of them when the other ends, and everybody who knows it hears of that', () => {
    const { world, router, a, client } = scene()
    const stream = a.core.register({ ...registration(NAME), protocol: STREAM })
    const datagram = a.core.register({ ...registration(NAME), protocol: DATAGRAM })
    client.core.resolve(named(NAME), world.nowMs)
    world.run(10)
    told(router)
    told(client)
    a.core.unregister(stream)
    world.run(10)
    expect(a.take('unregistered')).toEqual([{ type: 'unregistered', registrationId: stream }])
    expect(told(router)).toEqual(['-10.0.0.1', '+10.0.0.1 datagram 1'])
    expect(told(client)).toEqual(['-10.0.0.1', '+10.0.0.1 datagram 1'])
    a.core.unregister(datagram)
    world.run(10)
    expect(told(router)).toEqual(['-10.0.0.1'])
    expect(world.registered()).toEqual([])
  })

  it('says all of it again to a controller that has started anew', () => {
    const { world, router, a } = scene()
    a.core.register({ ...registration(NAME, 2), protocol: STREAM })
    a.core.register({ ...registration(NAME, 5), protocol: DATAGRAM })
    world.run(10)
    told(router)
    world.killController()
    world.startController()
    world.run(20_000)
    const [share] = [...world.hub!.registry.services.values()].flatMap(({ registrations }) => [
      ...registrations.values(),
    ])
    expect(eachShare(share!).map(({ protocol, weight }) => [protocol, weight])).toEqual([
      [STREAM, 2],
      [DATAGRAM, 5],
    ])
  })
})

describe('a process that does not say what it takes', () => {
  it('takes both', () => {
    const { world, router, a } = scene()
    a.core.register(registration(NAME, 4))
    world.run(10)
    expect(told(router)).toEqual(['+10.0.0.1 4'])
  })
})
