/** Set-up, one packet a line (src/wire/README.md, "Set-up"). Links take 10 ms each way. */
import { describe, expect, it } from 'vitest'
import { serialAdd } from '../../../src/id/serial.ts'
import { formatEndpoint } from '../../../src/wire/endpoint.ts'
import { control, controlFlags } from '../../../src/wire/extensions/control.ts'
import { reason, reasonCodes } from '../../../src/wire/extensions/reason.ts'
import { packetOf } from '../../support/simulator/describe-packet.ts'
import { flip, forge } from '../../support/simulator/forge.ts'
import type { Packet } from '../../support/simulator/network.ts'
import { Puppet } from '../../support/simulator/puppet.ts'
import { connection, pair, SERVICE } from '../../support/simulator/scenes.ts'
import type { SimFlow } from '../../support/simulator/sim-flow.ts'
import { simulate, type World } from '../../support/simulator/world.ts'

describe('set-up', () => {
  it('takes a SYN, a SYN-ACK and an ACK, which is acknowledged so that it need not be repeated', () => {
    const { world, client, accepted } = pair()
    const flow = client.connect(SERVICE)
    world.run(5000)
    expect(world.timeline()).toEqual([
      '0 client > server SYN',
      '10 server > client SYN+ACK',
      '20 client > server ACK service',
      '30 server > client ack',
    ])
    expect([flow.state, accepted[0]?.state]).toEqual(['CONNECTED', 'CONNECTED'])
    expect(flow.flow.peerFlowId).toBe(accepted[0]?.flow.flowId)
  })

  it('repeats a lost SYN after a second', () => {
    const { world, client, accepted } = pair()
    world.lose('client > server SYN')
    client.connect(SERVICE)
    world.run(5000)
    expect(world.timeline()).toEqual([
      '0 client > server SYN (intercepted)',
      '1000 client > server SYN',
      '1010 server > client SYN+ACK',
      '1020 client > server ACK service',
      '1030 server > client ack',
    ])
    expect(accepted).toHaveLength(1)
  })

  it('repeats a lost SYN-ACK by the server’s own timer, whatever the client does', () => {
    const { world, client, accepted } = pair()
    world.lose('server > client SYN+ACK')
    world.after(500, () => world.lose('client > server SYN', 10))
    client.connect(SERVICE)
    world.run(5000)
    expect(world.timeline()).toEqual([
      '0 client > server SYN',
      '10 server > client SYN+ACK (intercepted)',
      '1000 client > server SYN (intercepted)',
      '1010 server > client SYN+ACK',
      '1020 client > server ACK service',
      '1030 server > client ack',
    ])
    expect(accepted).toHaveLength(1)
  })

  it('answers a repeated SYN as it answered the first: one flow', () => {
    const { world, client, accepted } = pair()
    world.lose('server > client SYN+ACK', 2)
    client.connect(SERVICE)
    world.run(3005)
    expect(world.timeline()).toEqual([
      '0 client > server SYN',
      '10 server > client SYN+ACK (intercepted)',
      '1000 client > server SYN',
      '1010 server > client SYN+ACK (intercepted)',
      '1010 server > client SYN+ACK',
      '1020 client > server ACK service',
      '1030 server > client ack',
    ])
    expect(accepted).toHaveLength(1)
  })

  it('repeats a lost third ACK until the server is heard', () => {
    const { world, client, accepted } = pair()
    world.lose('client > server ACK service', 3)
    client.connect(SERVICE)
    world.run(5000)
    // The round trip of 20 ms makes a time-out of 60 ms, doubled each time.
    expect(world.timeline()).toEqual([
      '0 client > server SYN',
      '10 server > client SYN+ACK',
      '20 client > server ACK service (intercepted)',
      '80 client > server ACK service (intercepted)',
      '200 client > server ACK service (intercepted)',
      '440 client > server ACK service',
      '450 server > client ack',
    ])
    expect(accepted).toHaveLength(1)
  })

  it('repeats the third ACK when the SYN-ACK comes again, and until the server is heard', () => {
    const { world, client } = pair()
    world.lose('client > server ACK service')
    world.intercept('server > client ack', () => undefined)
    client.connect(SERVICE)
    world.run(5000)
    expect(world.timeline()).toEqual([
      '0 client > server SYN',
      '10 server > client SYN+ACK',
      '20 client > server ACK service (intercepted)',
      '80 client > server ACK service',
      '90 server > client ack (intercepted)',
      '200 client > server ACK service',
      '210 server > client ack',
    ])
  })

  it('is completed by whatever tagged packet comes first: data and FIN behind a lost third ACK', () => {
    const { world, client, accepted } = pair()
    world.lose('client > server ACK service')
    const flow = client.connect(SERVICE).send(100).end()
    world.run(1000)
    expect(world.timeline()).toEqual([
      '0 client > server SYN',
      '10 server > client SYN+ACK',
      '20 client > server ACK service data 100 (intercepted)',
      '20 client > server ACK+FIN end 100',
      '30 server > client ACK',
      '85 client > server data 100',
      '95 server > client ack',
    ])
    expect(accepted[0]?.events).toEqual(['connected', 'readable', 'end'])
    expect(accepted[0]?.receivedBytes).toBe(100)
    expect(flow.state).toBe('FINWAIT2')
  })

  it('carries the first data in the third ACK', () => {
    const { world, client, accepted } = pair()
    client.connect(SERVICE).send(100)
    world.run(1000)
    expect(world.timeline()).toEqual([
      '0 client > server SYN',
      '10 server > client SYN+ACK',
      '20 client > server ACK service data 100',
      '30 server > client ack',
    ])
    expect(accepted[0]?.receivedBytes).toBe(100)
  })

  it('sends what was written before in order, and ends behind it', () => {
    const { world, client, accepted } = pair()
    const flow = client.connect(SERVICE)
    flow.send(10)
    flow.send(20)
    flow.onEvent = event => {
      if (event === 'connected') flow.send(30).end()
    }
    world.run(1000)
    expect(accepted[0]?.receivedBytes).toBe(60)
    expect(accepted[0]?.events).toEqual(['connected', 'readable', 'end'])
  })

  it('leaves nothing when the third ACK never comes', () => {
    const { world, client, server } = pair()
    world.lose('client > server ACK', 1000)
    const flow = client.connect(SERVICE)
    world.run(300_000)
    expect(server.sal.flows.size).toBe(0)
    expect(client.sal.flows.size).toBe(0)
    expect(flow.error?.code).toBe('ETIMEDOUT')
  })

  it('fails with ETIMEDOUT after ten seconds where nobody answers', () => {
    const { world, client } = pair()
    world.lose('client > server SYN', 100)
    const flow = client.connect(SERVICE)
    world.run(9_999)
    expect(flow.isClosed).toBe(false)
    world.run(2)
    expect(flow.error?.code).toBe('ETIMEDOUT')
    expect(world.timeline().map(line => line.split(' ')[0])).toEqual(['0', '1000', '3000', '7000'])
    expect(client.sal.flows.size).toBe(0)
  })

  it('survives 30 % loss in bursts of up to three, fifty times of fifty', () => {
    const world = simulate(7)
    const net = world.link('net', { delayMs: 15, loss: 0.18, burst: { begins: 0.06, most: 3 } })
    const server = world.host('server', net)
    const client = world.host('client', net).knows(SERVICE, server)
    server.listen(SERVICE)
    const flows = Array.from({ length: 50 }, () => client.connect(SERVICE, { timeoutMs: 60_000 }))
    world.runUntil(() => flows.every(flow => flow.isConnected), 60_000)
    expect(flows.filter(flow => flow.isConnected)).toHaveLength(50)
  })

  it('reaches a listener of the same host through its own address', () => {
    const { world, server, accepted } = pair()
    const flow = server.connect(SERVICE).send(5).end()
    world.run(100)
    expect(flow.isConnected).toBe(true)
    expect(accepted[0]?.receivedBytes).toBe(5)
  })
})

describe('a client that moves before it is answered', () => {
  it('is answered where it is now, and its old address no further', () => {
    const world = simulate(1, { trace: true })
    const [net, lte] = [world.link('net', { delayMs: 10 }), world.link('lte', { delayMs: 10 })]
    const server = world.host('server', net)
    const client = world.host('client', net).knows(SERVICE, server)
    const accepted: SimFlow[] = []
    server.listen(SERVICE, flow => accepted.push(flow))
    client.connect(SERVICE).send(10)
    world.run(5)
    for (const port of client.attached) client.detach(port)
    client.attach(lte)
    world.run(100_000)
    expect(world.timeline().filter(line => !line.includes('nowhere'))).toEqual([
      '0 client > server SYN',
      '1000 client/lte > server SYN',
      '1020 server > client/lte SYN+ACK',
      '1040 client/lte > server ACK service data 10',
      '1060 server > client/lte ack',
    ])
    expect(accepted.map(flow => flow.receivedBytes)).toEqual([10])
    expect(server.sal.flows.size).toBe(1)
  })
})

describe('two flows', () => {
  it('are set up at once between the same two hosts in either direction', () => {
    const { world, client, server, accepted } = pair()
    const back: SimFlow[] = []
    client.listen('back.example', flow => back.push(flow))
    server.knows('back.example', client)
    const there = client.connect(SERVICE).send(1000).end()
    const here = server.connect('back.example').send(2000).end()
    world.run(500)
    expect([there.isConnected, here.isConnected]).toEqual([true, true])
    expect([accepted[0]?.receivedBytes, back[0]?.receivedBytes]).toEqual([1000, 2000])
  })

  it('are two thousand of one program to one listener at once, and all succeed', () => {
    const { world, client, accepted } = pair()
    const flows = Array.from({ length: 2000 }, () => client.connect(SERVICE))
    world.run(9000)
    expect(flows.filter(flow => flow.isConnected)).toHaveLength(2000)
    expect(accepted).toHaveLength(2000)
  })

  it('of a hundred clients with a SYN each at one instant are a hundred', () => {
    const { world, net, server, accepted } = pair()
    const flows = Array.from({ length: 100 }, (_, i) =>
      world
        .host(`client ${i}`, net)
        .knows(SERVICE, server)
        .connect(SERVICE)
        .send(1 + i)
        .end(),
    )
    world.run(1000)
    expect(flows.every(flow => flow.isConnected)).toBe(true)
    const received = accepted.map(flow => flow.receivedBytes).sort((a, b) => a - b)
    expect(received).toEqual(flows.map((_, i) => 1 + i))
  })
})

describe('a service router', () => {
  it('passes the SYN on; the rest goes direct', () => {
    const world = simulate(1, { trace: true })
    const net = world.link('net', { delayMs: 10 })
    const router = world.router('router', net)
    const server = world.host('server', net).use(router)
    const client = world.host('client', net).use(router)
    router.forward(SERVICE, server)
    server.listen(SERVICE)
    client.connect(SERVICE)
    world.run(1000)
    expect(world.timeline()).toEqual([
      '0 client > router SYN',
      '10 router > server SYN by 1',
      '20 server > client SYN+ACK',
      '30 client > server ACK service',
      '40 server > client ack',
    ])
  })

  it('answers a SYN for a service that nobody has in one round trip', () => {
    const world = simulate(1, { trace: true })
    const net = world.link('net', { delayMs: 10 })
    const router = world.router('router', net)
    const client = world.host('client', net).use(router)
    const flow = client.connect('nobody.example')
    world.run(20)
    expect(world.timeline()).toEqual(['0 client > router SYN', '10 router > client NACK NO_SERVICE'])
    expect(flow.error?.code).toBe('ENOSERVICE')
    expect(flow.error?.message).toContain('nobody.example')
    expect(flow.error?.message).toContain(router.endpoint.address)
    expect(client.sal.flows.size).toBe(0)
  })

  it('says why it drops a SYN, and nothing that a terminal would obey', () => {
    for (const [why, said] of [
      ['moved away', 'moved away'],
      ['\u001b[2J gone', ' [2J gone'],
    ] as const) {
      const world = simulate(1)
      const net = world.link('net', { delayMs: 10 })
      const router = world.router('router', net)
      router.rule(SERVICE, { type: 'DROP', reason: 'moved away' })
      const client = world.host('client', net).use(router)
      world.intercept('router > client NACK', packet => {
        const { srcFlowId, dstFlowId, extensions } = packetOf(packet.bytes)!
        const other = extensions.map(one => (one.kind === 'reason' ? reason(one.code, why) : one))
        world.inject({ ...packet, bytes: forge({ srcFlowId, dstFlowId, extensions: other }) })
      })
      const flow = client.connect(SERVICE)
      world.run(1000)
      expect(flow.error).toMatchObject({ code: 'EHOSTUNREACH' })
      const from = formatEndpoint(router.endpoint)
      expect(flow.error?.message).toContain(`dropped by a rule of ${from}: ${said}`)
    }
  })

  it('that is not there is told from a server that does not answer', () => {
    const world = simulate(1, { trace: true })
    const net = world.link('net', { delayMs: 10 })
    const router = world.router('router', net)
    const client = world.host('client', net).use(router)
    router.rule('mute.example', {
      type: 'FORWARD',
      targets: [{ endpoint: world.bystander('mute', net).port.endpoint }],
    })
    const mute = client.connect('mute.example')
    world.run(11_000)
    expect(mute.error?.code).toBe('ETIMEDOUT')
    expect(mute.error?.message).toContain(`nobody answered by way of router ${router.endpoint.address}`)
    world.run(60_000)
    net.set({ down: true })
    const dark = client.connect('mute.example')
    world.run(11_000)
    expect(dark.error?.code).toBe('ENOROUTER')
  })

  it('pair may bring two copies of one SYN: one flow, answered twice', () => {
    const world = simulate(1, { trace: true })
    const net = world.link('net', { delayMs: 10 })
    const [left, right] = [world.router('left', net), world.router('right', net)]
    const server = world.host('server', net).use(left, right)
    const client = world.host('client', net).use(left)
    left.forward(SERVICE, server)
    right.forward(SERVICE, server)
    const accepted: SimFlow[] = []
    server.listen(SERVICE, flow => accepted.push(flow))
    // A copy of the SYN goes to the other router, 5 ms later.
    world.intercept('client > left SYN', packet => {
      world.inject(packet)
      world.inject({ ...packet, to: right.endpoint }, 5)
    })
    client.connect(SERVICE)
    world.run(1000)
    expect(world.timeline().slice(1)).toEqual([
      '0 client > left SYN',
      '5 client > right SYN',
      '10 left > server SYN by 1',
      '15 right > server SYN by 1',
      '20 server > client SYN+ACK',
      '25 server > client SYN+ACK',
      '30 client > server ACK service',
      '35 client > server ACK service',
      '40 server > client ack',
      '45 server > client ack',
    ])
    expect(accepted).toHaveLength(1)
    expect(server.sal.flows.size).toBe(1)
  })

  /** client -- r1 -- r2 -- server, and the server knows neither of them unless it is told. */
  function behindStrangers() {
    const world = simulate(1, { trace: true })
    const net = world.link('net', { delayMs: 10 })
    const server = world.host('server', net)
    const second = world.router('r2', net).forward(SERVICE, server)
    const first = world.router('r1', net).forward(SERVICE, second)
    const client = world.host('client', net).use(first)
    server.listen(SERVICE)
    return { world, client, server, second }
  }

  it('is not believed where the server does not know it: the server has the client ask it itself', () => {
    const { world, client, server } = behindStrangers()
    const flow = client.connect(SERVICE)
    world.run(500)
    expect(world.timeline()).toEqual([
      '0 client > r1 SYN',
      '10 r1 > r2 SYN by 1',
      '20 r2 > server SYN by 2',
      '30 server > r2 NACK DIRECT by 2',
      '40 r2 > r1 NACK DIRECT by 2',
      '50 r1 > client NACK DIRECT by 2',
      '60 client > server SYN',
      '70 server > client SYN+ACK',
      '80 client > server ACK service',
      '90 server > client ack',
    ])
    expect(flow.state).toBe('CONNECTED')
    expect(server.sal.counters).toEqual({ routeUntrusted: 1 })
  })

  it('is told of each of many clients that they are to ask themselves, in one second', () => {
    const { world, client, server } = behindStrangers()
    const flows: SimFlow[] = []
    for (let i = 0; i < 1000; i++) {
      flows.push(client.connect(SERVICE))
      world.run(1)
    }
    world.run(100)
    expect(flows.filter(({ state }) => state !== 'CONNECTED')).toEqual([])
    expect(server.sal.counters).toEqual({ routeUntrusted: 1000 })
  })

  it('passes on that the server is to be asked itself, where a NAT keeps its own answer from the client', () => {
    const { world, client, server, second } = behindStrangers()
    server.sal.trustRouters([second.endpoint])
    let hasAsked = false
    // As a NAT does that lets in only those to whom something went.
    world.network.interceptors.push(packet => {
      const summary = world.summaryOf(packet)
      hasAsked ||= summary.startsWith('client > server')
      return summary.startsWith('server > client') && !hasAsked
    })
    const flow = client.connect(SERVICE)
    world.run(1500)
    expect(flow.state).toBe('CONNECTED')
    expect(world.timeline().slice(-6)).toEqual([
      '540 r2 > r1 NACK DIRECT by 2',
      '550 r1 > client NACK DIRECT by 2',
      '560 client > server SYN',
      '570 server > client SYN+ACK',
      '580 client > server ACK service',
      '590 server > client ack',
    ])
    expect(server.sal.flows.size).toBe(1)
  })

  it('leads nowhere where the address is not a host that the client can reach, or its own loopback', () => {
    for (const detail of [
      '127.0.0.1:7200',
      '224.0.0.1:7200',
      '[fd00::1]:7',
      '10.9.9.9',
      'web.example:7',
      '',
    ]) {
      const { world, client, server } = pair()
      world.intercept('client > server SYN', ({ bytes, from }) => {
        const { control: syn, srcFlowId: dstFlowId } = packetOf(bytes)!
        const extensions = [
          control(controlFlags.NACK, 0, serialAdd(syn!.verno, 1), syn!.nonce),
          reason(reasonCodes.DIRECT, detail),
        ]
        const nack = forge({ srcFlowId: 0, dstFlowId, extensions })
        world.inject({ bytes: nack, from: server.attached[0]!, to: from.endpoint })
      })
      const flow = client.connect(SERVICE)
      world.run(100)
      expect(flow.error).toMatchObject({ code: 'EHOSTUNREACH' })
    }
  })
})

describe('of two instances that answer one SYN', () => {
  it('the first wins, and the other one is told so', () => {
    const world = simulate(1, { trace: true })
    const net = world.link('net', { delayMs: 10 })
    const near = world.host('near', net)
    const far = world.host('far', net)
    const accepted: SimFlow[] = []
    for (const host of [near, far]) host.listen(SERVICE, flow => accepted.push(flow))
    const client = world.host('client', net).knows(SERVICE, near)
    world.intercept('client > near SYN', packet => {
      world.inject(packet)
      world.inject({ ...packet, to: far.attached[0]!.endpoint }, 1)
    })
    client.connect(SERVICE)
    world.run(1000)
    expect(world.exchange().slice(1)).toEqual([
      'client > near SYN',
      'client > far SYN',
      'near > client SYN+ACK',
      'far > client SYN+ACK',
      'client > near ACK service',
      'client > far ACK+RST LOST_RACE',
      'near > client ack',
    ])
    expect(accepted.map(flow => flow.host.name)).toEqual(['near'])
    expect(far.sal.flows.size).toBe(0)
  })

  it('a copy of the SYN that comes when all is done makes no second flow', () => {
    const { world, client, server, accepted } = pair()
    world.intercept('client > server SYN', packet => {
      world.inject(packet)
      world.inject(packet, 500)
    })
    client.connect(SERVICE).send(10)
    world.run(2000)
    expect(world.exchange().slice(-3)).toEqual([
      'client > server SYN',
      'server > client SYN+ACK',
      'client > server ACK+RST LOST_RACE',
    ])
    expect(accepted).toHaveLength(1)
    expect(server.sal.flows.size).toBe(1)
  })
})

describe('an instance that refuses', () => {
  it('is a refusal to the program where it is the only one', () => {
    const { world, client } = pair()
    client.knows('other.example', world.hosts[0]!)
    const flow = client.connect('other.example')
    world.run(1000)
    expect(world.timeline()).toEqual(['0 client > server SYN', '10 server > client NACK REFUSED'])
    expect(flow.error?.code).toBe('ECONNREFUSED')
    expect(flow.error).toMatchObject({ reason: 'refused', service: 'other.example' })
  })

  it('is passed by where another one may serve', () => {
    const world = simulate(3, { trace: true })
    const net = world.link('net', { delayMs: 10 })
    const full = world.host('full', net)
    const free = world.host('free', net)
    const client = world.host('client', net).knows(SERVICE, full, free)
    free.listen(SERVICE)
    const flows = Array.from({ length: 20 }, () => client.connect(SERVICE))
    world.run(5000)
    expect(flows.filter(flow => flow.isConnected).length).toBeGreaterThan(15)
    expect(world.exchange()).toContain('full > client NACK REFUSED')
  })

  it('is silent when its backlog is full, and takes the SYN that is repeated when there is room', () => {
    const world = simulate(1, { trace: true })
    const net = world.link('net', { delayMs: 10 })
    const server = world.host('server', net)
    server.listen(SERVICE, () => undefined, 2)
    const clients = Array.from({ length: 3 }, (_, i) => world.host(`c${i}`, net).knows(SERVICE, server))
    world.lose('c0 > server ACK', 1)
    const flows = clients.map(client => client.connect(SERVICE))
    world.run(900)
    expect(world.exchange().filter(line => line.includes('c2'))).toEqual([
      'c2 > server SYN',
      'server > c2 cookie',
      'c2 > server SYN cookie',
    ])
    expect(server.sal.counters.backlogFull).toBe(1)
    world.run(200)
    expect(flows.every(flow => flow.isConnected)).toBe(true)
  })

  it('that has too much to do is asked again, ever more rarely, until it has not', () => {
    const { world, client } = pair()
    const askedAt = refuse(world, reasonCodes.OVERLOAD, 6)
    const flow = client.connect(SERVICE)
    world.run(10_000)
    expect(flow.isConnected).toBe(true)
    expect(askedAt).toHaveLength(6)
    const waits = askedAt.slice(1).map((at, i) => at - askedAt[i]!)
    expect(waits[0]).toBeLessThan(130)
    expect(waits.every((wait, i) => i === 0 || wait > waits[i - 1]!)).toBe(true)
  })

  it('that always has too much to do is a refusal to the program when the deadline has come', () => {
    for (const [code, reason] of [
      [reasonCodes.OVERLOAD, 'overload'],
      [reasonCodes.DRAINING, 'draining'],
    ] as const) {
      const { world, client } = pair()
      refuse(world, code, 1000)
      const flow = client.connect(SERVICE)
      world.run(9900)
      expect(flow.error).toBeUndefined()
      world.run(200)
      expect(flow.error).toMatchObject({ code: 'ECONNREFUSED', reason })
    }
  })

  it('that is out of reach after it had too much to do is a time-out', () => {
    const { world, client } = pair()
    refuse(world, reasonCodes.OVERLOAD, 1)
    const flow = client.connect(SERVICE)
    world.run(20)
    world.lose('client > server SYN', 100)
    world.run(10_000)
    expect(flow.error?.code).toBe('ETIMEDOUT')
  })

  it('has a SYN that is lost on its way to it repeated as soon as the first', () => {
    const { world, client } = pair()
    refuse(world, reasonCodes.OVERLOAD, 4)
    let lostAt = 0
    world.intercept('client > server SYN', () => {
      lostAt = world.nowMs
    })
    const flow = client.connect(SERVICE)
    world.run(5000)
    expect(flow.isConnected).toBe(true)
    expect(world.timeline(lostAt)).toContain('1000 client > server SYN')
  })

  it('is heard only by who has sent the SYN: a NACK with another nonce does nothing', () => {
    const { world, client, server } = pair()
    const flow = client.connect(SERVICE)
    world.intercept('client > server SYN', packet => {
      const syn = packetOf(packet.bytes)!
      const nack = forge({
        srcFlowId: 0,
        dstFlowId: syn.srcFlowId,
        extensions: [
          control(controlFlags.NACK, 0, syn.control!.verno + 1, new Uint8Array(8)),
          reason(reasonCodes.NO_SERVICE),
        ],
      })
      world.inject({ bytes: nack, from: server.attached[0]!, to: packet.from.endpoint })
      world.inject(packet, 20)
    })
    world.run(1000)
    expect(client.sal.counters.nackForged).toBe(1)
    expect(flow.isConnected).toBe(true)
  })
})

describe('a SYN-ACK', () => {
  it('is waited for on, where one comes whose TAG is wrong', () => {
    const { world, client } = pair()
    const flow = client.connect(SERVICE)
    world.intercept('server > client SYN+ACK', packet => {
      world.inject({ ...packet, bytes: flip(packet.bytes, packet.bytes.length - 5) })
      world.inject(packet, 50)
    })
    world.run(1000)
    expect(client.sal.counters.badTag).toBe(1)
    expect(flow.isConnected).toBe(true)
  })

  it('or a NACK that acknowledges another SYN is not for this one', () => {
    const world = simulate(1, { trace: true })
    const net = world.link('net', { delayMs: 10 })
    const puppet = new Puppet(world, 'puppet', net, 'server')
    const client = world.host('client', net)
    client.rule(SERVICE, { type: 'FORWARD', targets: [{ endpoint: puppet.port.endpoint }] })
    const flow = client.connect(SERVICE)
    world.run(15)
    puppet.ackno++
    puppet.nack()
    puppet.synAck()
    world.run(15)
    expect([flow.state, flow.error]).toEqual(['REQUEST', undefined])
    expect(client.sal.counters.unexpected).toBe(2)
    puppet.ackno--
    puppet.synAck()
    world.run(15)
    expect(flow.state).toBe('CONNECTED')
  })

  it('that comes twice draws the third ACK twice, and no more', () => {
    const { world, client } = pair()
    world.intercept('server > client SYN+ACK', packet => {
      world.inject(packet)
      world.inject(packet, 200)
    })
    client.connect(SERVICE)
    world.run(3000)
    expect(world.timeline().slice(2)).toEqual([
      '10 server > client SYN+ACK',
      '20 client > server ACK service',
      '30 server > client ack',
      '210 server > client SYN+ACK',
      '220 client > server ACK service',
      '230 server > client ack',
    ])
  })
})

describe('a resolution', () => {
  const delayed = () => {
    const scene = pair()
    scene.client.rule('late.example', { type: 'DELAY' })
    return scene
  }

  it('is asked for once, however many wait for it, and lets them all go', () => {
    const { world, client, server } = delayed()
    server.listen('late.example')
    const flows = [client.connect('late.example'), client.connect('late.example')]
    world.run(500)
    expect(client.questions).toEqual(['late.example'])
    expect(world.exchange()).toEqual([])
    client.knows('late.example', server)
    world.run(500)
    expect(flows.every(flow => flow.isConnected)).toBe(true)
  })

  it('that does not come fails the connect in time', () => {
    const { world, client } = delayed()
    const flow = client.connect('late.example')
    world.run(11_000)
    expect(flow.error?.code).toBe('ETIMEDOUT')
    expect(client.sal.flows.size).toBe(0)
  })
})

describe('an established flow', () => {
  it('is not disturbed by any packet of its set-up that comes again', () => {
    const { world, client, server } = pair()
    for (const text of ['client > server SYN', 'server > client SYN+ACK', 'client > server ACK service']) {
      world.intercept(text, packet => {
        world.inject(packet)
        for (const delayMs of [3, 300, 700]) world.inject(packet, delayMs)
      })
    }
    const flow = client.connect(SERVICE).send(200_000).end()
    world.run(5000)
    const served = server.flows[0]!
    expect(served.receivedBytes).toBe(200_000)
    served.end()
    world.run(20_000)
    expect([flow.error, served.error]).toEqual([undefined, undefined])
    expect([client.sal.flows.size, server.sal.flows.size]).toEqual([0, 0])
  })

  it('keeps its flowIDs and reports its path', () => {
    const { flow, served } = connection()
    const { flowId, peerFlowId, paths } = flow.flow.info()
    expect([flowId, peerFlowId]).toEqual([served.flow.peerFlowId, served.flow.flowId])
    expect(paths).toEqual([expect.objectContaining({ srttMs: 20, mtu: 1500, active: true })])
  })
})

/** The next `count` SYNs of the client are answered with a NACK. Gives the times of those that were, ms. */
function refuse(world: World, code: number, count: number): readonly number[] {
  const askedAt: number[] = []
  const answer = ({ bytes, from, to }: Packet) => {
    askedAt.push(world.nowMs)
    const syn = packetOf(bytes)!
    const { verno, nonce } = syn.control!
    const nack = forge({
      srcFlowId: 0,
      dstFlowId: syn.srcFlowId,
      extensions: [control(controlFlags.NACK, 0, serialAdd(verno, 1), nonce), reason(code)],
    })
    world.inject({ bytes: nack, from: world.network.find(to)!, to: from.endpoint })
  }
  world.intercept('client > server SYN', answer, count)
  return askedAt
}
