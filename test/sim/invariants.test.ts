/** Each invariant sees the fault that it is there for. */
import { describe, expect, it } from 'vitest'
import { readU48, writeU48 } from '../../src/wire/bytes.ts'
import { DATA_PREFIX_BYTES } from '../../src/wire/encapsulation.ts'
import { controlFlags } from '../../src/wire/extensions/control.ts'
import { summarize } from '../support/simulator/describe-packet.ts'
import { forgeControl } from '../support/simulator/forge.ts'
import { type Invariant, InvariantViolation } from '../support/simulator/invariant-violation.ts'
import { connection, pair, SERVICE } from '../support/simulator/scenes.ts'
import { simulate } from '../support/simulator/world.ts'

/** The invariant that `run` breaks; undefined if none. */
function brokenBy(run: () => void): Invariant | undefined {
  try {
    run()
    return undefined
  } catch (error) {
    if (error instanceof InvariantViolation) return error.invariant
    throw error
  }
}

describe('the invariant', () => {
  it('prefix sees a byte that was changed, where no checksum is looked at', () => {
    const { world, net, flow } = connection()
    net.set({ corrupt: 0.5, escape: 1 })
    flow.send(100_000)
    expect(brokenBy(() => world.run(5000))).toBe('prefix')
  })

  it('prefix does not see it where the UDP checksum is', () => {
    const { world, net, flow, served } = connection()
    net.set({ corrupt: 0.1 })
    flow.send(100_000)
    expect(brokenBy(() => world.run(20_000))).toBeUndefined()
    expect(served.receivedBytes).toBe(100_000)
  })

  it('prefix sees a byte that nobody has written', () => {
    const { world, flow, served } = connection()
    flow.send(1000)
    world.run(100)
    flow.sentBytes = 999
    expect(brokenBy(() => world.invariants.checkPrefix(served))).toBe('prefix')
  })

  it('prefix can be told to look away, and then the hashes tell', () => {
    const world = simulate(1, { hashes: true })
    const net = world.link('net')
    const server = world.host('server', net)
    const client = world.host('client', net).knows(SERVICE, server)
    server.listen(SERVICE, flow => {
      flow.takesAnything = true
    })
    const flow = client.connect(SERVICE)
    world.run(100)
    const served = server.flows[0]!
    flow.send(10_000)
    world.run(100)
    expect(served.receivedHash).toBe(flow.sentHash)
    net.set({ corrupt: 0.1, escape: 1 })
    flow.send(50_000)
    world.run(5000)
    expect(served.receivedBytes).toBe(60_000)
    expect(served.receivedHash).not.toBe(flow.sentHash)
  })

  it('owner sees two flows of one flowID, and two of one peer', () => {
    const { world, server, flow, served } = connection()
    const twin = { role: 'server', flowId: served.flow.flowId, peerFlowId: 5 } as never
    expect(brokenBy(() => world.invariants.handleState(server, twin, 'INIT', 'RESPOND'))).toBe('owner')
    const thief = { role: 'server', flowId: 9, peerFlowId: flow.flow.flowId } as never
    expect(brokenBy(() => world.invariants.handleState(server, thief, 'RESPOND', 'CONNECTED'))).toBe('owner')
  })

  it('amplification sees an answer of more than three times what it answers', () => {
    const world = simulate(1)
    const net = world.link('net')
    const server = world.host('server', net)
    const { port } = world.bystander('asker', net)
    const reply = (bytes: number) =>
      brokenBy(() => world.network.send(server.attached[0]!, port.endpoint, new Uint8Array(bytes).fill(3)))
    world.inject({ bytes: new Uint8Array(100).fill(3), from: port, to: server.attached[0]!.endpoint })
    world.run(10)
    expect(reply(300)).toBeUndefined()
    expect(reply(1)).toBe('amplification')
  })

  it('amplification is about an address, however it comes to be sent to: a server that streams to an unproven one', () => {
    const { world, net, flow, served, client } = connection()
    const victim = world.bystander('victim', net)
    // A server that believes any RSYN, without a challenge.
    world.network.interceptors.push(packet => {
      if (packet.from.node.name !== 'server' || !summarize(packet.bytes).startsWith('data')) return false
      world.network.send(packet.from, victim.port.endpoint, packet.bytes)
      return false
    })
    served.send(10_000)
    expect(brokenBy(() => world.run(100))).toBe('amplification')
    expect([flow.host, client.name]).toEqual([client, 'client'])
  })

  it('window sees a byte that was not admitted', () => {
    const { world, flow, served, server, client } = connection({
      client: { limits: { receiveBufferBytes: 5000 } },
    })
    flow.pause()
    served.send(5000)
    world.run(100)
    const [port] = server.attached
    const send = (start: number) => {
      const sent = world
        .tracer!.packets.find(({ bytes }) => summarize(bytes).startsWith('data'))!
        .bytes.slice()
      writeU48(sent, DATA_PREFIX_BYTES, readU48(sent, DATA_PREFIX_BYTES) + start)
      world.network.send(port!, client.attached[0]!.endpoint, sent)
    }
    expect(brokenBy(() => send(0))).toBeUndefined()
    expect(brokenBy(() => send(5000))).toBe('window')
  })

  it('queues sees one that is longer than its cap', () => {
    const { world, server } = connection()
    const queues = [{ name: 'answers', size: 257, limit: 256 }]
    expect(brokenBy(() => world.invariants.checkQueues(server, queues))).toBe('queues')
    expect(brokenBy(() => world.invariants.checkQueues(server, server.sal.queues))).toBeUndefined()
  })

  it('loop sees a SYN that passes a router twice, where nothing else stops it', () => {
    const world = simulate(1)
    const net = world.link('net')
    const [left, right] = [world.router('left', net), world.router('right', net)]
    const client = world.host('client', net).use(left)
    left.forward(SERVICE, right)
    right.forward(SERVICE, left)
    // Routers that forget where a packet has been: each sends on what it was given, as it was.
    let syn = new Uint8Array(0)
    world.network.interceptors.push(packet => {
      const { from, to, bytes } = packet
      if (from.node === client) syn = bytes.slice()
      if (!summarize(bytes).startsWith('SYN by')) return false
      world.network.send(from, to, syn.slice())
      return true
    })
    client.connect(SERVICE)
    expect(brokenBy(() => world.run(1000))).toBe('loop')
  })

  it('loop sees nothing where ROUTE does its work', () => {
    const world = simulate(1, { trace: true })
    const net = world.link('net')
    const [left, right] = [world.router('left', net), world.router('right', net)]
    const client = world.host('client', net).use(left)
    left.forward(SERVICE, right)
    right.forward(SERVICE, left)
    const flow = client.connect(SERVICE)
    expect(brokenBy(() => world.run(1000))).toBeUndefined()
    expect(flow.error?.code).toBe('EHOSTUNREACH')
  })

  it('stuck sees a transfer that does not go on once all is well', () => {
    const { world, flow, served, client } = connection()
    flow.send(100_000)
    world.run(15)
    world.network.detach(client.attached[0]!)
    expect(brokenBy(() => world.settle(() => served.receivedBytes === 100_000, 60_000))).toBe('stuck')
  })

  it('livelock sees time stand still', () => {
    const world = simulate(1)
    const again = () => world.after(0, again)
    again()
    expect(brokenBy(() => world.run(1))).toBe('livelock')
  })

  it('none is broken by a forgery that the stack refuses', () => {
    const scene = pair()
    const flow = scene.client.connect(SERVICE)
    scene.world.run(100)
    const served = scene.accepted[0]!
    scene.world.inject({
      bytes: forgeControl(served, controlFlags.RSYN, { tagged: true }),
      from: scene.server.attached[0]!,
      to: scene.client.attached[0]!.endpoint,
    })
    expect(brokenBy(() => scene.world.run(100))).toBeUndefined()
    expect(flow.state).toBe('CONNECTED')
  })
})
