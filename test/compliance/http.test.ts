/** `serval/http` and `node:http` tell the same story: requests, keep-alive, time-outs, upgrades, aborts, closing. */
import { mkdtempSync, rmSync } from 'node:fs'
import type * as Http from 'node:http'
import nodeHttp from 'node:http'
import type { AddressInfo, LookupFunction } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Duplex, Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { inherits } from 'node:util'
import { describe, expect, it } from 'vitest'
import servalHttp from '../../src/sockets/http.ts'
import { pattern, seen, settled, tell, until } from './harness.ts'

type HttpModule = typeof Http

/** One run of a scenario: a module, what was seen, and what is to be ended. */
class Exchange {
  readonly http: HttpModule
  readonly story: string[] = []
  readonly #servers: Http.Server[] = []
  readonly #agents: Http.Agent[] = []

  constructor(http: HttpModule) {
    this.http = http
  }

  note(...what: unknown[]): void {
    this.story.push(what.map(part => (typeof part === 'string' ? part : JSON.stringify(part))).join(' '))
  }

  async serve(onRequest?: Http.RequestListener, options: Http.ServerOptions = {}) {
    const server = this.http.createServer(options, onRequest)
    this.#servers.push(server)
    server.listen(0, '127.0.0.1')
    await seen(server, 'listening')
    return { server, where: { port: (server.address() as AddressInfo).port, host: '127.0.0.1' } }
  }

  agent(options: Http.AgentOptions = {}): Http.Agent {
    const agent = new this.http.Agent(options)
    this.#agents.push(agent)
    return agent
  }

  /** A request whose answer is awaited and read. */
  async fetch(options: Http.RequestOptions, body?: string): Promise<Http.IncomingMessage & { text: string }> {
    const request = this.http.request(options).end(body)
    const [response] = (await seen(request, 'response')) as [Http.IncomingMessage]
    return Object.assign(response, { text: await text(response) })
  }

  async end(): Promise<void> {
    for (const agent of this.#agents) agent.destroy()
    for (const server of this.#servers) {
      server.closeAllConnections()
      await new Promise<void>(resolve => server.close(() => resolve()))
    }
  }
}

function compare(name: string, scenario: (exchange: Exchange) => Promise<void>): void {
  it(name, async () => {
    const [expected, actual] = [
      await play(nodeHttp, scenario),
      await play(servalHttp as unknown as HttpModule, scenario),
    ]
    expect(expected).not.toEqual([])
    expect(actual).toEqual(expected)
  })
}

async function play(http: HttpModule, scenario: (exchange: Exchange) => Promise<void>): Promise<string[]> {
  const exchange = new Exchange(http)
  try {
    await scenario(exchange)
    return [...exchange.story]
  } finally {
    await exchange.end()
  }
}

describe('http', () => {
  compare('asks and answers', async exchange => {
    const { where } = await exchange.serve(async (request, response) => {
      const body = await text(request)
      response.setHeader('x-test', 'yes')
      response.statusCode = 201
      response.end(`${request.method} ${request.url} ${request.headers['content-length']} ${body}`)
    })
    const answer = await exchange.fetch({ ...where, method: 'POST', path: '/path?query' }, 'the body')
    exchange.note(answer.statusCode, answer.headers['x-test'], answer.text, answer.httpVersion)
  })

  compare('takes get(url), get(url, options), get(options), with callbacks', async exchange => {
    const { where } = await exchange.serve((request, response) => response.end(request.url))
    const base = `http://127.0.0.1:${where.port}`
    const call = async (...args: unknown[]) => {
      const get = exchange.http.get as (...args: unknown[]) => Http.ClientRequest
      const response = await new Promise<Http.IncomingMessage>(resolve => get(...args, resolve))
      exchange.note(response.statusCode, await text(response))
    }
    await call(`${base}/text`)
    await call(new URL(`${base}/url`))
    await call(`${base}/text`, { path: '/options' })
    await call({ ...where, path: '/plain' })
    await call({ ...where, path: '/no-agent', agent: false })
  })

  compare('takes a URL with options added to it', async exchange => {
    const { where } = await exchange.serve((request, response) => {
      response.end(`${request.url} ${request.headers.foo}`)
    })
    const url = Object.assign(new URL(`http://${where.host}:${where.port}/ping?q=term`), {
      headers: { foo: 'Bar' },
    })
    const [response] = (await seen(exchange.http.get(url), 'response')) as [Http.IncomingMessage]
    exchange.note(await text(response))
  })

  compare('asks the look-up of the program for a host without a port', async exchange => {
    const lookup: LookupFunction = (host, _options, callback) => {
      exchange.note('looked up', host)
      callback(Object.assign(new Error('lost'), { code: 'ELOST' }), '')
    }
    const request = exchange.http.get({ host: 'web.example', lookup })
    exchange.note(tell((await seen(request, 'error'))[0]))
  })

  compare('tells nothing of a host that cannot be where the request was aborted at once', async exchange => {
    const request = exchange.http.request('http://example.com%60x.example.com')
    for (const event of ['abort', 'error', 'close']) request.on(event, () => exchange.note(event))
    request.abort()
    await seen(request, 'close')
    await settled()
  })

  compare('makes a connection of an agent by port', async exchange => {
    const { server, where } = await exchange.serve()
    server.on('connection', (socket: Duplex) => socket.end())
    const agent = exchange.agent() as Http.Agent & { createConnection(...args: unknown[]): Duplex }
    const socket = agent.createConnection(where.port, where.host, () => exchange.note('connected'))
    await seen(socket.resume(), 'end')
    exchange.note('ended')
  })

  compare('has servers and agents inherited from as before there were classes', async exchange => {
    const { Server, Agent } = exchange.http
    function Mine(this: object, onRequest: Http.RequestListener): void {
      Reflect.apply(Server as unknown as () => void, this, [onRequest])
    }
    inherits(Mine, Server)
    function MyAgent(this: object): void {
      Reflect.apply(Agent as unknown as () => void, this, [{ keepAlive: true }])
    }
    inherits(MyAgent, Agent)
    const answer: Http.RequestListener = (_request, response) => response.end('mine')
    const server: Http.Server = Reflect.construct(Mine, [answer])
    const agent: Http.Agent = Reflect.construct(MyAgent, [])
    exchange.note([server instanceof Server, server.constructor === Mine, agent.constructor === MyAgent])
    server.listen(0, '127.0.0.1')
    await seen(server, 'listening')
    const { port } = server.address() as AddressInfo
    exchange.note((await exchange.fetch({ port, host: '127.0.0.1', agent })).text)
    agent.destroy()
    server.close()
    await seen(server, 'close')
  })

  compare('uses a connection again with keep-alive', async exchange => {
    const { server, where } = await exchange.serve((_request, response) => response.end('x'))
    let connections = 0
    server.on('connection', () => connections++)
    const agent = exchange.agent({ keepAlive: true })
    for (let i = 0; i < 5; i++) {
      const request = exchange.http.get({ ...where, agent })
      const [response] = (await seen(request, 'response')) as [Http.IncomingMessage]
      await text(response)
      exchange.note(request.reusedSocket, response.headers.connection)
      await settled()
    }
    exchange.note(connections, Object.values(agent.freeSockets).flat().length)
  })

  compare('makes connections of their own without keep-alive', async exchange => {
    const { server, where } = await exchange.serve((_request, response) => response.end('x'))
    let connections = 0
    server.on('connection', () => connections++)
    const agent = exchange.agent()
    for (let i = 0; i < 3; i++) {
      const { headers } = await exchange.fetch({ ...where, agent })
      exchange.note(headers.connection)
    }
    exchange.note(connections)
  })

  compare('keeps to maxSockets, and queues the rest', async exchange => {
    let concurrent = 0
    let most = 0
    const { where } = await exchange.serve(async (_request, response) => {
      most = Math.max(most, ++concurrent)
      await settled()
      concurrent--
      response.end('x')
    })
    const agent = exchange.agent({ keepAlive: true, maxSockets: 2 })
    const answers = await Promise.all(Array.from({ length: 10 }, () => exchange.fetch({ ...where, agent })))
    exchange.note(answers.length, most <= 2)
  })

  compare('answers pipelined requests in order', async exchange => {
    const { where } = await exchange.serve((request, response) => {
      if (request.url === '/slow') setTimeout(() => response.end('slow'), 20)
      else response.end('fast')
    })
    const socket = exchange.agent().createConnection(where as Http.ClientRequestArgs) as Duplex
    const get = (path: string, more = '') => `GET ${path} HTTP/1.1\r\nHost: x\r\n${more}\r\n`
    socket.write(get('/slow') + get('/fast', 'Connection: close\r\n'))
    const answer = await text(socket)
    exchange.note(answer.match(/slow|fast/g))
  })

  compare('streams both ways with chunks and trailers', async exchange => {
    const { where } = await exchange.serve((request, response) => {
      response.writeHead(200, { trailer: 'x-sum' })
      let sum = 0
      request.on('data', (chunk: Buffer) => {
        sum += chunk.length
        response.write(chunk)
      })
      request.on('end', () => {
        response.addTrailers({ 'x-sum': String(sum) })
        response.end()
      })
    })
    const request = exchange.http.request({ ...where, method: 'PUT' })
    Readable.from([pattern(100_000), pattern(200_000)]).pipe(request)
    const [response] = (await seen(request, 'response')) as [Http.IncomingMessage]
    const chunks: Buffer[] = []
    for await (const chunk of response) chunks.push(chunk)
    exchange.note(Buffer.concat(chunks).equals(Buffer.concat([pattern(100_000), pattern(200_000)])))
    exchange.note(response.trailers, response.headers['transfer-encoding'], response.complete)
  })

  compare('waits for 100-continue', async exchange => {
    const { server, where } = await exchange.serve()
    server.on('checkContinue', async (request, response) => {
      exchange.note('check')
      response.writeContinue()
      response.end(`got ${await text(request)}`)
    })
    const request = exchange.http.request({ ...where, method: 'POST', headers: { expect: '100-continue' } })
    request.flushHeaders()
    await seen(request, 'continue')
    exchange.note('continue')
    request.end('the body')
    const [response] = (await seen(request, 'response')) as [Http.IncomingMessage]
    exchange.note(await text(response))
  })

  compare('upgrades', async exchange => {
    const { server, where } = await exchange.serve()
    server.on('upgrade', (request, socket, head) => {
      exchange.note('upgrade', request.headers.upgrade ?? '', head.length)
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n')
      socket.pipe(socket)
    })
    const request = exchange.http
      .request({ ...where, headers: { connection: 'Upgrade', upgrade: 'echo' } })
      .end()
    const [response, socket] = (await seen(request, 'upgrade')) as [Http.IncomingMessage, Duplex]
    exchange.note(response.statusCode, response.headers.upgrade)
    socket.write('through the tunnel')
    const [echo] = await seen(socket, 'data')
    exchange.note(String(echo))
    socket.end()
    await seen(socket.resume(), 'close')
  })

  compare('connects', async exchange => {
    const { server, where } = await exchange.serve()
    server.on('connect', (request, socket) => {
      exchange.note('connect', request.url ?? '')
      socket.write('HTTP/1.1 200 Connection Established\r\n\r\n')
      socket.end('tunnel')
    })
    const request = exchange.http.request({ ...where, method: 'CONNECT', path: 'far.example:443' }).end()
    const [response, socket] = (await seen(request, 'connect')) as [Http.IncomingMessage, Duplex]
    exchange.note(response.statusCode, await text(socket))
  })

  compare('ends a request that is aborted before its answer', async exchange => {
    const { server, where } = await exchange.serve(() => exchange.note('request'))
    const closed = new Promise(resolve => server.on('connection', socket => socket.on('close', resolve)))
    const request = exchange.http.get(where)
    const error = seen(request, 'error')
    await seen(server, 'request')
    request.destroy()
    exchange.note(tell((await error)[0]))
    await closed
    exchange.note('closed')
  })

  compare('ends a request by its signal', async exchange => {
    const { server, where } = await exchange.serve(() => undefined)
    const controller = new AbortController()
    const request = exchange.http.get({ ...where, signal: controller.signal })
    const error = seen(request, 'error')
    await seen(server, 'request')
    controller.abort()
    exchange.note(tell((await error)[0]))
  })

  compare('tells the client when the server aborts an answer', async exchange => {
    const { where } = await exchange.serve((_request, response) => {
      response.writeHead(200, { 'content-length': 100 })
      response.write('not all of it')
      setTimeout(() => response.destroy(), 20)
    })
    const request = exchange.http.get(where)
    const [response] = (await seen(request, 'response')) as [Http.IncomingMessage]
    const outcome = await text(response).then(
      () => 'whole',
      error => tell(error),
    )
    exchange.note(outcome, response.complete)
  })

  compare('tells the server when the client aborts in the middle of a body', async exchange => {
    const { server, where } = await exchange.serve()
    const aborted = new Promise<string>(resolve =>
      server.on('request', request => text(request).then(resolve, error => resolve(tell(error)))),
    )
    const request = exchange.http.request({ ...where, method: 'POST', headers: { 'content-length': 100 } })
    request.on('error', () => undefined)
    request.write('not all')
    await seen(server, 'request')
    request.destroy()
    exchange.note(await aborted)
  })

  compare('times a request out', async exchange => {
    const { where } = await exchange.serve(() => undefined)
    const request = exchange.http.get({ ...where, timeout: 30 })
    request.on('error', error => exchange.note(tell(error)))
    await seen(request, 'timeout')
    exchange.note('timeout', request.destroyed)
    request.destroy(new Error('too late'))
    await seen(request, 'close')
  })

  compare('ends idle connections after keepAliveTimeout', async exchange => {
    const { server, where } = await exchange.serve((_request, response) => response.end('x'), {
      keepAliveTimeout: 30,
    })
    const agent = exchange.agent({ keepAlive: true })
    const connection = seen(server, 'connection')
    const { headers } = await exchange.fetch({ ...where, agent })
    const [socket] = (await connection) as [Duplex]
    exchange.note(headers['keep-alive'] ?? '')
    await until(() => socket.destroyed)
    await until(() => Object.values(agent.freeSockets).flat().length === 0)
    exchange.note('gone')
  })

  compare('answers 408 to headers that do not come', async exchange => {
    const { where } = await exchange.serve(undefined, {
      headersTimeout: 50,
      requestTimeout: 50,
      connectionsCheckingInterval: 20,
    })
    const socket = exchange.agent().createConnection(where as Http.ClientRequestArgs) as Duplex
    socket.write('GET / HTTP/1.1\r\n')
    exchange.note((await text(socket)).split('\r\n')[0] ?? '')
  })

  compare('answers 400 to what is no HTTP', async exchange => {
    const { where } = await exchange.serve()
    const socket = exchange.agent().createConnection(where as Http.ClientRequestArgs) as Duplex
    socket.write('this is no HTTP\r\n\r\n')
    exchange.note((await text(socket)).split('\r\n')[0] ?? '')
  })

  compare('times sockets out with setTimeout', async exchange => {
    const { server, where } = await exchange.serve(() => undefined)
    server.setTimeout(30)
    const request = exchange.http.get(where)
    const [error] = await seen(request, 'error')
    exchange.note(tell(error), server.timeout)
  })

  compare('closes when the last answer is out, idle connections at once', async exchange => {
    const { server, where } = await exchange.serve((request, response) => {
      if (request.url === '/slow') server.once('finish', () => response.end('slow'))
      else response.end('quick')
    })
    const agent = exchange.agent({ keepAlive: true })
    await exchange.fetch({ ...where, agent, path: '/quick' })
    const requested = seen(server, 'request')
    const slow = exchange.fetch({ ...where, agent: false, path: '/slow' })
    await requested
    const closed = new Promise<string>(resolve => server.close(error => resolve(String(error))))
    exchange.note(server.listening)
    await until(() => Object.values(agent.freeSockets).flat().length === 0)
    server.emit('finish')
    exchange.note((await slow).text, await closed)
  })

  compare('reports close of a server that does not listen', async exchange => {
    const server = exchange.http.createServer()
    const error = await new Promise<unknown>(resolve => server.close(resolve))
    exchange.note((error as NodeJS.ErrnoException).code ?? '', server.listening, server.address())
  })

  compare('ends all connections with closeAllConnections', async exchange => {
    const { server, where } = await exchange.serve(() => undefined)
    const request = exchange.http.get(where)
    const error = seen(request, 'error')
    await seen(server, 'request')
    server.closeAllConnections()
    exchange.note(tell((await error)[0]))
  })

  compare('fails with ECONNREFUSED where nobody listens', async exchange => {
    const { server, where } = await exchange.serve()
    server.close()
    await seen(server, 'close')
    const [error] = await seen(exchange.http.get(where), 'error')
    exchange.note(tell(error))
  })

  compare('obeys maxConnections and maxRequestsPerSocket', async exchange => {
    const { server, where } = await exchange.serve((_request, response) => response.end('x'))
    server.maxRequestsPerSocket = 1
    server.maxConnections = 10
    const agent = exchange.agent({ keepAlive: true })
    const { headers } = await exchange.fetch({ ...where, agent })
    exchange.note(headers.connection, server.maxConnections)
  })

  compare('is disposed of by async dispose', async exchange => {
    const { server } = await exchange.serve()
    await server[Symbol.asyncDispose]()
    exchange.note(server.listening)
  })

  compare('asks by the path of a unix socket', async exchange => {
    const directory = mkdtempSync(join(tmpdir(), 'serval-http-'))
    const socketPath = join(directory, 'a')
    const server = nodeHttp.createServer((request, response) =>
      response.end(`${request.method} ${request.url} ${request.headers.host}`),
    )
    server.listen(socketPath)
    try {
      await seen(server, 'listening')
      for (const options of [{}, { agent: exchange.agent() }, { host: 'web.example' }]) {
        const { text } = await exchange.fetch({ socketPath, path: '/a', ...options })
        exchange.note(text)
      }
      exchange.note(
        Object.keys(exchange.http.globalAgent.freeSockets).some(name => name.endsWith(socketPath)),
      )
    } finally {
      exchange.http.globalAgent.destroy()
      server.closeAllConnections()
      await new Promise(resolve => server.close(resolve))
      rmSync(directory, { recursive: true })
    }
    const request = exchange.http.get({ socketPath })
    exchange.note(tell((await seen(request, 'error'))[0]))
  })

  compare('has all that the module has', async exchange => {
    const names = Object.keys(nodeHttp).filter(name => !name.startsWith('_'))
    exchange.note(names.filter(name => !(name in exchange.http)))
    exchange.note(exchange.http.METHODS.length, exchange.http.STATUS_CODES[418] ?? '')
    const { Agent, Server, ClientRequest } = exchange.http
    exchange.note(Agent.name, Server.name, ClientRequest.name)
    exchange.note(typeof exchange.http.globalAgent, exchange.http.maxHeaderSize)
  })
})

describe('serval/http differs from node:http in that', () => {
  it.each([
    ['node:http', nodeHttp, undefined],
    ['serval/http', servalHttp, TypeError],
  ])('the agent of all requests cannot be replaced: in %s', (_name, module, error) => {
    const { globalAgent } = module
    const replace = () => Object.assign(module, { globalAgent })
    if (error) expect(replace).toThrow(error)
    else expect(replace()).toBe(module)
  })
})
