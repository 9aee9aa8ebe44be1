/** Links whose packets become smaller and larger at any time, and lose some: every byte comes through, and sizes settle. */
import { describe, expect, it } from 'vitest'
import { Random, replay, testSeed } from '../support/random.ts'
import { SERVICE } from '../support/simulator/scenes.ts'
import type { SimFlow } from '../support/simulator/sim-flow.ts'
import { simulate } from '../support/simulator/world.ts'

const FILE = 'test/sim/path-mtu.test.ts'
const seeds = process.env.SERVAL_TEST_FULL ? 1_000 : 20

/** The least is what every host takes (RFC 1122 section 3.3.2). */
const MTUS = [576, 1000, 1228, 1280, 1399, 1400, 1420, 1500, 4000, 9000] as const
const PHASE_MS = 20_000
const CHUNK_BYTES = 50_000

describe('links that take other packets at any time', () => {
  it('lose nothing, and are found out', () => {
    for (let seed = testSeed; seed < testSeed + seeds; seed++) run(seed)
  })
})

function run(seed: number): void {
  const again = replay(FILE, seed)
  const world = simulate(seed)
  const random = new Random(seed)
  const newLink = (name: string) =>
    world.link(name, {
      delayMs: 1 + random.below(30),
      mtu: random.pick(MTUS),
      loss: random.pick([0, 0, 0.01]),
    })
  const core = newLink('core')
  const home = random.chance(0.3) ? core : newLink('home')
  const server = world.host('server', core)
  const client = world.host('client', home).knows(SERVICE, server)
  const accepted: SimFlow[] = []
  server.listen(SERVICE, flow => accepted.push(flow))
  const flow = client.connect(SERVICE)
  expect(
    world.runUntil(() => accepted.length === 1, 10_000),
    again,
  ).toBe(true)
  const served = accepted[0]!

  for (const until = world.nowMs + PHASE_MS; world.nowMs < until; ) {
    served.send(random.below(CHUNK_BYTES))
    if (random.chance(0.05)) random.pick([core, home]).set({ mtu: random.pick(MTUS) })
    // A host knows of its own interface, but not at once.
    if (random.chance(0.05)) server.resize(server.attached[0]!, core.options.mtu)
    world.run(random.below(200))
  }

  world.settle(() => flow.receivedBytes === served.sentBytes, 120_000)
  // Data goes on; the search has the time that six sizes of three probes take, and nothing is lost any more.
  server.resize(server.attached[0]!, core.options.mtu)
  const pathMtu = Math.min(core.options.mtu, home.options.mtu)
  for (let second = 0; second < 40; second++) {
    served.send(CHUNK_BYTES)
    world.run(1_000)
  }
  const { mtu } = served.flow.info().paths[0]!
  expect(mtu, again).toBeLessThanOrEqual(pathMtu)
  const before = served.flow.info().retransmits
  for (let second = 0; second < 10; second++) {
    served.send(CHUNK_BYTES)
    world.run(1_000)
  }
  expect(served.flow.info().retransmits, again).toBe(before)
  expect(flow.receivedBytes, again).toBe(served.sentBytes)
}
