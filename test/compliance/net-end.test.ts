/** Ending: half-open and full, by either side, before and after; what a write after it does; resets. */
import type { Socket } from 'node:net'
import { describe } from 'vitest'
import { compare, readAll, seen, settled, tell, type World } from './harness.ts'

describe('ending', () => {
  compare('lets a half-open server answer after the client has ended', async world => {
    let serverClosed: Promise<unknown> | undefined
    const served = await world.serve(
      socket => {
        world.watch('server socket', socket)
        serverClosed = seen(socket, 'close')
        readAll(socket).then(question => socket.end(`answer to ${question}`))
      },
      { allowHalfOpen: true },
    )
    const client = world.connect('client', served)
    client.end('question')
    world.note('data', String(await readAll(client)))
    await seen(client, 'close')
    await serverClosed
  })

  compare('lets a half-open client write after the server has ended', async world => {
    const received: Promise<Buffer>[] = []
    const served = await world.serve(socket => {
      received.push(readAll(socket))
      socket.end('first')
    })
    const client = world.connect('client', served, { allowHalfOpen: true })
    world.note('data', String(await readAll(client)))
    world.note('data', [client.readable, client.writable, client.readyState, client.allowHalfOpen])
    client.write('still ')
    client.end('here')
    await seen(client, 'close')
    world.note('server', String(await received[0]))
  })

  compare('ends by itself when the peer has ended, unless half-open', async world => {
    const served = await world.serve(socket => socket.end())
    const client = world.connect('client', served)
    client.resume()
    await seen(client, 'end')
    world.note('at end', [client.writableEnded, client.writable, client.readyState, client.allowHalfOpen])
    await seen(client, 'close')
    world.note('at close', [client.writableEnded, client.writableFinished, client.readyState])
  })

  compare('does not end while nobody reads', async world => {
    const served = await world.serve(socket => socket.end('unread'))
    const client = world.connect('client', served)
    await seen(client, 'readable')
    await settled()
    world.note('client', 'nothing more comes')
    client.resume()
    await seen(client, 'close')
  })

  compare('refuses a write after its own end', async world => {
    const served = await world.serve(socket => socket.resume())
    const client = world.connect('client', served)
    await seen(client, 'connect')
    client.end()
    const result = client.write('late', error => world.note('callback', error ? tell(error) : 'none'))
    world.note('client', `returns ${result}`)
    await seen(client, 'close')
  })

  compare('refuses a write after the end of both with EPIPE', async world => {
    const served = await world.serve(socket => socket.end())
    const client = world.connect('client', served)
    client.resume()
    await seen(client, 'close')
    const result = client.write('late', error => world.note('callback', error ? tell(error) : 'none'))
    world.note('client', `returns ${result}`)
    await settled()
  })

  compare('takes several ends, with their callbacks', async world => {
    const served = await world.serve(socket => socket.resume())
    const client = world.connect('client', served)
    client.resume()
    await seen(client, 'connect')
    const result = client.end('data', 'utf8', () => world.note('callbacks', 'first'))
    world.note('client', `returns itself: ${result === client}`)
    client.end(() => world.note('callbacks', 'second'))
    await seen(client, 'close')
    client.end((error?: Error) => world.note('callbacks', `third ${error ? tell(error) : 'none'}`))
    await settled()
  })

  compare('reports an end after data was refused', async world => {
    const served = await world.serve(socket => socket.resume())
    const client = world.connect('client', served)
    client.end()
    client.end('more', (error?: Error) => world.note('callback', error ? tell(error) : 'none'))
    await seen(client, 'close')
    await settled()
  })

  compare('ends from both sides at once', async world => {
    const { client, accepted } = await connectBoth(world)
    world.watch('server socket', accepted).resume()
    client.resume()
    const closed = seen(accepted, 'close')
    client.end('from the client')
    accepted.end('from the server')
    await Promise.all([seen(client, 'close'), closed])
    // Which comes first, its own `finish` or the peer's `end`, is a race.
    for (const notes of Object.values(world.story)) notes.sort()
  })

  compare('ends in the handler of end', async world => {
    const served = await world.serve(socket => socket.end('x'), { allowHalfOpen: true })
    const client = world.connect('client', served, { allowHalfOpen: true })
    client.resume().on('end', () => client.end())
    await seen(client, 'close')
  })

  compare('keeps its flags in step with its events', async world => {
    const served = await world.serve(socket => socket.resume().end('hello'))
    const client = world.connect('client', served, { allowHalfOpen: true })
    for (const event of ['connect', 'data', 'end', 'finish', 'close']) {
      client.on(event, () => {
        const { readable, writable, readableEnded, writableEnded, writableFinished, closed, errored } = client
        const flags = [readable, writable, readableEnded, writableEnded, writableFinished, closed, errored]
        world.note('flags', `${event}: ${flags.join(' ')}`)
      })
    }
    await seen(client, 'end')
    client.end()
    await seen(client, 'close')
  })

  compare('delivers everything before destroySoon destroys', async world => {
    const served = await world.serve(socket => {
      world.watch('server socket', socket)
      socket.write('all ')
      socket.write('of it')
      socket.destroySoon()
    })
    const client = world.connect('client', served)
    world.note('data', String(await readAll(client)))
    await seen(client, 'close')
  })

  compare('destroys with destroySoon when it has ended already', async world => {
    const served = await world.serve(socket => socket.resume())
    const client = world.connect('client', served)
    client.end('x')
    await seen(client, 'finish')
    client.destroySoon()
    world.note('client', `destroyed ${client.destroyed}`)
    await seen(client, 'close')
  })

  compare('resets the peer with resetAndDestroy', async world => {
    const { client, accepted } = await connectBoth(world)
    world.watch('server socket', accepted).resume()
    client.write('x')
    const [data] = (await seen(accepted, 'data')) as [Buffer]
    world.note('data', String(data))
    const closed = seen(accepted, 'close')
    world.note('client', `returns itself: ${client.resetAndDestroy() === client}`)
    await Promise.all([closed, seen(client, 'close')])
  })

  compare('resets only when it is connected', async world => {
    const client = world.connect('client', await world.serve())
    client.resetAndDestroy()
    world.note('client', [client.destroyed, client.connecting])
    await seen(client, 'close')
  })

  compare('reports resetAndDestroy of a socket that is not connected', async world => {
    const client = world.watch('client', new world.net.Socket())
    client.resetAndDestroy()
    await seen(client, 'close')
    client.resetAndDestroy()
    await settled()
  })

  compare('fails a paused reader with ECONNRESET after what had come', async world => {
    const { client, accepted } = await connectBoth(world)
    world.watch('server socket', accepted)
    client.write('before the reset')
    await seen(accepted, 'readable')
    client.resetAndDestroy()
    await seen(accepted, 'close')
    world.note('left', String(accepted.read()))
  })

  compare('fails a write to a peer that has reset', async world => {
    const { client, accepted } = await connectBoth(world)
    client.resume()
    accepted.resetAndDestroy()
    await seen(client, 'error')
    client.write('late', error => world.note('callback', error ? tell(error) : 'none'))
    await seen(client, 'close')
    await settled()
  })
})

/** A connection, once both ends know of it. */
async function connectBoth(world: World): Promise<{ client: Socket; accepted: Socket }> {
  const served = await world.serve()
  const connection = seen(served.server, 'connection')
  const client = world.connect('client', served)
  await seen(client, 'ready')
  const [accepted] = (await connection) as [Socket]
  return { client, accepted }
}
