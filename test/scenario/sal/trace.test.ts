/** The way of a SYN, found out hop by hop, on virtual time. */
import { describe, expect, it } from 'vitest'
import { ServalError } from '../../../src/errors.ts'
import { serviceIdOf } from '../../../src/id/name.ts'
import { ServicePrefix } from '../../../src/id/service-prefix.ts'
import type { TraceProbe } from '../../../src/sal/tracer.ts'
import { SHIM_BYTES } from '../../../src/wire/encapsulation.ts'
import { formatEndpoint } from '../../../src/wire/endpoint.ts'
import { formatReason } from '../../../src/wire/extensions/reason.ts'
import { protocols } from '../../../src/wire/sal-header.ts'
import { packetOf } from '../../support/simulator/describe-packet.ts'
import { forge } from '../../support/simulator/forge.ts'
import type { SimHost } from '../../support/simulator/sim-host.ts'
import { simulate } from '../../support/simulator/world.ts'

const SERVICE = 'web.example'

/** client -- r1 -- r2 -- server, 10 ms each way on every link. */
function chain() {
  const world = simulate(1, { trace: true })
  const net = world.link('net', { delayMs: 10 })
  const server = world.host('server', net)
  const second = world.router('r2', net).forward(SERVICE, server)
  const first = world.router('r1', net).forward(SERVICE, second)
  const client = world.host('client', net).use(first)
  server.sal.trustRouters([second.endpoint])
  server.listen(SERVICE)
  return { world, net, client, first, second, server }
}

/** `10.0.0.2:40002 HOP_LIMIT 40`, the time in whole milliseconds. */
function told({ outcome }: TraceProbe): string {
  if (outcome?.type !== 'answered') return outcome?.type ?? 'nothing yet'
  const from = formatEndpoint(outcome.from)
  const detail = outcome.detail === from ? '' : outcome.detail
  const words = [from, formatReason(outcome.code), detail, Math.round(outcome.rttMs)]
  return words.filter(word => word !== '').join(' ')
}

describe('a trace', () => {
  it('is answered by each router on the way, then by the instance, and opens no flow', () => {
    const { world, client, first, second, server } = chain()
    const at = (endpoint: { address: string; port: number }) => `${endpoint.address}:${endpoint.port}`
    const probes = [0, 1, 2, 32].map(hops => client.trace(SERVICE, hops))
    world.run(200)
    const reached = `${at(server.attached[0]!.endpoint)} TRACED 40`
    expect(probes.map(told)).toEqual([
      `${at(first.endpoint)} HOP_LIMIT 20`,
      `${at(second.endpoint)} HOP_LIMIT 30`,
      reached,
      reached,
    ])
    expect([...client.sal.flows, ...server.sal.flows]).toEqual([])
  })

  it('has answers that are smaller than what they answer', () => {
    const { world, client } = chain()
    const sizes: [summary: string, bytes: number][] = []
    world.network.interceptors.push(packet => {
      sizes.push([world.summaryOf(packet), packet.bytes.length])
      return false
    })
    for (const hops of [0, 1, 2]) client.trace(SERVICE, hops)
    world.run(200)
    const syns = sizes.filter(([summary]) => / SYN/.test(summary)).map(([, bytes]) => bytes)
    const nacks = sizes.filter(([summary]) => / NACK/.test(summary)).map(([, bytes]) => bytes)
    expect([syns.length, nacks.length]).toEqual([6, 3])
    expect(Math.max(...nacks)).toBeLessThan(Math.min(...syns) + SHIM_BYTES)
  })

  it('goes where rules of the moment lead, and says so where they do not', () => {
    const { world, client, first, second } = chain()
    const unserved = client.trace('nobody.example', 5)
    second.rule('closed.example', { type: 'DROP', reason: 'until noon' })
    const closed = world.router('r3', world.links[0]!)
    closed.rule('closed.example', { type: 'DROP', reason: 'until noon' })
    client.rule('closed.example', { type: 'FORWARD', targets: [{ endpoint: closed.endpoint }] })
    const dropped = client.trace('closed.example', 5)
    world.run(200)
    expect(told(unserved)).toBe(`${formatEndpoint(first.endpoint)} NO_SERVICE 20`)
    expect(told(dropped)).toBe(`${formatEndpoint(closed.endpoint)} DROPPED until noon 20`)
  })

  it('names who refuses, however the answer has come back', () => {
    const { world, client, first, second, server } = chain()
    first.forward('nobody.example', second)
    first.rule('closed.example', { type: 'FORWARD', targets: [{ endpoint: second.endpoint }] })
    second.rule('closed.example', { type: 'DROP', reason: 'until noon' })
    first.forward('strange.example', second)
    second.forward('strange.example', server)
    server.sal.trustRouters([])
    const probes = ['nobody', 'closed', 'strange'].map(name => client.trace(`${name}.example`, 5))
    world.run(200)
    expect(probes.map(told)).toEqual([
      `${formatEndpoint(second.endpoint)} NO_SERVICE 30`,
      `${formatEndpoint(second.endpoint)} DROPPED until noon 30`,
      `${formatEndpoint(server.attached[0]!.endpoint)} REFUSED 60`,
    ])
    expect(probes[2]!.outcome).toMatchObject({ remote: first.endpoint })
  })

  it('shows a loop of rules', () => {
    const { world, client, first, second } = chain()
    first.forward('round.example', second)
    second.forward('round.example', first)
    const probes = [0, 1, 2, 3].map(hops => client.trace('round.example', hops))
    world.run(200)
    expect(probes.map(told).map(text => text.split(' ')[1])).toEqual([
      'HOP_LIMIT',
      'HOP_LIMIT',
      'LOOP',
      'LOOP',
    ])
  })

  it('shows the way of datagrams where it is another, and nobody gets one', () => {
    const { world, net, client, first, server } = chain()
    const messages: unknown[] = []
    const news = world.host('news', net)
    news.sal.trustRouters([first.endpoint])
    news.bind('news.example', message => messages.push(message))
    const where = (host: SimHost) => host.attached[0]!.endpoint
    first.rule('news.example', {
      type: 'FORWARD',
      targets: [
        { endpoint: where(server), protocol: protocols.STREAM },
        { endpoint: where(news), protocol: protocols.DATAGRAM },
      ],
    })
    const [stream, datagram] = Object.values(protocols).map(protocol =>
      client.trace('news.example', 5, 1000, protocol),
    )
    world.run(200)
    expect(told(stream!)).toBe(`${formatEndpoint(where(server))} REFUSED 40`)
    expect(told(datagram!)).toBe(`${formatEndpoint(where(news))} TRACED 30`)
    expect([messages, ...news.sal.flows]).toEqual([[]])
  })

  it('hears of an instance that has no listener', () => {
    const { world, client, first, server } = chain()
    first.forward('strange.example', server)
    server.sal.trustRouters([first.endpoint])
    const refused = client.trace('strange.example', 5)
    world.run(200)
    expect(told(refused)).toBe(`${formatEndpoint(server.attached[0]!.endpoint)} REFUSED 30`)
  })

  it('comes to an instance that does not know the router: the answer goes by way of it', () => {
    const { world, client, server } = chain()
    server.sal.trustRouters([])
    const probe = client.trace(SERVICE, 5)
    world.run(200)
    expect(told(probe)).toBe(`${formatEndpoint(server.attached[0]!.endpoint)} TRACED 60`)
  })

  it('is given up after its time, lost or unanswered', () => {
    const { world, client } = chain()
    world.lose('client > r1 SYN')
    const probe = client.trace(SERVICE, 0, 500)
    world.run(499)
    expect(told(probe)).toBe('nothing yet')
    world.run(2)
    expect(told(probe)).toBe('silent')
  })

  it('waits for a rule as a flow does, and its time begins when it is sent', () => {
    const { world, client, first } = chain()
    client.sal.serviceTable.replace(ServicePrefix.all, [{ type: 'DELAY' }], { source: 'config' })
    const found = client.trace(SERVICE, 0)
    const lost = client.trace('nobody.example', 0)
    world.run(100)
    expect(client.questions).toEqual([SERVICE, 'nobody.example'])
    client.rule(SERVICE, { type: 'FORWARD', targets: [{ endpoint: first.endpoint }] })
    const error = new ServalError('ENOSERVICE', { service: 'nobody.example', asked: 'all' })
    client.sal.unresolved(serviceIdOf('nobody.example'), error, world.nowMs)
    world.run(100)
    expect(told(found)).toMatch(/^\S+ HOP_LIMIT 20$/)
    expect(lost.outcome).toEqual({ type: 'failed', error })
  })

  it('takes no answer but to its own nonce', () => {
    const { world, client } = chain()
    const probe = client.trace(SERVICE, 0, 500)
    world.intercept('r1 > client NACK', packet => {
      const { srcFlowId, dstFlowId, extensions } = packetOf(packet.bytes)!
      const other = extensions.map(extension =>
        extension.kind === 'control' ? { ...extension, nonce: new Uint8Array(8) } : extension,
      )
      world.inject({ ...packet, bytes: forge({ srcFlowId, dstFlowId, extensions: other }) })
    })
    world.run(600)
    expect(told(probe)).toBe('silent')
    expect(client.sal.counters).toMatchObject({ unknownFlow: 1 })
  })

  it('is one of sixty-four at most: the oldest gives way', () => {
    const { client } = chain()
    const probes = Array.from({ length: 100 }, () => client.trace(SERVICE, 0))
    expect(probes.filter(({ outcome }) => outcome?.type === 'silent')).toHaveLength(36)
    expect(client.sal.queues).toContainEqual({ name: 'traces', size: 64, limit: 64 })
  })

  it('gets no more answers of a router than others do', () => {
    const { world, client, first } = chain()
    for (let i = 0; i < 10; i++) {
      for (let j = 0; j < 50; j++) client.trace(SERVICE, 0)
      world.run(25)
    }
    expect(first.router.counters.nacks).toBeLessThanOrEqual(250)
    expect(first.router.counters.answersLimited).toBeGreaterThan(200)
  })
})
