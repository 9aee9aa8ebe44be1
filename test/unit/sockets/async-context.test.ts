/** In which async context programs are called back: what they enter for one flow is not seen in another's, as with Node's own. */
import { AsyncLocalStorage } from 'node:async_hooks'
import { once } from 'node:events'
import nodeHttp, { type Server as HttpServer, type RequestListener } from 'node:http'
import nodeNet, { type AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { MemoryNetwork } from '../../../src/net/links/memory-link.ts'
import type { Stack } from '../../../src/net/stack.ts'
import dgram from '../../../src/sockets/dgram.ts'
import http from '../../../src/sockets/http.ts'
import net from '../../../src/sockets/net.ts'
import { Stacks } from '../../support/net/stacks.ts'

const SERVICE = 'web.example'
const CALLS = 3
const eachCall = <T>(call: (i: number) => T): T[] => Array.from({ length: CALLS }, (_, i) => call(i))

let stacks: Stacks
let stack: Stack
let network: MemoryNetwork
const context = new AsyncLocalStorage<string>()

beforeEach(() => {
  stacks = new Stacks()
  network = new MemoryNetwork()
  stack = stacks.open({ network: network.host('10.0.0.1') })
})
afterEach(() => stacks.close())

/** What was seen, each as `who what: the context`. */
class Log {
  readonly lines: string[] = []

  note(what: string): void {
    this.lines.push(`${what}: ${context.getStore()}`)
  }
}

interface Closable {
  once(event: 'close', listener: () => void): unknown
  close(): unknown
}

interface NetScene<S extends Closable> {
  /** Resolves when it listens. */
  serve(onSocket: (socket: Duplex) => void): Promise<S>
  call(server: S): Duplex
}

const ours: NetScene<net.Server> = {
  serve: onSocket => listening(net.createServer({ stack }, onSocket).listen(SERVICE)),
  call: () => net.connect({ service: SERVICE, stack }),
}
const nodes: NetScene<nodeNet.Server> = {
  serve: onSocket => listening(nodeNet.createServer(onSocket).listen(0, '127.0.0.1')),
  call: server => nodeNet.connect(portOf(server), '127.0.0.1'),
}

async function listening<S extends nodeNet.Server | net.Server | HttpServer | http.Server>(
  server: S,
): Promise<S> {
  await once(server, 'listening')
  return server
}

function portOf(server: nodeNet.Server): number {
  return (server.address() as AddressInfo).port
}

/** Each call in a context of its own; the server enters another with each chunk. */
async function conversation<S extends Closable>({ serve, call }: NetScene<S>): Promise<string[]> {
  const log = new Log()
  const onSocket = (socket: Duplex) => {
    log.note('a connection')
    socket.on('data', chunk => {
      context.enterWith('another')
      socket.write(chunk)
    })
    socket.on('end', () => socket.end())
  }
  const server = await context.run('listen', () => serve(onSocket))
  const talk = async (i: number) => {
    const socket = call(server)
    let chunks = 0
    for (const event of ['connect', 'end', 'close']) socket.on(event, () => log.note(`${i} ${event}`))
    socket.on('data', () => {
      log.note(`${i} data`)
      if (++chunks < 3) socket.write('more', () => log.note(`${i} written`))
      else socket.end()
    })
    socket.write('first')
    await once(socket, 'close')
  }
  await Promise.all(eachCall(i => context.run(`call ${i}`, talk, i)))
  const closed = once(server as never, 'close')
  server.close()
  await closed
  return log.lines.sort()
}

describe('programs are called back', () => {
  it('where they called or began to listen, as with node:net', async () => {
    const lines = await conversation(ours)
    expect(lines).toEqual(await conversation(nodes))
    expect(lines).toContain('2 data: call 2')
    expect(lines.filter(line => line === 'a connection: listen')).toHaveLength(CALLS)
  })

  it('of a write where it was made, however long it takes, as with node:net', async () => {
    const writes = async <S extends Closable>({ serve, call }: NetScene<S>) => {
      const log = new Log()
      const server = await serve(socket => {
        socket.once('data', () => socket.pause() && setTimeout(() => socket.resume(), 50))
        socket.on('end', () => socket.end())
      })
      const socket = context.run('call', () => call(server))
      await once(socket, 'connect')
      socket.on('drain', () => log.note('drain'))
      const write = (what: string, bytes: number) =>
        new Promise<void>(resolve => {
          socket.write(new Uint8Array(bytes), () => {
            log.note(what)
            resolve()
          })
        })
      await context.run('write', write, 'large', 16 << 20)
      await context.run('again', write, 'small', 1)
      socket.on('finish', () => log.note('finish')).resume()
      context.run('end', () => socket.end())
      await once(socket, 'close')
      server.close()
      return log.lines
    }
    const lines = await writes(ours)
    expect(lines).toEqual(await writes(nodes))
    expect(lines).toContain('drain: write')
  })

  it('of the end of a socket where it was called, whoever destroys it, as with node:net', async () => {
    const ends = async <S extends Closable>({ serve, call }: NetScene<S>) => {
      const log = new Log()
      const server = await serve(socket => socket.on('error', () => undefined).resume())
      for (const how of [undefined, new Error('enough')]) {
        const socket = context.run('call', () => call(server))
        await once(socket, 'connect')
        socket.on('error', () => log.note('error')).on('close', () => log.note('close'))
        context.run('destroy', () => socket.destroy(how))
        await new Promise(resolve => socket.on('close', resolve))
      }
      server.close()
      return log.lines
    }
    const lines = await ends(ours)
    expect(lines).toEqual(await ends(nodes))
    expect(lines).toContain('close: call')
  })

  it('of a connection that was accepted never where they were for another', async () => {
    const log = new Log()
    let connections = 0
    const server = await ours.serve(socket => {
      const number = ++connections
      log.note(`connection ${number}`)
      context.enterWith(`of ${number}`)
      socket.on('data', () => log.note(`data ${number}`))
      socket.on('end', () => socket.end())
    })
    const sockets = eachCall(() => ours.call(server))
    for (const socket of sockets) socket.write('first')
    await expect.poll(() => log.lines.length).toBe(2 * CALLS)
    for (const socket of sockets) socket.end('second')
    await Promise.all(sockets.map(socket => once(socket.resume(), 'close')))
    server.close()
    // Whether it lasts from one callback to the next is Node's own affair.
    const mayBe = (i: number) => [`connection ${i}: undefined`, `data ${i}: of ${i}`, `data ${i}: undefined`]
    expect(
      log.lines.filter(
        line =>
          !eachCall(i => i + 1)
            .flatMap(mayBe)
            .includes(line),
      ),
    ).toEqual([])
  })

  it('of requests on one connection each where it was made, as with node:http', async () => {
    const requests = async (
      serve: (onRequest: RequestListener) => Promise<HttpServer | http.Server>,
      get: (
        server: HttpServer,
        path: string,
        onResponse: (response: nodeHttp.IncomingMessage) => void,
      ) => void,
    ) => {
      const log = new Log()
      const server = await context.run('listen', () =>
        serve((incoming, response) => {
          log.note(`asked ${incoming.url}`)
          context.enterWith(`asked ${incoming.url}`)
          setImmediate(() => {
            log.note(`answer ${incoming.url}`)
            response.end('answer')
          })
        }),
      )
      const ask = (i: number) =>
        new Promise<void>(resolve =>
          get(server as HttpServer, `/${i}`, response => {
            log.note(`response ${i}`)
            response.on('data', () => log.note(`data ${i}`))
            response.on('end', () => {
              log.note(`end ${i}`)
              resolve()
            })
          }),
        )
      await Promise.all(eachCall(i => context.run(`call ${i}`, ask, i)))
      server.closeAllConnections()
      server.close()
      return log.lines
    }
    const agents = [
      new http.Agent({ stack, keepAlive: true, maxSockets: 1 }),
      new nodeHttp.Agent({ keepAlive: true, maxSockets: 1 }),
    ] as const
    const lines = await requests(
      onRequest => listening(http.createServer({ stack }, onRequest).listen(SERVICE)),
      (_, path, onResponse) => http.get({ service: SERVICE, path, agent: agents[0] }, onResponse),
    )
    const expected = await requests(
      onRequest => listening(nodeHttp.createServer(onRequest).listen(0, '127.0.0.1')),
      (server, path, onResponse) =>
        nodeHttp.get({ host: '127.0.0.1', port: portOf(server), path, agent: agents[1] }, onResponse),
    )
    for (const agent of agents) agent.destroy()
    expect(lines).toEqual(expected)
    expect(lines).toContain('data 2: call 2')
  })

  it('of messages where the socket was bound, and of those that waited where they were sent', async () => {
    const log = new Log()
    const there = stacks.open({ network: network.host('10.0.0.9') })
    const server = context.run('create', () => dgram.createSocket({ stack: there }))
    const client = context.run('create', () => dgram.createSocket({ stack }))
    client.on('message', () => log.note('answer'))
    server.on('message', (_message, info) => {
      log.note('message')
      server.send('answer', info)
    })
    context.run('bind', () => server.bind('news.example'))
    await once(server, 'listening')
    // What is sent before the socket is open goes, as with Node's, where the first message did.
    context.run('first', () => client.send('hello', 'news.example'))
    await once(client, 'listening')
    const send = (i: number) =>
      new Promise<void>(resolve =>
        client.send('hello', 'news.example', () => {
          log.note(`sent ${i}`)
          resolve()
        }),
      )
    await Promise.all(eachCall(i => context.run(`send ${i}`, send, i)))
    await expect
      .poll(() => log.lines.sort())
      .toEqual(
        [
          ...[0, ...eachCall(() => 1)].flatMap(() => ['message: create', 'answer: create']),
          ...eachCall(i => `sent ${i}: send ${i}`),
        ].sort(),
      )
    await Promise.all([server, client].map(socket => socket[Symbol.asyncDispose]()))
  })
})
