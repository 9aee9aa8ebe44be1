/** Half-open flows: found again by what makes a SYN the same, counted for each listener. */
import { describe, expect, it } from 'vitest'
import type { Flow } from '../../../src/flow/flow.ts'
import { serviceIdOf } from '../../../src/id/name.ts'
import { DEFAULT_BACKLOG, HalfOpen, Listener } from '../../../src/sal/listener.ts'
import { endpoint } from '../../../src/wire/endpoint.ts'
import { pair, SERVICE } from '../../support/simulator/scenes.ts'
import { simulate } from '../../support/simulator/world.ts'

const listener = (id: number) =>
  new Listener({ id, serviceIds: [serviceIdOf(`s${id}.example`)], backlog: DEFAULT_BACKLOG })
const flows = Array.from({ length: 3 }, (_, flowId) => ({ flowId }) as Flow)
const home = endpoint('10.0.0.1', 1)
const share = (byte: number) => new Uint8Array(16).fill(byte)

describe('half-open flows', () => {
  it('are found by the client’s flowID, nonce and address together', () => {
    const open = new HalfOpen()
    const first = listener(1)
    open.insert(7, share(1), home, flows[0]!, first, 100)
    expect(open.find(7, share(1), { ...home })).toBe(flows[0])
    expect(open.since(flows[0]!)).toBe(100)
    expect(open.find(7, share(2), home)).toBeUndefined()
    expect(open.find(8, share(1), home)).toBeUndefined()
    expect(open.find(7, share(1), endpoint('10.0.0.2', 1))).toBeUndefined()
  })

  it('are counted at their listener until they are removed', () => {
    const open = new HalfOpen()
    const [first, second] = [listener(1), listener(2)]
    open.insert(1, share(1), home, flows[0]!, first, 100)
    open.insert(2, share(1), home, flows[1]!, first, 100)
    open.insert(3, share(1), home, flows[2]!, second, 100)
    expect([first.halfOpen, second.halfOpen]).toEqual([2, 1])
    expect(open.of(first)).toEqual([flows[0], flows[1]])
    expect(open.remove(flows[0]!)).toBe(first)
    expect(open.remove(flows[0]!)).toBeUndefined()
    expect([first.halfOpen, second.halfOpen]).toEqual([1, 1])
    expect(open.find(1, share(1), home)).toBeUndefined()
  })
})

describe('where a listener has all half-open flows that it may have, there gives way to a newcomer', () => {
  /** A half-open flow of a listener from each address, in this order. */
  function from(...addresses: readonly string[]) {
    const open = new HalfOpen()
    const first = listener(1)
    const made = addresses.map((address, flowId) => {
      const flow = { flowId } as Flow
      open.insert(flowId, share(1), endpoint(address, flowId + 1), flow, first, flowId)
      return flow
    })
    return { open, listener: first, flows: made }
  }

  it('the oldest of the address that has most', () => {
    const { open, listener, flows } = from('10.0.0.2', '10.0.0.1', '10.0.0.1', '10.0.0.1')
    expect(open.toGiveWay(listener, '10.0.0.3')).toBe(flows[1])
    open.remove(flows[1]!)
    expect(open.toGiveWay(listener, '10.0.0.3')).toBe(flows[2])
  })

  it('nobody, where the newcomer would have as many with it', () => {
    const { open, listener } = from('10.0.0.1', '10.0.0.1', '10.0.0.2')
    expect(open.toGiveWay(listener, '10.0.0.1')).toBeUndefined()
    expect(open.toGiveWay(listener, '10.0.0.2')).toBeUndefined()
    expect(open.toGiveWay(listener, '10.0.0.3')).toBeDefined()
  })

  it('one of a network of IPv6 that has most together: a host has as many addresses there as it likes', () => {
    const { open, listener, flows } = from('fd00::1', 'fd00:0:0:1::1', 'fd00:0:0:1::2', 'fd00:0:0:1:ffff::3')
    expect(open.toGiveWay(listener, 'fd00:0:0:2::1')).toBe(flows[1])
    expect(open.toGiveWay(listener, 'fd00:0:0:1::4')).toBeUndefined()
  })

  it('none of another listener’s', () => {
    const { open } = from('10.0.0.1', '10.0.0.1', '10.0.0.1')
    expect(open.toGiveWay(listener(2), '10.0.0.2')).toBeUndefined()
  })
})

describe('a listener', () => {
  it('takes SYNs for its name and its aliases, and for nothing after it is closed', () => {
    const { world, client, server } = pair()
    const served: string[] = []
    const opened = server.sal.listen({
      serviceId: serviceIdOf('one.example'),
      aliases: [serviceIdOf('two.example')],
    })
    opened.owner = () => served.push('accepted')
    client.knows('one.example', server).knows('two.example', server)
    const [one, two] = [client.connect('one.example'), client.connect('two.example')]
    world.run(100)
    expect([one.isConnected, two.isConnected]).toEqual([true, true])
    server.sal.unlisten(opened, world.nowMs)
    const late = client.connect('one.example')
    world.run(1000)
    expect(late.error).toMatchObject({ code: 'ECONNREFUSED', reason: 'refused' })
    expect(one.isClosed).toBe(false)
    expect(served).toHaveLength(2)
  })

  it('resets what is half open when it is closed', () => {
    const { world, client, server } = pair()
    const opened = server.listen('three.example')
    client.knows('three.example', server)
    world.lose('client > server ACK', 10)
    const flow = client.connect('three.example')
    world.run(30)
    expect(opened.halfOpen).toBe(1)
    server.sal.unlisten(opened, world.nowMs)
    server.wake()
    world.run(1000)
    expect(opened.halfOpen).toBe(0)
    expect(server.sal.flows.size).toBe(0)
    expect(flow.error?.code).toBe('ECONNRESET')
  })

  it('refuses a second listener for a name, and leaves the first', () => {
    const { world, client, server } = pair()
    expect(() => server.listen(SERVICE)).toThrow(expect.objectContaining({ code: 'EADDRINUSE' }))
    expect(() =>
      server.sal.listen({ serviceId: serviceIdOf('new.example'), aliases: [serviceIdOf(SERVICE)] }),
    ).toThrow(expect.objectContaining({ code: 'EADDRINUSE' }))
    expect(server.sal.serviceTable.size).toBe(1)
    const flow = client.connect(SERVICE)
    world.run(100)
    expect(flow.isConnected).toBe(true)
  })

  it('holds no more half-open flows than its backlog, whoever floods it, and forgets them in time', () => {
    const world = simulate(1)
    const net = world.link('net')
    const server = world.host('server', net)
    const opened = server.listen(SERVICE, () => undefined, 16)
    world.network.interceptors.push(
      packet => packet.from.node !== server && !world.summaryOf(packet).includes('SYN'),
    )
    for (let i = 0; i < 100; i++) world.host(`c${i}`, net).knows(SERVICE, server).connect(SERVICE)
    world.run(500)
    expect(opened.halfOpen).toBe(16)
    expect(server.sal.flows.size).toBe(16)
    for (const host of world.hosts) if (host !== server) for (const port of host.attached) host.detach(port)
    world.run(25_000)
    expect([opened.halfOpen, server.sal.flows.size]).toEqual([0, 0])
  })
})
