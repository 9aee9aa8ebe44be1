/** Set-up where several instances serve: who is asked, who is asked instead, and what is known of them afterwards. */
import { describe, expect, it } from 'vitest'
import { serviceIdOf } from '../../../src/id/name.ts'
import type { SharingPolicy } from '../../../src/service/balance/sharing.ts'
import { SERVICE } from '../../support/simulator/scenes.ts'
import type { SimHost } from '../../support/simulator/sim-host.ts'
import { simulate, type World } from '../../support/simulator/world.ts'

interface Replica {
  readonly delayMs?: number
  readonly priority?: number
  /** Whether it listens; default: yes. */
  readonly serves?: boolean
}

/** A client and replicas `a`, `b`, ... of one service, each on a link of its own. */
function replicated(replicas: readonly Replica[], sharing?: SharingPolicy, seed = 1) {
  const world = simulate(seed, { trace: true })
  const net = world.link('net', { delayMs: 0 })
  const links = replicas.map(({ delayMs = 10 }, i) => world.link(`link ${i}`, { delayMs }))
  const servers = links.map((link, i) => world.host('abc'[i]!, link))
  const client = world.host('client', net)
  for (const link of links) client.attach(link)
  const accepted = servers.map((): number[] => [])
  for (const [i, server] of servers.entries()) {
    if (replicas[i]!.serves !== false) server.listen(SERVICE, () => accepted[i]!.push(world.nowMs))
  }
  const targets = servers.map((server, i) => ({
    endpoint: server.attached[0]!.endpoint,
    priority: replicas[i]!.priority ?? 1,
  }))
  client.rule(SERVICE, { type: 'FORWARD', targets, ...(sharing ? { sharing } : {}) })
  return { world, servers, client, accepted, links }
}

/** How long it takes to connect, one after the other. */
function connectTimes(world: World, client: SimHost, times: number, everyMs = 3_000): number[] {
  return Array.from({ length: times }, () => {
    const startedAt = world.nowMs
    const flow = client.connect(SERVICE)
    if (!world.runUntil(() => flow.state !== 'REQUEST', everyMs)) throw new Error('not connected')
    const took = world.nowMs - startedAt
    flow.reset()
    world.run(everyMs - took)
    return took
  })
}

describe('a SYN to one of several instances', () => {
  it('that refuses goes to another at once', () => {
    const { world, client } = replicated([{ serves: false }, {}], { balance: 'maglev' })
    const times = connectTimes(world, client, 1)
    const flow = client.connect(SERVICE)
    world.run(1_000)
    expect(flow.state).toBe('CONNECTED')
    expect(Math.max(...times)).toBeLessThanOrEqual(40)
  })

  it('fails when all have refused', () => {
    const { world, client } = replicated([{ serves: false }, { serves: false }, { serves: false }])
    const flow = client.connect(SERVICE)
    world.run(5_000)
    expect(flow.flow.error).toMatchObject({ code: 'ECONNREFUSED', reason: 'refused' })
    const asked = world.exchange().flatMap(line => / > (.*) SYN$/.exec(line)?.[1] ?? [])
    expect(new Set(asked)).toEqual(new Set(['a', 'b', 'c']))
  })

  it('that is silent goes to another after 250 ms, and the first SYN-ACK wins', () => {
    const { world, client, links, accepted } = replicated([{}, {}, {}], { balance: 'round-robin' })
    links[0]!.set({ down: true })
    const [first] = connectTimes(world, client, 1)
    expect(first).toBe(270)
    expect(accepted.map(list => list.length)).toEqual([0, 1, 0])
  })

  it('that is slow to answer is reset when it has lost', () => {
    const { world, client, accepted } = replicated([{ delayMs: 200 }, {}], { balance: 'round-robin' })
    const flow = client.connect(SERVICE)
    world.run(5_000)
    expect(flow.state).toBe('CONNECTED')
    const lines = world.timeline().map(line => line.replace(/client\/link \d/g, 'client'))
    expect(lines.filter(line => / a( |$)/.test(line))).toEqual([
      '0 client > a SYN',
      '200 a > client SYN+ACK',
      '400 client > a ACK+RST LOST_RACE',
    ])
    expect(accepted[0]).toEqual([])
  })

  it('waits no longer than most answers of the others take, once they are known', () => {
    const { world, client } = replicated([{ delayMs: 200 }, {}, {}], { balance: 'round-robin' })
    connectTimes(world, client, 30)
    const times = connectTimes(world, client, 30)
    expect(Math.max(...times)).toBeLessThanOrEqual(40)
  })

  it('is not hedged where the rule says so', () => {
    const { world, client } = replicated([{ delayMs: 200 }, {}], { balance: 'round-robin', hedgeAt: 0 })
    expect(connectTimes(world, client, 2)).toEqual([400, 20])
  })
})

describe('a SYN by way of a router, which sees no answers', () => {
  /** A client that knows a router, and the router three instances, of which the first so many say nothing. */
  function routed(sharing: SharingPolicy, silent: number) {
    const world = simulate(1, { trace: true })
    const net = world.link('net', { delayMs: 10 })
    const mute = world.link('mute', { delayMs: 10 })
    const router = world.router('router', net)
    const servers = ['a', 'b', 'c'].map((name, i) => world.host(name, i < silent ? mute : net).use(router))
    for (const server of servers) server.listen(SERVICE)
    mute.set({ down: true })
    const targets = servers.map(server => ({ endpoint: server.attached[0]!.endpoint }))
    router.rule(SERVICE, { type: 'FORWARD', targets, sharing })
    return { world, client: world.host('client', net).use(router) }
  }

  it('goes to another when it is repeated where the router takes them in turn', () => {
    const { world, client } = routed({ balance: 'round-robin' }, 1)
    const times = connectTimes(world, client, 40, 1_100)
    // By way of the router, and straight back; the second SYN is due after a second.
    expect(new Set(times)).toEqual(new Set([30, 1_030]))
    // Three SYNs are two connections.
    expect(times.filter(ms => ms > 30)).toHaveLength(20)
  })

  it('goes to the same silent one again where the router keeps each client with one instance', () => {
    const { world, client } = routed({ balance: 'maglev' }, 3)
    const asked = () => world.exchange().flatMap(line => / > (\w) SYN/.exec(line)?.[1] ?? [])
    client.connect(SERVICE)
    world.run(10_000)
    const all = asked()
    expect(all.length).toBeGreaterThan(2)
    expect(new Set(all).size).toBe(1)
  })
})

describe('what is known of instances', () => {
  it('takes the traffic from a slow one under peak EWMA', () => {
    const { world, client, accepted } = replicated([{ delayMs: 200 }, {}, {}], {
      balance: 'peak-ewma',
      hedgeAt: 0,
    })
    connectTimes(world, client, 60, 500)
    expect(accepted[0]!.length).toBeLessThanOrEqual(4)
  })

  it('puts out for a while one that refuses', () => {
    const { world, client } = replicated([{ serves: false }, {}, {}], {
      balance: 'round-robin',
      ejectAfter: 2,
    })
    connectTimes(world, client, 12, 1_000)
    world.exchange()
    connectTimes(world, client, 12, 1_000)
    expect(world.exchange().filter(line => line.endsWith('> a SYN'))).toEqual([])
  })

  it('lets the lower priority serve while the higher one is down, and the higher again when it is back', () => {
    const { world, client, links, accepted } = replicated([{ priority: 2 }, {}])
    const [a] = links
    a!.set({ down: true })
    const times = connectTimes(world, client, 5)
    expect(times.slice(3)).toEqual([20, 20])
    expect(accepted.map(list => list.length)).toEqual([0, 5])
    a!.heal()
    world.run(12_000)
    connectTimes(world, client, 2)
    expect(accepted.map(list => list.length)).toEqual([2, 5])
  })

  it('is forgotten neither by those that never answered nor by programs that give up', () => {
    const { world, client, links } = replicated([{}, {}], { balance: 'peak-ewma' })
    for (const link of links) link.set({ down: true })
    for (let i = 0; i < 20; i++) client.connect(SERVICE, { timeoutMs: 5_000 })
    world.run(10_000)
    const queue = client.sal.queues.find(({ name }) => name === 'attempts')
    expect(queue?.size).toBe(0)
    expect(client.sal.serviceTable.lookup(serviceIdOf(SERVICE))?.serving).toHaveLength(2)
  })
})
