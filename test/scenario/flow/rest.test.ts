/** Streams at rest: what nobody may notice of them. Links take 10 ms each way. */
import { describe, expect, it } from 'vitest'
import { type Connection, connection, type PairOptions } from '../../support/simulator/scenes.ts'
import type { SimFlow } from '../../support/simulator/sim-flow.ts'

/** Longer than the pause after which streams rest. */
const PAUSE_MS = 3_000

function isResting({ world, flow, served }: Connection): boolean[] {
  return [flow, served].map((end: SimFlow) => end.flow.rest(world.nowMs) === 'resting')
}

/** A connection on which `bytes` were sent each way a while ago. */
function rested(bytes: number, options: PairOptions = {}): Connection {
  const scene = connection(options)
  scene.flow.send(bytes)
  scene.served.send(bytes)
  scene.world.run(PAUSE_MS)
  scene.world.exchange()
  expect(isResting(scene)).toEqual([true, true])
  return scene
}

describe('a stream', () => {
  it('rests from the set-up on, until there is something to do', () => {
    const scene = connection()
    expect(isResting(scene)).toEqual([true, true])
    scene.flow.send(10)
    expect(isResting(scene)).toEqual([false, true])
    scene.world.run(20)
    expect(isResting(scene)).toEqual([false, false])
  })

  it('comes back to rest by itself, and then asks for no time', () => {
    const { client, server } = rested(100_000)
    expect([client.sal.nextTimeoutAt, server.sal.nextTimeoutAt]).toEqual([
      Number.POSITIVE_INFINITY,
      Number.POSITIVE_INFINITY,
    ])
  })

  it('does not rest while it sends, waits to be read, or owes an answer', () => {
    const scene = connection()
    const { world, flow, served } = scene
    flow.send(1 << 20)
    world.run(15)
    expect(isResting(scene)).toEqual([false, false])
    served.pause()
    world.run(60_000)
    expect(isResting(scene)[1]).toBe(false)
    served.resume()
    world.run(PAUSE_MS)
    expect(isResting(scene)).toEqual([true, true])
  })

  it('does not rest once it is to end', () => {
    const scene = rested(10)
    scene.flow.end()
    scene.world.run(PAUSE_MS)
    expect(scene.flow.flow.rest(scene.world.nowMs)).toBe('ended')
    expect(scene.served.flow.rest(scene.world.nowMs)).toBe('ended')
  })
})

describe('behind a rest', () => {
  it('data goes on where it was, both ways', () => {
    const { world, flow, served } = rested(1_000)
    flow.send(50)
    served.send(60)
    world.run(PAUSE_MS)
    expect(world.exchange()).toEqual([
      'client > server data 50',
      'server > client data 60',
      'server > client ack',
      'client > server ack',
    ])
    expect([flow.receivedBytes, served.receivedBytes]).toEqual([1_060, 1_050])
  })

  it('the figures of the flow go on, too', () => {
    const { world, flow, served } = rested(5_000)
    const { bytesIn, bytesOut, paths } = flow.flow.info()
    expect([bytesIn, bytesOut]).toEqual([5_000, 5_000])
    flow.send(50)
    world.run(PAUSE_MS)
    expect(flow.flow.info()).toMatchObject({ bytesIn: 5_000, bytesOut: 5_050 })
    expect(served.flow.info()).toMatchObject({ bytesIn: 5_050, bytesOut: 5_000 })
    expect(flow.flow.info().paths[0]?.srttMs).toBeCloseTo(paths[0]!.srttMs!, -1)
    expect(flow.flow.info().paths[0]?.mtu).toBe(paths[0]!.mtu)
  })

  it('the window begins anew, as behind any pause', () => {
    const scene = connection()
    const first = scene.flow.flow.info().paths[0]!.cwnd
    scene.flow.send(1 << 20)
    scene.world.run(500)
    expect(scene.flow.flow.info().paths[0]!.cwnd).toBeGreaterThan(first)
    scene.world.run(PAUSE_MS)
    expect(isResting(scene)).toEqual([true, true])
    expect(scene.flow.flow.info().paths[0]!.cwnd).toBe(first)
  })

  it('a path that has lost something remembers how much was too much', () => {
    const scene = connection()
    const { world, flow, net } = scene
    net.set({ loss: 0.1 })
    flow.send(1 << 20)
    world.run(5_000)
    // How far it came depends on what was lost, and so does what is still asked of the path.
    world.settle(() => scene.served.receivedBytes === 1 << 20, 60_000)
    world.run(20_000)
    expect(isResting(scene)).toEqual([true, true])
    const bold = rested(1 << 20)
    for (const one of [scene, bold]) one.flow.send(1 << 20)
    world.run(100)
    bold.world.run(100)
    const [cautiousBytes, boldBytes] = [scene, bold].map(one => one.flow.flow.info().paths[0]!.cwnd)
    expect(cautiousBytes).toBeLessThan(boldBytes!)
  })

  it('FIN ends it in the usual way', () => {
    const { world, flow, served } = rested(100)
    served.onEvent = event => event === 'end' && served.end()
    flow.end()
    world.run(PAUSE_MS)
    expect(world.exchange()).toEqual([
      'client > server ACK+FIN end 100',
      'server > client ACK+FIN end 100',
      'client > server ACK',
      'server > client ACK CLOSED',
    ])
    expect([flow.state, served.state]).toEqual(['CLOSED', 'CLOSED'])
    expect([flow.error, served.error]).toEqual([undefined, undefined])
  })

  it('a reset ends it with an error at the other end', () => {
    const { world, flow, served } = rested(100)
    flow.reset()
    world.run(100)
    expect(served.error?.code).toBe('ECONNRESET')
  })

  it('it moves, and goes on from there', () => {
    const { world, client, flow, served } = rested(100)
    const lte = world.link('lte', { delayMs: 10 })
    const away = client.attach(lte)
    client.migrate(flow, away)
    world.run(PAUSE_MS)
    expect([flow.moves, served.moves]).toEqual([1, 1])
    served.send(1_000)
    flow.send(1_000)
    world.run(PAUSE_MS)
    expect([flow.receivedBytes, served.receivedBytes]).toEqual([1_100, 1_100])
    expect(served.flow.activePath?.remote).toEqual(away.endpoint)
  })

  it('what is written while there is no address goes out when there is one', () => {
    const { world, net, client, flow, served } = rested(100)
    client.detach(client.attached[0]!)
    flow.send(500)
    world.run(PAUSE_MS)
    expect(served.receivedBytes).toBe(100)
    client.attach(net)
    world.run(PAUSE_MS)
    expect(served.receivedBytes).toBe(600)
  })
})

describe('keepalive', () => {
  it('goes on at rest, and the peer answers from its own', () => {
    const { world, client, flow } = rested(100)
    const t = world.nowMs
    flow.flow.setKeepAlive(10_000, t)
    client.wake()
    world.run(25_000)
    expect(world.timeline(t)).toEqual([
      '10000 client > server ack',
      '10010 server > client ack',
      '20020 client > server ack',
      '20030 server > client ack',
    ])
  })

  it('finds that the peer has gone, at rest as otherwise', () => {
    const { world, net, client, flow } = rested(100, { client: { limits: { deadPeerMs: 20_000 } } })
    flow.flow.setKeepAlive(10_000, world.nowMs)
    client.wake()
    net.set({ loss: 1 })
    world.run(60_000)
    expect(flow.error?.code).toBe('ETIMEDOUT')
  })
})
