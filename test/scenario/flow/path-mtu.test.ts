/** How large a flow's packets are: found by probes, lowered where the path does not carry them (RFC 8899). */
import { describe, expect, it } from 'vitest'
import { SEARCH_AFTER_BYTES } from '../../../src/flow/path-search.ts'
import { summarize } from '../../support/simulator/describe-packet.ts'
import type { Link } from '../../support/simulator/link.ts'
import { SERVICE } from '../../support/simulator/scenes.ts'
import type { SimFlow } from '../../support/simulator/sim-flow.ts'
import type { SimHost } from '../../support/simulator/sim-host.ts'
import { simulate, type World } from '../../support/simulator/world.ts'

interface Scene {
  readonly world: World
  readonly client: SimHost
  readonly server: SimHost
  readonly flow: SimFlow
  /** The server's end, which sends. */
  readonly served: SimFlow
  readonly home: Link
  readonly core: Link
}

interface SceneOptions {
  readonly homeMtu?: number
  readonly coreMtu?: number
  readonly isOnLink?: boolean
}

/** A flow over two links of 10 ms, or one; the exchange begins behind the set-up. */
function scene({ homeMtu = 1500, coreMtu = 1500, isOnLink = false }: SceneOptions = {}): Scene {
  const world = simulate(1, { trace: true })
  const core = world.link('core', { delayMs: 10, mtu: coreMtu })
  const home = isOnLink ? core : world.link('home', { delayMs: 10, mtu: homeMtu })
  const server = world.host('server', core)
  const client = world.host('client', home).knows(SERVICE, server)
  const accepted: SimFlow[] = []
  server.listen(SERVICE, flow => accepted.push(flow))
  const flow = client.connect(SERVICE)
  world.run(200)
  world.exchange()
  return { world, client, server, flow, served: accepted[0]!, home, core }
}

/** What `socket.flow` shows. */
function mtuOf(flow: SimFlow): number {
  return flow.flow.info().paths[0]!.mtu
}

const cwndOf = (flow: SimFlow) => flow.flow.info().paths[0]!.cwnd

/** 20,000 bytes every 50 ms. */
function trickle(world: World, flow: SimFlow, ms: number): void {
  for (let at = 0; at < ms; at += 50) {
    flow.send(20_000)
    world.run(50)
  }
}

const IP_UDP = 28

const probesIn = (lines: readonly string[]) => lines.filter(line => line.includes('challenge padding'))

/** The largest IP packet that has been sent since the last call, lost or not. */
function largestSent(world: World): number {
  return Math.max(...world.tracer!.packets.splice(0).map(({ bytes }) => bytes.length + IP_UDP))
}

describe('a path of several links', () => {
  it('is asked once, when data flows, and takes packets of 1,500 bytes a round trip later', () => {
    const { world, served, flow } = scene()
    expect([mtuOf(served), mtuOf(flow)]).toEqual([1228, 1228])
    const t = world.nowMs
    served.send(1 << 20)
    world.run(5000)
    const lines = world.timeline(t)
    expect(probesIn(lines)).toEqual(['40 server > client ACK challenge padding 1384'])
    expect(lines).toContain('60 client > server ACK echo')
    // What is acknowledged at 80 frees ten of the smaller ones, and then it is their turn.
    expect(lines.find(line => line.includes('data 1436'))).toBe('81 server > client data 1436')
    expect([mtuOf(served), mtuOf(flow)]).toEqual([1500, 1228])
    expect(flow.receivedBytes).toBe(1 << 20)
  })

  it('is not asked for the sake of a few bytes', () => {
    const { world, served } = scene()
    served.send(SEARCH_AFTER_BYTES - 1)
    world.run(5000)
    expect(probesIn(world.exchange())).toEqual([])
    expect(mtuOf(served)).toBe(1228)
  })

  it('is asked for a size three times, a second apart, then for a smaller one', () => {
    const { world, served } = scene({ homeMtu: 1400 })
    trickle(world, served, 8_000)
    const probes = world.tracer!.packets.filter(({ bytes }) => summarize(bytes).includes('padding'))
    const came = ({ bytes, fates }: (typeof probes)[number]) =>
      `${bytes.length + IP_UDP} ${fates.includes('tooLong') ? 'lost' : 'came'}`
    expect(probes.map(came)).toEqual([
      ...Array(3).fill('1500 lost'),
      ...Array(3).fill('1450 lost'),
      '1400 came',
      ...Array(2).fill('1420 lost'),
    ])
    const gaps = probes
      .slice(1, 7)
      .map(({ atMs }, index) => Math.round((atMs - probes[index]!.atMs) / 100) / 10)
    expect(gaps).toEqual([1, 1, 1, 1, 1, 1])
    expect(mtuOf(served)).toBe(1400)
  })

  it('loses probes at no cost: nothing is sent again, and the window is what it is without', () => {
    const windows = [1228, 1500].map(coreMtu => {
      const { world, served, flow } = scene({ homeMtu: 1228, coreMtu })
      trickle(world, served, 2_900)
      world.run(100)
      expect(probesIn(world.exchange())).toHaveLength(coreMtu === 1228 ? 0 : 3)
      expect(served.flow.info().retransmits).toBe(0)
      expect(flow.receivedBytes).toBe(served.sentBytes)
      return cwndOf(served)
    })
    expect(windows[1]).toBe(windows[0])
  })

  it('is not asked in an outage, which would prove nothing', () => {
    const { world, served, home } = scene()
    served.send(SEARCH_AFTER_BYTES - 1_000)
    world.run(500)
    home.set({ down: true })
    trickle(world, served, 5_000)
    expect(probesIn(world.exchange()).length).toBeLessThanOrEqual(1)
    home.set({ down: false })
    world.run(10_000)
    trickle(world, served, 2_000)
    expect(mtuOf(served)).toBe(1500)
  })
})

describe('a black hole', () => {
  it('on the link, where the interface promises too much, is found at the second time-out, and the size that passes soon after', () => {
    const { world, served, flow, core } = scene({ isOnLink: true })
    core.set({ mtu: 1400 })
    expect(mtuOf(served)).toBe(1500)
    served.send(200_000)
    expect(world.runUntil(() => flow.receivedBytes === 200_000, 2_000)).toBe(true)
    trickle(world, served, 10_000)
    expect(mtuOf(served)).toBe(1400)
    expect(flow.receivedBytes).toBe(served.sentBytes)
  })

  it('that opens in the middle of a transfer loses nothing', () => {
    const { world, served, flow, home } = scene()
    trickle(world, served, 1_000)
    expect(mtuOf(served)).toBe(1500)
    home.set({ mtu: 1300 })
    trickle(world, served, 500)
    expect(world.runUntil(() => flow.receivedBytes === served.sentBytes, 3_000)).toBe(true)
    world.tracer!.packets.splice(0)
    trickle(world, served, 12_000)
    expect(mtuOf(served)).toBe(1280)
    world.tracer!.packets.splice(0)
    trickle(world, served, 60_000)
    expect(largestSent(world)).toBe(1280)
    expect(flow.receivedBytes).toBe(served.sentBytes)
  })

  it('for all but the smallest packets is left as well', () => {
    const { world, served, flow, core } = scene({ isOnLink: true })
    core.set({ mtu: 1000 })
    served.send(100_000)
    expect(world.runUntil(() => flow.receivedBytes === 100_000, 10_000)).toBe(true)
    expect(mtuOf(served)).toBe(576)
  })

  it('is not made of an outage: one probe afterwards brings the size back', () => {
    const { world, served, flow, core } = scene({ isOnLink: true })
    trickle(world, served, 500)
    core.set({ down: true })
    trickle(world, served, 2_000)
    core.set({ down: false })
    expect(world.runUntil(() => flow.receivedBytes === served.sentBytes, 5_000)).toBe(true)
    trickle(world, served, 200)
    expect(mtuOf(served)).toBe(1500)
  })
})

describe('a packet that the system refuses as too long', () => {
  it('makes the packets smaller at once, and what was lost is sent again at no cost to the window', () => {
    const { world, client, server, served, flow, core } = scene({ isOnLink: true })
    served.send(400_000)
    world.run(65)
    core.set({ mtu: 1300 })
    world.run(5)
    const before = cwndOf(served)
    server.refuse(server.attached[0]!, client.attached[0]!.endpoint)
    expect([mtuOf(served), cwndOf(served)]).toEqual([1228, before])
    const { retransmits } = served.flow.info()
    world.run(1)
    expect(served.flow.info().retransmits).toBeGreaterThan(retransmits)
    world.run(200)
    expect(flow.receivedBytes).toBe(served.sentBytes)
    expect(cwndOf(served)).toBeGreaterThanOrEqual(before)
  })

  it('is of one path, and says nothing of flows to elsewhere', () => {
    const { server, served, client } = scene({ isOnLink: true })
    server.refuse(server.attached[0]!, { ...client.attached[0]!.endpoint, port: 9 })
    expect(mtuOf(served)).toBe(1500)
  })
})

describe('the interface', () => {
  it('that takes less than before is obeyed at once', () => {
    const { world, server, served, flow, core } = scene({ isOnLink: true })
    trickle(world, served, 500)
    core.set({ mtu: 1400 })
    served.send(20_000)
    world.run(0)
    server.resize(server.attached[0]!, 1400)
    expect(mtuOf(served)).toBe(1400)
    world.run(50)
    expect(flow.receivedBytes).toBe(served.sentBytes)
  })

  it('that takes more is asked whether the path does', () => {
    const { world, server, served, core } = scene({ isOnLink: true })
    core.set({ mtu: 9000 })
    server.resize(server.attached[0]!, 9000)
    trickle(world, served, 500)
    expect(mtuOf(served)).toBe(9000)
    expect(largestSent(world)).toBe(9000)
  })
})

describe('a move', () => {
  it('begins a search of its own, and the paths are told apart', () => {
    const { world, client, flow, served, core } = scene()
    trickle(world, served, 1_000)
    const lte = world.link('lte', { delayMs: 10, mtu: 1420 })
    expect(core.options.mtu).toBe(1500)
    client.migrate(flow, client.attach(lte))
    world.run(200)
    expect(served.flow.info().paths.map(({ mtu, active }) => [mtu, active])).toEqual([
      [1228, true],
      [1500, false],
    ])
    trickle(world, served, 12_000)
    expect(mtuOf(served)).toBe(1420)
    expect(flow.receivedBytes).toBe(served.sentBytes)
  })
})
