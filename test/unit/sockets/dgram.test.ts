/** `serval/dgram` with names: between stacks that meet in the runtime directory, over memory and over UDP. */
import { once } from 'node:events'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { parseServicePattern } from '../../../src/id/name.ts'
import { MemoryNetwork } from '../../../src/net/links/memory-link.ts'
import type { Stack } from '../../../src/net/stack.ts'
import dgram, { type RemoteInfo, type Socket } from '../../../src/sockets/dgram.ts'
import net from '../../../src/sockets/net.ts'
import { networkKinds, Stacks } from '../../support/net/stacks.ts'

const stacks = new Stacks()
const sockets: Socket[] = []

afterEach(async () => {
  await Promise.all(sockets.splice(0).map(socket => socket[Symbol.asyncDispose]()))
})
afterAll(() => stacks.close())

function open(stack: Stack): Socket {
  const socket = dgram.createSocket({ stack })
  sockets.push(socket)
  return socket
}

async function bound(stack: Stack, service: string): Promise<Socket> {
  const socket = open(stack)
  socket.bind(service)
  await once(socket, 'listening')
  return socket
}

async function message(socket: Socket): Promise<[string, RemoteInfo]> {
  const [bytes, info] = (await once(socket, 'message')) as [Buffer, RemoteInfo]
  return [String(bytes), info]
}

describe.each(networkKinds())('over %s a datagram socket', (kind, options) => {
  let here: Stack
  let there: Stack
  const name = (label: string) => `${label}.${kind.replaceAll(' ', '-').toLowerCase()}.example`

  beforeAll(async () => {
    here = stacks.open(options(1))
    there = stacks.open(options(2))
    await Promise.all([here.ready, there.ready])
  })

  it('sends to a name, and is answered by what came with the message', async () => {
    const server = await bound(there, name('echo'))
    server.on('message', (bytes, info) => server.send(`${bytes}!`, info))
    const client = open(here)
    client.send('hello', name('echo'))
    const [text, info] = await message(client)
    expect(text).toBe('hello!')
    expect(info).toMatchObject({ size: 6, service: expect.stringMatching(/^x-/) })
    expect(client.address().service).toMatch(/^\d+\.localhost\.inet$/)
  })

  it('is known by its name, which is answered wherever it is served', async () => {
    const server = await bound(there, name('echo'))
    const client = await bound(here, name('anne'))
    client.send('hello', name('echo'))
    const [, info] = await message(server)
    server.send('hello anne', info.service)
    expect((await message(client))[0]).toBe('hello anne')
    expect(client.address()).toMatchObject({ service: name('anne') })
  })

  it('connects to a name: both ends keep the borders, and the peer answers on the flow', async () => {
    const server = await bound(there, name('game'))
    const heard: string[] = []
    server.on('message', (bytes, info) => {
      heard.push(String(bytes))
      if (heard.length === 3) server.send('all three', info)
    })
    const client = open(here)
    client.connect(name('game'), () => {
      for (const text of ['one', '', 'three']) client.send(text)
    })
    expect((await message(client))[0]).toBe('all three')
    expect(heard).toEqual(['one', '', 'three'])
    expect(client.flow).toMatchObject({ state: 'CONNECTED', service: name('game') })
    expect(client.remoteAddress().service).toBe(name('game'))
  })

  it('hears when its peer closes, and may connect again', async () => {
    const server = await bound(there, name('game'))
    const client = open(here)
    client.connect(name('game'), () => client.send('hello'))
    await message(server)
    const closed = once(server, 'close')
    server.close()
    await once(client, 'disconnect')
    expect(() => client.remoteAddress()).toThrow(
      expect.objectContaining({ code: 'ERR_SOCKET_DGRAM_NOT_CONNECTED' }),
    )
    await closed
    await bound(there, name('again'))
    client.connect(name('again'))
    await once(client, 'connect')
  })

  it('refuses what is larger than the path takes', async () => {
    await bound(there, name('small'))
    const client = open(here)
    const refused = new Promise<Error | null>(resolve =>
      client.send(Buffer.alloc(70_000), name('small'), resolve),
    )
    expect(await refused).toMatchObject({
      code: 'EMSGSIZE',
      syscall: 'send',
      bytes: 70_000,
      service: name('small'),
    })
    client.send(Buffer.alloc(70_000), name('small'))
    expect((await once(client, 'error'))[0]).toMatchObject({ code: 'EMSGSIZE' })
    client.connect(name('small'))
    await once(client, 'connect')
    client.send(Buffer.alloc(70_000))
    expect((await once(client, 'error'))[0]).toMatchObject({ code: 'EMSGSIZE', limit: expect.any(Number) })
  })

  it('stands beside a server of streams of the same name', async () => {
    const server = net.createServer({ stack: there }, socket => socket.end('stream'))
    server.listen(name('both'))
    await once(server, 'listening')
    const datagrams = await bound(there, name('both'))
    const client = open(here)
    client.send('datagram', name('both'))
    expect((await message(datagrams))[0]).toBe('datagram')
    const stream = net.connect({ service: name('both'), stack: here })
    expect(String((await once(stream, 'data'))[0])).toBe('stream')
    await server[Symbol.asyncDispose]()
  })

  it('hears with every other instance what is sent to a group', async () => {
    const members = [await bound(here, name('group')), await bound(there, name('group'))]
    const elsewhere = stacks.open(options(3))
    const targets = [here, there].map(({ endpoints }) => ({ endpoint: endpoints[0]! }))
    const rule = { type: 'FORWARD', targets, sharing: { toAll: true } } as const
    elsewhere.serviceTable.insert(parseServicePattern(name('group')), rule, { source: 'user' })
    const heard = members.map(message)
    open(elsewhere).send('to all', name('group'))
    expect((await Promise.all(heard)).map(([text]) => text)).toEqual(['to all', 'to all'])
  })
})

describe('a datagram socket', () => {
  it('is told that nobody serves a name', async () => {
    const client = open(stacks.open({ bind: '127.0.0.1' }))
    const refused = new Promise<Error | null>(resolve => client.send('hello', 'nobody.example', resolve))
    expect(await refused).toMatchObject({ code: 'ENOROUTER', service: 'nobody.example' })
    const unknown = new Promise<Error | null>(resolve => client.send('hello', 9, 'host.example', resolve))
    expect(await unknown).toMatchObject({ code: 'ENOROUTER', service: '9.host.example.inet' })
    client.connect('nobody.example')
    expect((await once(client, 'error'))[0]).toMatchObject({ code: 'ENOROUTER' })
    client.connect(9, '127.0.0.1')
    expect((await once(client, 'error'))[0]).toMatchObject({ code: 'ECONNREFUSED', port: 9 })
  })

  it('says at once that a name is malformed', () => {
    const client = open(stacks.open({ bind: '127.0.0.1' }))
    expect(() => client.send('hello', 'no name')).toThrow(expect.objectContaining({ code: 'ESERVICENAME' }))
    expect(() => client.bind('no name')).toThrow(expect.objectContaining({ code: 'ESERVICENAME' }))
    expect(() => client.addMembership('224.0.0.1')).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_ARG_VALUE' }),
    )
  })

  it('cannot have a name twice in one process', async () => {
    const stack = stacks.open({ bind: '127.0.0.1' })
    await bound(stack, 'twice.example')
    const second = open(stack)
    second.bind('twice.example')
    expect((await once(second, 'error'))[0]).toMatchObject({ code: 'EADDRINUSE', syscall: 'bind' })
  })

  it('keeps the number of a port apart from streams', async () => {
    const stack = stacks.open({ bind: '127.0.0.1' })
    const server = net.createServer({ stack }).listen(0)
    await once(server, 'listening')
    const { port } = server.address()!
    const socket = open(stacks.open({ bind: '127.0.0.1' }))
    socket.bind(port)
    await once(socket, 'listening')
    expect(socket.address().port).toBe(port)
    await server[Symbol.asyncDispose]()
  })

  it('moves with its flow, and the peer answers where it is then', async () => {
    const network = new MemoryNetwork()
    const mobile = network.host('10.0.0.1', '10.0.1.1')
    const here = stacks.open({ network: mobile })
    const server = await bound(stacks.open({ network: network.host('10.0.0.2') }), 'roam.example')
    const senders: RemoteInfo[] = []
    server.on('message', (bytes, info) => {
      senders.push(info)
      server.send(`${bytes}!`, senders[0]!)
    })
    const client = open(here)
    client.connect('roam.example')
    await once(client, 'connect')
    client.send('before')
    expect((await message(client))[0]).toBe('before!')
    const moved = once(client, 'migrate')
    await client.migrate({ address: '10.0.1.1' })
    await moved
    client.send('after')
    expect((await message(client))[0]).toBe('after!')
    expect(client.flow?.paths.find(path => path.active)?.local).toMatch(/^10\.0\.1\.1:/)
  })

  it('drops the oldest when its program does not read, and says so in the counters', async () => {
    const stack = stacks.open({ bind: '127.0.0.1' })
    const socket = dgram.createSocket({ stack, recvBufferSize: 1000 })
    sockets.push(socket)
    socket.bind('quiet.example')
    await once(socket, 'listening')
    expect(socket.getRecvBufferSize()).toBe(1000)
    socket.setRecvBufferSize(200)
    const heard: string[] = []
    socket.on('message', bytes => heard.push(String(bytes)))
    for (let i = 0; i < 20; i++) socket.send(`message ${i}`, 'quiet.example')
    await once(socket, 'message')
    await new Promise(resolve => setImmediate(resolve))
    expect(heard.length + (stack.counters.datagramInboxFull ?? 0)).toBe(20)
    expect(heard.at(-1)).toBe('message 19')
  })
})
