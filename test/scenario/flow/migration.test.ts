/** Moves, one packet a line (src/wire/README.md, "Migration"). Links take 10 ms each way, so a way of two takes 20. */
import { describe, expect, it } from 'vitest'
import { sameEndpoint } from '../../../src/wire/endpoint.ts'
import type { Link } from '../../support/simulator/link.ts'
import type { Packet, Port } from '../../support/simulator/network.ts'
import { SERVICE } from '../../support/simulator/scenes.ts'
import type { SimFlow } from '../../support/simulator/sim-flow.ts'
import type { HostOptions, SimHost } from '../../support/simulator/sim-host.ts'
import { simulate, type World } from '../../support/simulator/world.ts'

interface Mobile {
  readonly world: World
  readonly wifi: Link
  readonly lte: Link
  readonly core: Link
  readonly client: SimHost
  readonly server: SimHost
  readonly flow: SimFlow
  readonly served: SimFlow
  /** The client's address on `wifi`, which the flow was set up from. */
  readonly home: Port
}

/** A connected flow from a client that begins on `wifi`; the exchange begins behind the set-up. */
function mobile(options: { seed?: number; client?: HostOptions; server?: HostOptions } = {}): Mobile {
  const world = simulate(options.seed ?? 1, { trace: true })
  const [wifi, lte, core] = ['wifi', 'lte', 'core'].map(name => world.link(name, { delayMs: 10 })) as [
    Link,
    Link,
    Link,
  ]
  const server = world.host('server', core, options.server)
  const client = world.host('client', wifi, options.client).knows(SERVICE, server)
  const accepted: SimFlow[] = []
  server.listen(SERVICE, flow => accepted.push(flow))
  const flow = client.connect(SERVICE)
  world.run(200)
  world.exchange()
  return { world, wifi, lte, core, client, server, flow, served: accepted[0]!, home: client.attached[0]! }
}

const addressOf = (flow: SimFlow) => flow.flow.activePath?.remote.address

describe('a move', () => {
  it('is RSYN from the new address, RSYN-ACK with a challenge, the echo, and the word that it is done', () => {
    const { world, lte, client, flow, served } = mobile()
    const t = world.nowMs
    const away = client.attach(lte)
    client.migrate(flow, away)
    expect(flow.flow.info().migrationState).toBe('RSYN_SENT')
    world.run(1000)
    expect(world.timeline(t)).toEqual([
      '0 client/lte > server RSYN',
      '20 server > client/lte RSYN+ACK challenge',
      '40 client/lte > server ACK echo',
      '60 server > client/lte ACK',
    ])
    expect(addressOf(served)).toBe(away.endpoint.address)
    expect([flow.moves, served.moves]).toEqual([1, 1])
    expect(flow.flow.info().migrationState).toBe('INITIAL')
  })

  it('leaves the data on the old path until the new one is proven', () => {
    const { world, lte, client, server, flow, served } = mobile()
    served.send(1 << 20)
    world.run(100)
    const received = flow.receivedBytes
    world.exchange()
    client.migrate(flow, client.attach(lte))
    world.run(59)
    expect(flow.receivedBytes).toBeGreaterThan(received)
    expect(world.exchange().filter(line => line.startsWith('server > client/lte data'))).toEqual([])
    world.run(2000)
    expect(flow.receivedBytes).toBe(1 << 20)
    expect(server.sal.counters.unproven ?? 0).toBe(0)
  })

  it('begins the new path with a round-trip time and a window of its own', () => {
    const { world, lte, client, flow, served } = mobile()
    served.send(1 << 20)
    world.run(2000)
    lte.set({ delayMs: 50 })
    const before = served.flow.info().paths[0]!
    client.migrate(flow, client.attach(lte))
    world.run(119)
    expect(served.flow.info().paths[0]?.srttMs).toBeCloseTo(before.srttMs!, 0)
    world.run(80)
    const [after, former] = served.flow.info().paths
    expect(after).toMatchObject({ active: true, srttMs: 120 })
    expect(after!.cwnd).toBeLessThan(before.cwnd)
    expect(former).toMatchObject({ active: false, remote: before.remote })
  })

  it('because the address in use has gone happens by itself', () => {
    const { world, lte, client, flow, served, home } = mobile()
    const away = client.attach(lte)
    flow.send(1 << 20)
    world.run(50)
    client.detach(home)
    world.run(2000)
    expect(served.receivedBytes).toBe(1 << 20)
    expect(addressOf(served)).toBe(away.endpoint.address)
  })

  it('does not come of an address that has gone and was not in use', () => {
    const { world, lte, client, flow, served } = mobile()
    const spare = client.attach(lte)
    client.detach(spare)
    flow.send(1000)
    world.run(1000)
    expect(world.exchange().filter(line => line.includes('RSYN'))).toEqual([])
    expect(served.receivedBytes).toBe(1000)
    expect([flow.moves, flow.flow.migrationState]).toEqual([0, 'INITIAL'])
  })

  it('is not over by what was sent before it, and comes to an address that the flow has come back to', () => {
    const { world, lte, client, server, flow, served, home } = mobile()
    const late: Packet[] = []
    world.network.interceptors.push(packet => {
      if (packet.from.node !== server || !sameEndpoint(packet.to, home.endpoint) || late.length > 0)
        return false
      late.push(packet)
      return true
    })
    served.end()
    world.run(1)
    expect(world.exchange()).toEqual(['server > client ACK+FIN end 0 (intercepted)'])
    client.migrate(flow, client.attach(lte))
    world.run(1000)
    // No echo reaches the peer, so it does not use the address.
    world.lose('client > server ACK echo', 2)
    client.migrate(flow, home)
    world.run(50)
    expect(flow.flow.migrationState).toBe('RSYN_SENT')
    world.inject(late[0]!)
    world.run(25)
    expect(flow.flow.migrationState).toBe('RSYN_SENT')
    world.run(2000)
    expect([flow.flow.migrationState, flow.moves]).toEqual(['INITIAL', 2])
  })

  it('is not over because the peer asks where our data comes from', () => {
    const { world, lte, client, flow, served } = mobile()
    const away = client.attach(lte)
    client.migrate(flow, away)
    world.run(30)
    // The peer gives the new address up, before anything proves it; the old one still answers.
    let isDeaf = true
    world.network.interceptors.push(
      packet => isDeaf && packet.from.node === client && sameEndpoint(packet.from.endpoint, away.endpoint),
    )
    world.run(4_000)
    flow.send(1000)
    world.run(500)
    isDeaf = false
    world.exchange()
    for (let i = 0; i < 1_000 && !world.exchange().includes('server > client/lte ACK challenge'); i++)
      world.run(10)
    world.run(30)
    expect(flow.flow.migrationState).not.toBe('INITIAL')
    world.run(20_000)
    expect(addressOf(served)).toBe(away.endpoint.address)
    expect(served.receivedBytes).toBe(1000)
    expect(flow.flow.migrationState).toBe('INITIAL')
  })

  it('whose answers come, but whose echo never arrives, is given up in time', () => {
    const { world, lte, client, flow } = mobile({ client: { limits: { deadPeerMs: 20_000 } } })
    world.lose('client/lte > server ACK echo', 1000)
    client.migrate(flow, client.attach(lte))
    world.run(19_000)
    expect(flow.error).toBeUndefined()
    world.run(10_000)
    expect(flow.error?.code).toBe('ETIMEDOUT')
  })

  it('is not begun, nor anything else said, by a flow without an address', () => {
    const { world, client, flow, home } = mobile()
    client.detach(home)
    flow.reset()
    world.run(1000)
    expect(world.exchange()).toEqual([])
    expect(client.sal.flows.size).toBe(0)
  })

  it('stalls the transfer for no more than three probe time-outs', () => {
    const { world, lte, client, flow, served, home } = mobile()
    client.attach(lte)
    served.send(8 << 20)
    world.run(300)
    client.detach(home)
    const leftAt = world.nowMs
    const received = flow.receivedBytes
    expect(world.runUntil(() => flow.receivedBytes > received, 5000)).toBe(true)
    const ptoMs = 2 * 40
    expect(world.nowMs - leftAt).toBeLessThanOrEqual(3 * ptoMs)
  })

  it('of an end whose address comes back later waits for it: 30 s, and not a byte is lost', () => {
    const { world, lte, client, server, flow, served, home } = mobile()
    served.send(1 << 20).end()
    world.run(110)
    client.detach(home)
    expect(flow.flow.info().migrationState).toBe('NOADDRESS')
    world.run(10)
    expect(flow.events).toContain('stalled')
    world.run(30_000)
    world.exchange()
    client.attach(lte)
    world.run(15_000)
    const arrived = world.exchange().filter(line => !line.includes('(nowhere)'))
    expect(arrived.slice(0, 3)).toEqual([
      'client/lte > server RSYN',
      'server > client/lte RSYN+ACK challenge',
      'client/lte > server ACK echo',
    ])
    expect(flow.receivedBytes).toBe(1 << 20)
    expect(flow.isEnded).toBe(true)
    flow.end()
    world.run(1000)
    expect([flow.error, served.error]).toEqual([undefined, undefined])
    expect(server.sal.flows.size).toBe(0)
  })

  it('does not count the time without an address against the peer', () => {
    const { world, lte, client, flow, served, home } = mobile({ client: { limits: { deadPeerMs: 20_000 } } })
    flow.send(1 << 20).end()
    world.run(50)
    client.detach(home)
    world.run(100_000)
    expect(flow.isClosed).toBe(false)
    client.attach(lte)
    world.run(20_000)
    expect(served.receivedBytes).toBe(1 << 20)
  })

  it('of a flow that was idle for long is not taken for a dead peer’s', () => {
    const { world, lte, client, flow, served } = mobile()
    world.run(600_000)
    world.lose('client/lte > server RSYN', 1)
    client.migrate(flow, client.attach(lte))
    world.run(2000)
    expect(flow.isClosed).toBe(false)
    expect(served.moves).toBe(1)
  })

  it('there and back again works as often as one likes', () => {
    const { world, lte, client, flow, served, home } = mobile()
    const away = client.attach(lte)
    flow.send(4 << 20).end()
    for (let i = 0; i < 12; i++) {
      world.run(70)
      client.migrate(flow, i % 2 === 0 ? away : home)
    }
    world.run(5000)
    expect(served.receivedBytes).toBe(4 << 20)
    expect(addressOf(served)).toBe(home.endpoint.address)
  })
})

describe('a lost packet of the move:', () => {
  it('RSYN is repeated after twice the retransmission time-out, and later', () => {
    const { world, lte, client, flow } = mobile()
    const t = world.nowMs
    world.lose('client/lte > server RSYN', 3)
    client.detach(client.attached[0]!)
    client.attach(lte)
    world.run(2000)
    // 40 ms of round trip make a time-out of 120 ms.
    expect(world.timeline(t)).toEqual([
      '0 client/lte > server RSYN (intercepted)',
      '240 client/lte > server RSYN (intercepted)',
      '720 client/lte > server RSYN (intercepted)',
      '1680 client/lte > server RSYN',
      '1700 server > client/lte RSYN+ACK challenge',
      '1720 client/lte > server ACK echo',
      '1740 server > client/lte ACK',
    ])
    expect(flow.moves).toBe(1)
  })

  it('several RSYN-ACKs in a row: RSYN and RSYN-ACK are both repeated, and nothing wedges', () => {
    const { world, lte, client, flow, served, home } = mobile()
    world.lose('server > client/lte RSYN+ACK', 5)
    client.attach(lte)
    client.detach(home)
    world.run(5000)
    expect([flow.moves, served.moves]).toEqual([1, 1])
    expect(world.exchange().slice(-3)).toEqual([
      'server > client/lte RSYN+ACK challenge',
      'client/lte > server ACK echo',
      'server > client/lte ACK',
    ])
  })

  it('the echo is given again to the repeated challenge', () => {
    const { world, lte, client, flow, served } = mobile()
    const t = world.nowMs
    world.lose('client/lte > server ACK echo', 1)
    client.migrate(flow, client.attach(lte))
    world.run(2000)
    expect(world.timeline(t)).toEqual([
      '0 client/lte > server RSYN',
      '20 server > client/lte RSYN+ACK challenge',
      '40 client/lte > server ACK echo (intercepted)',
      '240 client/lte > server RSYN',
      '260 server > client/lte RSYN+ACK challenge',
      '260 server > client/lte RSYN+ACK challenge',
      '280 client/lte > server ACK echo',
      '280 client/lte > server ACK echo',
      '300 server > client/lte ACK',
    ])
    expect([flow.moves, served.moves]).toEqual([1, 1])
  })

  it('the last ACK: RSYN is repeated until it comes', () => {
    const { world, lte, client, flow, served } = mobile()
    world.lose('server > client/lte ACK', 2)
    client.migrate(flow, client.attach(lte))
    world.run(5000)
    expect(world.exchange()).toEqual([
      'client/lte > server RSYN',
      'server > client/lte RSYN+ACK challenge',
      'client/lte > server ACK echo',
      'server > client/lte ACK (intercepted)',
      'client/lte > server RSYN',
      'server > client/lte RSYN+ACK challenge',
      'client/lte > server ACK echo',
      'server > client/lte ACK (intercepted)',
      'client/lte > server RSYN',
      'server > client/lte RSYN+ACK challenge',
      'client/lte > server ACK echo',
      'server > client/lte ACK',
    ])
    expect([flow.moves, served.moves]).toEqual([1, 1])
  })

  it('the third ACK, and then the client moves: RSYN completes the set-up', () => {
    const world = simulate(1, { trace: true })
    const [wifi, lte, core] = [world.link('wifi'), world.link('lte'), world.link('core')]
    const server = world.host('server', core)
    const client = world.host('client', wifi).knows(SERVICE, server)
    const accepted: SimFlow[] = []
    server.listen(SERVICE, flow => accepted.push(flow))
    world.lose('client > server ACK', 100)
    const flow = client.connect(SERVICE).send(1000)
    world.runUntil(() => flow.isConnected, 1000)
    client.detach(client.attached[0]!)
    client.attach(lte)
    world.run(5000)
    expect(accepted[0]?.receivedBytes).toBe(1000)
    expect(flow.moves).toBe(1)
  })
})

describe('moves in a row', () => {
  it('from address to address without an answer: the newest one wins', () => {
    const { world, wifi, lte, client, flow, served } = mobile()
    lte.set({ down: true })
    for (let i = 0; i < 12; i++) {
      for (const port of client.attached) client.detach(port)
      client.attach(lte)
      world.run(37)
    }
    for (const port of client.attached) client.detach(port)
    const last = client.attach(wifi)
    flow.send(100_000)
    world.run(20_000)
    expect(served.receivedBytes).toBe(100_000)
    expect(addressOf(served)).toBe(last.endpoint.address)
  })

  it('where every answer is lost, but the RSYNs are not: the last address is adopted all the same', () => {
    const { world, lte, client, flow, served } = mobile()
    world.lose('server > client/lte', 40)
    for (let i = 0; i < 8; i++) {
      for (const port of client.attached) client.detach(port)
      client.attach(lte)
      world.run(400)
    }
    const last = client.attached[0]!
    flow.send(100_000)
    world.run(60_000)
    expect(served.receivedBytes).toBe(100_000)
    expect(addressOf(served)).toBe(last.endpoint.address)
  })

  it('a late copy of an older RSYN does not bring the flow back', () => {
    const { world, wifi, lte, client, flow, served } = mobile()
    world.intercept('client/lte > server RSYN', packet => {
      world.inject(packet)
      world.inject(packet, 500)
    })
    client.migrate(flow, client.attach(lte))
    world.run(150)
    const last = client.attach(wifi)
    client.migrate(flow, last)
    world.run(2000)
    expect(addressOf(served)).toBe(last.endpoint.address)
    expect(served.flow.info().migrationState).toBe('INITIAL')
  })

  it('a peer that is busy for a moment is waited for, as the data goes on meanwhile', () => {
    const { world, lte, client, flow, served } = mobile()
    const away = client.attach(lte)
    world.lose('client/lte > server RSYN', 2)
    flow.send(1000)
    client.migrate(flow, away)
    world.run(500)
    expect(served.receivedBytes).toBe(1000)
    world.run(1500)
    expect(addressOf(served)).toBe(away.endpoint.address)
    expect(flow.flow.info().migrationState).toBe('INITIAL')
  })

  it('nobody is waited for where the address in use has gone and there is another', () => {
    const { world, lte, core, client, flow, served, home } = mobile()
    lte.set({ down: true })
    client.attach(lte)
    const third = client.attach(core)
    client.detach(home)
    world.run(900)
    expect(addressOf(served)).toBe(third.endpoint.address)
    expect(flow.moves).toBe(1)
  })

  it('an address that does not work is given up for another one', () => {
    const { world, lte, client, flow, served, home } = mobile()
    lte.set({ down: true })
    client.migrate(flow, client.attach(lte))
    world.run(10_000)
    expect(addressOf(served)).toBe(home.endpoint.address)
    expect(flow.flow.info().migrationState).toBe('INITIAL')
    flow.send(1000)
    world.run(100)
    expect(served.receivedBytes).toBe(1000)
  })
})

describe('both ends', () => {
  it('may move at once: each takes the other’s new address and keeps its own', () => {
    const { world, lte, core, client, server, flow, served } = mobile()
    flow.send(1 << 20)
    served.send(1 << 20)
    world.run(70)
    const away = client.attach(lte)
    const there = server.attach(core)
    client.migrate(flow, away)
    server.migrate(served, there)
    expect([flow, served].map(({ flow }) => flow.info().migrationState)).toEqual(['RSYN_SENT', 'RSYN_SENT'])
    world.run(15_000)
    expect([addressOf(flow), addressOf(served)]).toEqual([there.endpoint.address, away.endpoint.address])
    expect([flow, served].map(({ flow }) => flow.info().migrationState)).toEqual(['INITIAL', 'INITIAL'])
    expect([flow.receivedBytes, served.receivedBytes]).toEqual([1 << 20, 1 << 20])
  })

  it('may move one after the other', () => {
    const { world, lte, core, client, server, flow, served } = mobile()
    flow.send(1 << 20)
    world.run(70)
    const there = server.attach(core)
    server.migrate(served, there)
    world.run(300)
    const away = client.attach(lte)
    client.migrate(flow, away)
    world.run(5000)
    expect([addressOf(flow), addressOf(served)]).toEqual([there.endpoint.address, away.endpoint.address])
    expect(served.receivedBytes).toBe(1 << 20)
  })
})

describe('a move during the close', () => {
  it('with FIN and data outstanding takes both along', () => {
    const { world, lte, client, flow, served, home } = mobile()
    flow.send(300_000).end()
    world.run(30)
    client.detach(home)
    client.attach(lte)
    world.run(5000)
    expect(served.receivedBytes).toBe(300_000)
    expect(served.isEnded).toBe(true)
    expect(flow.state).toBe('FINWAIT2')
    served.send(100_000).end()
    world.run(5000)
    expect(flow.receivedBytes).toBe(100_000)
    expect([flow.state, served.state]).toEqual(['CLOSED', 'CLOSED'])
    expect([flow.error, served.error]).toEqual([undefined, undefined])
  })

  it('between FIN and its ACK has FIN repeated from the new address', () => {
    const { world, lte, client, flow, served, home } = mobile()
    const t = world.nowMs
    flow.end()
    world.run(25)
    client.detach(home)
    client.attach(lte)
    world.run(1000)
    expect(world.timeline(t)).toEqual([
      '0 client > server ACK+FIN end 0',
      '20 server > client ACK (nowhere)',
      '25 client/lte > server RSYN',
      '45 server > client/lte RSYN+ACK challenge',
      '65 client/lte > server ACK echo',
      '85 server > client/lte ACK',
    ])
    expect([flow.state, served.state]).toEqual(['FINWAIT2', 'CLOSEWAIT'])
  })

  it('with a FIN that was lost on the old path has it repeated as soon as the new one is proven', () => {
    const { world, lte, client, flow, home } = mobile()
    world.lose('client > server ACK+FIN end 0')
    const t = world.nowMs
    flow.end()
    world.run(5)
    client.detach(home)
    client.attach(lte)
    world.run(60)
    expect(world.timeline(t)).toEqual([
      '0 client > server ACK+FIN end 0 (intercepted)',
      '5 client/lte > server RSYN',
      '25 server > client/lte RSYN+ACK challenge',
      '45 client/lte > server ACK+FIN end 0',
      '45 client/lte > server ACK echo',
      '65 server > 10.0.0.2:40002 ACK (nowhere)',
      '65 server > client/lte ACK',
    ])
  })

  it('of who lingers still gives the last ACK', () => {
    const { world, lte, client, flow, served, home } = mobile()
    flow.end()
    world.run(100)
    world.lose('client > server ACK')
    served.end()
    world.run(25)
    expect(flow.state).toBe('TIMEWAIT')
    client.detach(home)
    client.attach(lte)
    world.run(2000)
    expect([flow.state, served.state]).toEqual(['CLOSED', 'CLOSED'])
    expect([flow.error, served.error]).toEqual([undefined, undefined])
  })

  it('of both FINs, crossing the move', () => {
    const { world, lte, client, flow, served } = mobile()
    flow.end()
    served.end()
    client.migrate(flow, client.attach(lte))
    world.run(15_000)
    expect([flow.state, served.state]).toEqual(['CLOSED', 'CLOSED'])
    expect([flow.error, served.error]).toEqual([undefined, undefined])
  })
})
