/**
 * The cases of the QUIC interop runner, on its link: 15 ms one way, 10 Mbit/s, a queue of 25 packets; and what flow
 * control promises.
 */
import { describe, expect, it } from 'vitest'
import type { Link, LinkOptions } from '../support/simulator/link.ts'
import { connection, SERVICE } from '../support/simulator/scenes.ts'
import type { SimFlow } from '../support/simulator/sim-flow.ts'
import type { SimHost } from '../support/simulator/sim-host.ts'
import { simulate, type World } from '../support/simulator/world.ts'

const MIB = 1 << 20
const PACKET_BYTES = 1500
const BOTTLENECK: Partial<LinkOptions> = { delayMs: 15, kbitPerSecond: 10_000, queueBytes: 25 * PACKET_BYTES }

interface Net {
  readonly world: World
  readonly link: Link
  readonly client: SimHost
  readonly server: SimHost
}

/** A server that answers each flow with `bytes` and the end. */
function serving(bytes: number, options: Partial<LinkOptions> = {}, seed = 1): Net {
  const world = simulate(seed)
  const link = world.link('bottleneck', { ...BOTTLENECK, ...options })
  const server = world.host('server', link)
  const client = world.host('client', link).knows(SERVICE, server)
  server.listen(SERVICE, flow => flow.send(bytes).end())
  return { world, link, client, server }
}

/** Runs until all is received and both ends are closed; returns the milliseconds until the last byte was there. */
function download({ world, client, server }: Net, flows: readonly SimFlow[], limitMs: number): number {
  const startedAt = world.nowMs
  expect(world.runUntil(() => flows.every(flow => flow.isEnded), limitMs)).toBe(true)
  const tookMs = world.nowMs - startedAt
  for (const flow of flows) flow.end()
  world.settle(() => client.sal.flows.size + server.sal.flows.size === 0, 60_000)
  expect(flows.map(flow => flow.error)).toEqual(flows.map(() => undefined))
  return tookMs
}

describe('on the interop link', () => {
  it('2, 3 and 5 MiB come through one after the other', () => {
    for (const mebibytes of [2, 3, 5]) {
      const net = serving(mebibytes * MIB)
      const flow = net.client.connect(SERVICE)
      download(net, [flow], 30_000)
      expect(flow.receivedBytes).toBe(mebibytes * MIB)
    }
  })

  it('goodput is nine tenths of the rate', () => {
    const net = serving(10 * MIB)
    const flow = net.client.connect(SERVICE)
    const tookMs = download(net, [flow], 30_000)
    const mbitPerSecond = (8 * 10 * MIB) / (tookMs * 1000)
    expect(mbitPerSecond).toBeGreaterThan(9)
  })

  it('fifty handshakes of fifty succeed at 30 % loss in bursts of up to three', () => {
    const net = serving(1000, { loss: 0.18, burst: { begins: 0.06, most: 3 } })
    const flows = Array.from({ length: 50 }, () => net.client.connect(SERVICE, { timeoutMs: 60_000 }))
    download(net, flows, 120_000)
    expect(flows.map(flow => flow.receivedBytes)).toEqual(flows.map(() => 1000))
  })

  it('fifty handshakes of fifty succeed at 30 % corruption', () => {
    const net = serving(1000, { corrupt: 0.3 })
    const flows = Array.from({ length: 50 }, () => net.client.connect(SERVICE, { timeoutMs: 60_000 }))
    download(net, flows, 120_000)
    expect(flows.every(flow => flow.receivedBytes === 1000)).toBe(true)
  })

  it('a thousand small flows share it', () => {
    const net = serving(32)
    const flows = Array.from({ length: 1000 }, () => net.client.connect(SERVICE, { timeoutMs: 60_000 }))
    download(net, flows, 60_000)
    expect(flows.every(flow => flow.receivedBytes === 32)).toBe(true)
  })

  it('2 MiB come through 2 % loss, and 2 % corruption', () => {
    for (const fault of [{ loss: 0.02 }, { corrupt: 0.02 }]) {
      const net = serving(2 * MIB, fault)
      const flow = net.client.connect(SERVICE)
      download(net, [flow], 60_000)
      expect(flow.receivedBytes).toBe(2 * MIB)
    }
  })

  it('2 MiB come through a round trip of 1.5 s', () => {
    const net = serving(2 * MIB, { delayMs: 750 })
    const flow = net.client.connect(SERVICE)
    download(net, [flow], 60_000)
    expect(flow.receivedBytes).toBe(2 * MIB)
  })

  it('10 MiB come through a black hole of 2 s after every 5', () => {
    const net = serving(10 * MIB)
    const { world, link, client } = net
    const alternate = (down: boolean) => {
      link.set({ down })
      world.after(down ? 2000 : 5000, () => alternate(!down))
    }
    alternate(false)
    const flow = client.connect(SERVICE)
    expect(world.runUntil(() => flow.isEnded, 60_000)).toBe(true)
    expect(flow.receivedBytes).toBe(10 * MIB)
  })

  it('10 MiB come through a move at 1 s, and then every 5 s', () => {
    const net = serving(10 * MIB)
    const { world, link, client, server } = net
    const flow = client.connect(SERVICE)
    const move = () => {
      const [old] = client.attached
      client.attach(link)
      if (old) client.detach(old)
      world.after(5000, move)
    }
    world.after(1000, move)
    expect(world.runUntil(() => flow.isEnded, 30_000)).toBe(true)
    expect(flow.receivedBytes).toBe(10 * MIB)
    expect(flow.moves).toBeGreaterThanOrEqual(2)
    expect(server.flows).toHaveLength(1)
  })

  it('three quarters of it at most go to either of two flows', () => {
    const net = serving(20 * MIB)
    const flows = [net.client.connect(SERVICE), net.client.connect(SERVICE)]
    net.world.run(15_000)
    const shares = flows.map(flow => flow.receivedBytes / (flows[0]!.receivedBytes + flows[1]!.receivedBytes))
    for (const share of shares) expect(share).toBeGreaterThan(0.25)
  })
})

describe('through everything at once', () => {
  it('30 % loss, 10 % reordering, 5 % duplication, 2 % corruption, both ways: not a byte is wrong', () => {
    const bytes = process.env.SERVAL_TEST_FULL ? 64 * MIB : 2 * MIB
    const net = serving(bytes, {
      kbitPerSecond: Number.POSITIVE_INFINITY,
      loss: 0.3,
      reorder: 0.1,
      duplicate: 0.05,
      corrupt: 0.02,
    })
    const flow = net.client.connect(SERVICE, { timeoutMs: 60_000 }).send(bytes)
    expect(net.world.runUntil(() => flow.isEnded, 100_000_000)).toBe(true)
    flow.end()
    net.world.settle(() => net.server.flows[0]!.isEnded, 600_000)
    expect([flow.receivedBytes, net.server.flows[0]!.receivedBytes]).toEqual([bytes, bytes])
  })
})

describe('flow control', () => {
  const small = { receiveBufferBytes: 65_536 }

  it('stops a writer whose reader does not read, and lets it go on', () => {
    const { world, flow, served } = connection({ client: { limits: small } })
    flow.pause()
    served.send(MIB).end()
    world.run(60_000)
    expect(flow.flow.readableBytes).toBe(65_536)
    expect(flow.receivedBytes).toBe(0)
    flow.resume()
    world.run(5000)
    expect(flow.receivedBytes).toBe(MIB)
    expect(flow.isEnded).toBe(true)
  })

  it('serves a slow reader at its own pace', () => {
    const { world, flow, served } = connection({ client: { limits: small } })
    flow.pause()
    served.send(MIB).end()
    const read = () => {
      flow.readOne()
      world.after(5, read)
    }
    read()
    expect(world.runUntil(() => flow.receivedBytes === MIB, 120_000)).toBe(true)
  })

  it('outlives the loss of the packet that opens the window', () => {
    const { world, flow, served } = connection({ client: { limits: small } })
    flow.pause()
    served.send(MIB)
    world.run(5000)
    world.lose('client > server ack', 1)
    flow.resume()
    world.run(20_000)
    expect(flow.receivedBytes).toBe(MIB)
  })

  it('holds the writing program at the send buffer’s mark', () => {
    const { world, flow, served } = connection({ server: { limits: { sendBufferBytes: 100_000 } } })
    flow.pause()
    served.send(20 * MIB)
    world.run(5000)
    expect(served.flow.writable).toBe(false)
    // The client's 4 MiB, ours, and the chunk that went over the mark.
    expect(served.sentBytes).toBeLessThanOrEqual(4 * MIB + 100_000 + 65_536)
    flow.resume()
    world.run(20_000)
    expect(flow.receivedBytes).toBe(20 * MIB)
  })
})
