/** Connecting: arguments, order of events, state on the way, failure, abort, and connecting again. */
import type { NetConnectOpts, Socket } from 'node:net'
import { describe } from 'vitest'
import { compare, portOf, readAll, seen, settled, tell, until } from './harness.ts'

describe('connecting', () => {
  compare('tells connect, ready, end, finish, close in this order', async world => {
    const served = await world.serve(socket => world.watch('server socket', socket).resume().end('hello'))
    const connection = seen(served.server, 'connection')
    const client = world.connect('client', served)
    const [accepted] = (await connection) as [Socket]
    const closed = Promise.all([seen(client, 'close'), seen(accepted, 'close')])
    world.note('data', String(await readAll(client)))
    await closed
  })

  compare('calls the callback as a listener of connect, once', async world => {
    const served = await world.serve()
    const client = world.watch('client', new world.net.Socket())
    const result = client.connect(served.port, served.host, () => world.note('client', 'callback'))
    world.note(
      'client',
      `returns itself: ${result === client}, listeners: ${client.listenerCount('connect')}`,
    )
    await seen(client, 'ready')
    world.note('client', `listeners: ${client.listenerCount('connect')}`)
  })

  for (const [form, args] of [
    ['(port, host)', (port: number) => [port, '127.0.0.1']],
    ['(port)', (port: number) => [port]],
    ['("port")', (port: number) => [String(port)]],
    ['({ port, host })', (port: number) => [{ port, host: '127.0.0.1' }]],
    ['({ port: "text" })', (port: number) => [{ port: String(port), host: 'localhost' }]],
  ] as const) {
    compare(`takes ${form}, with and without a callback`, async world => {
      const server = world.watchServer('server', world.net.createServer(), ['connection'])
      server.listen(0)
      await seen(server, 'listening')
      const connect = world.net.createConnection as (
        ...args: unknown[]
      ) => ReturnType<typeof world.net.connect>
      const first = world.watch('first', connect(...args(portOf(server))), ['connect', 'error'])
      const second = connect(...args(portOf(server)), () => world.note('second', 'callback'))
      world.watch('second', second, ['connect', 'error'])
      await Promise.all([seen(first, 'connect'), seen(second, 'connect')])
      await settled()
    })
  }

  compare('hands its arguments to whoever stands in for the connect of sockets', async world => {
    const { prototype } = world.net.Socket
    const { connect } = prototype
    const { port, host } = await world.serve(socket => socket.end())
    prototype.connect = function (this: Socket, ...args: [never]) {
      const [[options, callback]] = args as unknown as [[NetConnectOpts & { port: number }, unknown]]
      world.note('seen', [args.length, { ...options, port: options.port === port }, typeof callback])
      return connect.apply(this, args)
    } as typeof connect
    try {
      const client = world.watch(
        'client',
        world.net.connect({ port, host, noDelay: true }, () => undefined),
      )
      await seen(client, 'connect')
      world.note('seen', 'connected')
    } finally {
      prototype.connect = connect
    }
  })

  compare('takes an array only where it was normalized', async world => {
    const { port, host } = await world.serve(socket => socket.end())
    const { _normalizeArgs } = world.net as unknown as { _normalizeArgs(args: unknown[]): [object, unknown] }
    world.note('normalized', _normalizeArgs([]))
    world.note('normalized', _normalizeArgs([{ host: 'here' }]))
    world.attempt('plain', 'connect', () => new world.net.Socket().connect([{ port, host }] as never))
    const client = world.watch('client', new world.net.Socket())
    const onConnect = () => world.note('client', 'called back')
    client.connect(_normalizeArgs([{ port, host }, onConnect]) as never)
    await seen(client.resume(), 'close')
  })

  compare('shows its state on the way', async world => {
    const served = await world.serve(socket => socket.resume())
    const client = new world.net.Socket()
    const state = (when: string) => {
      const { connecting, pending, readyState, destroyed, bytesRead, bytesWritten, timeout } = client
      const flags = [connecting, pending, readyState, destroyed, bytesRead, bytesWritten, timeout]
      world.note('client', `${when}: ${flags.join(' ')}`)
    }
    world.watch('client', client)
    state('new')
    client.connect(served.port, served.host)
    state('connecting')
    await seen(client, 'connect')
    state('connected')
    client.resume().end('bye')
    state('ended')
    await seen(client, 'close')
    state('closed')
  })

  compare('knows its addresses while connected', async world => {
    let atServer: unknown[] = []
    const served = await world.serve(socket => {
      atServer = [socket.localAddress, socket.localFamily, typeof socket.localPort, typeof socket.remotePort]
    })
    const client = new world.net.Socket()
    const note = () => {
      const { localAddress, localFamily, remoteAddress, remoteFamily } = client
      const ports = [typeof client.localPort, typeof client.remotePort]
      world.note('client', [localAddress, localFamily, remoteAddress, remoteFamily, ...ports].join(' '))
    }
    world.note('client', client.address())
    note()
    world.watch('client', client).connect(served.port, served.host)
    await seen(client, 'connect')
    note()
    world.note(
      'client',
      Object.keys(client.address()).filter(key => key !== 'service'),
    )
    await settled()
    world.note('server', atServer)
  })

  compare('writes what was written before connect, then calls back', async world => {
    const received: string[] = []
    const served = await world.serve(socket => socket.on('data', data => received.push(String(data))))
    const client = world.connect('client', served)
    world.note('client', `returns ${client.write('one ', () => world.note('client', 'written one'))}`)
    client.write('two ', () => world.note('client', 'written two'))
    world.note('client', `bytesWritten ${client.bytesWritten}`)
    client.end('three', () => world.note('client', 'ended'))
    await seen(client, 'close')
    world.note('server', received.join(''))
  })

  compare('delivers what was ended before connect', async world => {
    const served = await world.serve()
    const connection = seen(served.server, 'connection')
    const client = world.connect('client', served)
    client.end('all of it')
    const [accepted] = (await connection) as [Socket]
    world.note('server', String(await readAll(accepted)))
    client.resume()
    await seen(client, 'close')
  })

  compare('fails with ECONNREFUSED where nobody serves the port', async world => {
    const { server, ...closed } = await world.serve()
    server.close()
    await seen(server, 'close')
    const client = world.connect('client', { server, ...closed })
    client.write('lost', error => world.note('client', `write: ${error && tell(error)}`))
    const [error] = (await seen(client, 'error')) as [NodeJS.ErrnoException & { port?: number }]
    world.note('client', [error.code, error.syscall, error.errno, error.port === closed.port])
    world.note('client', error.message === `connect ECONNREFUSED 127.0.0.1:${closed.port}`)
    await seen(client, 'close')
    await settled()
    world.note('client', [client.destroyed, client.connecting, client.pending, client.readyState])
  })

  compare('can connect again after a refusal, and after a close', async world => {
    const served = await world.serve(socket => socket.end('served'))
    const gone = await world.serve()
    gone.server.close()
    await seen(gone.server, 'close')
    const client = world.connect('client', gone)
    for (let round = 1; round <= 2; round++) {
      await seen(client, 'close')
      world.note('client', `round ${round}`)
      client.connect(served.port, served.host)
      world.note('client', [client.connecting, client.destroyed, client.bytesRead])
      world.note('data', String(await readAll(client)))
    }
    await seen(client, 'close')
  })

  compare('fails with EALREADY where it connects already, and leaves no connection behind', async world => {
    const served = await world.serve(socket => socket.resume())
    const client = world.connect('client', served)
    client.connect({ port: served.port, host: served.host })
    await seen(client, 'close')
    world.note('client', [client.destroyed, client.readyState])
  })

  compare('fails with EISCONN where it is connected, though it has ended', async world => {
    const served = await world.serve(socket => socket.resume(), { allowHalfOpen: true })
    const client = world.connect('client', served)
    await seen(client, 'ready')
    client.end()
    await seen(client, 'finish')
    client.connect({ port: served.port, host: served.host })
    await seen(client, 'close')
    client.connect({ port: served.port, host: served.host })
    await seen(client, 'ready')
  })

  compare('connects a socket that was ended by both sides again', async world => {
    const served = await world.serve(socket => socket.resume().end())
    const client = world.connect('client', served)
    for (let round = 1; round <= 3; round++) {
      client.resume()
      await seen(client, 'close')
      if (round < 3) client.connect(served.port, served.host)
    }
  })

  compare('reports malformed arguments by throwing', async world => {
    const connect = world.net.connect as (...args: unknown[]) => unknown
    for (const port of [-1, 65_536, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      world.attempt('connect', `port ${port}`, () => connect(port))
      world.attempt('connect', `{ port: ${port} }`, () => connect({ port }))
    }
    for (const port of ['', ' ', 'x', '-1', '1.5', '65536', null, true, {}, []]) {
      world.attempt('connect', `{ port: ${JSON.stringify(port)} }`, () => connect({ port }))
    }
    world.attempt('connect', 'nothing', () => connect())
    world.attempt('connect', 'no options', () => connect({}))
    world.attempt('connect', 'a callback alone', () => connect(() => undefined))
    world.attempt('connect', 'a host alone', () => connect({ host: 'localhost' }))
  })

  compare('has the port of the service at both ends', async world => {
    const ports: unknown[] = []
    const served = await world.serve(socket => ports.push(socket.localPort === served.port))
    const client = world.connect('client', served)
    await seen(client, 'ready')
    ports.push(client.remotePort === served.port)
    client.destroy()
    await seen(client, 'close')
    await until(() => ports.length === 2)
    world.note('ports', ports)
  })

  compare('says while it connects that it does, as programs of old ask', async world => {
    const client = world.watch('client', new world.net.Socket())
    const served = await world.serve(socket => socket.end())
    client.connect(served.port, served.host)
    world.note('client', [Reflect.get(client, '_connecting')])
    client.resume()
    await seen(client, 'close')
    world.note('client', [Reflect.get(client, '_connecting')])
  })

  compare('asks the look-up of the program for the address of a host', async world => {
    const { port } = await world.serve()
    const lookup = (host: string, _options: object, callback: (...found: unknown[]) => void) => {
      world.note('lookup', host)
      process.nextTick(callback, null, '127.0.0.1', 4)
    }
    const client = world.watch(
      'client',
      world.net.connect({ port, host: 'db.example', family: 4, lookup: lookup as never }),
    )
    client.on('lookup', (...found: unknown[]) => world.note('client', found))
    await seen(client, 'ready')
  })

  compare('fails with what the look-up of the program has failed with', async world => {
    const wrong: Record<string, unknown[]> = {
      failed: [Object.assign(new Error('not found'), { code: 'ENOTFOUND', syscall: 'getaddrinfo' })],
      'no address': [null, 'nowhere', 4],
      undefined: [null, undefined, 4],
      'no family': [null, '127.0.0.1', 100],
    }
    for (const [what, found] of Object.entries(wrong)) {
      const lookup = (_host: string, _options: object, callback: (...found: unknown[]) => void) =>
        callback(...found)
      const client = world.watch(
        what,
        world.net.connect({ port: 9, host: 'a.example', family: 4, lookup: lookup as never }),
      )
      await seen(client, 'close')
    }
  })

  compare('says in an error from where it wanted to connect', async world => {
    const [to, from] = [await world.serve(), await world.serve()]
    for (const { server } of [to, from]) {
      server.close()
      await seen(server, 'close')
    }
    const local = { localAddress: '127.0.0.1', localPort: from.port }
    const client = world.connect('client', to, local)
    const [error] = (await seen(client, 'error')) as [Error & { localPort?: number; localAddress?: string }]
    world.note('client', [error.localAddress, error.localPort === from.port])
    world.note('client', error.message.endsWith(` - Local (127.0.0.1:${from.port})`))
  })

  compare('fails with EADDRNOTAVAIL from an address that is not of this host', async world => {
    const { port, host } = await world.serve()
    const client = world.watch('client', world.net.connect({ port, host, localAddress: '192.0.2.1' }))
    await seen(client, 'close')
  })

  compare('reports malformed options of addresses by throwing', async world => {
    const wrong: Record<string, readonly unknown[]> = {
      localAddress: ['x', '1.2.3', '127.0.0.1'],
      localPort: ['1', {}, true],
      lookup: ['x', 1, {}, true],
      hints: [1 << 20, 42],
      autoSelectFamily: ['yes', 1, {}],
      autoSelectFamilyAttemptTimeout: [0, -1, 1.5, '10', {}],
      family: [9, '4', {}],
    }
    for (const [option, values] of Object.entries(wrong)) {
      for (const value of values) {
        world.attempt('connect', `${option} ${JSON.stringify(value)}`, () => {
          const options = { port: 0, [option]: value } as unknown as NetConnectOpts
          world.watch('socket', world.net.connect(options), [])
        })
      }
    }
  })

  compare('reports malformed options by throwing', async world => {
    const Socket = world.net.Socket as unknown as new (options: unknown) => unknown
    for (const mode of ['objectMode', 'readableObjectMode', 'writableObjectMode']) {
      world.attempt('socket', mode, () => new Socket({ [mode]: true }))
    }
    for (const delay of ['1', null, {}, true]) {
      const keepAliveInitialDelay = delay
      world.attempt('socket', `delay ${JSON.stringify(delay)}`, () => new Socket({ keepAliveInitialDelay }))
    }
    world.attempt('socket', 'negative delay', () => new Socket({ keepAliveInitialDelay: -1 }))
    for (const signal of ['x', {}, 1]) {
      world.attempt('socket', `signal ${JSON.stringify(signal)}`, () => new Socket({ signal }))
    }
    for (const options of [undefined, null]) {
      world.attempt('socket', `options ${options}`, () => new Socket(options))
    }
    for (const fd of ['3', null, {}, -1, 1.5, 2 ** 32]) {
      world.attempt('socket', `descriptor ${JSON.stringify(fd)}`, () => new Socket({ fd }))
    }
    world.attempt('socket', 'a number', () => new Socket(-1))
  })

  compare('ends with an AbortError when its signal is aborted while it connects', async world => {
    const served = await world.serve()
    const controller = new AbortController()
    const client = world.connect('client', served, { signal: controller.signal })
    controller.abort()
    await seen(client, 'close')
  })

  compare('ends with an AbortError when its signal is aborted while it is connected', async world => {
    const served = await world.serve(socket => world.watch('server socket', socket).resume())
    const connection = seen(served.server, 'connection').then(([socket]) => socket as Socket)
    const controller = new AbortController()
    const client = world.connect('client', served, { signal: controller.signal })
    const closed = seen(client, 'close')
    await seen(client, 'ready')
    const accepted = await connection
    controller.abort()
    await closed
    await seen(accepted, 'close')
  })

  compare('takes no harm from an abort after its end', async world => {
    const served = await world.serve(socket => socket.end())
    const controller = new AbortController()
    const client = world.connect('client', served, { signal: controller.signal })
    client.resume()
    await seen(client, 'close')
    controller.abort()
    await settled()
  })

  compare('connects a hundred sockets at once', async world => {
    const served = await world.serve(socket => socket.pipe(socket))
    const echoes = Array.from({ length: 100 }, async (_, i) => {
      const client = world.net.connect(served.port, served.host)
      client.end(`echo ${i}`)
      const echo = String(await readAll(client))
      await seen(client, 'close')
      return echo
    })
    world.note('clients', await Promise.all(echoes))
  })

  compare('connects to a server that listens in the same turn', async world => {
    const server = world.watchServer(
      'server',
      world.net.createServer(socket => socket.end('soon')),
    )
    server.listen(0)
    const port = portOf(server)
    world.note('port', [typeof port, port > 0])
    const client = world.watch('client', world.net.connect(port, '127.0.0.1'))
    world.note('data', String(await readAll(client)))
    await seen(client, 'close')
  })
})
