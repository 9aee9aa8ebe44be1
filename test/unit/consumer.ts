/**
 * A program as a user of the package writes it in TypeScript: it compiles as long as the public types say what the
 * documentation does. exports.test.ts runs it.
 */
import { once } from 'node:events'
import type nodeNet from 'node:net'
import { text } from 'node:stream/consumers'
import {
  openStack,
  parseRule,
  ServalError,
  ServiceId,
  ServicePrefix,
  ServiceTable,
  serviceIdOf,
} from 'serval'
import http, { type AgentOptions, type RequestOptions } from 'serval/http'
import net, { type ConnectOptions, type ListenOptions, type Socket, type SocketOptions } from 'serval/net'

/** What a client reads of a service, the service's name, and an answer by HTTP. */
export async function talk(service: string): Promise<string[]> {
  const stack = openStack({ bind: '127.0.0.1', runtimeDir: process.env.SERVAL_RUNTIME_DIR })
  const listening: ListenOptions = { service, weight: 2, priority: 1, backlog: 10 }
  const server = net.createServer({ allowHalfOpen: false, stack }, (socket: Socket) => socket.end('hello'))
  server.listen(listening)
  await once(server, 'listening')

  const options: ConnectOptions = { service, noDelay: true, timeout: 10_000, stack }
  const client = net.connect(options)
  client.on('migrate', path => path satisfies object)
  const said = await text(client)
  const name: string = server.address()?.service ?? ''

  const web = http.createServer({ stack }, (_request, response) => response.end('hello over http'))
  web.listen(`web.${service}`)
  await once(web, 'listening')
  const agent = new http.Agent({ stack, keepAlive: false } satisfies AgentOptions)
  const asked: RequestOptions = { service: `web.${service}`, agent }
  const [response] = await once(http.get(asked), 'response')
  const answer = `${response.statusCode} ${await text(response)}`

  await Promise.all([server[Symbol.asyncDispose](), web[Symbol.asyncDispose]()])
  await stack.close()
  return [said, name, answer]
}

/** Sockets and servers go where Node's do. */
export function asNode(socket: Socket, server: net.Server): [nodeNet.Socket, nodeNet.Server] {
  const options: SocketOptions = { highWaterMark: 1024, signal: AbortSignal.timeout(1000) }
  new net.Socket(options).destroy()
  return [socket, server]
}

/** What a flow tells. */
export function describeFlow({ flow }: Socket): string {
  if (flow === undefined) return 'no flow'
  const { flowId, peerFlowId, state, security, paths } = flow
  const active = paths.find(path => path.active)
  return `${flowId} ${peerFlowId} ${state} ${security} ${active?.local} ${active?.remote} ${active?.srttMs} ${active?.cwnd} ${active?.mtu}`
}

export async function move(socket: Socket): Promise<string> {
  try {
    await socket.migrate({ address: '127.0.0.2' })
    await socket.migrate({ interface: 'lo' })
    return 'moved'
  } catch (error) {
    return error instanceof ServalError && error.code === 'EADDRNOTAVAIL' ? error.message : 'lost'
  }
}

/** The SAL's own tables. */
export function look(): boolean {
  const table = new ServiceTable()
  const { pattern, rule } = parseRule('FORWARD *.example 10.0.0.1:54324') as ReturnType<typeof parseRule> & {
    pattern: unknown
  }
  table.insert(ServicePrefix.all, rule, { source: 'user' })
  const id: ServiceId = serviceIdOf('web.example')
  return table.lookup(id) !== undefined && ServiceId.parse(id.toString()).equals(id) && pattern !== undefined
}
