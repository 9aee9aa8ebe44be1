/** Settings of sockets: time-outs, delays, keep-alive, references. */
import type * as Net from 'node:net'
import { inherits, inspect } from 'node:util'
import { describe } from 'vitest'
import { compare, portOf, readAll, seen, settled, until } from './harness.ts'

describe('classes', () => {
  compare('are made with new and without', async world => {
    const { Socket, Server } = world.net as unknown as Record<string, (...args: unknown[]) => object>
    world.note('seen', Socket!() instanceof world.net.Socket)
    world.note('seen', Server!() instanceof world.net.Server)
    world.note('seen', new world.net.Socket().constructor === world.net.Socket)
  })

  compare('are extended, and objects of the extension are of both', async world => {
    class Own extends world.net.Socket {}
    const own = new Own()
    world.note('seen', [own instanceof Own, own instanceof world.net.Socket, own.constructor === Own])
  })
})

describe('settings', () => {
  compare('are inherited from as before there were classes', async world => {
    const { Socket, Server } = world.net
    function Mine(this: object): void {
      Reflect.apply(Socket as unknown as () => void, this, [{ allowHalfOpen: true }])
    }
    inherits(Mine, Socket)
    function MyServer(this: object): void {
      Reflect.apply(Server as unknown as () => void, this, [])
    }
    inherits(MyServer, Server)
    const server = world.watchServer('server', Reflect.construct(MyServer, []))
    server.on('connection', (socket: Net.Socket) => socket.end('told'))
    server.listen(0, '127.0.0.1')
    await seen(server, 'listening')
    const socket: Net.Socket = world.watch('mine', Reflect.construct(Mine, []))
    world.note('mine', [socket instanceof Socket, socket.constructor === Mine, socket.allowHalfOpen])
    socket.connect(portOf(server), '127.0.0.1')
    world.note('mine', String(await readAll(socket)))
    const call = (self: unknown) => Reflect.apply(Socket as unknown as () => object, self, [])
    world.note('called', [call(undefined) instanceof Socket, call({}) instanceof Socket])
  })

  compare('are called what programs know them by', async world => {
    const client = world.watch('client', new world.net.Socket(), [])
    world.note('names', [client.constructor.name, inspect(client).split(' ')[0], world.net.Socket.name])
    world.note('names', [world.net.createServer().constructor.name, world.net.Server.name])
  })

  compare('have no handle before they connect, and after they are closed', async world => {
    const socket = world.connect('socket', await world.serve(accepted => accepted.end()))
    world.note('handle', [Reflect.get(new world.net.Socket(), '_handle')])
    await seen(socket.resume(), 'close')
    world.note('handle', [Reflect.get(socket, '_handle')])
  })

  compare('have a listener of their own for the end, and no other', async world => {
    const socket = new world.net.Socket()
    world.note('socket', [...new Set(socket.eventNames())].map(String))
    world.note('socket', socket.listenerCount('end'))
  })

  compare('a time-out fires when nothing happens, and leaves the socket open', async world => {
    const served = await world.serve(socket => socket.resume())
    const client = world.connect('client', served)
    await seen(client, 'ready')
    const result = client.setTimeout(20, () => world.note('callback', 'timed out'))
    world.note('client', [result === client, client.timeout])
    await seen(client, 'timeout')
    world.note('client', [client.destroyed, client.readyState])
  })

  compare('a time-out fires on a server socket, too', async world => {
    const served = await world.serve(socket => world.watch('server socket', socket).setTimeout(20))
    const connection = seen(served.server, 'connection')
    world.connect('client', served)
    const [accepted] = (await connection) as [Net.Socket]
    await seen(accepted, 'timeout')
  })

  compare('programs may stand in for what a time-out calls', async world => {
    const served = await world.serve()
    const client = world.connect('client', served) as Net.Socket & { _onTimeout(): void }
    await seen(client, 'ready')
    client._onTimeout()
    const timedOut = new Promise<void>(resolve => {
      client._onTimeout = () => {
        world.note('client', 'stand-in')
        resolve()
      }
    })
    client.setTimeout(10)
    await timedOut
  })

  compare('a time-out set before connect counts from there', async world => {
    const served = await world.serve()
    const client = world.connect('client', served, { timeout: 30 })
    world.note('client', [client.timeout])
    await seen(client, 'timeout')
    world.note('client', client.readyState)
  })

  compare('activity keeps a time-out from firing', async world => {
    const served = await world.serve(socket => socket.pipe(socket))
    const client = world.connect('client', served)
    await seen(client, 'ready')
    const idle = world.connect('idle', served)
    await seen(idle, 'ready')
    client.setTimeout(400)
    // The later of two: activity apart, the client's would be the first to fire.
    let hasFired = false
    idle.setTimeout(400, () => {
      hasFired = true
    })
    while (!hasFired) {
      client.write('x')
      await seen(client, 'data')
    }
    world.note('client', 'kept alive')
    await seen(client, 'timeout')
  })

  compare('a time-out of 0 is none, and takes its listener away', async world => {
    const served = await world.serve()
    const client = world.connect('client', served)
    const listener = () => undefined
    client.setTimeout(60_000, listener)
    world.note('client', [client.timeout, client.listenerCount('timeout')])
    client.setTimeout(0, listener)
    world.note('client', [client.timeout, client.listenerCount('timeout')])
    client.setTimeout(10)
    client.setTimeout(0)
    await seen(client, 'ready')
    const other = world.connect('other', served)
    await seen(other, 'ready')
    // Later and longer: by its end the client's would have fired.
    await seen(other.setTimeout(40), 'timeout')
    world.note('client', 'quiet')
  })

  compare('a time-out is not set on a destroyed socket', async world => {
    const client = new world.net.Socket()
    client.destroy()
    world.note('client', [client.setTimeout(10) === client, String(client.timeout)])
  })

  compare('malformed time-outs are reported by throwing', async world => {
    const client = new world.net.Socket()
    for (const value of ['100', null, undefined, {}, true]) {
      world.attempt('timeout', String(value), () => client.setTimeout(value as unknown as number))
    }
    for (const value of [-1, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      world.attempt('timeout', String(value), () => client.setTimeout(value))
    }
    for (const value of [1, 'x', {}, true]) {
      world.attempt('callback', String(value), () => client.setTimeout(1, value as unknown as () => void))
    }
    client.destroy()
  })

  compare('an over-long time-out is cut, with a warning', async world => {
    const warning = seen(process, 'warning')
    const client = new world.net.Socket()
    client.setTimeout(2 ** 31)
    const [{ name, message }] = (await warning) as [Error]
    world.note('warning', [name, message, client.timeout])
    client.destroy()
  })

  compare('setters return the socket, before, while and after it is connected', async world => {
    const served = await world.serve(socket => socket.end())
    const client = new world.net.Socket()
    const note = (when: string) => {
      const results = {
        setNoDelay: client.setNoDelay(),
        'setNoDelay(false)': client.setNoDelay(false),
        setKeepAlive: client.setKeepAlive(),
        'setKeepAlive(true, 1000)': client.setKeepAlive(true, 1000),
        'setKeepAlive(false)': client.setKeepAlive(false),
        ref: client.ref(),
        unref: client.unref(),
        pause: client.pause(),
        resume: client.resume(),
        setEncoding: client.setEncoding('utf8'),
      }
      const others = Object.entries(results).filter(([, result]) => result !== client)
      world.note('client', [when, ...others.map(([name]) => name)])
    }
    note('new')
    world.watch('client', client).connect(served.port, served.host)
    note('connecting')
    await seen(client, 'ready')
    note('connected')
    await seen(client, 'close')
    note('closed')
    served.server.ref().unref().ref()
  })

  compare('data flows with every combination of options', async world => {
    for (const options of [
      { noDelay: true },
      { noDelay: false },
      { keepAlive: true },
      { keepAlive: true, keepAliveInitialDelay: 1000, noDelay: true },
      { keepAlive: false, keepAliveInitialDelay: -5 },
    ]) {
      const served = await world.serve(socket => socket.pipe(socket), options)
      const client = world.net.connect({ port: served.port, host: served.host, ...options })
      client.write('a')
      client.write('b')
      client.end('c')
      let data = ''
      client.on('data', (chunk: Buffer) => {
        data += chunk
      })
      await seen(client, 'close')
      world.note(JSON.stringify(options), data)
    }
  })

  compare('events are told to listeners that came by once', async world => {
    const served = await world.serve(socket => socket.end('x'))
    const client = world.net.connect(served.port, served.host)
    for (const event of ['connect', 'ready', 'data', 'end', 'finish', 'close']) {
      client.once(event, () => world.note('client', `once ${event}`))
      client.prependOnceListener(event, () => world.note('client', `prepended ${event}`))
    }
    await seen(client, 'close')
    await settled()
  })

  compare('the module has Node’s other functions', async world => {
    const { isIP, isIPv4, isIPv6, SocketAddress, BlockList, Stream, Socket } =
      world.net as typeof world.net & {
        Stream: unknown
      }
    for (const text of ['127.0.0.1', '::1', 'fe80::1%eth0', '1.2.3', 'web.example', '']) {
      world.note('isIP', [text, isIP(text), isIPv4(text), isIPv6(text)])
    }
    const list = new BlockList()
    list.addSubnet('10.0.0.0', 8)
    world.note('others', [
      list.check('10.1.2.3'),
      new SocketAddress({ address: '::1', family: 'ipv6' }).address,
      Stream === Socket,
    ])
    world.note('others', [
      typeof world.net.connect,
      world.net.connect.name,
      world.net.createServer.length >= 0,
    ])
  })

  compare('a hundred connections come and go, and none is left', async world => {
    const { server, port, host } = await world.serve(socket => socket.resume())
    for (let i = 0; i < 100; i++) {
      const client = world.net.connect(port, host)
      client.resume().end('x')
      await seen(client, 'close')
    }
    let left = -1
    const look = () =>
      server.getConnections((_error, count) => {
        left = count
      })
    await until(() => {
      look()
      return left === 0
    })
    world.note('left', [left])
  })
})
