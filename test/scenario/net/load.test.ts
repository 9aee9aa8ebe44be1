/** How busy a program is, from its flows and its own word to its controller. */
import { once } from 'node:events'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { startController } from '../../../controller/index.ts'
import { FlowSignal } from '../../../src/flow/states.ts'
import { nowMs } from '../../../src/net/clock.ts'
import type { Stack, StackListener } from '../../../src/net/stack.ts'
import { Socket as DatagramSocket } from '../../../src/sockets/dgram-socket.ts'
import { Server } from '../../../src/sockets/server.ts'
import { formatEndpoint } from '../../../src/wire/endpoint.ts'
import { accepting, echo, FlowEnd } from '../../support/net/flow-end.ts'
import { networkKinds, Stacks } from '../../support/net/stacks.ts'

let stacks: Stacks
beforeEach(() => {
  stacks = new Stacks()
})
afterEach(() => stacks.close())

const [, memory] = networkKinds()[0]!
const flowsOf = (listener: StackListener) => listener.loads().map(({ flows }) => flows)

describe('a listener', () => {
  it('reports its open flows by each of its names: none that has ended or been reset', async () => {
    const server = stacks.open(memory(1))
    const ends: FlowEnd[] = []
    const listener = await accepting(server, 'web.example', end => {
      ends.push(end)
      echo(end)
    })
    expect(listener.loads()).toMatchObject([{ name: 'web.example', flows: 0, load: undefined }])
    const client = stacks.open(memory(2))
    const clients: FlowEnd[] = []
    for (let i = 0; i < 3; i++) {
      const end = FlowEnd.connect(client, 'web.example')
      clients.push(end)
      end.write('hello')
      await end.until(() => end.text === 'hello')
    }
    expect(flowsOf(listener)).toEqual([3])
    clients[0]!.end()
    await ends[0]!.closed()
    expect(flowsOf(listener)).toEqual([2])
    clients[1]!.flow.reset(nowMs())
    client.wake()
    await ends[1]!.closed()
    expect(flowsOf(listener)).toEqual([1])
    await listener.close()
    ends[2]!.flow.reset(nowMs())
    expect(flowsOf(listener)).toEqual([0])
  })
})

describe('a server', () => {
  it('reports the load that its program says, from before it listens on', async () => {
    const stack = stacks.open(memory(1))
    const server = new Server({ stack })
    server.load = 0.5
    server.listen('web.example')
    await new Promise(resolve => server.once('listening', resolve))
    expect(stack.services().flatMap(listener => listener.loads())).toMatchObject([{ flows: 0, load: 0.5 }])
    server.load = undefined
    expect(stack.services().flatMap(listener => listener.loads())).toMatchObject([{ load: undefined }])
    server.close()
  })

  it.each([-0.1, 1.1, Number.NaN, Number.POSITIVE_INFINITY])('takes no load of %d', load => {
    const server = new Server()
    expect(() => {
      server.load = load
    }).toThrow(expect.objectContaining({ code: 'ERR_OUT_OF_RANGE', name: 'RangeError' }))
    expect(server.load).toBeUndefined()
  })

  it('takes no load that is no number', () => {
    expect(() => {
      new Server().load = '0.5' as unknown as number
    }).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARG_TYPE' }))
  })
})

describe('a datagram socket', () => {
  it('reports its connected peers, and the load that its program says', async () => {
    const stack = stacks.open(memory(1))
    const socket = new DatagramSocket({ type: 'udp4', stack })
    socket.load = 0.5
    socket.bind('game.example')
    await once(socket, 'listening')
    const loads = () => stack.services().flatMap(listener => listener.loads())
    expect(loads()).toMatchObject([{ flows: 0, load: 0.5 }])
    socket.load = undefined
    expect(loads()).toMatchObject([{ load: undefined }])
    const client = new DatagramSocket({ type: 'udp4', stack: stacks.open(memory(2)) })
    client.connect('game.example', () => client.send('hello'))
    await once(socket, 'message')
    expect(loads()).toMatchObject([{ flows: 1 }])
    client.disconnect()
    await vi.waitFor(() => expect(loads()).toMatchObject([{ flows: 0 }]), 60_000)
    socket.close()
  })

  it('takes no load out of range', () => {
    const socket = new DatagramSocket('udp4')
    expect(() => {
      socket.load = 1.1
    }).toThrow(expect.objectContaining({ code: 'ERR_OUT_OF_RANGE' }))
    expect(socket.load).toBeUndefined()
  })
})

describe('a policy of the controller and the loads of instances', () => {
  const POLICY = 'web.example SHARE balance=least-loaded hedge=off'

  async function twoInstances(busy: number, idle: number): Promise<Map<string, number>> {
    const accepted = new Map<string, number>()
    for (const [name, load] of Object.entries({ busy, idle })) {
      const server = new Server({ stack: stacks.open() }, socket => {
        accepted.set(name, (accepted.get(name) ?? 0) + 1)
        socket.resume().end()
      })
      server.load = load
      server.listen('web.example')
      await new Promise(resolve => server.once('listening', resolve))
    }
    return accepted
  }

  /** Connects until so many in a row have met the idle one, or it has taken too long. */
  async function inARow(wanted: number, accepted: Map<string, number>, client: Stack): Promise<number> {
    let row = 0
    for (const until = nowMs() + PATIENCE_MS; row < wanted && nowMs() < until; ) {
      const before = accepted.get('busy') ?? 0
      const end = FlowEnd.connect(client, 'web.example')
      await end.seen(FlowSignal.end)
      end.end()
      await end.closed()
      row = (accepted.get('busy') ?? 0) > before ? 0 : row + 1
    }
    return row
  }

  const PATIENCE_MS = 60_000

  it('decide whom a host connects to that resolves by itself', async () => {
    const runtimeDir = { path: stacks.runtimeDir }
    stacks.add(await startController({ control: false, api: false, runtimeDir, policies: [POLICY] }))
    const accepted = await twoInstances(0.9, 0.1)
    expect(await inARow(20, accepted, stacks.open())).toBe(20)
  })

  it('decide who gets messages without a connection', async () => {
    const runtimeDir = { path: stacks.runtimeDir }
    stacks.add(await startController({ control: false, api: false, runtimeDir, policies: [POLICY] }))
    const got: string[] = []
    for (const [name, load] of Object.entries({ busy: 0.9, idle: 0.1 })) {
      const socket = new DatagramSocket({ type: 'udp4', stack: stacks.open() })
      socket.on('message', () => got.push(name))
      socket.load = load
      socket.bind('web.example')
      await once(socket, 'listening')
    }
    const client = new DatagramSocket({ type: 'udp4', stack: stacks.open() })
    const lastTwenty = () => [...new Set(got.slice(-20))]
    for (const until = nowMs() + PATIENCE_MS; nowMs() < until; ) {
      client.send('hello', 'web.example')
      const before = got.length
      await vi.waitUntil(() => got.length > before, PATIENCE_MS)
      if (got.length >= 20 && lastTwenty().length === 1) break
    }
    expect(lastTwenty()).toEqual(['idle'])
    client.close()
  })

  it('decide whom a router sends a SYN to', async () => {
    const runtimeDir = { path: stacks.runtimeDir }
    stacks.add(await startController({ control: false, api: false, runtimeDir, policies: [POLICY] }))
    const router = stacks.openRouter()
    await router.ready
    const accepted = await twoInstances(0.9, 0.1)
    const client = stacks.open({ router: formatEndpoint(router.endpoints[0]!) })
    expect(await inARow(20, accepted, client)).toBe(20)
    expect(router.counters.forwarded).toBeGreaterThanOrEqual(20)
  })
})
