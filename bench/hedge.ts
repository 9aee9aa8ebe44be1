/**
 * In the simulator: how long it takes to connect to a service of three instances, one of which answers ten times as slowly as
 * the others, with hedging, as it is by default, and with `hedge=off`; to clients that know the instances, and by way of a
 * router, to clients that know nothing else. Every seed is one round, the same on every machine.
 */
import { ServicePrefix } from '../src/id/service-prefix.ts'
import type { SharingPolicy } from '../src/service/balance/sharing.ts'
import type { Link } from '../test/support/simulator/link.ts'
import type { SimHost } from '../test/support/simulator/sim-host.ts'
import { simulate, type World } from '../test/support/simulator/world.ts'
import { type Outcome, outcomeOf, type RunOptions, type SimulatedBenchmark } from './support/benchmark.ts'
import { watchCpu } from './support/environment.ts'
import { quantile } from './support/statistics.ts'

const SERVICE = 'web.example'
/** One way. */
const DELAYS_MS = [100, 10, 10]
const CONNECTS = 1_000
/** On average, one after the other: what has not answered yet may still be under way. */
const EVERY_MS = 100
const SEEDS = [1, 2, 3, 4, 5]

/** From the client to the router, one way. */
const ROUTER_DELAY_MS = 1

interface Way {
  readonly sharing: SharingPolicy
  readonly isRouted: boolean
}

const ways: Readonly<Record<string, Way>> = {
  serval: { sharing: {}, isRouted: false },
  unhedged: { sharing: { hedgeAt: 0 }, isRouted: false },
  'serval@router': { sharing: {}, isRouted: true },
  'unhedged@router': { sharing: { hedgeAt: 0 }, isRouted: true },
}

export const hedge: SimulatedBenchmark = {
  name: 'hedge',
  about:
    'simulated: ms to connect where one of three instances takes ten times as long, with hedging and without',
  run,
}

async function run({ seconds, onRow }: RunOptions): Promise<Outcome> {
  const cpu = watchCpu()
  const startedAt = performance.now()
  const names = Object.keys(ways)
  const figures = new Map(names.map(name => [name, [] as Readonly<Record<string, number>>[]]))
  let rounds = 0
  for (const seed of SEEDS) {
    if (rounds > 0 && performance.now() - startedAt > 1000 * seconds) break
    rounds++
    for (const name of names) {
      onRow?.(rounds, name)
      const times = connectTimes(seed, ways[name]!)
      figures.get(name)!.push({ p50ms: quantile(times, 0.5), p99ms: quantile(times, 0.99) })
    }
  }
  const rows = names.map(name => ({ name, isPeer: name.startsWith('unhedged') }))
  return { ...outcomeOf(rows, figures), cpu: cpu(), rounds }
}

function connectTimes(seed: number, way: Way): number[] {
  const world = simulate(seed)
  const links = DELAYS_MS.map((delayMs, i) => world.link(`link ${i}`, { delayMs, jitterMs: delayMs / 5 }))
  const servers = links.map((link, i) => world.host(`server ${i}`, link))
  for (const server of servers) server.listen(SERVICE)
  const client = way.isRouted ? clientOfRouter(world, servers, way) : clientOf(world, servers, links, way)
  const times: number[] = []
  for (let i = 0; i < CONNECTS; i++) {
    const startedAt = world.nowMs
    const flow = client.connect(SERVICE)
    if (!world.runUntil(() => flow.state !== 'REQUEST', 10_000)) throw new Error('not connected')
    times.push(world.nowMs - startedAt)
    flow.reset()
    world.run(2 * EVERY_MS * world.random.fraction())
  }
  return times
}

/** Knows the instances. */
function clientOf(
  world: World,
  servers: readonly SimHost[],
  links: readonly Link[],
  { sharing }: Way,
): SimHost {
  const client = world.host('client', links)
  const targets = servers.map(server => ({ endpoint: server.attached[0]!.endpoint }))
  client.rule(SERVICE, { type: 'FORWARD', targets, sharing })
  return client
}

/** Knows a router, which knows the instances. */
function clientOfRouter(world: World, servers: readonly SimHost[], { sharing }: Way): SimHost {
  const link = world.link('near', { delayMs: ROUTER_DELAY_MS, jitterMs: ROUTER_DELAY_MS / 5 })
  const router = world.router('router', link).forward(SERVICE, ...servers)
  for (const server of servers) server.use(router)
  const client = world.host('client', link).use(router)
  const rule = { type: 'FORWARD', targets: [{ endpoint: router.endpoint }], sharing } as const
  client.sal.serviceTable.insert(ServicePrefix.all, rule, { source: 'config' })
  return client
}
