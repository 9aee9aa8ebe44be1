/**
 * In the simulator: how long it takes to connect to a service of three instances, one of which answers ten times as slowly as
 * the others, with hedging, as it is by default, and with `hedge=off`. Every seed is one round, the same on every machine.
 */
import type { SharingPolicy } from '../src/service/balance/sharing.ts'
import { simulate } from '../test/support/simulator/world.ts'
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

const policies: Readonly<Record<string, SharingPolicy>> = {
  serval: {},
  unhedged: { hedgeAt: 0 },
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
  const names = Object.keys(policies)
  const figures = new Map(names.map(name => [name, [] as Readonly<Record<string, number>>[]]))
  let rounds = 0
  for (const seed of SEEDS) {
    if (rounds > 0 && performance.now() - startedAt > 1000 * seconds) break
    rounds++
    for (const name of names) {
      onRow?.(rounds, name)
      const times = connectTimes(seed, policies[name]!)
      figures.get(name)!.push({ p50ms: quantile(times, 0.5), p99ms: quantile(times, 0.99) })
    }
  }
  const rows = names.map(name => ({ name, isPeer: name !== 'serval' }))
  return { ...outcomeOf(rows, figures), cpu: cpu(), rounds }
}

function connectTimes(seed: number, sharing: SharingPolicy): number[] {
  const world = simulate(seed)
  const links = DELAYS_MS.map((delayMs, i) => world.link(`link ${i}`, { delayMs, jitterMs: delayMs / 5 }))
  const servers = links.map((link, i) => world.host(`server ${i}`, link))
  const client = world.host('client', links)
  for (const server of servers) server.listen(SERVICE)
  const targets = servers.map(server => ({ endpoint: server.attached[0]!.endpoint }))
  client.rule(SERVICE, { type: 'FORWARD', targets, sharing })
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
