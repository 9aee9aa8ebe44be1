/**
 * node:http with the same handler over a transport: http-load TRANSPORT server ADDRESS,
 * http-load TRANSPORT client ADDRESS PORT
 *
 * The client obeys `measure SECONDS`: it keeps 50 connections busy, each with one request at a time, and checks each reply.
 */
import nodeHttp, { type IncomingMessage, type RequestOptions, type ServerResponse } from 'node:http'
import servalHttp from 'serval/http'
import { obey } from './commands.ts'
import { say } from './say.ts'

const CONNECTIONS = 50
const REPLY = Buffer.alloc(1024, 'a reply of one KiB; ')
const SERVICE = 'bench.example'

const [transport, role, address = '', port] = process.argv.slice(2)
const isServal = transport === 'serval'

if (role === 'server') serve()
else obey({ measure: loadFor(isServal ? servalOptions() : nodeOptions()) })

function serve(): void {
  obey()
  const handle = (_request: IncomingMessage, response: ServerResponse) => {
    response.writeHead(200, { 'content-type': 'text/plain', 'content-length': REPLY.length }).end(REPLY)
  }
  const server = isServal ? servalHttp.createServer(handle) : nodeHttp.createServer(handle)
  // Connections wait while others are measured.
  server.keepAliveTimeout = 0
  const onListening = () => say('ready', { port: (server.address() as { port: number }).port })
  if (isServal) server.listen(SERVICE, onListening)
  else server.listen(0, address, onListening)
}

function loadFor(options: RequestOptions) {
  let connections = 0
  return async (seconds: number) => {
    const startedAt = performance.now()
    const endAt = startedAt + 1000 * seconds
    let replies = 0
    const keepBusy = async () => {
      for (; performance.now() < endAt; replies++) if (await takesNewConnection(options)) connections++
    }
    await Promise.all(Array.from({ length: CONNECTIONS }, keepBusy))
    if (connections !== CONNECTIONS) {
      throw new Error(`${connections} connections were made, not ${CONNECTIONS}`)
    }
    return { count: replies, persec: (1000 * replies) / (performance.now() - startedAt) }
  }
}

function servalOptions(): RequestOptions {
  const agent = new servalHttp.Agent({ keepAlive: true, maxSockets: CONNECTIONS })
  return { agent, host: SERVICE, path: '/' }
}

function nodeOptions(): RequestOptions {
  const agent = new nodeHttp.Agent({ keepAlive: true, maxSockets: CONNECTIONS })
  return { agent, host: address, port: Number(port), path: '/' }
}

/** One request and its whole reply. */
function takesNewConnection(options: RequestOptions): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const request = nodeHttp.get(options, response => {
      let bytes = 0
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length
      })
      response.on('end', () => {
        if (response.statusCode === 200 && bytes === REPLY.length) resolve(!request.reusedSocket)
        else reject(new Error(`a reply of status ${response.statusCode}, ${bytes} bytes`))
      })
    })
    request.on('error', reject)
  })
}
