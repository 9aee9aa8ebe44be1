/** What strangers, liars and copies can do to a flow whose flowIDs they know: nothing. */
import { describe, expect, it } from 'vitest'
import { challengeEcho } from '../../../src/wire/extensions/challenge.ts'
import { control, controlFlags } from '../../../src/wire/extensions/control.ts'
import { end } from '../../../src/wire/extensions/end.ts'
import type { Extension } from '../../../src/wire/extensions.ts'
import { emitSegment, parseSegment, type Segment } from '../../../src/wire/segment.ts'
import { packetOf } from '../../support/simulator/describe-packet.ts'
import { flip, forge, forgeControl, forgeTagged, keysFrom } from '../../support/simulator/forge.ts'
import type { Packet } from '../../support/simulator/network.ts'
import { type Connection, connection, pair, SERVICE } from '../../support/simulator/scenes.ts'

/** The number of the server's next control packet: every world of one seed begins alike. */
const verno = (() => {
  const twin = connection()
  twin.served.end()
  twin.world.run(1)
  return packetOf(twin.world.tracer!.packets[0]!.bytes)!.control!.verno
})()

const { ACK, FIN, NACK, RST, RSYN, SYN } = controlFlags

/** Sends `bytes` to the client as if they came from the server. */
function spoof({ world, server, client }: Connection, bytes: Uint8Array): void {
  world.inject({ bytes, from: server.attached[0]!, to: client.attached[0]!.endpoint })
}

/** The flow still carries data both ways. */
function expectAlive({ world, flow, served }: Connection): void {
  const [up, down] = [served.receivedBytes + 1000, flow.receivedBytes + 2000]
  flow.send(1000)
  served.send(2000)
  world.run(3000)
  expect([served.receivedBytes, flow.receivedBytes]).toEqual([up, down])
}

describe('a forged control packet with the right flowIDs', () => {
  const extensionsOf: Readonly<Record<number, Extension[]>> = { [FIN]: [end(0)] }
  for (const [name, flags] of Object.entries({ ACK, FIN, NACK, RSYN, SYN, 'RSYN+ACK': RSYN | ACK })) {
    it(`does nothing where it is ${name} without a TAG, or with a wrong one`, () => {
      const scene = connection()
      const { world, served, client, flow } = scene
      for (const tagged of [false, true]) {
        const options = { verno, ackno: 7, tagged, extensions: extensionsOf[flags] ?? [] }
        spoof(scene, forgeControl(served, flags, options))
      }
      world.run(100)
      expect(client.sal.counters.badTag).toBe(2)
      expect(world.exchange().filter(line => line.startsWith('client'))).toEqual([])
      expect(flow.flow.info()).toMatchObject({ state: 'CONNECTED', migrationState: 'INITIAL' })
      expectAlive(scene)
    })
  }

  it('does nothing where it is RST with a wrong TAG', () => {
    const scene = connection()
    spoof(scene, forgeControl(scene.served, RST | ACK, { tagged: true }))
    scene.world.run(100)
    expect(scene.world.exchange()).toEqual(['server > client ACK+RST'])
    expectAlive(scene)
  })

  it('makes no difference however many come: ten thousand of each, no move, no freeze, no close', () => {
    const scene = connection()
    const { world, flow, served, client } = scene
    flow.send(1 << 20)
    for (let i = 0; i < 10_000; i++) {
      const flags = [RSYN, RST | ACK, FIN | ACK, RSYN | ACK][i % 4]!
      world.after(i / 20, () => spoof(scene, forgeControl(served, flags, { verno: i, tagged: true })))
    }
    world.run(2000)
    expect(served.receivedBytes).toBe(1 << 20)
    expect(client.sal.counters.badTag).toBe(10_000)
    expect(flow.moves).toBe(0)
    expect(flow.flow.info()).toMatchObject({ state: 'CONNECTED', migrationState: 'INITIAL' })
  })
})

describe('an RST without a TAG', () => {
  it('starts a tagged question; a peer that lives answers it', () => {
    const scene = connection()
    const { world, served } = scene
    spoof(scene, forgeControl(served, RST))
    world.run(100)
    expect(world.exchange()).toEqual([
      'server > client RST',
      'client > server ACK challenge',
      'server > client ACK echo',
    ])
    expectAlive(scene)
  })

  it('is not obeyed however often it comes, nor asked about more than once at a time', () => {
    const scene = connection()
    const { world, served } = scene
    for (let i = 0; i < 1000; i++) world.after(i, () => spoof(scene, forgeControl(served, RST)))
    world.run(2000)
    const questions = world.exchange().filter(line => line === 'client > server ACK challenge')
    // A question and its answer take 20 ms.
    expect(questions.length).toBeLessThanOrEqual(51)
    expectAlive(scene)
  })

  it('with another echo than that of the question is not the answer to it', () => {
    const scene = connection()
    const { world, served } = scene
    world.lose('client > server ACK challenge', 3)
    const echoing = () =>
      forgeControl(served, RST, { extensions: [challengeEcho(new Uint8Array(8).fill(1))] })
    for (const ms of [0, 20, 40]) world.after(ms, () => spoof(scene, echoing()))
    world.run(60)
    expect(world.exchange()).toContain('client > server ACK challenge (intercepted)')
    expectAlive(scene)
  })

  it('from a peer that has lost its state fails the flow, once it answers the question in the same way', () => {
    const scene = connection()
    const { world, net, flow, served, server } = scene
    // The server's host starts again, at the same address.
    const [port] = server.attached
    world.network.detach(port!)
    const reborn = world.host('reborn', net)
    world.network.detach(reborn.attached[0]!)
    const again = world.network.attach(reborn, port!.endpoint, net, 'reborn')
    reborn.ports.set(again.id, again)
    reborn.sal.addLocal({ id: again.id, endpoint: port!.endpoint, prefixBits: 24, mtu: 1500 }, world.nowMs)
    flow.send(10)
    world.run(2000)
    const questions = world.exchange().filter(line => line === 'client > reborn ACK challenge')
    expect(questions).toHaveLength(1)
    expect(flow.error?.code).toBe('ECONNRESET')
    expect(served.receivedBytes).toBe(0)
  })

  it('ends no flow whose peer is on the move, and so cannot answer', () => {
    const scene = connection()
    const { world, flow, client, net } = scene
    client.detach(client.attached[0]!)
    for (let i = 0; i < 60; i++) {
      world.after(i * 1000, () => {
        const bytes = forgeControl(flow, RST)
        world.inject({ bytes, from: scene.server.attached[0]!, to: scene.server.attached[0]!.endpoint })
      })
    }
    world.run(60_000)
    client.attach(net)
    expectAlive(scene)
  })

  it('ends no flow on a path that loses a fifth of all packets, one a second for a minute', () => {
    const { world, net, flow, served, client, server } = connection()
    net.set({ loss: 0.2 })
    flow.send(1 << 20)
    for (let i = 0; i < 60; i++) {
      world.after(i * 1000, () => {
        const bytes = forgeControl(served, RST)
        world.inject({ bytes, from: server.attached[0]!, to: client.attached[0]!.endpoint })
      })
    }
    world.run(300_000)
    expect([flow.error, served.receivedBytes]).toEqual([undefined, 1 << 20])
  })
})

describe('reset', () => {
  it('is a tagged RST, and the peer’s program hears of it', () => {
    const { world, flow, served } = connection()
    served.send(100_000)
    world.run(5)
    world.exchange()
    flow.reset()
    world.run(1)
    expect(world.exchange()).toEqual(['client > server ACK+RST CLOSED'])
    world.run(100)
    expect(served.error?.code).toBe('ECONNRESET')
    expect(served.state).toBe('CLOSED')
    expect(flow.error).toBeUndefined()
    expect(flow.events.at(-1)).toBe('closed')
  })

  it('that is lost is given again to whatever comes for the flow: untagged, so the peer asks first', () => {
    const { world, flow, served, server } = connection()
    world.lose('client > server ACK+RST')
    flow.reset()
    world.run(20)
    served.send(10)
    world.run(2000)
    expect(served.error?.code).toBe('ECONNRESET')
    expect(server.sal.flows.size).toBe(0)
  })

  it('flipped in any byte is refused', () => {
    const scene = connection()
    const { world, flow, served, server } = scene
    let copies = 0
    world.intercept('client > server ACK+RST', packet => {
      for (let offset = 12; offset < packet.bytes.length - 4; offset++) {
        world.inject({ ...packet, bytes: flip(packet.bytes, offset) })
        copies++
      }
    })
    flow.reset()
    world.run(100)
    expect(copies).toBeGreaterThan(40)
    expect(served.state).toBe('CONNECTED')
    expect(server.sal.counters.rstUntagged ?? 0).toBe(0)
  })
})

describe('a copied packet', () => {
  it('RSYN, sent again from elsewhere, moves nothing: whoever is there cannot return the challenge', () => {
    const scene = connection()
    const { world, net, client, flow, served, server } = scene
    const thief = world.bystander('thief', net)
    world.intercept('client/net > server RSYN', packet => {
      world.inject(packet)
      for (const delayMs of [1, 100, 1000]) world.inject({ ...packet, from: thief.port }, delayMs)
    })
    const away = client.attach(net)
    client.migrate(flow, away)
    served.send(1 << 20)
    world.run(20_000)
    expect(flow.receivedBytes).toBe(1 << 20)
    expect(served.flow.activePath?.remote).toEqual(away.endpoint)
    expect(served.flow.info().migrationState).toBe('INITIAL')
    // 3 RSYNs of 56 bytes came from there.
    expect(thief.node.receivedBytes).toBeLessThanOrEqual(3 * 3 * 56)
    expect(server.sal.counters.echoUnknown ?? 0).toBe(0)
    expectAlive(scene)
  })

  it('RSYN, taken and sent from elsewhere alone: the old path stays, and the mover tries again', () => {
    const scene = connection()
    const { world, net, client, flow, served } = scene
    const thief = world.bystander('thief', net)
    world.intercept('client/net > server RSYN', packet => world.inject({ ...packet, from: thief.port }))
    const away = client.attach(net)
    client.migrate(flow, away)
    served.send(1 << 20)
    world.run(5000)
    expect(flow.receivedBytes).toBe(1 << 20)
    expect(served.flow.activePath?.remote).toEqual(away.endpoint)
    expect(flow.moves).toBe(1)
  })

  it('the echo, sent from elsewhere, proves nothing there', () => {
    const scene = connection()
    const { world, net, client, flow, served, server } = scene
    const thief = world.bystander('thief', net)
    world.intercept('client/net > server RSYN', packet => {
      world.inject(packet)
      world.inject({ ...packet, from: thief.port })
    })
    world.intercept('client/net > server ACK echo', packet => world.inject({ ...packet, from: thief.port }))
    const away = client.attach(net)
    client.migrate(flow, away)
    world.run(5000)
    expect(server.sal.counters.echoUnknown).toBeGreaterThanOrEqual(1)
    expect(served.flow.activePath?.remote).toEqual(away.endpoint)
  })
})

describe('a peer that lies', () => {
  it('moves to a victim’s address: the victim gets no more than three times what came from there, and the flow stays', () => {
    const scene = connection()
    const { world, net, client, flow, served } = scene
    const victim = world.bystander('victim', net)
    const home = served.flow.activePath?.remote
    served.send(4 << 20)
    let spoofedBytes = 0
    // Its RSYNs, its data and its acknowledgements all say that they come from the victim.
    const spoofed = (packet: Packet) => {
      spoofedBytes += packet.bytes.length
      world.inject({ ...packet, from: victim.port })
    }
    world.intercept('client/net > server', spoofed, 200)
    const away = client.attach(net)
    client.migrate(flow, away)
    world.run(400)
    expect(spoofedBytes).toBeGreaterThan(0)
    expect(victim.node.receivedBytes).toBeLessThanOrEqual(3 * spoofedBytes)
    expect(served.flow.activePath?.remote).toEqual(home)
    client.detach(away)
    world.run(5000)
    expect(flow.receivedBytes).toBe(4 << 20)
  })

  it('acknowledges what was never sent: reset where its TAG holds, dropped and counted otherwise', () => {
    const captured: Uint8Array[] = []
    const scene = pair()
    const { world, client } = scene
    for (const text of ['client > server SYN', 'server > client SYN+ACK']) {
      world.intercept(text, packet => {
        captured.push(packet.bytes)
        world.inject(packet)
      })
    }
    const flow = client.connect(SERVICE)
    world.run(100)
    const served = scene.accepted[0]!
    const { peerFlowId, flowId } = flow.flow
    const connected = { ...scene, flow, served }
    const segment = parseSegment(packetOf(captured[1]!)!.transport, 0, 20) as Segment
    const transport = new Uint8Array(20)
    emitSegment({ ...segment, ack: segment.ack + 1000 }, transport, 0)

    spoof(connected, forge({ srcFlowId: peerFlowId, dstFlowId: flowId, extensions: [], transport }))
    world.run(100)
    expect(client.sal.counters.badAck).toBe(1)
    expectAlive(connected)

    emitSegment({ ...segment, ack: segment.ack + 10_000 }, transport, 0)
    const keys = keysFrom(captured[0]!, captured[1]!)
    const { verno, ackno } = packetOf(captured[1]!)!.control!
    spoof(connected, forgeTagged(keys, served, [control(ACK, verno + 1, ackno)], transport))
    world.run(100)
    expect(flow.error).toMatchObject({ code: 'ECONNRESET', reason: 'impossible acknowledgement' })
    expect(served.error?.code).toBe('ECONNRESET')
  })
})

describe('data', () => {
  it('from an address that is not proven is dropped and counted', () => {
    const scene = connection()
    const { world, net, flow, served, client } = scene
    const stranger = world.bystander('stranger', net)
    world.intercept('server > client data', packet => {
      world.inject({ ...packet, from: stranger.port })
    })
    served.send(100)
    world.run(500)
    expect(client.sal.counters.unproven).toBe(1)
    expect(flow.receivedBytes).toBe(100)
  })

  it('with the wrong source flowID is answered like that of an unknown flow, and goes nowhere', () => {
    const scene = connection()
    const { world, flow } = scene
    const transport = new Uint8Array(20)
    for (const dstFlowId of [flow.flow.flowId, flow.flow.flowId ^ 1]) {
      spoof(scene, forge({ srcFlowId: 99, dstFlowId, extensions: [], transport }))
    }
    world.run(5)
    world.run(10)
    expect(world.exchange().slice(2)).toEqual(['client > server RST', 'client > server RST'])
    expectAlive(scene)
  })
})

describe('an echo that nobody asked for', () => {
  it('is counted, and that is all', () => {
    const scene = connection()
    spoof(scene, forgeControl(scene.served, ACK, { extensions: [challengeEcho(new Uint8Array(8))] }))
    scene.world.run(50)
    expect(scene.client.sal.counters.badTag).toBe(1)
    expectAlive(scene)
  })
})
