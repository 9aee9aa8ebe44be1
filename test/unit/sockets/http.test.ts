/** What `serval/http` has beyond `node:http`: services in URLs and options, pools by service, dispatchers for fetch. */
import { once } from 'node:events'
import nodeHttp, { type IncomingMessage, type Server as NodeServer } from 'node:http'
import { text } from 'node:stream/consumers'
import express from 'express'
import fastify from 'fastify'
import { fetch as undiciFetch, request as undiciRequest } from 'undici'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { MemoryNetwork } from '../../../src/net/links/memory-link.ts'
import type { Stack } from '../../../src/net/stack.ts'
import {
  Agent,
  ClientRequest,
  createServer,
  dispatcher,
  get,
  type RequestListener,
  type RequestOptions,
  request,
  type Server,
} from '../../../src/sockets/http.ts'
import { Stacks } from '../../support/net/stacks.ts'

let stacks: Stacks
let client: Stack
let server: Stack
let agent: Agent
const servers: Server[] = []

beforeEach(() => {
  stacks = new Stacks()
  const network = new MemoryNetwork()
  client = stacks.open({ network: network.host('10.0.0.1') })
  server = stacks.open({ network: network.host('10.0.0.9') })
  agent = new Agent({ stack: client, keepAlive: true })
})
afterEach(async () => {
  agent.destroy()
  for (const listener of servers.splice(0)) listener.closeAllConnections()
  await stacks.close()
})

/** Answers with the Host that was asked for. */
const echoHost: RequestListener = (incoming, response) =>
  response.end(`${incoming.headers.host} ${incoming.url}`)

async function serve(service: string, onRequest: RequestListener = echoHost): Promise<Server> {
  const listener = createServer({ stack: server }, onRequest)
  servers.push(listener.listen(service))
  await once(listener, 'listening')
  return listener
}

async function answer(options: RequestOptions | string): Promise<string> {
  const outgoing = typeof options === 'string' ? get(options, { agent }) : get({ agent, ...options })
  const [response] = (await once(outgoing, 'response')) as [IncomingMessage]
  return text(response)
}

/** A fetch that stands for Node's own and undici's: both take the dispatcher. */
type Fetch = (url: string, options: { dispatcher: unknown } & Record<string, unknown>) => Promise<Response>

describe('a request by service', () => {
  it('finds it by the host of a URL', async () => {
    await serve('web.example')
    expect(await answer('http://web.example/path?query')).toBe('web.example /path?query')
    expect(await answer('http://web.example:80/')).toBe('web.example /')
    expect(await answer('http://WEB.example/')).toBe('web.example /')
  })

  it('finds it by the option service, which is the Host too', async () => {
    await serve('web.example')
    expect(await answer({ service: 'web.example', path: '/x' })).toBe('web.example /x')
    expect(await answer({ service: 'web.example', host: 'other.example' })).toBe('other.example /')
    expect(await answer({ service: 'web.example', headers: { host: 'third.example' } })).toBe(
      'third.example /',
    )
  })

  it('finds it by host and hostname', async () => {
    await serve('web.example')
    expect(await answer({ host: 'web.example' })).toBe('web.example /')
    expect(await answer({ hostname: 'web.example' })).toBe('web.example /')
  })

  it('finds a port of a host by a URL with a port', async () => {
    await serve('8080.10-0-0-9.inet')
    expect(await answer('http://10.0.0.9:8080/')).toBe('10.0.0.9:8080 /')
    await serve('8080.db.lan.inet')
    expect(await answer('http://db.lan:8080/')).toBe('db.lan:8080 /')
  })

  it('is a ClientRequest, of ours and of Node', () => {
    const outgoing = request({ service: 'nobody.example', agent }).on('error', () => undefined)
    expect(outgoing).toBeInstanceOf(ClientRequest)
    expect(outgoing).toBeInstanceOf(nodeHttp.ClientRequest)
    outgoing.destroy()
  })

  it('fails with the error of the socket', async () => {
    const [error] = await once(get('http://nobody.example/', { agent }), 'error')
    expect(error).toMatchObject({ code: 'ENOROUTER', service: 'nobody.example', syscall: 'connect' })
  })

  it('fails with ESERVICENAME for what can be no name, as an event', async () => {
    const [error] = await once(get({ service: 'no name', agent }), 'error')
    expect(error).toMatchObject({ code: 'ESERVICENAME', value: 'no name' })
  })

  it('takes one pool for one service, however it was named', async () => {
    const listener = await serve('web.example')
    let connections = 0
    listener.on('connection', () => connections++)
    for (const options of [
      'http://web.example/',
      { service: 'web.example' },
      { host: 'web.example', port: 80 },
    ]) {
      await answer(options)
      await new Promise(resolve => setImmediate(resolve))
    }
    expect(connections).toBe(1)
    expect(Object.keys(agent.freeSockets)).toEqual(['web.example::'])
  })

  it('does a thousand in a row over one connection', async () => {
    let served = 0
    const listener = await serve('web.example', (_incoming, response) => response.end(String(++served)))
    let connections = 0
    listener.on('connection', () => connections++)
    for (let i = 1; i <= 1000; i++) expect(await answer('http://web.example/')).toBe(String(i))
    expect(connections).toBe(1)
  })
})

describe('a server', () => {
  it('tells its service with its address', async () => {
    const listener = await serve('web.example')
    expect(listener.address()).toMatchObject({ address: '10.0.0.9', family: 'IPv4', service: 'web.example' })
  })

  it('serves an Express application', async () => {
    const app = express()
    app.use(express.json())
    app.post('/users/:id', (incoming, response) => {
      response.status(201).json({ id: incoming.params.id, ...incoming.body, protocol: incoming.protocol })
    })
    await serve('app.example', app)
    const pool = dispatcher({ stack: client })
    const response = await (fetch as unknown as Fetch)('http://app.example/users/7', {
      dispatcher: pool,
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'Ada' }),
    })
    expect([response.status, await response.json()]).toEqual([
      201,
      { id: '7', name: 'Ada', protocol: 'http' },
    ])
    const missing = await answer('http://app.example/missing')
    expect(missing).toContain('Cannot GET /missing')
    await pool.close()
  })

  it('serves a fastify application, asked by undici', async () => {
    const app = fastify({
      serverFactory: handler => createServer({ stack: server }, handler as RequestListener) as NodeServer,
    })
    app.post('/users/:id', async ({ params, body, ip }) => ({ ...Object(params), body, ip }))
    await app.ready()
    app.server.listen('app.example')
    await once(app.server, 'listening')
    const pool = dispatcher({ stack: client })
    const response = await undiciRequest('http://app.example/users/7', {
      dispatcher: pool,
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'Ada' }),
    })
    expect([response.statusCode, await response.body.json()]).toEqual([
      200,
      { id: '7', body: { name: 'Ada' }, ip: '10.0.0.1' },
    ])
    await pool.close()
    await app.close()
  })
})

describe.each<[string, Fetch]>([
  ["Node's fetch", fetch as unknown as Fetch],
  ["undici's fetch", undiciFetch as unknown as Fetch],
])('%s with a dispatcher', (_name, fetchBy) => {
  it('asks by service, and uses connections again', async () => {
    const listener = await serve('web.example')
    let connections = 0
    listener.on('connection', () => connections++)
    const pool = dispatcher({ stack: client })
    for (let i = 0; i < 20; i++) {
      const response = await fetchBy(`http://web.example/${i}`, { dispatcher: pool })
      expect([response.status, await response.text()]).toEqual([200, `web.example /${i}`])
    }
    // Over TCP, undici makes a second one as well.
    expect(connections).toBeLessThanOrEqual(2)
    await pool.close()
  })

  it('sends and receives bodies', async () => {
    await serve('web.example', async (incoming, response) => {
      response.setHeader('content-type', 'text/plain').end((await text(incoming)).toUpperCase())
    })
    const pool = dispatcher({ stack: client })
    const body = 'some text, '.repeat(50_000)
    const response = await fetchBy('http://web.example/', { dispatcher: pool, method: 'POST', body })
    expect(await response.text()).toBe(body.toUpperCase())
    await pool.close()
  })

  it('fails with the error of the socket as the cause', async () => {
    const pool = dispatcher({ stack: client })
    const failure = fetchBy('http://nobody.example/', { dispatcher: pool })
    await expect(failure).rejects.toMatchObject({ cause: { code: 'ENOROUTER', service: 'nobody.example' } })
    await pool.close()
  })

  it('does not fetch by other protocols', async () => {
    const pool = dispatcher({ stack: client })
    const failure = fetchBy('https://web.example/', { dispatcher: pool })
    await expect(failure).rejects.toMatchObject({ cause: { code: 'ERR_INVALID_ARG_VALUE' } })
    await pool.close()
  })

  it('is aborted by its signal, and the server hears of it', async () => {
    const closed = new Promise<string>(resolve => {
      void serve('web.example', incoming => incoming.on('close', () => resolve('closed')))
    })
    const pool = dispatcher({ stack: client })
    const controller = new AbortController()
    const [listener] = servers
    listener?.once('request', () => controller.abort())
    const failure = fetchBy('http://web.example/', { dispatcher: pool, signal: controller.signal })
    await expect(failure).rejects.toMatchObject({ name: 'AbortError' })
    expect(await closed).toBe('closed')
    await pool.close()
  })
})
