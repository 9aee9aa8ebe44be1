/** Datagrams of a flow: set-up, moves and close as streams have; borders are kept, and nothing is repeated. */
import { describe, expect, it } from 'vitest'
import type { SimDatagrams } from '../../support/simulator/sim-datagrams.ts'
import type { SimHost } from '../../support/simulator/sim-host.ts'
import { simulate, type World } from '../../support/simulator/world.ts'

const SERVICE = 'game.example'

interface Scene {
  readonly world: World
  readonly client: SimHost
  readonly server: SimHost
  readonly flow: SimDatagrams
}

/** A server of datagrams, and a client that has asked for a flow. */
function scene(): Scene {
  const world = simulate(1, { trace: true })
  const net = world.link('net', { delayMs: 10 })
  const server = world.host('server', net)
  const client = world.host('client', net).knows(SERVICE, server)
  server.bind(SERVICE)
  return { world, client, server, flow: client.connectDatagrams(SERVICE) }
}

/** The same, set up; the exchange begins behind the set-up. */
function connected(): Scene & { readonly peer: SimDatagrams } {
  const parts = scene()
  parts.world.run(100)
  parts.world.exchange()
  return { ...parts, peer: parts.server.peers[0]! }
}

describe('a flow of datagrams is set up', () => {
  it('in three packets, and the first datagram goes with the third', () => {
    const { world, server, flow } = scene()
    flow.send('first', 'second')
    world.run(100)
    expect(world.exchange()).toEqual([
      'client > server SYN',
      'server > client SYN+ACK',
      'client > server ACK service datagram 5',
      'client > server datagram 6',
      'server > client ACK',
    ])
    expect(server.peers[0]?.received).toEqual(['first', 'second'])
    expect(flow.events).toEqual(['connected'])
    expect(flow.state).toBe('CONNECTED')
  })

  it('when its third ACK is lost, and the datagram with it: the ACK is repeated, the datagram is not', () => {
    const { world, server, flow } = scene()
    flow.send('lost')
    world.lose('client > server ACK service')
    world.run(5000)
    expect(server.peers[0]?.received).toEqual([])
    flow.send('found')
    world.run(100)
    expect(server.peers[0]?.received).toEqual(['found'])
    expect(server.peers[0]?.state).toBe('CONNECTED')
  })

  it('with a listener of datagrams, not with one of streams', () => {
    const { world, client, server } = connected()
    server.listen('stream.example')
    client.knows('stream.example', server)
    const refused = client.connectDatagrams('stream.example')
    world.run(5000)
    expect(refused.error).toMatchObject({ code: 'ECONNREFUSED' })
    const stream = client.connect(SERVICE)
    world.run(5000)
    expect(stream.error).toMatchObject({ code: 'ECONNREFUSED' })
  })
})

describe('a flow of datagrams', () => {
  it('keeps their borders, empty ones too, both ways', () => {
    const { world, flow, peer } = connected()
    flow.send('one', '', 'two', 'three')
    peer.send('four')
    world.run(100)
    expect(peer.received).toEqual(['one', '', 'two', 'three'])
    expect(flow.received).toEqual(['four'])
  })

  it('has no packets but datagrams: nothing is acknowledged', () => {
    const { world, flow } = connected()
    flow.send('one', 'two')
    world.run(1000)
    expect(world.exchange()).toEqual(['client > server datagram 3', 'client > server datagram 3'])
  })

  it('repeats nothing', () => {
    const { world, flow, peer } = connected()
    world.lose('client > server datagram 4')
    flow.send('lost', 'found')
    world.run(5000)
    expect(peer.received).toEqual(['found'])
  })

  it('tells the port that each end is from', () => {
    const world = simulate(1)
    const net = world.link('net')
    const server = world.host('server', net)
    const client = world.host('client', net).knows('7000.db.inet', server)
    server.bind('7000.db.inet')
    const flow = client.connectDatagrams('7000.db.inet', 50_000).send('hello')
    world.run(100)
    const peer = server.peers[0]!.send('hello')
    world.run(100)
    expect([flow.flow.peerPort, peer.flow.peerPort]).toEqual([7000, 50_000])
  })

  it('refuses what is larger than its path takes, and takes the largest', () => {
    const { world, flow, peer } = connected()
    // 1500 - IP and UDP (28) - shim (4) - SAL header (12) - datagram header (8)
    const limit = 1448
    expect(() => flow.send('x'.repeat(limit + 1))).toThrow(
      expect.objectContaining({ code: 'EMSGSIZE', limit, bytes: limit + 1, service: SERVICE }),
    )
    flow.send('x'.repeat(limit))
    world.run(100)
    expect(peer.received[0]).toHaveLength(limit)
  })

  it('drops what was written before it was known that the path takes less, and counts it', () => {
    const { world, client, server, flow } = scene()
    flow.send('x'.repeat(1449), 'after')
    world.run(100)
    expect(server.peers[0]?.received).toEqual(['after'])
    expect(client.sal.counters).toMatchObject({ datagramTooLong: 1 })
  })

  it('finds out that a long path takes more, once that would be of use', () => {
    const world = simulate(1, { trace: true })
    const [home, core] = [world.link('home', { delayMs: 5 }), world.link('core', { delayMs: 5 })]
    const server = world.host('server', core)
    const client = world.host('client', home).knows(SERVICE, server)
    server.bind(SERVICE)
    const flow = client.connectDatagrams(SERVICE)
    world.run(100)
    expect(() => flow.send('x'.repeat(1300))).toThrow('EMSGSIZE')
    for (let i = 0; i < 40; i++) {
      flow.send('x'.repeat(1000))
      world.run(50)
    }
    flow.send('x'.repeat(1448))
    world.run(100)
    expect(server.peers[0]?.received.at(-1)).toHaveLength(1448)
    expect(world.exchange().filter(line => line.includes('padding'))).not.toEqual([])
    expect(server.peers[0]?.received).toHaveLength(41)
  })
})

describe('a flow of datagrams moves', () => {
  it('to another address, and datagrams go on in both directions', () => {
    const { world, client, flow, peer } = connected()
    const wifi = world.link('wifi', { delayMs: 10 })
    const port = client.attach(wifi)
    client.migrate(flow, port)
    world.run(500)
    expect(world.exchange()).toEqual([
      'client/wifi > server RSYN',
      'server > client/wifi RSYN+ACK challenge',
      'client/wifi > server ACK echo',
      'server > client/wifi ACK',
    ])
    flow.send('from here')
    peer.send('to there')
    world.run(500)
    expect(world.exchange().sort()).toEqual([
      'client/wifi > server datagram 9',
      'server > client/wifi datagram 8',
    ])
    expect([peer.received, flow.received]).toEqual([['from here'], ['to there']])
    expect(flow.events).toContain('moved')
  })

  it('and keeps what is sent while it has no address', () => {
    const { world, client, flow, peer } = connected()
    client.detach(client.attached[0]!)
    world.run(1000)
    flow.send('in the dark')
    world.run(5000)
    client.attach(world.links[0]!)
    world.run(5000)
    expect(peer.received).toEqual(['in the dark'])
    expect(flow.state).toBe('CONNECTED')
  })
})

describe('a flow of datagrams ends', () => {
  it('behind what was sent', () => {
    const { world, flow, peer } = connected()
    flow.send('last words')
    flow.close()
    world.run(100)
    expect(peer.received).toEqual(['last words'])
    expect(peer.events).toEqual(['end'])
    expect(world.exchange()).toEqual([
      'client > server datagram 10',
      'client > server ACK+FIN end 0',
      'server > client ACK',
    ])
    peer.close()
    world.run(1000)
    expect([flow.state, peer.state]).toEqual(['CLOSED', 'CLOSED'])
    expect([flow.error, peer.error]).toEqual([undefined, undefined])
  })

  it('without a reset, though not all was read', () => {
    const { world, flow, peer } = connected()
    flow.send('unread')
    peer.close()
    world.run(100)
    expect(flow.events).toContain('end')
    expect(flow.error).toBeUndefined()
  })

  it('with ECONNRESET when the peer has reset it', () => {
    const { world, flow, peer } = connected()
    peer.flow.reset(world.nowMs)
    peer.host.wake()
    world.run(100)
    expect(flow.error).toMatchObject({ code: 'ECONNRESET' })
  })

  it('when a peer that is sent to says nothing: it is asked for two minutes', () => {
    const { world, server, flow } = connected()
    world.network.detach(server.attached[0]!)
    flow.send('hello?')
    world.run(100_000)
    expect(flow.state).toBe('CONNECTED')
    world.run(60_000)
    expect(flow.error).toMatchObject({ code: 'ETIMEDOUT' })
  })

  it('not when the peer merely has nothing to say', () => {
    const { world, flow, peer } = connected()
    for (let minute = 0; minute < 30; minute++) {
      flow.send(String(minute))
      world.run(60_000)
    }
    expect([flow.state, peer.state]).toEqual(['CONNECTED', 'CONNECTED'])
    expect(world.exchange()).toContain('client > server ACK challenge')
  })

  it('at both ends when neither has anything to say and one is gone', () => {
    const { world, client, peer } = connected()
    world.network.detach(client.attached[0]!)
    world.run(800_000)
    expect(peer.error).toMatchObject({ code: 'ETIMEDOUT' })
  })
})

describe('forged datagrams', () => {
  it('of another transport are no data of the flow', () => {
    const { world, server, flow, peer } = connected()
    flow.send('true')
    world.intercept('client > server datagram', packet => {
      const forged = packet.bytes.slice()
      // The SAL header's protocol, and its checksum, one's complement: 17 becomes 6.
      forged[4 + 9] = 6
      forged[4 + 11]! += 11
      world.inject({ ...packet, bytes: forged })
      world.inject(packet)
    })
    world.run(100)
    expect(peer.received).toEqual(['true'])
    expect(server.sal.counters).toEqual({ unexpected: 1 })
  })
})
