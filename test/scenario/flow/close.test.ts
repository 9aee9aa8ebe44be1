/** Close, one packet a line (src/wire/README.md, "End of stream"). Links take 10 ms each way. */
import { describe, expect, it } from 'vitest'
import { type Connection, connection, pair, SERVICE } from '../../support/simulator/scenes.ts'

/** Neither end knows of the flow any more, and neither had an error. */
function expectGone({ client, server, flow, served }: Connection): void {
  expect([flow.state, served.state]).toEqual(['CLOSED', 'CLOSED'])
  expect([flow.error, served.error]).toEqual([undefined, undefined])
  expect([client.sal.flows.size, server.sal.flows.size]).toEqual([0, 0])
}

describe('close', () => {
  it('by one end after the other: FIN, ACK, FIN, ACK, and word that nobody will ask any more', () => {
    const scene = connection()
    const { world, flow, served } = scene
    const t = world.nowMs
    flow.end()
    world.run(50)
    expect([flow.state, served.state]).toEqual(['FINWAIT2', 'CLOSEWAIT'])
    served.end()
    world.run(50)
    expect(world.timeline(t)).toEqual([
      '0 client > server ACK+FIN end 0',
      '10 server > client ACK',
      '50 server > client ACK+FIN end 0',
      '60 client > server ACK',
      '70 server > client ACK CLOSED',
    ])
    expectGone(scene)
    expect(flow.events).toEqual(['connected', 'end', 'closed'])
    expect(served.events).toEqual(['connected', 'end', 'closed'])
  })

  it('by a program that ends when its peer does: its FIN is the acknowledgement', () => {
    const scene = connection()
    const { world, flow, served } = scene
    served.onEvent = event => event === 'end' && served.end()
    flow.end()
    world.run(50)
    expect(world.exchange()).toEqual([
      'client > server ACK+FIN end 0',
      'server > client ACK+FIN end 0',
      'client > server ACK',
      'server > client ACK CLOSED',
    ])
    expectGone(scene)
  })

  it('by the server first', () => {
    const scene = connection()
    const { world, flow, served } = scene
    served.end()
    world.run(50)
    flow.end()
    world.run(50)
    expect(world.exchange()).toEqual([
      'server > client ACK+FIN end 0',
      'client > server ACK',
      'client > server ACK+FIN end 0',
      'server > client ACK',
      'client > server ACK CLOSED',
    ])
    expectGone(scene)
  })

  it('by both at once: both linger', () => {
    const scene = connection()
    const { world, flow, served } = scene
    flow.end()
    served.end()
    world.run(30)
    expect(world.exchange()).toEqual([
      'client > server ACK+FIN end 0',
      'server > client ACK+FIN end 0',
      'server > client ACK',
      'client > server ACK',
    ])
    expect([flow.state, served.state]).toEqual(['TIMEWAIT', 'TIMEWAIT'])
    world.run(10_000)
    expectGone(scene)
  })

  it('of one half leaves the other: the peer goes on sending', () => {
    const scene = connection()
    const { world, flow, served } = scene
    flow.end()
    world.run(50)
    served.send(100_000)
    world.run(300)
    expect(flow.receivedBytes).toBe(100_000)
    expect([flow.state, served.state]).toEqual(['FINWAIT2', 'CLOSEWAIT'])
    served.send(50_000).end()
    world.run(300)
    expect(flow.receivedBytes).toBe(150_000)
    expectGone(scene)
  })

  it('with little to send takes FIN along with the data', () => {
    const { world, flow, served } = connection()
    const t = world.nowMs
    flow.send(500).end()
    world.run(100)
    expect(world.timeline(t)).toEqual([
      '0 client > server ACK+FIN end 500 data 500',
      '10 server > client ACK',
    ])
    expect(served.events).toEqual(['connected', 'readable', 'end'])
  })
})

describe('a lost packet of the close:', () => {
  it('FIN is repeated', () => {
    const { world, flow, served } = connection()
    const t = world.nowMs
    world.lose('client > server ACK+FIN', 2)
    flow.end()
    world.run(1000)
    // 60 ms of time-out, doubled.
    expect(world.timeline(t)).toEqual([
      '0 client > server ACK+FIN end 0 (intercepted)',
      '60 client > server ACK+FIN end 0 (intercepted)',
      '180 client > server ACK+FIN end 0',
      '190 server > client ACK',
    ])
    expect([flow.state, served.state]).toEqual(['FINWAIT2', 'CLOSEWAIT'])
  })

  it('the ACK of FIN is given again to its repeat', () => {
    const { world, flow, served } = connection()
    world.lose('server > client ACK', 2)
    flow.end()
    world.run(1000)
    expect(world.exchange()).toEqual([
      'client > server ACK+FIN end 0',
      'server > client ACK (intercepted)',
      'client > server ACK+FIN end 0',
      'server > client ACK (intercepted)',
      'client > server ACK+FIN end 0',
      'server > client ACK',
    ])
    expect(served.events).toEqual(['connected', 'end'])
  })

  it('the last ACK is given again by who lingers', () => {
    const scene = connection()
    const { world, flow, served } = scene
    flow.end()
    world.run(50)
    world.exchange()
    world.lose('client > server ACK', 2)
    served.end()
    world.run(1000)
    expect(world.exchange()).toEqual([
      'server > client ACK+FIN end 0',
      'client > server ACK (intercepted)',
      'server > client ACK+FIN end 0',
      'client > server ACK (intercepted)',
      'server > client ACK+FIN end 0',
      'client > server ACK',
      'server > client ACK CLOSED',
    ])
    expectGone(scene)
  })

  it('a FIN that comes again has who lingers wait anew', () => {
    const scene = connection()
    const { world, flow, served } = scene
    flow.end()
    world.run(50)
    world.lose('client > server ACK', 1000)
    world.lose('server > client ACK CLOSED', 1000)
    served.end()
    world.run(11_000)
    expect(
      world.exchange().filter(line => line.startsWith('server > client ACK+FIN')).length,
    ).toBeGreaterThan(3)
    expect(flow.state).toBe('TIMEWAIT')
  })

  it('the word that all is done may be lost: the end that waits for it gives up after ten seconds', () => {
    const scene = connection()
    const { world, flow, served } = scene
    world.lose('server > client ACK CLOSED')
    flow.end()
    world.run(50)
    served.end()
    world.run(1000)
    expect([flow.state, served.state]).toEqual(['TIMEWAIT', 'CLOSED'])
    world.run(10_000)
    expectGone(scene)
  })

  it('the last ACK, and who would give it again is gone: no error where nothing else can be missing', () => {
    const scene = connection()
    const { world, flow, served } = scene
    flow.end()
    world.run(50)
    served.send(1000)
    world.run(100)
    // An outage begins, and lasts for longer than anybody lingers.
    world.lose('client > server ACK', 1)
    served.end()
    world.run(15)
    scene.net.set({ down: true })
    world.run(30_000)
    scene.net.set({ down: false })
    world.run(60_000)
    expectGone(scene)
  })

  it('but ECONNRESET where data was not acknowledged', () => {
    const { world, net, flow, served } = connection()
    flow.end()
    world.run(50)
    served.send(1000).end()
    world.run(5)
    net.set({ down: true })
    flow.reset()
    world.run(3000)
    net.set({ down: false })
    world.run(60_000)
    expect(served.error?.code).toBe('ECONNRESET')
  })
})

describe('FIN that comes before the data', () => {
  it('is the end only when every byte before its offset is there', () => {
    const { world, flow, served } = connection()
    world.lose('client > server data', 1)
    flow.send(10_000).end()
    world.run(15)
    expect(served.events).toEqual(['connected'])
    world.run(500)
    expect(served.receivedBytes).toBe(10_000)
    expect(served.events).toEqual(['connected', 'readable', 'end'])
    expect(flow.state).toBe('FINWAIT2')
  })

  it('does not end what is still being sent: both orders of FIN_ACKED and the last acknowledgement', () => {
    const scene = connection()
    const { world, flow, served } = scene
    world.lose('server > client ack', 5)
    flow.send(300_000).end()
    served.send(300_000).end()
    world.run(20_000)
    expect([flow.receivedBytes, served.receivedBytes]).toEqual([300_000, 300_000])
    expectGone(scene)
  })
})

describe('a program that lets go', () => {
  it('while the peer still sends resets it', () => {
    const { world, flow, served } = connection()
    served.send(1 << 20)
    world.run(45)
    flow.close()
    world.run(1000)
    expect(served.error?.code).toBe('ECONNRESET')
    expect(flow.error).toBeUndefined()
    expect(flow.state).toBe('CLOSED')
  })

  it('of a flow whose peer never ends is rid of it after a minute', () => {
    const { world, flow, served } = connection()
    flow.close()
    world.run(59_000)
    expect(flow.state).toBe('FINWAIT2')
    world.run(2000)
    expect(flow.state).toBe('CLOSED')
    expect(served.error?.code).toBe('ECONNRESET')
  })

  it('delivers what it has written, however long that takes', () => {
    const { world, net, flow, served } = connection()
    net.set({ kbitPerSecond: 400, queueBytes: 30_000 })
    flow.sendAtOnce(4_000_000)
    flow.close()
    world.run(75_000)
    expect(flow.state).toBe('FINWAIT1')
    world.run(60_000)
    expect([served.receivedBytes, served.isEnded]).toEqual([4_000_000, true])
  })

  it('does not wait for a peer that acknowledges and takes next to nothing', () => {
    const { world, flow, served } = connection({ server: { limits: { receiveBufferBytes: 4_000 } } })
    served.pause()
    flow.sendAtOnce(1 << 20)
    flow.close()
    let resetAt = 0
    for (let second = 1; second <= 200 && resetAt === 0; second++) {
      world.run(1_000)
      served.readOne()
      if (flow.state === 'CLOSED') resetAt = second
    }
    // 4,000 bytes a second, or so, are enough; a hundredth of that is not.
    expect(resetAt).toBe(0)
    for (let second = 1; second <= 200 && resetAt === 0; second++) {
      world.run(1_000)
      if (second % 100 === 0) served.readOne()
      if (flow.state === 'CLOSED') resetAt = second
    }
    expect(resetAt).toBeGreaterThan(0)
    expect(resetAt).toBeLessThanOrEqual(121)
  })

  it('waits for such a peer as long as the program holds the flow', () => {
    const { world, flow, served } = connection()
    served.pause()
    flow.send(1 << 20)
    world.run(3_600_000)
    expect(flow.state).toBe('CONNECTED')
    served.resume()
    world.run(20_000)
    expect(served.receivedBytes).toBe(1 << 20)
  })

  it('still delivers what it has written', () => {
    const { world, flow, served } = connection()
    flow.send(100_000)
    flow.close()
    world.run(1000)
    expect(served.receivedBytes).toBe(100_000)
    expect(served.isEnded).toBe(true)
  })
})

describe('silence', () => {
  it('of an idle flow means nothing: it ends well after ten minutes, at the first loss too', () => {
    const scene = connection()
    const { world, flow, served } = scene
    world.run(600_000)
    expect(world.exchange()).toEqual([])
    world.lose('client > server ACK+FIN', 1)
    flow.end()
    served.end()
    world.run(20_000)
    expectGone(scene)
  })

  it('of a peer that owes an acknowledgement fails the flow in time', () => {
    const { world, net, flow } = connection({ client: { limits: { deadPeerMs: 30_000 } } })
    net.set({ down: true })
    flow.send(10)
    world.run(29_000)
    expect(flow.isClosed).toBe(false)
    world.run(2000)
    expect(flow.error?.code).toBe('ETIMEDOUT')
  })

  it('of a peer that owes the answer to a FIN fails the flow in time', () => {
    const { world, net, flow, client } = connection({ client: { limits: { deadPeerMs: 30_000 } } })
    world.run(100_000)
    net.set({ down: true })
    flow.end()
    world.run(29_000)
    expect(flow.isClosed).toBe(false)
    world.run(60_000)
    expect(flow.error?.code).toBe('ETIMEDOUT')
    expect(client.sal.flows.size).toBe(0)
  })
})

describe('under loss', () => {
  it('closes in every order end well', () => {
    let closed = 0
    for (let seed = 0; seed < 60; seed++) {
      const scene = connection({ seed })
      const { world, net, flow, served } = scene
      net.set({ loss: 0.3, duplicate: 0.1, reorder: 0.2 })
      const [first, second] = seed % 2 === 0 ? [flow, served] : [served, flow]
      first.send((seed % 3) * 5000).end()
      world.run((seed % 5) * 15)
      second.send((seed % 7) * 3000).end()
      world.run(20_000)
      world.settle(() => flow.isClosed && served.isClosed, 60_000)
      expectGone(scene)
      expect([first.receivedBytes, second.receivedBytes]).toEqual([(seed % 7) * 3000, (seed % 3) * 5000])
      closed++
    }
    expect(closed).toBe(60)
  })
})

describe('a reset', () => {
  it('by a client that has only just been answered comes behind the third ACK: the server’s program hears of both', () => {
    const { world, client, accepted } = pair()
    const flow = client.connect(SERVICE)
    flow.onEvent = event => event === 'connected' && flow.reset()
    world.run(100)
    expect(world.exchange().slice(2, 4)).toEqual([
      'client > server ACK service',
      'client > server ACK+RST CLOSED',
    ])
    expect(accepted[0]?.error?.code).toBe('ECONNRESET')
  })
})
