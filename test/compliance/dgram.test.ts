/** What programs for `node:dgram` rely on: forms of calls, errors and when they come, order of events. */
import type { SocketOptions } from 'node:dgram'
import { describe } from 'vitest'
import { compare } from './dgram-harness.ts'
import { seen, settled } from './harness.ts'

describe('a datagram socket sends', () => {
  compare('a message to a port, and is answered by address and port', async world => {
    const server = await world.bound('server')
    server.on('message', (message, { port, address }) => server.send(`${message}!`, port, address))
    const client = world.socket('client')
    client.send('hello', server.address().port, '127.0.0.1')
    await seen(client, 'message')
  })

  compare('and tells whom a message is from', async world => {
    const server = await world.bound('server')
    const client = await world.bound('client')
    client.send('hello', server.address().port, '127.0.0.1')
    const [, info] = (await seen(server, 'message')) as [
      Buffer,
      { port: number; address: string; size: number; family: string },
    ]
    const { address, family, size, port } = info
    world.note('info', [address, family, size, port === client.address().port])
  })

  compare('to this host where no address is given', async world => {
    const server = world.socket('server')
    server.bind(0)
    await seen(server, 'listening')
    const client = world.socket('client')
    client.send('hello', server.address().port)
    await seen(server, 'message')
  })

  compare('strings, buffers, views and lists of them, whole or a part', async world => {
    const server = await world.bound('server')
    const { port } = server.address()
    const client = world.socket('client')
    const send = async (act: (done: (error: Error | null, bytes: number) => void) => void) => {
      const received = seen(server, 'message')
      act((error, bytes) => world.note('sent', [error, bytes]))
      await received
    }
    await send(done => client.send('text', port, done))
    await send(done => client.send(Buffer.from('buffer'), port, '127.0.0.1', done))
    await send(done => client.send(new Uint16Array([0x6161, 0x6262]), port, done))
    await send(done => client.send(new DataView(new ArrayBuffer(2)), port, done))
    await send(done => client.send(['a ', Buffer.from('list')], port, done))
    await send(done => client.send([], port, done))
    await send(done => client.send('', port, done))
    await send(done => client.send(Buffer.from('a part of it'), 2, 4, port, done))
    await send(done => client.send(Buffer.from('a part of it'), 7, 2, port, '127.0.0.1', done))
    await send(done => client.send('a part of text', 2, 4, port, done))
  })

  compare('what the memory held when it was called', async world => {
    const server = await world.bound('server')
    const client = await world.bound('client')
    const bytes = Buffer.from('before')
    client.send(bytes, server.address().port, '127.0.0.1', () => bytes.fill('x'))
    await seen(server, 'message')
  })

  compare('to a port that nobody has, and is none the wiser', async world => {
    const gone = await world.bound('gone')
    const { port } = gone.address()
    gone.close()
    await seen(gone, 'close')
    const socket = world.socket('socket')
    await new Promise<void>(resolve => {
      socket.send('lost', port, '127.0.0.1', (error, bytes) => {
        world.note('sent', [error, bytes])
        resolve()
      })
    })
  })

  compare('nothing that is too long', async world => {
    const socket = world.socket('socket')
    const [error] = await new Promise<unknown[]>(resolve => {
      socket.send(Buffer.alloc(65_508), 9, '127.0.0.1', (...results) => resolve(results))
    })
    const { code, address, port, message } = error as NodeJS.ErrnoException & {
      port?: number
      address?: string
    }
    world.note('sent', [code, address, port, message])
  })

  compare('by sendto, as of old', async world => {
    const server = await world.bound('server')
    const client = world.socket('client') as unknown as { sendto(...args: unknown[]): void }
    world.attempt('client', 'nothing', () => client.sendto())
    world.attempt('client', 'length', () => client.sendto('buffer', 1, 'x', 1, 'address'))
    world.attempt('client', 'port', () => client.sendto('buffer', 1, 1, false, 'address'))
    world.attempt('client', 'address', () => client.sendto('buffer', 1, 1, 1, false))
    client.sendto('a part', 2, 4, server.address().port, '127.0.0.1')
    await seen(server, 'message')
  })

  compare('many, in their order', async world => {
    const server = await world.bound('server')
    const client = await world.bound('client')
    const all = new Promise<void>(resolve => {
      let left = 100
      server.on('message', () => --left === 0 && resolve())
    })
    for (let i = 0; i < 100; i++) client.send(`message ${i}`, server.address().port, '127.0.0.1')
    await all
  })
})

describe('a datagram socket refuses', () => {
  compare('what is no message, no port, no address, no part', async world => {
    const client = world.socket('client')
    const send = client.send.bind(client) as (...args: unknown[]) => void
    world.attempt('client', 'nothing', () => send())
    world.attempt('client', 'a number', () => send(5, 100))
    world.attempt('client', 'an object', () => send({}, 100))
    world.attempt('client', 'a list of numbers', () => send([1], 100))
    world.attempt('client', 'no port', () => send('x'))
    world.attempt('client', 'port 0', () => send('x', 0))
    world.attempt('client', 'port -1', () => send('x', -1))
    world.attempt('client', 'port 65536', () => send('x', 65_536))
    world.attempt('client', 'an address that is a number', () => send('x', 100, 5))
    world.attempt('client', 'a part that is too long', () => send(Buffer.alloc(3), 2, 5, 100))
    world.attempt('client', 'a part that begins behind', () => send(Buffer.alloc(3), 5, 1, 100))
  })

  compare('types that are none', async world => {
    world.attempt('module', 'type', () => world.dgram.createSocket('tcp' as 'udp4'))
    world.attempt('module', 'options', () => world.dgram.createSocket({ type: 'x' as 'udp4' }))
    for (const wrong of [{ recvBufferSize: 'a' }, { sendBufferSize: 'a' }, { lookup: 5 }]) {
      const options = { type: 'udp4', ...wrong } as unknown as SocketOptions
      world.attempt('module', Object.keys(wrong).join(), () => world.dgram.createSocket(options))
    }
    const signal = 'no signal' as unknown as AbortSignal
    world.attempt('module', 'signal', () => world.dgram.createSocket({ type: 'udp4', signal }))
  })

  compare('to be bound twice', async world => {
    const socket = world.socket('socket')
    socket.bind(0)
    world.attempt('socket', 'bind', () => socket.bind(0))
    await seen(socket, 'listening')
    world.attempt('socket', 'bind', () => socket.bind(0))
  })

  compare('everything once it is closed', async world => {
    const socket = await world.bound('socket')
    socket.close()
    for (const act of ['address', 'bind', 'close', 'disconnect', 'remoteAddress'] as const) {
      world.attempt('socket', act, () => socket[act]())
    }
    world.attempt('socket', 'send', () => socket.send('x', 100))
    await seen(socket, 'close')
  })

  compare('an address that is none', async world => {
    for (const address of [5, {}, true]) {
      const socket = world.socket('socket')
      world.attempt('socket', 'bind', () => socket.bind(0, address as unknown as string))
    }
  })

  compare('an address that is not of this host', async world => {
    const socket = world.socket('socket')
    socket.bind(0, '192.0.2.1')
    const [error] = (await seen(socket, 'error')) as [
      NodeJS.ErrnoException & { port?: number; address?: string },
    ]
    world.note('socket', [error.message, String(error.address), String(error.port), error.syscall])
  })

  compare('a port that another has', async world => {
    const first = await world.bound('first')
    const second = world.socket('second')
    second.bind(first.address().port, '127.0.0.1')
    await seen(second, 'error')
  })

  compare('to say where it is before it is bound', async world => {
    const socket = world.socket('socket')
    world.attempt('socket', 'address', () => socket.address())
    world.attempt('socket', 'remoteAddress', () => socket.remoteAddress())
    world.attempt('socket', 'disconnect', () => socket.disconnect())
  })
})

describe('a datagram socket is bound', () => {
  compare('to any free port, which it tells', async world => {
    const socket = world.socket('socket')
    world.note('socket', [socket.bind() === socket])
    await seen(socket, 'listening')
    const { address, family, port } = socket.address()
    world.note('socket', [address, family, port > 0])
  })

  compare('by options', async world => {
    const socket = world.socket('socket')
    socket.bind({ port: 0, address: '127.0.0.1' }, () => world.note('socket', 'called'))
    await seen(socket, 'listening')
    world.note('socket', [socket.address().address])
  })

  compare('by its first message', async world => {
    const server = await world.bound('server')
    const client = world.socket('client')
    client.send('hello', server.address().port, '127.0.0.1')
    world.attempt('client', 'bind', () => client.bind(0))
    await seen(server, 'message')
  })

  compare('by a callback alone', async world => {
    const socket = world.socket('socket')
    socket.bind(() => world.note('socket', 'called'))
    await seen(socket, 'listening')
  })
})

describe('a datagram socket is connected', () => {
  compare('to this host where a callback stands for the address', async world => {
    const server = await world.bound('server')
    const client = world.socket('client')
    client.connect(server.address().port, () => world.note('client', 'called'))
    await seen(client, 'connect')
    client.send('hello')
    await seen(server, 'message')
  })

  compare('and sends without saying where to', async world => {
    const server = await world.bound('server')
    const client = world.socket('client')
    client.connect(server.address().port, '127.0.0.1', () => world.note('client', 'called'))
    await seen(client, 'connect')
    client.send('one')
    await seen(server, 'message')
    client.send(Buffer.from('a part'), 2, 4, error => world.note('sent', [error]))
    await seen(server, 'message')
    await settled()
    const { address, port } = client.remoteAddress()
    world.note('client', [address, port === server.address().port])
  })

  compare('and hears its peer', async world => {
    const server = await world.bound('server')
    server.on('message', (_message, info) => server.send('answer', info.port, info.address))
    const client = world.socket('client')
    client.connect(server.address().port, '127.0.0.1')
    await seen(client, 'connect')
    client.send('question')
    await seen(client, 'message')
  })

  compare('to itself', async world => {
    const socket = await world.bound('socket')
    socket.connect(socket.address().port, '127.0.0.1')
    await seen(socket, 'connect')
    socket.send('hello')
    await seen(socket, 'message')
  })

  compare('and hears a peer that is connected to it', async world => {
    const [one, other] = [await world.bound('one'), await world.bound('other')]
    one.connect(other.address().port, '127.0.0.1')
    await seen(one, 'connect')
    other.connect(one.address().port, '127.0.0.1')
    await seen(other, 'connect')
    one.send('from one')
    await seen(other, 'message')
    other.send('from other')
    await seen(one, 'message')
  })

  compare('and hears nobody else', async world => {
    const server = await world.bound('server')
    const client = await world.bound('client')
    client.connect(server.address().port, '127.0.0.1')
    await seen(client, 'connect')
    const other = await world.bound('other')
    await new Promise(resolve => other.send('hello', client.address().port, '127.0.0.1', resolve))
    server.on('message', (_message, info) => server.send('answer', info.port, info.address))
    client.send('question')
    await seen(client, 'message')
  })

  compare('and is not told where to, or to connect again', async world => {
    const server = await world.bound('server')
    const client = world.socket('client')
    client.connect(server.address().port, '127.0.0.1')
    world.attempt('client', 'connect', () => client.connect(server.address().port))
    await seen(client, 'connect')
    world.attempt('client', 'connect', () => client.connect(server.address().port))
    world.attempt('client', 'send', () => client.send('x', 0, 1, server.address().port))
  })

  compare('and sends empty messages in their place, the first one too', async world => {
    const server = await world.bound('server')
    const client = world.socket('client')
    client.connect(server.address().port, '127.0.0.1')
    await seen(client, 'connect')
    for (const text of ['', 'first', '', 'last']) client.send(text)
    while (!world.story.server?.includes('message last')) await seen(server, 'message')
  })

  compare('until it is disconnected', async world => {
    const server = await world.bound('server')
    const client = world.socket('client')
    client.connect(server.address().port, '127.0.0.1')
    await seen(client, 'connect')
    world.attempt('client', 'disconnect', () => client.disconnect())
    world.attempt('client', 'disconnect', () => client.disconnect())
    world.attempt('client', 'send', () => client.send('x'))
    client.send('to a port again', server.address().port, '127.0.0.1')
    await seen(server, 'message')
  })
})

describe('a datagram socket is closed', () => {
  compare('with an event, in another turn', async world => {
    const socket = await world.bound('socket')
    world.note('socket', [socket.close(() => world.note('socket', 'called')) === socket])
    world.note('socket', 'returned')
    await seen(socket, 'close')
    await settled()
  })

  compare('though it was never bound', async world => {
    const socket = world.socket('socket')
    socket.close()
    await seen(socket, 'close')
  })

  compare('by a signal', async world => {
    const abort = new AbortController()
    const socket = world.socket('socket', { type: 'udp4', signal: abort.signal })
    socket.bind(0)
    await seen(socket, 'listening')
    abort.abort()
    await seen(socket, 'close')
    const late = world.socket('late', { type: 'udp4', signal: AbortSignal.abort() })
    await seen(late, 'close')
  })

  compare('by await using', async world => {
    const socket = await world.bound('socket')
    await socket[Symbol.asyncDispose]()
    await socket[Symbol.asyncDispose]()
  })
})

describe('a datagram socket has settings', () => {
  compare('which it takes when it is bound', async world => {
    const socket = world.socket('socket')
    world.attempt('socket', 'setTTL', () => socket.setTTL(16))
    world.attempt('socket', 'setMulticastTTL', () => socket.setMulticastTTL(16))
    world.attempt('socket', 'setMulticastLoopback', () => socket.setMulticastLoopback(true))
    world.attempt('socket', 'setBroadcast', () => socket.setBroadcast(true))
  })

  compare('which are checked', async world => {
    const socket = await world.bound('socket')
    const bad = 'x' as unknown as number
    world.attempt('socket', 'setTTL', () => socket.setTTL(bad))
    world.attempt('socket', 'setTTL', () => socket.setTTL(16))
    world.attempt('socket', 'setMulticastTTL', () => socket.setMulticastTTL(bad))
    world.attempt('socket', 'setMulticastTTL', () => socket.setMulticastTTL(16))
    world.attempt('socket', 'setRecvBufferSize', () => socket.setRecvBufferSize(-1))
    world.attempt('socket', 'setSendBufferSize', () => socket.setSendBufferSize(-1))
    world.attempt('socket', 'setRecvBufferSize', () => socket.setRecvBufferSize(2 ** 32))
    world.attempt('socket', 'setBroadcast', () => socket.setBroadcast(true))
    world.attempt('socket', 'addMembership', () => (socket.addMembership as () => void)())
    world.attempt('socket', 'leave x', () => socket.dropMembership('x'))
    for (const group of ['256.256.256.256', '127.0.0.1', 'x']) {
      world.attempt('socket', `join ${group}`, () => socket.addMembership(group))
      world.attempt('socket', `join of ${group}`, () =>
        socket.addSourceSpecificMembership('127.0.0.1', group),
      )
    }
    world.attempt('socket', 'join of 0', () => socket.addSourceSpecificMembership(0 as never, '224.0.0.1'))
    world.attempt('socket', 'leave of 0', () => socket.dropSourceSpecificMembership('127.0.0.1', 0 as never))
    for (const address of ['0.0.0.0', '224.0.0.2', 'x', '', 1 as never]) {
      world.attempt('socket', `interface ${address}`, () => socket.setMulticastInterface(address))
    }
    for (const hops of [-1, 0, 256]) {
      world.attempt('socket', `setTTL ${hops}`, () => socket.setTTL(hops))
      world.attempt('socket', `setMulticastTTL ${hops}`, () => socket.setMulticastTTL(hops))
    }
    world.note('socket', [socket.getSendQueueSize(), socket.getSendQueueCount()])
    world.note('socket', [socket.ref() === socket, socket.unref() === socket])
  })
})
