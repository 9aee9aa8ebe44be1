/** Servers: listening in all its forms, taking and dropping connections, closing, abort and dispose. */
import type { Server, Socket } from 'node:net'
import { describe } from 'vitest'
import { compare, portOf, readAll, seen, settled, until } from './harness.ts'

describe('a server', () => {
  compare('shows its address while it listens', async world => {
    const server = world.watchServer('server', world.net.createServer())
    const note = (when: string) => {
      const address = server.address()
      const shape =
        address && typeof address === 'object' ? [address.address, address.family, address.port > 0] : address
      world.note('address', `${when}: ${JSON.stringify(shape)} ${server.listening}`)
    }
    note('new')
    server.listen(0)
    note('listening soon')
    await seen(server, 'listening')
    note('listening')
    server.close()
    note('closing')
    await seen(server, 'close')
    note('closed')
  })

  for (const [form, args] of Object.entries<unknown[]>({
    'no argument': [],
    'a callback': ['callback'],
    '(0, callback)': [0, 'callback'],
    '("0", callback)': ['0', 'callback'],
    '(null, callback)': [null, 'callback'],
    '(undefined, callback)': [undefined, 'callback'],
    '(0, host, callback)': [0, '127.0.0.1', 'callback'],
    '(0, host, backlog, callback)': [0, '127.0.0.1', 511, 'callback'],
    '(0, backlog, callback)': [0, 10, 'callback'],
    '({ port }, callback)': [{ port: 0 }, 'callback'],
    '({ port, host, backlog }, callback)': [{ port: 0, host: 'localhost', backlog: 5 }, 'callback'],
    '({ port: undefined }, callback)': [{ port: undefined }, 'callback'],
    '({ port: null }, callback)': [{ port: null }, 'callback'],
    '(0, "::1", callback)': [0, '::1', 'callback'],
    '(0, "0.0.0.0", callback)': [0, '0.0.0.0', 'callback'],
    '(0, "::", callback)': [0, '::', 'callback'],
  })) {
    compare(`listens with ${form}`, async world => {
      const server = world.watchServer(
        'server',
        world.net.createServer(socket => socket.end('x')),
      )
      const callback = () => world.note('callback', `called, ${server.listening}`)
      const listen = server.listen as (...args: unknown[]) => Server
      const result = listen.apply(
        server,
        args.map(arg => (arg === 'callback' ? callback : arg)),
      )
      world.note('returns', String(result === server))
      await seen(server, 'listening')
      const { address, family, port } = server.address() as { address: string; family: string; port: number }
      const isGiven = args.includes('::1') || args.includes('0.0.0.0') || args.includes('127.0.0.1')
      world.note('address', [
        family === (address.includes(':') ? 'IPv6' : 'IPv4'),
        port > 0,
        isGiven && address,
      ])
    })
  }

  compare('reports malformed arguments by throwing', async world => {
    const server = world.net.createServer()
    const listen = server.listen.bind(server) as (...args: unknown[]) => unknown
    for (const port of [-1, 65_536, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      world.attempt('listen', `port ${port}`, () => listen(port))
      world.attempt('listen', `{ port: ${port} }`, () => listen({ port }))
    }
    for (const port of ['', ' ', 'x', '-1', '1.5', '65536', true, false, {}, []]) {
      world.attempt('listen', `{ port: ${JSON.stringify(port)} }`, () => listen({ port }))
    }
    world.attempt('listen', 'no options', () => listen({}))
    world.attempt('listen', 'a host alone', () => listen({ host: 'localhost' }))
    world.attempt('listen', 'true', () => listen(true))
    world.attempt('listen', 'false', () => listen(false))
    world.attempt('listen', 'a bad signal', () => listen({ port: 0, signal: 'x' }))
    world.note('listen', String(server.listening))
  })

  compare('reports malformed options by throwing', async world => {
    const create = world.net.createServer as unknown as (...args: unknown[]) => unknown
    for (const options of ['x', 1, true]) {
      world.attempt('create', JSON.stringify(options), () => create(options))
    }
    for (const options of [undefined, null, {}, () => undefined]) {
      world.attempt('create', String(options), () => create(options))
    }
    world.attempt('create', 'delay', () => create({ keepAliveInitialDelay: 'x' }))
    world.attempt('create', 'negative delay', () => create({ keepAliveInitialDelay: -1 }))
    world.attempt('create', 'mark', () => create({ highWaterMark: 'x' }))
    world.attempt('create', 'negative mark', () => create({ highWaterMark: -1 }))
    world.attempt('create', 'all', () =>
      create({ noDelay: true, keepAlive: true, keepAliveInitialDelay: 1000 }),
    )
  })

  compare('refuses to listen twice, and listens again after close', async world => {
    const server = world.watchServer('server', world.net.createServer())
    server.listen(0)
    world.attempt('listen', 'at once', () => server.listen(0))
    await seen(server, 'listening')
    world.attempt('listen', 'while listening', () => server.listen(0))
    server.close()
    world.attempt('listen', 'after close', () => server.listen(0))
    await seen(server, 'listening')
  })

  compare('reports a port in use as EADDRINUSE, and stays usable', async world => {
    const { port } = await world.serve()
    const server = world.watchServer('server', world.net.createServer())
    server.listen(port, '127.0.0.1', () => world.note('callback', 'called'))
    const [error] = (await seen(server, 'error')) as [NodeJS.ErrnoException & { port?: number }]
    world.note('error', [error.code, error.syscall, error.errno, error.port === port])
    world.note('state', [server.listening, server.address()])
    server.listen(0, '127.0.0.1')
    await seen(server, 'listening')
  })

  compare('reports an address that is not of this host as EADDRNOTAVAIL', async world => {
    const server = world.watchServer('server', world.net.createServer())
    server.listen(49_999, '192.0.2.1')
    const [error] = (await seen(server, 'error')) as [
      NodeJS.ErrnoException & { port?: number; address?: string },
    ]
    world.note('server', [error.syscall, error.address, error.port, server.listening])
  })

  compare('reports a descriptor on which it cannot listen', async world => {
    const server = world.watchServer('server', world.net.createServer(), [])
    server.listen({ fd: 0 })
    const [error] = (await seen(server, 'error')) as [NodeJS.ErrnoException]
    world.note('server', [['EINVAL', 'ENOTSOCK'].includes(String(error.code)), server.listening])
  })

  compare('is told apart from others by the port that was asked for', async world => {
    const { server, port } = await world.serve()
    world.note('key', Reflect.get(server, '_connectionKey'))
    server.close()
    await seen(server, 'close')
    server.listen(port, '127.0.0.1')
    await seen(server, 'listening')
    world.note('key', [Reflect.get(server, '_connectionKey') === `4:127.0.0.1:${port}`])
  })

  compare('can take over a port that was closed', async world => {
    const { server, port } = await world.serve(socket => socket.end())
    server.close()
    await seen(server, 'close')
    const next = world.watchServer(
      'next',
      world.net.createServer(socket => socket.end()),
    )
    next.listen(port, '127.0.0.1')
    await seen(next, 'listening')
    const client = world.connect('client', { server: next, port, host: '127.0.0.1' })
    client.resume()
    await seen(client, 'close')
  })

  compare('reports close without listen to the callback', async world => {
    const server = world.watchServer('server', world.net.createServer())
    const error = await new Promise<unknown>(resolve => server.close(resolve))
    world.note('callback', String((error as NodeJS.ErrnoException | undefined)?.code))
  })

  compare('tells close to callback and listeners, once', async world => {
    const server = world.watchServer('server', world.net.createServer())
    server.listen(0)
    await seen(server, 'listening')
    const result = server.close(error => world.note('callback', String(error?.message)))
    world.note('returns', String(result === server))
    await seen(server, 'close')
    await settled()
  })

  compare('can be closed before it listens', async world => {
    const server = world.watchServer('server', world.net.createServer())
    server.listen(0, () => world.note('callback', 'listening'))
    server.close(() => world.note('callback', 'closed'))
    await seen(server, 'close')
    await settled()
  })

  compare('waits for open connections when it closes, and takes no new ones', async world => {
    const { server, ...where } = await world.serve()
    world.watchServer('server', server, ['close'])
    const connection = seen(server, 'connection')
    const client = world.connect('client', { server, ...where })
    await seen(client, 'ready')
    const [accepted] = (await connection) as [Socket]
    const closed = new Promise(resolve => server.close(resolve))
    const late = world.connect('late', { server, ...where })
    await seen(late, 'close')
    world.note('server', 'still open')
    const ends = Promise.all([closed, seen(client, 'close')])
    accepted.resume()
    client.resume().end('bye')
    await ends
  })

  compare('closes from within connection', async world => {
    const { server, ...where } = await world.serve(socket => {
      server.close()
      socket.end('last')
      socket.resume()
    })
    world.watchServer('server', server, ['close'])
    const closed = seen(server, 'close')
    const client = world.connect('client', { server, ...where })
    client.resume()
    await Promise.all([closed, seen(client, 'close')])
  })

  compare('counts its connections', async world => {
    const { server, ...where } = await world.serve(socket => socket.resume())
    const count = () =>
      new Promise<string>(resolve => {
        const result = server.getConnections((error, number) =>
          resolve(`${error} ${number} ${result === server}`),
        )
      })
    world.note('count', await count())
    const clients = [1, 2, 3].map(() => world.net.connect(where.port, where.host))
    let accepted = 0
    server.on('connection', () => accepted++)
    await until(() => accepted === 3)
    world.note('count', await count())
    for (const client of clients) client.destroy()
    while (!(await count()).includes(' 0 ')) await settled()
    world.note('count', await count())
  })

  compare('drops connections beyond maxConnections', async world => {
    const { server, ...where } = await world.serve(socket => socket.resume())
    world.note('limit', String(server.maxConnections))
    server.maxConnections = 1
    world.watchServer('server', server)
    server.on('drop', data =>
      world.note(
        'drop',
        Object.entries(data ?? {}).map(([key, value]) => `${key} ${typeof value}`),
      ),
    )
    const connection = seen(server, 'connection')
    const first = world.connect('first', { server, ...where })
    await Promise.all([seen(first, 'ready'), connection])
    const dropped = seen(server, 'drop')
    const second = world.connect('second', { server, ...where })
    second.resume()
    await Promise.all([dropped, seen(second, 'close')])
  })

  compare('knows its sockets, and they know it', async world => {
    const { server, ...where } = await world.serve()
    const connection = seen(server, 'connection')
    await seen(world.connect('client', { server, ...where }), 'ready')
    const [socket] = (await connection) as [Socket & { server: Server | null }]
    world.note('socket', [socket.server === server, socket.connecting, socket.pending, socket.readyState])
    world.note('socket', [socket instanceof world.net.Socket, socket.allowHalfOpen, socket.isPaused()])
    world.note('new socket', String((new world.net.Socket() as typeof socket).server))
  })

  compare('gives sockets paused with pauseOnConnect', async world => {
    const { server, ...where } = await world.serve(undefined, { pauseOnConnect: true })
    const connection = seen(server, 'connection')
    const client = world.connect('client', { server, ...where })
    client.end('held')
    const [socket] = (await connection) as [Socket]
    let data = ''
    socket.on('data', (chunk: Buffer) => {
      data += chunk
    })
    await settled()
    world.note('paused', [socket.isPaused(), socket.bytesRead, data])
    socket.resume()
    await seen(socket, 'end')
    world.note('resumed', data)
  })

  compare('closes when its signal is aborted', async world => {
    const controller = new AbortController()
    const server = world.watchServer('server', world.net.createServer())
    server.listen({ port: 0, signal: controller.signal })
    await seen(server, 'listening')
    controller.abort()
    await seen(server, 'close')
    world.note('server', String(server.listening))
  })

  compare('closes when its signal was aborted before', async world => {
    const server = world.watchServer('server', world.net.createServer())
    server.listen({ port: 0, signal: AbortSignal.abort() })
    await seen(server, 'close')
    await settled()
    world.note('server', String(server.listening))
  })

  compare('forgets its signal when it is closed', async world => {
    const controller = new AbortController()
    const server = world.watchServer('server', world.net.createServer())
    server.listen({ port: 0, signal: controller.signal })
    await seen(server, 'listening')
    server.close()
    await seen(server, 'close')
    server.listen(0)
    await seen(server, 'listening')
    controller.abort()
    await settled()
    world.note('server', String(server.listening))
  })

  compare('closes by async dispose', async world => {
    const server = world.watchServer('server', world.net.createServer())
    await server[Symbol.asyncDispose]()
    server.listen(0)
    await seen(server, 'listening')
    await server[Symbol.asyncDispose]()
    await server[Symbol.asyncDispose]()
    world.note('server', String(server.listening))
  })

  compare('destroys the connection whose listener rejects, with captureRejections', async world => {
    const { EventEmitter } = await import('node:events')
    EventEmitter.captureRejections = true
    const server = world.watchServer('server', world.net.createServer())
    EventEmitter.captureRejections = false
    server.on('connection', async socket => {
      world.watch('server socket', socket)
      throw new Error('not today')
    })
    server.listen(0, '127.0.0.1')
    await seen(server, 'listening')
    const connection = seen(server, 'connection')
    const client = world.connect('client', { server, port: portOf(server), host: '127.0.0.1' })
    client.resume()
    const [accepted] = (await connection) as [Socket]
    await Promise.all([seen(accepted, 'close'), seen(client, 'close')])
  })

  compare('tells apart the servers of a process', async world => {
    const first = await world.serve(socket => socket.end('first'))
    const second = await world.serve(socket => socket.end('second'))
    for (const [name, served] of Object.entries({ first, second })) {
      world.note(name, String(await readAll(world.net.connect(served.port, served.host))))
    }
  })
})
