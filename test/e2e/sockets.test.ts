/**
 * Active sockets in processes of their own: when a program ends, and what of its data arrives; and streams of 100 MB over
 * HTTP. Runs what `npm run build` made, each program with `node:net` as well, which it is to be like.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import type * as Net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pathToFileURL } from 'node:url'
import { afterAll, afterEach, describe, expect, it } from 'vitest'

const runtimeDir = mkdtempSync(join(tmpdir(), 'serval-sockets-'))
process.env.SERVAL_RUNTIME_DIR = runtimeDir
const modules = {
  'node:net': 'node:net',
  'serval/net': String(pathToFileURL('dist/lib/net.js')),
}
const servalHttp = String(pathToFileURL('dist/lib/http.js'))

const children: ChildProcess[] = []
const servers: Net.Server[] = []
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  await Promise.all(servers.splice(0).map(server => new Promise(resolve => server.close(resolve))))
})
afterAll(() => rmSync(runtimeDir, { recursive: true, force: true }))

/** Starts an ES module; `says` resolves with what it prints next, `ended` with its exit status or signal. */
function run(code: string) {
  const child = spawn(process.execPath, ['--input-type=module', '--eval', code], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  children.push(child)
  const ended = once(child, 'exit').then(([status, signal]) => status ?? signal)
  child.stdout.setEncoding('utf8')
  return { child, ended, says: async () => String((await once(child.stdout, 'data'))[0]).trim() }
}

describe.each(Object.entries(modules))('a program that uses %s', (_name, module) => {
  const using = (code: string) => `import net from '${module}'\n${code}`

  /** A server in this process. */
  async function serve(onConnection: (socket: Net.Socket) => void): Promise<number> {
    const net: typeof Net = (await import(/* @vite-ignore */ module)).default
    const server = net.createServer(onConnection)
    servers.push(server)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return (server.address() as Net.AddressInfo).port
  }

  it('ends when all that it opened is closed', async () => {
    const program = run(
      using(`
        const server = net.createServer(socket => socket.end('x'))
        server.listen(0, '127.0.0.1', () => {
          const client = net.connect(server.address().port, '127.0.0.1')
          client.resume().on('close', () => server.close())
        })
      `),
    )
    expect(await program.ended).toBe(0)
  })

  it('ends when what is open is not referenced', async () => {
    const port = await serve(socket => socket.on('error', () => undefined))
    const program = run(
      using(`
        net.createServer().listen(0, '127.0.0.1').unref()
        net.connect(${port}, '127.0.0.1').on('connect', function () { this.unref() })
      `),
    )
    expect(await program.ended).toBe(0)
  })

  it('ends when nothing that it has open reads', async () => {
    const port = await serve(socket => socket.on('error', () => undefined))
    const program = run(using(`net.connect(${port}, '127.0.0.1').pause()`))
    expect(await program.ended).toBe(0)
  })

  it('ends when all that it said has arrived, though its peer does not end', async () => {
    // It is not read by the server, which sees no end, and answers none.
    const sockets: Net.Socket[] = []
    const port = await serve(socket => sockets.push(socket))
    const program = run(
      using(`
        const client = net.connect(${port}, '127.0.0.1')
        client.on('connect', () => client.write('unread', () => client.destroySoon()))
      `),
    )
    expect(await program.ended).toBe(0)
    // Nor is anybody there any more for what the server may still have to say.
    const [socket] = sockets
    const closed = new Promise(resolve => socket?.on('close', resolve).on('error', () => undefined))
    socket?.resume().write('anybody?')
    await closed
  })

  it('does not end before what it wrote has arrived, though nothing reads', async () => {
    const bytes = 4 << 20
    const received = new Promise<number>(resolve => {
      void serve(socket => {
        let count = 0
        socket.on('error', () => undefined)
        socket.on('data', (chunk: Buffer) => {
          count += chunk.length
          if (count === bytes) resolve(count)
        })
      }).then(port => {
        program = run(using(`net.connect(${port}, '127.0.0.1').pause().write(Buffer.alloc(${bytes}))`))
      })
    })
    let program: ReturnType<typeof run> | undefined
    expect(await received).toBe(bytes)
    expect(await program?.ended).toBe(0)
  })

  it('hears at once of a peer that was killed as soon as it was connected', async () => {
    const server = run(
      using(`
        const server = net.createServer(socket => socket.on('error', () => undefined))
        server.listen(0, '127.0.0.1', () => console.log(server.address().port))
      `),
    )
    const port = Number(await server.says())
    const net: typeof Net = (await import(/* @vite-ignore */ module)).default
    const client = net.connect(port, '127.0.0.1').resume()
    client.on('error', () => undefined)
    await once(client, 'connect')
    // `once` would take the error that there may be for its own.
    const closed = new Promise(resolve => client.once('close', resolve))
    server.child.kill('SIGKILL')
    await closed
    expect(client.destroyed).toBe(true)
  })

  it('goes on while a server listens', async () => {
    const program = run(
      using(`
        const server = net.createServer(socket => socket.on('data', () => server.close() && socket.end('bye')))
        server.listen(0, '127.0.0.1', () => console.log(server.address().port))
      `),
    )
    const port = Number(await program.says())
    const net: typeof Net = (await import(/* @vite-ignore */ module)).default
    const client = net.connect(port, '127.0.0.1')
    // Had it ended when it had nothing to do, nobody would answer.
    await once(client, 'connect')
    client.write('end, please')
    expect(String((await once(client, 'data'))[0])).toBe('bye')
    expect(await program.ended).toBe(0)
  })

  it('goes on while a socket waits for data', async () => {
    const sockets: Net.Socket[] = []
    const connected = new Promise<void>(resolve => {
      void serve(socket => sockets.push(socket) && resolve()).then(port => {
        const code = `net.connect(${port}, '127.0.0.1').on('data', data => console.log(String(data)))`
        program = run(using(code))
      })
    })
    let program: ReturnType<typeof run> | undefined
    await connected
    sockets[0]?.end('late')
    expect(await program?.says()).toBe('late')
    expect(await program?.ended).toBe(0)
  })

  it('does not end before what it wrote has arrived, however slowly it is read', async () => {
    const bytes = 16 << 20
    const received = new Promise<number>(resolve => {
      void serve(socket => {
        let count = 0
        socket.on('end', () => resolve(count))
        socket.on('data', (chunk: Buffer) => {
          count += chunk.length
          socket.pause()
          setImmediate(() => socket.resume())
        })
      }).then(port => {
        program = run(using(`net.connect(${port}, '127.0.0.1').end(Buffer.alloc(${bytes}))`))
      })
    })
    let program: ReturnType<typeof run> | undefined
    expect(await received).toBe(bytes)
    expect(await program?.ended).toBe(0)
  })

  it('ends its connections in order when it exits', async () => {
    const events: string[] = []
    const closed = new Promise<void>(resolve => {
      void serve(socket => {
        socket.resume()
        for (const event of ['end', 'error']) socket.on(event, () => events.push(event))
        socket.on('close', () => resolve())
      }).then(port =>
        run(
          using(`net.connect(${port}, '127.0.0.1').on('ready', () => setImmediate(() => process.exit(7)))`),
        ),
      )
    })
    await closed
    expect(events).toEqual(['end'])
  })
})

describe('100 MB over HTTP, by the name of the service', () => {
  const MB = 1_000_000
  const TOTAL = 100 * MB
  /** One megabyte, of which no part is like another, and a number in front. */
  const CHUNKS = `
    function* chunks() {
      const chunk = Buffer.alloc(${MB})
      for (let i = 0; i < chunk.length - 4; i += 4) chunk.writeUInt32BE(Math.imul(i, 2654435761) >>> 0, i)
      for (let n = 0; n < ${TOTAL / MB}; n++) {
        const next = Buffer.from(chunk)
        next.writeUInt32BE(n, 0)
        yield next
      }
    }`
  const chunks: () => Iterable<Buffer> = new Function(`${CHUNKS}; return chunks`)()
  const SERVER = `
    import http from '${servalHttp}'
    import { createHash } from 'node:crypto'
    import { Readable } from 'node:stream'
    ${CHUNKS}
    http.createServer(async (request, response) => {
      if (request.method === 'GET') return Readable.from(chunks(), { objectMode: false }).pipe(response)
      const hash = createHash('sha256')
      for await (const chunk of request) hash.update(chunk)
      response.end(hash.digest('hex'))
    }).listen('large.example', () => console.log('ready'))`

  const expected = () => {
    const hash = createHash('sha256')
    for (const chunk of chunks()) hash.update(chunk)
    return hash.digest('hex')
  }

  it('arrives whole, down and up', async () => {
    await run(SERVER).says()
    const http: typeof import('../../src/sockets/http.ts') = await import(/* @vite-ignore */ servalHttp)
    const agent = new http.Agent()
    const [download] = await once(http.get('http://large.example/', { agent }), 'response')
    const hash = createHash('sha256')
    let bytes = 0
    for await (const chunk of download) {
      hash.update(chunk)
      bytes += chunk.length
    }
    expect([bytes, hash.digest('hex')]).toEqual([TOTAL, expected()])

    const upload = http.request('http://large.example/', { agent, method: 'PUT' })
    Readable.from(chunks(), { objectMode: false }).pipe(upload)
    const [response] = await once(upload, 'response')
    let answer = ''
    for await (const text of response) answer += text
    expect(answer).toBe(expected())
  })

  it('arrives whole by fetch, down and up', async () => {
    await run(SERVER).says()
    const http: typeof import('../../src/sockets/http.ts') = await import(/* @vite-ignore */ servalHttp)
    const dispatcher = http.dispatcher()
    const fetchBy = fetch as unknown as (url: string, options: object) => Promise<Response>
    const download = await fetchBy('http://large.example/', { dispatcher })
    const hash = createHash('sha256')
    for await (const chunk of download.body as unknown as AsyncIterable<Uint8Array>) hash.update(chunk)
    expect(hash.digest('hex')).toBe(expected())

    const body = Readable.toWeb(Readable.from(chunks(), { objectMode: false }))
    const upload = await fetchBy('http://large.example/', { dispatcher, method: 'PUT', body, duplex: 'half' })
    expect(await upload.text()).toBe(expected())
    await dispatcher.close()
  })
})
