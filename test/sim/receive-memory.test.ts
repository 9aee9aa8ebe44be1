/**
 * What peers can make a stack keep has an end however many flows they have, whether its programs read or not; and whoever
 * reads gets all. That the sum of promises keeps to its cap is checked after every step (`World.inspect`).
 */
import { describe, expect, it } from 'vitest'
import type { DialectKind } from '../../src/sal/dialect.ts'
import { dialect2014 } from '../../src/sal/dialect-2014.ts'
import { native } from '../../src/sal/native-dialect.ts'
import { LEAST_WINDOW_BYTES } from '../../src/transport/receive-budget.ts'
import { SERVICE } from '../support/simulator/scenes.ts'
import type { SimFlow } from '../support/simulator/sim-flow.ts'
import type { SimHost } from '../support/simulator/sim-host.ts'
import { simulate, type World } from '../support/simulator/world.ts'

const MIB = 1 << 20
const FLOWS = 100
const MEMORY_BYTES = 2 * MIB
/** What each peer would like to fill: together far more than there is. */
const SENT_BYTES = MIB / 4

interface Crowd {
  readonly world: World
  readonly client: SimHost
  readonly server: SimHost
  /** The server's ends. */
  readonly served: SimFlow[]
}

/** A hundred flows to a server with little memory, which reads half of them for a while; each peer sends all it may. */
function crowd({ dialect = native, loss = 0 }: { dialect?: DialectKind; loss?: number } = {}): Crowd {
  const world = simulate(1, { dialect })
  const net = world.link('net', { delayMs: 10 })
  const limits = { receiveMemoryBytes: MEMORY_BYTES }
  const server = world.host('server', net, { limits })
  const client = world.host('client', net).knows(SERVICE, server)
  const served: SimFlow[] = []
  server.listen(SERVICE, flow => served.push(served.length % 2 === 0 ? flow.pause() : flow))
  const flows = Array.from({ length: FLOWS }, () => client.connect(SERVICE))
  world.run(1000)
  net.set({ loss })
  for (const flow of flows) flow.send(SENT_BYTES).end()
  world.run(50)
  for (const flow of served) flow.pause()
  world.run(10_000)
  return { world, client, server, served }
}

function promisedBytes({ sal }: SimHost): number {
  return sal.queues.find(({ name }) => name === 'bytes promised to peers')!.size
}

function keptBytes(served: readonly SimFlow[]): number {
  return served.reduce((sum, { flow }) => sum + flow.readableBytes, 0)
}

describe.each([
  ['native', native],
  ['2014', dialect2014],
])('flows of the %s profile that nobody reads', (_, dialect) => {
  it('keep what the stack has for all of them at most, and each has its least', () => {
    const { server, served } = crowd({ dialect })
    expect(served).toHaveLength(FLOWS)
    expect(keptBytes(served)).toBeGreaterThan(MEMORY_BYTES)
    expect(keptBytes(served)).toBeLessThanOrEqual(MEMORY_BYTES + FLOWS * LEAST_WINDOW_BYTES)
    for (const { flow } of served) expect(flow.readableBytes).toBeGreaterThanOrEqual(LEAST_WINDOW_BYTES / 2)
    expect(server.sal.counters.receiveMemoryShort).toBeGreaterThan(0)
  })

  it('are delivered in full once they are read, slowly, and then nothing is promised to anybody', () => {
    const { world, client, server, served } = crowd({ dialect, loss: 0.02 })
    for (const flow of served) readSlowly(world, flow)
    world.settle(() => served.every(flow => flow.isEnded), 600_000)
    expect(served.map(flow => flow.receivedBytes)).toEqual(served.map(() => SENT_BYTES))
    for (const flow of served) flow.end()
    world.settle(() => client.sal.flows.size + server.sal.flows.size === 0, 600_000)
    expect([promisedBytes(client), promisedBytes(server)]).toEqual([0, 0])
  })

  it('do not hold up one that is read', () => {
    const { world, client, server, served } = crowd({ dialect })
    const flow = client.connect(SERVICE)
    world.run(100)
    const last = served.at(-1)!.resume()
    flow.send(4 * SENT_BYTES).end()
    const startMs = world.nowMs
    expect(world.runUntil(() => last.isEnded, 5000)).toBe(true)
    // 32 windows of the least size, each a round trip of 20 ms and what an acknowledgement may wait; twice as long at most.
    expect(world.nowMs - startMs).toBeLessThan(((4 * SENT_BYTES) / LEAST_WINDOW_BYTES) * 2 * (20 + 25))
    expect(promisedBytes(server)).toBeGreaterThan(MEMORY_BYTES)
  })
})

describe('flows that come one after the other and are read', () => {
  it('have the windows that they would have alone', () => {
    const world = simulate(1)
    const net = world.link('net', { delayMs: 10 })
    const server = world.host('server', net, { limits: { receiveMemoryBytes: 1024 * MIB } })
    const client = world.host('client', net).knows(SERVICE, server)
    server.listen(SERVICE)
    for (let i = 0; i < 20; i++) {
      const flow = client.connect(SERVICE).send(SENT_BYTES).end()
      world.run(1000)
      expect(flow.isDrained).toBe(true)
    }
    expect(server.sal.counters.receiveMemoryShort).toBeUndefined()
  })
})

describe('datagrams that nobody reads', () => {
  it('are dropped where the stack has no memory left, but for a few of each flow', () => {
    const world = simulate(1)
    const net = world.link('net', { delayMs: 1 })
    const limits = { receiveMemoryBytes: MIB }
    const server = world.host('server', net, { limits })
    const client = world.host('client', net).knows(SERVICE, server)
    server.bind(SERVICE)
    const flows = Array.from({ length: 50 }, () => client.connectDatagrams(SERVICE))
    world.run(100)
    for (const peer of server.peers) peer.isPaused = true
    for (let i = 0; i < 100; i++) {
      for (const flow of flows) flow.send('x'.repeat(1000))
      world.run(1)
    }
    const kept = server.peers.map(peer => peer.flow.readableBytes)
    expect(kept.reduce((sum, bytes) => sum + bytes)).toBeLessThanOrEqual(MIB + 50 * LEAST_WINDOW_BYTES)
    expect(Math.min(...kept)).toBeGreaterThan(LEAST_WINDOW_BYTES / 2)
    expect(server.sal.counters.receiveMemoryShort).toBeGreaterThan(0)
    for (const peer of server.peers) peer.flow.reset(world.nowMs)
    server.wake()
    world.run(1000)
    expect(promisedBytes(server)).toBe(0)
  })
})

/** A chunk at a time, now and then. */
function readSlowly(world: World, flow: SimFlow): void {
  flow.readOne()
  if (!flow.isEnded) world.after(20 + world.random.below(100), () => readSlowly(world, flow))
}
