/**
 * Requests and replies: echo TRANSPORT server ADDRESS, echo TRANSPORT latency|connect ADDRESS PORT SECONDS
 *
 * `latency` sends 64 bytes, waits for their echo, and again; `connect` makes a connection, has one byte echoed, and closes.
 */
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { quantile } from '../support/statistics.ts'
import { say } from './say.ts'
import { type TransportName, transports } from './transports.ts'

const REQUEST_BYTES = 64
const WARM_UP_MS = 300

const [name, role, address = '', port, seconds] = process.argv.slice(2)
const transport = transports[name as TransportName]

if (role === 'server') await serve()
else if (role === 'latency') await measureLatency()
else await measureConnects()

async function serve(): Promise<void> {
  const onConnection = (socket: Socket) => {
    socket.setNoDelay(true)
    socket.on('data', chunk => socket.write(chunk))
    socket.on('error', () => undefined)
  }
  say('ready', { port: await transport.listen(address, onConnection) })
}

async function measureLatency(): Promise<void> {
  const socket = transport.connect(address, Number(port))
  await once(socket, 'connect')
  const request = Buffer.alloc(REQUEST_BYTES, 1)
  const roundTripsUs: number[] = []
  const endAt = performance.now() + 1000 * Number(seconds)
  const countFrom = performance.now() + WARM_UP_MS
  for (let now = performance.now(); now < endAt; ) {
    const sentAt = now
    await echoed(socket, request)
    now = performance.now()
    if (sentAt >= countFrom) roundTripsUs.push(1000 * (now - sentAt))
  }
  say('done', { p50us: quantile(roundTripsUs, 0.5), p99us: quantile(roundTripsUs, 0.99) })
}

async function measureConnects(): Promise<void> {
  const byte = Buffer.alloc(1)
  let connections = 0
  const startedAt = performance.now()
  let now = startedAt
  for (; now - startedAt < 1000 * Number(seconds); now = performance.now()) {
    const socket = transport.connect(address, Number(port))
    await once(socket, 'connect')
    await echoed(socket, byte)
    socket.end()
    await once(socket, 'close')
    connections++
  }
  say('done', { persec: (1000 * connections) / (now - startedAt) })
}

/** Sends a request and waits until all of it has come back. */
function echoed(socket: Socket, request: Buffer): Promise<void> {
  return new Promise(resolve => {
    let left = request.length
    const onData = (chunk: Buffer) => {
      left -= chunk.length
      if (left > 0) return
      socket.off('data', onData)
      resolve()
    }
    socket.on('data', onData)
    socket.write(request)
  })
}
