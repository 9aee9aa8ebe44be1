/** Set-up in the 2014 profile (src/wire/README.md, A8), where packets are lost and servers say nothing. Links take 10 ms. */
import { describe, expect, it } from 'vitest'
import { NO_FLOW_ID } from '../../../src/id/flow-id.ts'
import { serialAdd } from '../../../src/id/serial.ts'
import { dialect2014 } from '../../../src/sal/dialect-2014.ts'
import type { Endpoint } from '../../../src/wire/endpoint.ts'
import { control, controlFlags } from '../../../src/wire/extensions/control.ts'
import { IPV4_HEADER_BYTES } from '../../../src/wire/ipv4.ts'
import { emitPacket, packetLength, SalPacket } from '../../../src/wire/packet.ts'
import { profile2014 } from '../../../src/wire/profile-2014.ts'
import { emitIpv4Envelope, RAW_PORT } from '../../../src/wire/raw-ip.ts'
import { packetOf2014 } from '../../support/simulator/describe-2014.ts'
import type { Packet, Port } from '../../support/simulator/network.ts'
import { connection, pair, SERVICE } from '../../support/simulator/scenes.ts'
import type { SimFlow } from '../../support/simulator/sim-flow.ts'
import { simulate, type World } from '../../support/simulator/world.ts'

it('repeats a lost third ACK early where an answer is waited for', () => {
  const { world, client, accepted } = pair({ dialect: dialect2014 })
  world.lose('client > server ACK service')
  const flow = client.connect(SERVICE)
  world.runUntil(() => flow.isConnected, 1_000)
  flow.send(100)
  const sinceMs = world.nowMs
  expect(world.runUntil(() => accepted[0]?.receivedBytes === 100, 1_000)).toBe(true)
  expect(world.nowMs - sinceMs).toBeLessThan(500)
})

it('repeats a lost third ACK though the client has nothing to say', () => {
  const { world, client, accepted } = pair({ dialect: dialect2014 })
  world.lose('client > server ACK service')
  client.connect(SERVICE)
  expect(world.runUntil(() => accepted.length === 1, 2_000)).toBe(true)
})

it('leaves a server alone that says nothing for a second', () => {
  const { world } = connection({ dialect: dialect2014 })
  world.run(800)
  expect(world.exchange()).toEqual([])
})

it('does not repeat the third ACK once the server has forgotten the SYN', () => {
  const { world, client } = pair({ dialect: dialect2014 })
  world.lose('client > server ACK service', 100)
  client.connect(SERVICE)
  world.run(3_000)
  expect(world.exchange()).toContain('client > server ACK service (intercepted)')
  world.run(30_000)
  expect(world.exchange()).toEqual([])
})

it('answers a third ACK of connected datagrams that comes again, so that it comes no more', () => {
  const world = simulate(1, { trace: true, dialect: dialect2014 })
  const net = world.link('net', { delayMs: 10 })
  const server = world.host('server', net)
  const client = world.host('client', net).knows(SERVICE, server)
  server.bind(SERVICE)
  client.connectDatagrams(SERVICE)
  world.run(10_000)
  expect(world.exchange()).toEqual([
    'client > server SYN',
    'server > client SYN+ACK',
    'client > server ACK service',
    'client > server ACK service',
    'server > client ACK',
  ])
})

const OTHER = 'mute.example'

describe('a client', () => {
  it('gives up after ten seconds where the host that it asks is silent, and says so', () => {
    const { world, net, client } = clientOf(1)
    const mute = world.bystander('mute', net)
    client.rule(OTHER, { type: 'FORWARD', targets: [{ endpoint: mute.port.endpoint }] })
    const flow = client.connect(OTHER)
    expect(world.runUntil(() => flow.isClosed, 10_000)).toBe(true)
    expect(world.timeline()).toEqual([0, 3_000, 9_000].map(atMs => `${atMs} client > mute SYN`))
    expect(flow.error).toMatchObject({
      code: 'ETIMEDOUT',
      message: expect.stringMatching(/: 10\.0\.0\.\d+ did not answer$/),
    })
  })

  it('asks all subnets of its host at once, and says which, where nobody answers', () => {
    const { world, client } = clientOf(3)
    const flow = client.connect(SERVICE)
    world.run(8_000)
    const sent = world.timeline().sort()
    expect(sent).toEqual(
      [0, 3_000].flatMap(atMs => [
        `${atMs} client > 10.0.0.255:54325 SYN (nowhere)`,
        `${atMs} client/net1 > 10.0.1.255:54325 SYN (nowhere)`,
        `${atMs} client/net2 > 10.0.2.255:54325 SYN (nowhere)`,
      ]),
    )
    expect(world.runUntil(() => flow.isClosed, 2_000)).toBe(true)
    expect(flow.error?.code).toBe('ENOSERVICE')
    for (const subnet of [0, 1, 2]) expect(flow.error?.message).toContain(`10.0.${subnet}.255`)
  })

  it('meets a server in any of them, and knows how far it is', () => {
    const { world, links, client } = clientOf(3)
    const server = world.host('server', links[2]!)
    const accepted: SimFlow[] = []
    server.listen(SERVICE, flow => accepted.push(flow))
    // A link of the simulator knows no packets for all.
    world.intercept('client/net2 > 10.0.2.255', packet => {
      world.inject({ ...packet, to: server.attached[0]!.endpoint })
    })
    const flow = client.connect(SERVICE)
    expect(world.runUntil(() => accepted.length === 1, 100)).toBe(true)
    expect(flow.flow.activePath?.transport.rtt.srttMs).toBeCloseTo(20, 0)
    world.run(20_000)
    expect(flow.state).toBe('CONNECTED')
  })

  it('asks another instance too where the first takes its time, and goes on with the first to answer', () => {
    const { world, client, servers } = replicas()
    const [slow, quick] = servers
    world.lose('client > slow SYN')
    client.connect(SERVICE)
    world.run(1_000)
    expect([slow!.flows.length, quick!.flows.length]).toEqual([0, 1])
    expect(world.timeline().slice(0, 2)).toEqual([
      '0 client > slow SYN (intercepted)',
      '250 client > quick SYN',
    ])
  })

  it('tells an instance that answers later than another, so that it does not wait', () => {
    const { world, client, servers } = replicas()
    const [slow, quick] = servers
    const late = holdBack(world)
    const flow = client.connect(SERVICE)
    world.run(500)
    expect([slow!.sal.flows.size, quick!.flows.length, flow.state]).toEqual([1, 1, 'CONNECTED'])
    world.inject({ ...late[0]!, bytes: late[0]!.bytes.slice() })
    world.run(20)
    expect(world.timeline()).toContain('510 client > slow ACK+RST')
    expect([slow!.sal.flows.size, flow.state]).toEqual([0, 'CONNECTED'])
    world.inject(late[0]!)
    world.run(100)
    flow.send(1_000)
    expect(world.runUntil(() => quick!.flows[0]!.receivedBytes === 1_000, 1_000)).toBe(true)
  })

  it('tells nobody who has not seen its SYN', () => {
    const { world, client } = replicas()
    const late = holdBack(world)
    const flow = client.connect(SERVICE)
    world.run(500)
    const { bytes, from, to } = late[0]!
    world.inject({ ...late[0]!, bytes: withOtherAckno(bytes, from, to) })
    world.run(100)
    expect(world.timeline().filter(line => line.includes('RST'))).toEqual([])
    expect(client.sal.counters).toMatchObject({ badNonce: 1 })
    expect(flow.state).toBe('CONNECTED')
  })

  it('asks another instance where the first refuses, and fails when none is left', () => {
    const { world, client, servers } = replicas()
    const refuse = (name: string) =>
      world.intercept(`client > ${name} SYN`, ({ bytes, from, to }) => {
        world.inject({ bytes: refusalOf(bytes, from, to), from: world.network.find(to)!, to: from.endpoint })
      })
    refuse('slow')
    const flow = client.connect(SERVICE)
    world.run(200)
    expect(servers[1]!.flows).toHaveLength(1)
    expect(flow.state).toBe('CONNECTED')
    refuse('slow')
    refuse('quick')
    const other = client.connect(SERVICE)
    world.run(200)
    expect(other.error?.code).toBe('ECONNREFUSED')
  })
})

/** A client on `subnets` links, which knows of a service only that it may be on any of them. */
function clientOf(subnets: number) {
  const world = simulate(1, { trace: true, dialect: dialect2014 })
  const links = Array.from({ length: subnets }, (_, i) => world.link(`net${i}`, { delayMs: 10 }))
  const client = world.host('client', links)
  const targets = links.map((_, i) => ({ endpoint: { address: `10.0.${i}.255`, port: RAW_PORT } }))
  client.rule(SERVICE, { type: 'FORWARD', targets, sharing: { toAll: true } })
  return { world, net: links[0]!, links, client }
}

/** A client of two instances, of which `slow` is asked first. */
function replicas() {
  const world = simulate(1, { trace: true, dialect: dialect2014 })
  const net = world.link('net', { delayMs: 10 })
  const servers = ['slow', 'quick'].map(name => world.host(name, net))
  for (const server of servers) server.listen(SERVICE, () => undefined)
  const client = world.host('client', net)
  const targets = servers.map(server => ({ endpoint: server.attached[0]!.endpoint }))
  client.rule(SERVICE, { type: 'FORWARD', targets, sharing: { balance: 'round-robin' } })
  return { world, client, servers }
}

/** Keeps what `slow` answers. */
function holdBack(world: World): Packet[] {
  const held: Packet[] = []
  world.intercept('slow > client SYN+ACK', packet => held.push(packet))
  return held
}

/** A SYN-ACK as somebody would make it who has seen no SYN. */
function withOtherAckno(bytes: Uint8Array, from: Port, to: Endpoint): Uint8Array {
  const { srcFlowId, dstFlowId, protocol, control: theirs, transport } = packetOf2014(bytes)!
  const { flags, verno, ackno, nonce } = theirs!
  const extensions = [control(flags, verno, serialAdd(ackno, 1), nonce)]
  const packet = new SalPacket({ srcFlowId, dstFlowId, protocol, extensions, transport })
  const forged = new Uint8Array(IPV4_HEADER_BYTES + packetLength(packet, profile2014))
  emitPacket(packet, forged, IPV4_HEADER_BYTES, profile2014)
  emitIpv4Envelope(forged, 0, forged.length, from.endpoint.address, to.address)
  return forged
}

/** RST upon the SYN from `from`, by whom it was for, as an original's (A12). */
function refusalOf(bytes: Uint8Array, from: Port, to: Endpoint): Uint8Array {
  const syn = packetOf2014(bytes)!
  const { verno, nonce } = syn.control!
  const packet = new SalPacket({
    srcFlowId: NO_FLOW_ID,
    dstFlowId: syn.srcFlowId,
    protocol: syn.protocol,
    extensions: [control(controlFlags.RST | controlFlags.ACK, 0, serialAdd(verno, 1), nonce)],
  })
  const refusal = new Uint8Array(IPV4_HEADER_BYTES + packetLength(packet, profile2014))
  emitPacket(packet, refusal, IPV4_HEADER_BYTES, profile2014)
  emitIpv4Envelope(refusal, 0, refusal.length, to.address, from.endpoint.address)
  return refusal
}
