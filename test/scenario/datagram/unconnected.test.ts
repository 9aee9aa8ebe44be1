/** Datagrams without a flow: resolved one by one, answered by name or by address, to one instance or to all. */
import { describe, expect, it } from 'vitest'
import { serviceIdOf } from '../../../src/id/name.ts'
import type { IncomingDatagram, Listener } from '../../../src/sal/listener.ts'
import type { SimHost } from '../../support/simulator/sim-host.ts'
import { simulate, type World } from '../../support/simulator/world.ts'

const NEWS = 'news.example'
const ANNE = 'anne.example'

interface Scene {
  readonly world: World
  readonly client: SimHost
  readonly server: SimHost
  readonly anne: Listener
  readonly news: Listener
  /** What the server's program got, as text. */
  readonly got: string[]
  readonly messages: IncomingDatagram[]
}

/** A server of a name, and a client that knows where and has a name of its own. */
function scene(): Scene {
  const world = simulate(1, { trace: true })
  const net = world.link('net', { delayMs: 10 })
  const server = world.host('server', net)
  const client = world.host('client', net).knows(NEWS, server)
  const messages: IncomingDatagram[] = []
  const got: string[] = []
  const news = server.bind(NEWS, message => {
    messages.push(message)
    got.push(text(message))
  })
  return { world, client, server, anne: client.bind(ANNE), news, got, messages }
}

const bytes = (words: string) => new TextEncoder().encode(words)
const text = ({ payload }: IncomingDatagram) => new TextDecoder().decode(payload)

describe('a datagram without a flow', () => {
  it('goes to a service in one packet, and says which service it is from', () => {
    const { world, client, anne, got, messages } = scene()
    expect(client.send(anne, NEWS, bytes('hello'))).toBe('sent')
    world.run(100)
    expect(world.exchange()).toEqual(['client > server datagram 5'])
    expect(got).toEqual(['hello'])
    expect(messages[0]?.source?.equals(serviceIdOf(ANNE))).toBe(true)
    expect(messages[0]).toMatchObject({ port: 0, remote: client.attached[0]!.endpoint })
  })

  it('may be empty', () => {
    const { world, client, anne, got } = scene()
    client.send(anne, NEWS, bytes(''))
    world.run(100)
    expect(got).toEqual([''])
  })

  it('is answered where it came from, without a rule for the name that it came from', () => {
    const { world, client, server, news, got } = scene()
    const answers: string[] = []
    const bob = client.bind('bob.example', message => answers.push(text(message)))
    client.send(bob, NEWS, bytes('who?'))
    world.run(100)
    const { endpoint } = client.attached[0]!
    expect(server.send(news, 'bob.example', bytes('you'), endpoint)).toBe('sent')
    world.run(100)
    expect([got, answers]).toEqual([['who?'], ['you']])
  })

  it('tells the port of its sender where that serves the port at this very address', () => {
    const { world, client, server, messages } = scene()
    const { address } = client.attached[0]!.endpoint
    const host = address.replaceAll('.', '-')
    client.send(client.bind(`7000.${host}.inet`), NEWS, bytes('from a port'))
    client.send(client.bind('7001.10-9-9-9.inet'), NEWS, bytes('from a port of another host'))
    world.run(100)
    expect(messages.map(({ port }) => port)).toEqual([7000, 0])
    expect(messages[0]?.source?.equals(serviceIdOf(`7000.${host}.inet`))).toBe(true)
    expect(server.sal.counters).toEqual({})
  })

  it('by way of a router that is not known is from there: an answer goes by its rules, to nobody whom ROUTE names', () => {
    const { world, client, server, anne, news, got, messages } = scene()
    const router = world.router('router', world.links[0]!).forward(NEWS, server)
    client.rule(NEWS, { type: 'FORWARD', targets: [{ endpoint: router.endpoint, priority: 9 }] })
    client.send(anne, NEWS, bytes('hello'))
    world.run(100)
    expect(got).toEqual(['hello'])
    expect(messages[0]).toMatchObject({ port: 0, remote: router.endpoint })
    expect(server.send(news, ANNE, bytes('lost'), messages[0]!.remote)).toBe('sent')
    world.run(100)
    router.forward(ANNE, client)
    expect(server.send(news, ANNE, bytes('found'), messages[0]!.remote)).toBe('sent')
    world.run(100)
    expect(world.exchange()).toEqual([
      'client > router datagram 5',
      'router > server by 1 datagram 5',
      'server > router datagram 4',
      'server > router datagram 5',
      'router > client by 1 datagram 5',
    ])
  })

  it('reaches a service of this very stack', () => {
    const { world, server, news, got } = scene()
    expect(server.send(news, NEWS, bytes('to myself'))).toBe('sent')
    world.run(100)
    expect(got).toEqual(['to myself'])
  })

  it('stands beside streams of the same name', () => {
    const { world, client, server, anne, got } = scene()
    const accepted: unknown[] = []
    server.listen(NEWS, flow => accepted.push(flow))
    client.connect(NEWS)
    client.send(anne, NEWS, bytes('datagram'))
    world.run(100)
    expect([accepted.length, got]).toEqual([1, ['datagram']])
  })

  it('comes in the order of others, whatever their sizes', () => {
    const { world, client, anne, got } = scene()
    for (const word of ['one', 'two', 'six', '3', 'seven']) client.send(anne, NEWS, bytes(word))
    world.run(100)
    expect(got).toEqual(['one', 'two', 'six', '3', 'seven'])
  })
})

describe('nobody answers a datagram', () => {
  it('for a service that is not here: it is counted', () => {
    const { world, client, server, anne } = scene()
    client.knows('other.example', server)
    client.send(anne, 'other.example', bytes('hello'))
    world.run(100)
    expect(world.exchange()).toEqual(['client > server datagram 5'])
    expect(server.sal.counters).toEqual({ datagramNoService: 1 })
  })

  it('that a stream listener is meant by: it is counted', () => {
    const { world, client, server, anne } = scene()
    server.listen('stream.example')
    client.knows('stream.example', server)
    client.send(anne, 'stream.example', bytes('hello'))
    world.run(100)
    expect(world.exchange()).toEqual(['client > server datagram 5'])
    expect(server.sal.counters).toEqual({ datagramNoService: 1 })
  })

  it('that was changed on its way: its own checksum tells', () => {
    const { world, client, server, anne, got } = scene()
    world.intercept('client > server datagram', packet => {
      packet.bytes[packet.bytes.length - 1]! ^= 1
      world.inject(packet)
    })
    client.send(anne, NEWS, bytes('hello'))
    world.run(100)
    expect(got).toEqual([])
    expect(server.sal.counters).toEqual({ 'datagram:bad-checksum': 1 })
  })
})

describe('a datagram that cannot be sent', () => {
  it('is refused at once where nobody can be asked', () => {
    const { client, anne } = scene()
    expect(client.send(anne, 'nobody.example', bytes('hello'))).toMatchObject({ code: 'ENOSERVICE' })
  })

  it('is refused where a rule drops it, with the reason', () => {
    const { client, anne } = scene()
    client.rule('shut.example', { type: 'DROP', reason: 'on holiday' })
    const message = 'send EHOSTUNREACH shut.example: on holiday'
    expect(client.send(anne, 'shut.example', bytes('hello'))).toMatchObject({ code: 'EHOSTUNREACH', message })
  })

  it('is refused where it is larger than the path takes, and the largest is told and goes', () => {
    const { world, client, anne, got } = scene()
    // 1500 - IP and UDP (28) - shim (4) - SAL header (12) - two services (72) - datagram header (8)
    const limit = 1376
    expect(client.send(anne, NEWS, new Uint8Array(limit + 1))).toMatchObject({
      code: 'EMSGSIZE',
      limit,
      bytes: limit + 1,
    })
    expect(client.send(anne, NEWS, new Uint8Array(limit))).toBe('sent')
    world.run(100)
    expect(got[0]).toHaveLength(limit)
  })

  it('keeps room for what routers add', () => {
    const world = simulate(1)
    const net = world.link('net')
    const router = world.router('router', net)
    const client = world.host('client', net).use(router)
    const refused = client.send(client.bind(ANNE), NEWS, new Uint8Array(1376))
    expect(refused).toMatchObject({ code: 'EMSGSIZE', limit: 1376 - 228 })
  })
})

describe('a datagram to be resolved', () => {
  it('waits for the answer, in its order, and the outcome is told', () => {
    const { world, client, server, anne } = scene()
    const got: string[] = []
    server.bind('late.example', message => got.push(text(message)))
    client.rule('late.example', { type: 'DELAY' })
    expect(client.send(anne, 'late.example', bytes('first'))).toBe('waiting')
    expect(client.send(anne, 'late.example', bytes('second'))).toBe('waiting')
    world.run(100)
    expect([client.questions, got]).toEqual([['late.example'], []])
    client.knows('late.example', server)
    world.run(100)
    expect(got).toEqual(['first', 'second'])
    expect(client.outcomes).toEqual(['sent', 'sent'])
  })

  it('fails where nobody says who serves it', () => {
    const { world, client, anne } = scene()
    client.rule('late.example', { type: 'DELAY' })
    client.send(anne, 'late.example', bytes('hello'))
    world.run(10_000)
    expect(client.outcomes).toEqual(['ETIMEDOUT'])
  })

  it('gives way to later ones when too many wait', () => {
    const { world, client, anne } = scene()
    client.rule('late.example', { type: 'DELAY' })
    for (let i = 0; i < 1025; i++) client.send(anne, 'late.example', bytes(String(i)))
    world.run(100)
    expect(client.outcomes).toEqual(['EHOSTUNREACH'])
  })
})

describe('a group', () => {
  /** Three instances, of which the first is the client's own. */
  function group(): Scene & { readonly heard: string[] } {
    const parts = scene()
    const { world, client, server } = parts
    const third = world.host('third', world.links[0]!)
    const heard: string[] = []
    for (const host of [client, server, third])
      host.bind('group.example', m => heard.push(`${host.name} ${text(m)}`))
    const targets = [client, server, third].map(host => ({ endpoint: host.attached[0]!.endpoint }))
    client.rule('group.example', { type: 'FORWARD', targets, sharing: { toAll: true } })
    return { ...parts, heard }
  }

  it('hears a datagram at every instance, once each', () => {
    const { world, client, anne, heard } = group()
    client.send(anne, 'group.example', bytes('all'))
    world.run(100)
    expect(heard.sort()).toEqual(['client all', 'server all', 'third all'])
  })

  it('hears it by way of a router that knows the group', () => {
    const { world, client, anne, server, got } = scene()
    const second = world.host('second', world.links[0]!)
    const router = world.router('router', world.links[0]!)
    const targets = [server, second].map(host => ({ endpoint: host.attached[0]!.endpoint }))
    router.rule('group.example', { type: 'FORWARD', targets, sharing: { toAll: true } })
    const heard: string[] = []
    for (const host of [server, second]) {
      host.use(router).bind('group.example', message => heard.push(`${host.name} ${text(message)}`))
    }
    client.use(router).send(anne, 'group.example', bytes('all'))
    world.run(100)
    expect(heard.sort()).toEqual(['second all', 'server all'])
    expect(got).toEqual([])
  })
})
