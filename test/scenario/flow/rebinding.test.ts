/** A NAT gives an end another address and tells nobody; and others pretend that it has. */
import { describe, expect, it } from 'vitest'
import { sameEndpoint } from '../../../src/wire/endpoint.ts'
import { summarize } from '../../support/simulator/describe-packet.ts'
import type { Port } from '../../support/simulator/network.ts'
import { type Connection, connection } from '../../support/simulator/scenes.ts'

const OUTSIDE = { address: '192.0.2.1', port: 9 }

/** Everything the client sends seems to come from `OUTSIDE` from now on, and only what goes there reaches it. */
function rebind({ world, client }: Connection): void {
  world.network.rebind(client.attached[0]!, OUTSIDE)
}

/** What the server sends to, in words. */
function remoteOf({ served }: Connection): string {
  return served.flow.info().paths.find(path => path.active)!.remote
}

describe('a flow whose peer has got another address by its NAT', () => {
  it('asks there and where the peer was, and goes on there when the old address stays silent', () => {
    const scene = connection()
    const { world, flow, served } = scene
    rebind(scene)
    flow.send(100)
    world.run(50)
    expect(world.exchange()).toEqual([
      'client > server data 100',
      'server > 10.0.0.2:40002 ACK challenge (nowhere)',
      'server > client ACK challenge',
      'client > server ACK echo',
      'server > 10.0.0.2:40002 ACK challenge (nowhere)',
    ])
    expect(remoteOf(scene)).toBe('10.0.0.2:40002')
    world.run(500)
    expect(remoteOf(scene)).toBe('192.0.2.1:9')
    expect([served.receivedBytes, served.moves, flow.moves]).toEqual([100, 1, 0])
    served.send(1000)
    world.run(100)
    expect(flow.receivedBytes).toBe(1000)
  })

  it('notices it by a FIN alone', () => {
    const scene = connection()
    const { world, flow, served } = scene
    rebind(scene)
    flow.end()
    world.run(1000)
    expect(remoteOf(scene)).toBe('192.0.2.1:9')
    served.end()
    world.run(1000)
    expect([flow.isClosed, served.isClosed]).toEqual([true, true])
    expect([flow.error, served.error]).toEqual([undefined, undefined])
  })

  it('asks three times', () => {
    const scene = connection()
    const { world, flow } = scene
    rebind(scene)
    world.lose('server > client ACK challenge', 2)
    flow.send(100)
    world.run(1000)
    expect(remoteOf(scene)).toBe('192.0.2.1:9')
  })

  it('waits longer for an answer each time that nobody answers, as when the way has become slow as well', () => {
    const scene = connection()
    const { world, net, flow, served } = scene
    rebind(scene)
    net.set({ delayMs: 400 })
    flow.send(100)
    world.run(10_000)
    expect(remoteOf(scene)).toBe('192.0.2.1:9')
    served.send(100)
    world.run(2000)
    expect([flow.receivedBytes, served.receivedBytes]).toEqual([100, 100])
  })

  it('does so as a client as well, when it is the server’s address that has changed', () => {
    const scene = connection()
    const { world, flow, served, server } = scene
    world.network.rebind(server.attached[0]!, OUTSIDE)
    served.send(100)
    world.run(1000)
    expect([flow.receivedBytes, flow.moves]).toEqual([100, 1])
  })
})

describe('a flow whose packets come from elsewhere as well', () => {
  /** A stranger on the way sends the server a copy of whatever the client sends, or of what is `picked`. */
  function copying(picked: (bytes: Uint8Array) => boolean = () => true): {
    readonly scene: Connection
    readonly stranger: Port
  } {
    const scene = connection()
    const { world, net, client, server } = scene
    const { port: stranger } = world.bystander('stranger', net)
    const to = server.attached[0]!.endpoint
    world.network.interceptors.push(packet => {
      if (packet.from.node === client && picked(packet.bytes))
        world.inject({ ...packet, to, source: stranger.endpoint })
      return false
    })
    return { scene, stranger }
  }

  it('stays where the peer answers', () => {
    const { scene } = copying()
    const { world, flow, served, server } = scene
    flow.send(100_000)
    served.send(100_000)
    world.run(5000)
    expect([flow.receivedBytes, served.receivedBytes, served.moves]).toEqual([100_000, 100_000, 0])
    expect(server.sal.counters.rebindingRefused).toBeGreaterThan(0)
  })

  it('stays there although the stranger has its question answered by the peer', () => {
    const { scene, stranger } = copying()
    const { world, flow, served, client } = scene
    let relayed = 0
    world.network.interceptors.push(packet => {
      if (!sameEndpoint(packet.to, stranger.endpoint) || packet.from.node === client) return false
      world.inject({ ...packet, to: client.attached[0]!.endpoint, source: stranger.endpoint })
      relayed++
      return true
    })
    flow.send(100_000)
    world.run(5000)
    expect(relayed).toBeGreaterThan(0)
    expect([served.receivedBytes, served.moves]).toEqual([100_000, 0])
  })

  it('stays there although the peer has that question alone to answer', () => {
    const { scene, stranger } = copying(bytes => summarize(bytes).startsWith('data'))
    const { world, flow, served, client, server } = scene
    const { endpoint: home } = client.attached[0]!
    const relayed = new Set<Uint8Array>()
    world.network.interceptors.push(packet => {
      if (packet.from.node !== server || relayed.has(packet.bytes)) return false
      if (sameEndpoint(packet.to, stranger.endpoint)) {
        relayed.add(packet.bytes)
        world.inject({ ...packet, to: home })
        return true
      }
      // What the server asks at the address in use is lost.
      return summarize(packet.bytes) === 'ACK challenge'
    })
    flow.send(100)
    world.run(5000)
    expect(relayed.size).toBeGreaterThan(0)
    expect([served.receivedBytes, served.moves]).toEqual([100, 0])
  })

  it('goes nowhere when nobody answers', () => {
    const { scene } = copying()
    const { world, net, flow, served, server } = scene
    flow.send(100)
    world.run(1)
    net.set({ down: true })
    world.run(2000)
    expect(server.sal.counters.unproven).toBe(1)
    net.set({ down: false })
    flow.send(100)
    world.run(5000)
    expect([served.receivedBytes, served.moves]).toEqual([200, 0])
  })
})
