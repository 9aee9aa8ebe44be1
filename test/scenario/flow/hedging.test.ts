/** Set-up where several instances serve: who is asked, who is asked instead, and what is known of them afterwards. */
import { describe, expect, it } from 'vitest'
import { serviceIdOf } from '../../../src/id/name.ts'
import { ServicePrefix } from '../../../src/id/service-prefix.ts'
import { BALANCE_NAMES, type SharingPolicy } from '../../../src/service/balance/sharing.ts'
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
  interface Routed {
    /** Of instances `a`, `b` and `c`; 10 ms where nothing is said, undefined: it says nothing. */
    readonly delays?: readonly (number | undefined)[]
    readonly hedgeAt?: number
    /** Whether instances know the router; default: yes. */
    readonly known?: boolean
    readonly seed?: number
  }

  /** A client that knows a router, and the router the instances. */
  function routed(
    sharing: SharingPolicy,
    { delays = [10, 10, 10], hedgeAt, known = true, seed = 1 }: Routed,
  ) {
    const world = simulate(seed, { trace: true })
    const net = world.link('net', { delayMs: 10 })
    const router = world.router('router', net)
    const servers = delays.map((delayMs, i) => {
      const link = world.link(`link ${i}`, { delayMs: delayMs ?? 10, down: delayMs === undefined })
      return world.host('abc'[i]!, link)
    })
    for (const server of servers) {
      if (known) server.use(router)
      server.listen(SERVICE)
    }
    const targets = servers.map(server => ({ endpoint: server.attached[0]!.endpoint }))
    router.rule(SERVICE, { type: 'FORWARD', targets, sharing })
    const client = world.host('client', net).use(router)
    if (hedgeAt !== undefined) {
      const rule = { type: 'FORWARD', targets: [router], sharing: { hedgeAt } } as const
      client.sal.serviceTable.insert(ServicePrefix.all, rule, { source: 'config' })
    }
    return { world, client, router }
  }

  const asked = (world: World) => world.exchange().flatMap(line => / > ([abc]) SYN/.exec(line)?.[1] ?? [])

  it.each(BALANCE_NAMES)('goes to all instances in turn as long as none answers, under %s', balance => {
    for (const seed of [1, 2, 3, 4, 5]) {
      const { world, client } = routed({ balance }, { delays: [undefined, undefined, undefined], seed })
      client.connect(SERVICE)
      world.run(999)
      const first = asked(world)
      expect(first).toHaveLength(3)
      // Whose turn it was nobody remembers: of the later two at least one is another.
      expect(new Set(first).size).toBeGreaterThanOrEqual(balance === 'round-robin' ? 2 : 3)
    }
  })

  it.each(BALANCE_NAMES)('waits for a silent one no longer than others take, under %s', balance => {
    const { world, client } = routed({ balance }, { delays: [undefined, 10, 10] })
    const unknown = connectTimes(world, client, 30, 1_100)
    expect(Math.max(...unknown)).toBeLessThanOrEqual(2 * 250 + 50)
    const known = connectTimes(world, client, 30, 1_100)
    expect(Math.max(...known)).toBeLessThanOrEqual(3 * 50)
  })

  it('that is slow to answer is reset when it has lost', () => {
    const { world, client } = routed({ balance: 'round-robin' }, { delays: [400, 10, 10] })
    client.connect(SERVICE)
    world.run(2_000)
    const lines = world.timeline().filter(line => / (a|a\/\S+)( |$)/.test(line))
    expect(lines.at(-1)).toMatch(/ client > a ACK\+RST LOST_RACE$/)
  })

  it('is answered soon by one of those who want to be asked directly', () => {
    const { world, client } = routed({}, { delays: [400, 10, 10], known: false })
    const times = connectTimes(world, client, 60, 3_000)
    expect(Math.max(...times.slice(30))).toBeLessThanOrEqual(3 * 80)
  })

  it('is not sent to another before its time where all are slow', () => {
    const { world, client } = routed({}, { delays: [600, 600, 600], known: false })
    const times = connectTimes(world, client, 30, 9_000)
    // By way of the router, the answer, and the same directly.
    expect(Math.max(...times)).toBeLessThanOrEqual(10 + 610 + 610 + 10 + 610 + 610)
  })

  it('goes to the chosen one alone for a second where the rule says so', () => {
    const { world, client } = routed(
      { balance: 'maglev' },
      { delays: [undefined, undefined, undefined], hedgeAt: 0 },
    )
    client.connect(SERVICE)
    world.run(999)
    const first = asked(world)
    expect(first).toHaveLength(1)
    world.run(3_000)
    expect(new Set([...first, ...asked(world)]).size).toBe(3)
  })

  it('keeps each client with one instance as long as that answers', () => {
    const { world, client } = routed({ balance: 'maglev' }, { hedgeAt: 0 })
    connectTimes(world, client, 30, 100)
    expect(new Set(asked(world)).size).toBe(1)
  })

  it('finds another instance by way of several routers', () => {
    const world = simulate(1, { trace: true })
    const net = world.link('net', { delayMs: 10 })
    const mute = world.link('mute', { delayMs: 10, down: true })
    const [edge, first, second] = ['edge', 'first', 'second'].map(name => world.router(name, net))
    const servers = ['a', 'b', 'c'].map((name, i) => world.host(name, i === 0 ? mute : net))
    for (const server of servers) server.use(edge!, first!, second!).listen(SERVICE)
    edge!.forward(SERVICE, first!, second!)
    for (const router of [first!, second!]) router.forward(SERVICE, ...servers)
    const client = world.host('client', net).use(edge!)
    const times = connectTimes(world, client, 60, 1_100)
    expect(Math.max(...times)).toBeLessThanOrEqual(2 * 250 + 60)
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
