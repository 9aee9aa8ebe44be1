/** Data: order and completeness, encodings, counters, back-pressure both ways, and Node's stream functions. */
import { createHash } from 'node:crypto'
import type { Server, Socket } from 'node:net'
import { Duplex, PassThrough, Readable, Writable } from 'node:stream'
import { finished, pipeline } from 'node:stream/promises'
import { describe } from 'vitest'
import { compare, pattern, readAll, seen, settled, tell, until, type World } from './harness.ts'

const LARGE_BYTES = 8 << 20

describe('data', () => {
  compare('comes whole and in order, in a write of 8 MiB', async world => {
    const sent = pattern(LARGE_BYTES)
    const served = await world.serve(socket => {
      const hash = createHash('sha256')
      socket.on('data', data => hash.update(data)).on('end', () => socket.end(hash.digest('hex')))
    }, HALF_OPEN)
    const client = world.connect('client', served)
    client.end(sent)
    const received = String(await readAll(client))
    world.note('data', received)
    world.note('intact', String(received === createHash('sha256').update(sent).digest('hex')))
    world.note('bytes', [client.bytesRead, client.bytesWritten])
  })

  compare('comes whole and in order, in a thousand small writes', async world => {
    const served = await world.serve(socket => socket.pipe(socket), HALF_OPEN)
    const client = world.connect('client', served)
    const words = Array.from({ length: 1000 }, (_, i) => `word ${i};`)
    for (const [i, word] of words.entries()) {
      if (i % 100 === 0) client.cork()
      client.write(word)
      if (i % 100 === 99) client.uncork()
    }
    client.end()
    world.note('data', String(String(await readAll(client)) === words.join('')))
  })

  compare('calls back for every write, in order', async world => {
    const { client, accepted } = await connectBoth(world)
    accepted.resume()
    for (let i = 0; i < 20; i++) client.write(`write ${i}`, () => world.note('callbacks', `${i}`))
    client.end(() => world.note('callbacks', 'end'))
    await seen(client, 'finish')
  })

  compare('lets a program use its memory again as soon as a write is done', async world => {
    const served = await world.serve(socket => socket.pipe(socket), HALF_OPEN)
    const client = world.connect('client', served)
    const sizes = [1, 150, 1_024, 5_000, 70_000, 300_000]
    const memory = Buffer.alloc(300_000)
    const sent: Buffer[] = []
    const data = readAll(client)
    for (const size of [...sizes, ...sizes]) {
      const chunk = pattern(size).map(byte => byte ^ sent.length) as Buffer
      memory.set(chunk)
      sent.push(chunk)
      await new Promise(resolve => client.write(memory.subarray(0, size), resolve))
      memory.fill(0)
    }
    client.end()
    world.note('intact', String(Buffer.concat(sent).equals(await data)))
  })

  compare('keeps text whole in every encoding', async world => {
    const served = await world.serve(socket => socket.pipe(socket), HALF_OPEN)
    for (const encoding of ['utf8', 'utf16le', 'latin1', 'ascii', 'hex', 'base64', 'base64url'] as const) {
      const client = world.net.connect(served.port, served.host)
      const text = Buffer.from('Grüße, 世界').toString(encoding)
      client.write(text, encoding)
      client.end(text, encoding)
      const data = await readAll(client)
      world.note(encoding, [data.toString('hex'), client.bytesWritten])
    }
  })

  compare('is decoded whole by setEncoding, wherever it was cut', async world => {
    const served = await world.serve(async socket => {
      for (const byte of Buffer.from('世界')) {
        socket.write(Uint8Array.of(byte))
        await settled()
      }
      socket.end()
    })
    const client = world.connect('client', served).setEncoding('utf8')
    let text = ''
    client.on('data', (part: string) => {
      text += part
    })
    await seen(client, 'end')
    world.note('text', text)
  })

  compare('is decoded, and encoded, as the options say', async world => {
    const served = await world.serve(socket => socket.pipe(socket), HALF_OPEN)
    const options = { encoding: 'utf8', defaultEncoding: 'latin1' }
    const reader = world.connect('reader', served, options)
    reader.end('\u00c3\u00a9')
    reader.on('data', data => world.note('data', [data]))
    await seen(reader, 'close')
    world.note('reader', [reader.bytesWritten])
  })

  compare('destroys the socket whose listener rejects, with captureRejections', async world => {
    const served = await world.serve(socket => socket.write('x'))
    const client = world.connect('client', served, { captureRejections: true })
    client.on('data', async () => {
      throw new Error('the listener rejects')
    })
    await seen(client, 'close')
  })

  compare('is refused where it is no data', async world => {
    const { client } = await connectBoth(world)
    for (const value of [null, undefined, 1, true, {}, [], Symbol.iterator]) {
      world.attempt('write', String(value), () => client.write(value as unknown as string))
    }
    world.attempt('write', 'unknown encoding', () => client.write('x', 'klingon' as BufferEncoding))
    world.note('client', `destroyed ${client.destroyed}`)
  })

  compare('has been counted when it is told of, and no more than that', async world => {
    const served = await world.serve(socket => socket.end(pattern(1 << 20)))
    const client = world.connect('client', served)
    let told = 0
    const counts: boolean[] = []
    await seen(client, 'connect')
    client.on('data', (chunk: Buffer) => {
      told += chunk.length
      counts.push(client.bytesRead === told)
    })
    await seen(client, 'end')
    world.note('counts', [counts.every(Boolean), client.bytesRead])
  })

  compare('counts what was read and written', async world => {
    const { client, accepted } = await connectBoth(world)
    client.write('äöü')
    client.write(Buffer.alloc(10))
    client.cork()
    client.write('corked')
    world.note('written', [client.bytesWritten])
    client.uncork()
    accepted.resume()
    await until(() => accepted.bytesRead === 22)
    world.note('read', [accepted.bytesRead, client.bytesWritten, client.bytesRead])
    client.destroy()
    await seen(client, 'close')
    world.note('closed', [client.bytesWritten, client.bytesRead])
  })

  compare('does not come while paused, and is whole after resume', async world => {
    const { client, accepted } = await connectBoth(world)
    const chunks: Buffer[] = []
    client.on('data', (chunk: Buffer) => chunks.push(chunk))
    client.pause()
    world.note('paused', [client.isPaused()])
    accepted.end('while paused')
    await settled()
    world.note('paused', [chunks.length])
    client.resume()
    await seen(client, 'end')
    world.note('resumed', Buffer.concat(chunks).toString())
  })

  compare('stops in the middle when paused in the handler of data', async world => {
    const served = await world.serve(socket => socket.end(pattern(1 << 20)))
    const client = world.connect('client', served)
    let bytes = 0
    let pauses = 0
    client.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      if (pauses++ > 5) return
      client.pause()
      setImmediate(() => client.resume())
    })
    await seen(client, 'end')
    world.note('data', [bytes])
  })

  compare('holds the writer back when nobody reads', async world => {
    const { client, accepted } = await connectBoth(world)
    // More than any system's buffers take.
    const chunk = pattern(1 << 20)
    for (let i = 0; i < 64; i++) client.write(chunk)
    await settled()
    world.note('held back', [client.writableNeedDrain, client.writableLength > 1 << 20])
    accepted.resume()
    await seen(client, 'drain')
    world.note('drained', [client.writableNeedDrain, client.writableLength])
    const ends = Promise.all([seen(client, 'finish'), seen(accepted, 'end')])
    client.end()
    await ends
    world.note('read', [accepted.bytesRead])
  })

  compare('says with write whether there is room', async world => {
    const served = await world.serve(socket => socket.resume())
    const client = world.connect('client', served)
    const { writableHighWaterMark, readableHighWaterMark } = client
    world.note('marks', [writableHighWaterMark, readableHighWaterMark])
    world.note('small', String(client.write(Buffer.alloc(writableHighWaterMark - 1))))
    world.note('full', String(client.write('x')))
    world.note('state', [client.writableLength, client.writableNeedDrain])
    await seen(client, 'drain')
    world.note('drained', [client.writableLength, client.writableNeedDrain])
  })

  compare('obeys high-water marks', async world => {
    const served = await world.serve(
      socket => {
        world.note('server socket', [socket.readableHighWaterMark, socket.writableHighWaterMark])
      },
      { highWaterMark: 1234 },
    )
    const client = world.connect('client', served, { highWaterMark: 100 })
    world.note('client marks', [client.readableHighWaterMark, client.writableHighWaterMark])
    await seen(client, 'ready')
    await until(() => world.story['server socket'] !== undefined)
  })

  compare('can be read in paused mode', async world => {
    const served = await world.serve(socket => socket.end('0123456789'))
    const client = world.connect('client', served)
    await seen(client, 'readable')
    world.note('read', [client.read(4), client.read(3), client.read(), client.read()].map(String))
    client.resume()
    await seen(client, 'close')
  })

  compare('can be iterated', async world => {
    const served = await world.serve(socket => socket.end('iterate over me'))
    const client = world.connect('client', served)
    let text = ''
    for await (const chunk of client) text += chunk
    world.note('text', text)
    await until(() => client.closed)
  })

  compare('can be left in the middle of an iteration', async world => {
    const served = await world.serve(socket => socket.write('first'))
    const client = world.connect('client', served)
    const closed = seen(client, 'close')
    for await (const chunk of client) {
      world.note('text', String(chunk))
      break
    }
    await closed
    world.note('left', String(client.destroyed))
  })

  compare('goes through pipe', async world => {
    const served = await world.serve(socket => socket.pipe(new PassThrough()).pipe(socket), HALF_OPEN)
    const client = world.connect('client', served)
    Readable.from(['piped ', 'all ', 'the way']).pipe(client)
    world.note('data', String(await readAll(client)))
    await seen(client, 'close')
  })

  compare('goes through pipeline', async world => {
    const served = await world.serve(socket => pipeline(socket, socket).catch(() => undefined), HALF_OPEN)
    const client = world.connect('client', served)
    const chunks: Buffer[] = []
    const sink = new Writable({
      write: (chunk, _encoding, done) => {
        chunks.push(chunk)
        done()
      },
    })
    await Promise.all([
      pipeline(Readable.from([pattern(300_000)], { objectMode: false }), client),
      pipeline(client, sink),
    ])
    world.note('data', String(Buffer.concat(chunks).equals(pattern(300_000))))
  })

  compare('fails a pipeline when the peer resets', async world => {
    const { client, accepted } = await connectBoth(world)
    const reading = pipeline(client, new PassThrough().resume()).then(
      () => 'done',
      error => tell(error),
    )
    accepted.resetAndDestroy()
    world.note('pipeline', await reading)
  })

  compare('fails a pipeline when the source fails', async world => {
    const { client, accepted } = await connectBoth(world)
    world.watch('server socket', accepted, ['end', 'error', 'close']).resume()
    const closed = seen(accepted, 'close')
    const source = new Readable({ read() {} })
    const writing = pipeline(source, client).then(
      () => 'done',
      error => tell(error),
    )
    source.destroy(new Error('the source has failed'))
    world.note('pipeline', await writing)
    await closed
  })

  compare('is done for finished() when both sides have ended', async world => {
    const served = await world.serve(socket => socket.resume().end('x'))
    const client = world.connect('client', served)
    client.resume()
    await finished(client)
    world.note('finished', [client.readableEnded, client.writableFinished])
  })

  compare('fails finished() when the socket is destroyed early', async world => {
    const { client } = await connectBoth(world)
    const outcome = finished(client).then(
      () => 'done',
      error => tell(error),
    )
    client.destroy()
    world.note('finished', await outcome)
  })

  compare('ends composed streams', async world => {
    const served = await world.serve(socket => socket.pipe(socket), HALF_OPEN)
    const client = world.connect('client', served)
    const upper = Duplex.from(async function* (source: AsyncIterable<Buffer>) {
      for await (const chunk of source) yield String(chunk).toUpperCase()
    })
    client.end('composed')
    const parts: string[] = []
    for await (const part of client.pipe(upper)) parts.push(String(part))
    world.note('data', parts.join(''))
  })

  for (const kind of ['a buffer', 'a function'] as const) {
    compare(`is read into ${kind} of the program's with onread`, async world => {
      const served = await world.serve(socket => socket.end(pattern(100_000)))
      const buffer = Buffer.alloc(4096)
      const chunks: Buffer[] = []
      const onread = {
        buffer: kind === 'a buffer' ? buffer : () => buffer,
        callback: (bytes: number, filled: Uint8Array) => {
          chunks.push(Buffer.from(filled.subarray(0, bytes)))
          return true
        },
      }
      const client = world.connect('client', served, { onread })
      client.on('data', () => world.note('client', 'data'))
      await seen(client, 'end')
      world.note('data', [Buffer.concat(chunks).equals(pattern(100_000)), client.bytesRead])
      world.note('sizes', [chunks.every(chunk => chunk.length <= 4096)])
    })
  }

  compare('stops coming when onread says so, until resume', async world => {
    const { client: writer, accepted, served } = await connectBoth(world)
    accepted.destroy()
    writer.destroy()
    served.server.on('connection', (socket: Socket) => socket.end(pattern(50_000)))
    let calls = 0
    let bytes = 0
    const onread = {
      buffer: Buffer.alloc(10_000),
      callback: (read: number) => {
        bytes += read
        return ++calls !== 1
      },
    }
    const client = world.connect('reader', served, { onread })
    await until(() => calls === 1)
    await settled()
    world.note('stopped', [calls])
    client.resume()
    await seen(client, 'end')
    world.note('resumed', [bytes])
  })
})

const HALF_OPEN = { allowHalfOpen: true }

/** A connection, once both ends know of it. */
async function connectBoth(world: World): Promise<{
  client: Socket
  accepted: Socket
  served: { server: Server; port: number; host: string }
}> {
  const served = await world.serve()
  const connection = seen(served.server, 'connection')
  const client = world.connect('client', served)
  await seen(client, 'ready')
  const [accepted] = (await connection) as [Socket]
  return { client, accepted, served }
}
