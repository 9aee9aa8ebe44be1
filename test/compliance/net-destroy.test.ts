/** Destroying: in every event, with and without an error, twice, and what becomes of writes. */
import { describe } from 'vitest'
import { compare, readAll, seen, settled, tell } from './harness.ts'

describe('destroying', () => {
  for (const event of ['lookup', 'connect', 'ready', 'data', 'end', 'finish', 'timeout', 'close']) {
    for (const error of [undefined, new Error('the program has had enough')]) {
      compare(`works in ${event}, ${error ? 'with an error' : 'without one'}`, async world => {
        const served = await world.serve(socket => socket.resume().end('hello'))
        const client = world.connect('client', served)
        client.on(event, () => client.destroy(error))
        const closed = seen(client, 'close')
        // On a busy machine connecting may take longer than the time-out.
        if (event === 'timeout') client.once('connect', () => client.setTimeout(20)).pause()
        else client.resume()
        await closed
        await settled()
        const { destroyed, connecting, readyState, errored } = client
        world.note('client', [destroyed, connecting, readyState, errored?.message])
      })
    }
  }

  compare('works in the turn of the connect', async world => {
    const served = await world.serve()
    const client = world.connect('client', served)
    client.destroy()
    world.note('client', [client.destroyed, client.connecting, client.pending, client.readyState])
    await seen(client, 'close')
    await settled()
  })

  compare('works before any connect', async world => {
    const client = world.watch('client', new world.net.Socket())
    client.destroy(new Error('never used'))
    await seen(client, 'close')
  })

  compare('tells error and close once', async world => {
    const served = await world.serve()
    const client = world.connect('client', served)
    await seen(client, 'connect')
    client.destroy(new Error('first'))
    client.destroy(new Error('second'))
    client.destroy()
    await seen(client, 'close')
    client.destroy(new Error('third'))
    await settled()
    world.note('client', client.errored?.message ?? '')
  })

  compare('works in the handler of error', async world => {
    const served = await world.serve()
    const client = world.connect('client', served)
    client.on('error', () => client.destroy())
    await seen(client, 'connect')
    client.destroy(new Error('first'))
    await seen(client, 'close')
  })

  compare('refuses writes afterwards', async world => {
    const served = await world.serve()
    const client = world.connect('client', served)
    await seen(client, 'connect')
    client.destroy()
    world.note(
      'client',
      `returns ${client.write('x', error => world.note('callback', error ? tell(error) : 'none'))}`,
    )
    await seen(client, 'close')
    client.write('y', error => world.note('callback', error ? tell(error) : 'none'))
    await settled()
  })

  compare('fails writes that wait for connect', async world => {
    const served = await world.serve()
    const client = world.connect('client', served)
    for (const text of ['one', 'two']) {
      client.write(text, error => world.note('callbacks', `${text}: ${error ? tell(error) : 'none'}`))
    }
    client.destroy()
    await seen(client, 'close')
    await settled()
  })

  compare('ends the peer in order', async world => {
    const served = await world.serve(socket => {
      world.watch('server socket', socket)
      socket.on('data', () => socket.destroy())
    })
    const client = world.connect('client', served)
    client.resume().write('x')
    await seen(client, 'close')
  })

  compare('delivers what was written before it', async world => {
    const served = await world.serve(socket => socket.write('last words', () => socket.destroy()))
    const client = world.connect('client', served)
    world.note('data', String(await readAll(client)))
    await seen(client, 'close')
  })

  compare('keeps figures readable afterwards', async world => {
    const served = await world.serve(socket => socket.on('data', () => socket.end('five!')))
    const client = world.connect('client', served)
    client.write('three')
    await readAll(client)
    await seen(client, 'close')
    world.note('client', [client.bytesRead, client.bytesWritten, client.localAddress, client.localPort])
    world.note('client', client.address())
  })

  compare('by a reset as soon as it is connected is told to the server all the same', async world => {
    const served = await world.serve(() => world.note('seen', 'connection'))
    const accepted = seen(served.server, 'connection')
    const client = world.connect('socket', served)
    client.resetAndDestroy()
    await seen(client, 'close')
    await accepted
    await settled()
  })

  compare('works by async dispose', async world => {
    const served = await world.serve(socket =>
      world.watch('server socket', socket, ['end', 'close']).resume(),
    )
    const connection = seen(served.server, 'connection')
    const client = world.connect('client', served)
    await seen(client, 'ready')
    const [accepted] = (await connection) as [NodeJS.EventEmitter]
    const closed = seen(accepted, 'close')
    await client[Symbol.asyncDispose]()
    world.note('disposed', String(client.destroyed))
    await closed
    await settled()
  })

  compare('works by async dispose of a socket that has ended', async world => {
    const served = await world.serve(socket => socket.end())
    const client = world.connect('client', served)
    client.resume()
    await seen(client, 'close')
    await client[Symbol.asyncDispose]()
    world.note('client', 'disposed')
  })
})
