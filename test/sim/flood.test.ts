/**
 * D1: a hundred thousand SYNs a second from addresses that are nobody's. Half-open flows take a mebibyte at most, whoever
 * is there gets his connection, a flow that runs goes on, and nobody is sent more than three times what came from his
 * address. SERVAL_TEST_FULL keeps it up for ten seconds.
 */
import { describe, expect, it } from 'vitest'
import { serviceIdOf } from '../../src/id/name.ts'
import { COOKIES_FROM, type Listener } from '../../src/sal/listener.ts'
import { SHIM_BYTES } from '../../src/wire/encapsulation.ts'
import { control, controlFlags } from '../../src/wire/extensions/control.ts'
import { key, keyModes } from '../../src/wire/extensions/key.ts'
import { service } from '../../src/wire/extensions/service.ts'
import { fillSalChecksum } from '../../src/wire/sal-header.ts'
import { keptBytes } from '../support/memory.ts'
import { forge } from '../support/simulator/forge.ts'
import type { Link } from '../support/simulator/link.ts'
import type { Port } from '../support/simulator/network.ts'
import { SERVICE } from '../support/simulator/scenes.ts'
import type { SimFlow } from '../support/simulator/sim-flow.ts'
import type { SimHost } from '../support/simulator/sim-host.ts'
import { simulate, type World } from '../support/simulator/world.ts'

const SYNS_A_MS = 100
/** Where the flags of a first extension are that is control. */
const SYN_FLAGS = SHIM_BYTES + 12 + 2
const FLOOD_MS = process.env.SERVAL_TEST_FULL ? 10_000 : 200
const MIB = 1 << 20

interface Scene {
  readonly world: World
  readonly net: Link
  readonly server: SimHost
  readonly listener: Listener
  readonly flooder: Port
  readonly accepted: SimFlow[]
}

function scene(): Scene {
  const world = simulate(1)
  const net = world.link('net', { delayMs: 10 })
  const server = world.host('server', net)
  const accepted: SimFlow[] = []
  const listener = server.listen(SERVICE, flow => accepted.push(flow))
  const { port } = world.bystander('flooder', net)
  return { world, net, server, listener, flooder: port, accepted }
}

function synTo(name: string): Uint8Array {
  return forge({
    srcFlowId: 1,
    dstFlowId: 0,
    extensions: [
      control(controlFlags.SYN, 7, 0, new Uint8Array(8)),
      service(serviceIdOf(name)),
      key(keyModes.PLAIN, new Uint8Array(16)),
    ],
  })
}

const SYN = synTo(SERVICE)

/** One SYN as from an address that is nobody's, and that of nobody else before. */
function spoof({ world, server, flooder }: Scene, syn = SYN): void {
  const { random } = world
  const bytes = syn.slice()
  random.fill(bytes, SHIM_BYTES, SHIM_BYTES + 4)
  random.fill(bytes, bytes.length - 16)
  fillSalChecksum(bytes, SHIM_BYTES)
  const address = `172.${16 + random.below(16)}.${random.below(256)}.${random.below(256)}`
  const source = { address, port: 1024 + random.below(60_000) }
  world.inject({ bytes, from: flooder, source, to: server.attached[0]!.endpoint })
}

function flood(scene: Scene, ms: number): void {
  for (let at = 0; at < ms; at++) {
    scene.world.after(at, () => {
      for (let i = 0; i < SYNS_A_MS; i++) spoof(scene)
    })
  }
}

describe('a flood of SYNs from addresses that are nobody’s', () => {
  it('takes no connection from anybody who is there', () => {
    const it = scene()
    const { world, net, server, listener, accepted } = it
    flood(it, FLOOD_MS)
    world.run(50)
    const client = world.host('client', net).knows(SERVICE, server)
    const flows: SimFlow[] = []
    for (let ms = 0; ms < FLOOD_MS - 50; ms += 5) world.after(ms, () => flows.push(client.connect(SERVICE)))
    world.run(FLOOD_MS - 50)
    expect(server.sal.counters.cookieAsked).toBeGreaterThan(0.9 * SYNS_A_MS * (FLOOD_MS - 50))
    expect(listener.halfOpen).toBeGreaterThanOrEqual(COOKIES_FROM)
    expect(listener.halfOpen).toBeLessThan(COOKIES_FROM + 10)
    // Two round trips, as of a host that is not flooded it would be one; none has waited for its SYN to be repeated.
    world.run(50)
    expect(flows.filter(flow => flow.isConnected).length).toBe(flows.length)
    expect(accepted).toHaveLength(flows.length)
  })

  it('takes nothing from a flow that runs', () => {
    const took = [0, FLOOD_MS].map(ms => {
      const it = scene()
      const { world, server } = it
      const slow = world.link('slow', { delayMs: 10, kbitPerSecond: 10_000, queueBytes: 40_000 })
      const flow = world.host('client', slow).knows(SERVICE, server).connect(SERVICE)
      world.run(100)
      flood(it, ms)
      flow.send((10_000 * FLOOD_MS) / 8)
      expect(world.runUntil(() => flow.isDrained, 10 * FLOOD_MS)).toBe(true)
      return world.nowMs
    })
    expect(took[0]! / took[1]!).toBeGreaterThan(0.95)
  })

  it('takes a mebibyte of memory at most', () => {
    const it = scene()
    // What the simulator itself remembers of strangers is none of it.
    it.world.network.watchers.length = 0
    // Nor is what is compiled once.
    for (let i = 0; i < 3; i++) {
      flood(it, 50)
      it.world.run(60_000)
    }
    expect(it.listener.halfOpen).toBe(0)
    const before = keptBytes()
    flood(it, 100)
    // Until the last answer is no longer on the simulated wire.
    it.world.run(120)
    expect(it.listener.halfOpen).toBeGreaterThanOrEqual(COOKIES_FROM)
    expect(keptBytes() - before).toBeLessThan(MIB)
  })

  it('spread over many services is met as one', () => {
    const it = scene()
    const { server, listener } = it
    const names = Array.from({ length: 8 }, (_, i) => `service-${i}.example`)
    const listeners = [listener, ...names.map(name => server.listen(name))]
    const each = COOKIES_FROM / 4
    for (const name of [SERVICE, ...names]) for (let i = 0; i < each; i++) spoof(it, synTo(name))
    it.world.run(50)
    const halfOpen = listeners.map(({ halfOpen }) => halfOpen)
    expect(Math.max(...halfOpen)).toBe(each)
    expect(halfOpen.reduce((sum, flows) => sum + flows)).toBe(COOKIES_FROM)
    expect(server.sal.counters.cookieAsked).toBe(listeners.length * each - COOKIES_FROM)
  })

  it('is over when it is over: who comes later is asked for nothing', () => {
    const it = scene()
    const { world, net, server, listener } = it
    flood(it, 20)
    world.run(60_000)
    expect(listener.halfOpen).toBe(0)
    const asked = server.sal.counters.cookieAsked
    const flow = world.host('client', net).knows(SERVICE, server).connect(SERVICE)
    world.run(21)
    expect(flow.isConnected).toBe(true)
    expect(server.sal.counters.cookieAsked).toBe(asked)
  })
})

describe('a flood of SYNs from an address that answers, and brings every cookie back', () => {
  /** As many half-open flows as the server takes, none of which gets any further. */
  function crowded() {
    const it = scene()
    const { world, net, server } = it
    const crowd = world.host('crowd', net).knows(SERVICE, server)
    const [port] = crowd.attached
    world.network.interceptors.push(({ from, bytes }) => {
      return from === port && (bytes[SYN_FLAGS]! & controlFlags.SYN) === 0
    })
    const push = () => {
      for (let i = 0; i < 30; i++) crowd.connect(SERVICE)
    }
    for (let ms = 0; ms < 700; ms += 25) world.after(ms, push)
    world.run(600)
    return it
  }

  it('takes no connection from others', () => {
    const { world, net, server, listener, accepted } = crowded()
    expect(listener.halfOpen).toBe(listener.backlog)
    const flows = ['one', 'two'].flatMap(name => {
      const client = world.host(name, net).knows(SERVICE, server)
      return Array.from({ length: 50 }, () => client.connect(SERVICE))
    })
    world.run(100)
    expect(flows.filter(flow => flow.isConnected).length).toBe(flows.length)
    expect(accepted).toHaveLength(flows.length)
    expect(listener.halfOpen).toBeLessThanOrEqual(listener.backlog)
    expect(server.sal.counters.halfOpenGaveWay).toBeGreaterThan(0)
  })
})

describe('under load', () => {
  /** A server with as many half-open flows as it takes without cookies, and what has gone over the wire since. */
  function pressed() {
    const world = simulate(1, { trace: true })
    const net = world.link('net', { delayMs: 10 })
    const router = world.router('router', net)
    const server = world.host('server', net).use(router)
    router.forward(SERVICE, server)
    server.listen(SERVICE, () => undefined, 8)
    const { port: flooder } = world.bystander('flooder', net)
    const it = { world, net, server, flooder }
    for (let i = 0; i < 4; i++) spoof(it as never)
    world.run(100)
    world.exchange()
    return { ...it, router }
  }

  it('a SYN is sent once more, with a cookie', () => {
    const { world, net, server } = pressed()
    const client = world.host('client', net).knows(SERVICE, server)
    const flow = client.connect(SERVICE).send(10)
    world.run(100)
    expect(
      world
        .exchange()
        .filter(line => line.includes('client'))
        .slice(0, 5),
    ).toEqual([
      'client > server SYN',
      'server > client cookie',
      'client > server SYN cookie',
      'server > client SYN+ACK',
      'client > server ACK service data 10',
    ])
    expect(flow.isConnected).toBe(true)
  })

  it('one that comes by way of a router is told to come by itself first', () => {
    const { world, net, router } = pressed()
    const client = world.host('client', net).use(router)
    const flow = client.connect(SERVICE)
    world.run(150)
    expect(flow.isConnected).toBe(true)
    expect(
      world
        .exchange()
        .filter(line => /client > server/.test(line))
        .slice(0, 2),
    ).toEqual(['client > server SYN', 'client > server SYN cookie'])
  })

  it('a cookie that is lost, or the SYN with it, is made up for when the SYN is repeated', () => {
    for (const lost of ['server > client cookie', 'client > server SYN cookie']) {
      const { world, net, server } = pressed()
      world.lose(lost)
      const flow = world.host('client', net).knows(SERVICE, server).connect(SERVICE)
      world.run(1100)
      expect(flow.isConnected, lost).toBe(true)
    }
  })

  it('a cookie of another SYN, or from somebody who has not seen it, is nothing', () => {
    const { world, net, server } = pressed()
    const client = world.host('client', net).knows(SERVICE, server)
    const thief = world.host('thief', net).knows(SERVICE, server)
    let stolen: Uint8Array | undefined
    world.intercept('client > server SYN cookie', ({ bytes }) => {
      stolen = bytes.slice()
    })
    client.connect(SERVICE)
    world.run(50)
    const halfOpen = server.sal.flows.size
    world.inject({ bytes: stolen!, from: thief.attached[0]!, to: server.attached[0]!.endpoint })
    world.run(50)
    expect(server.sal.flows.size).toBe(halfOpen)
  })
})
