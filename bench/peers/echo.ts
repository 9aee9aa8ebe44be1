/**
 * Requests and replies: echo TRANSPORT server ADDRESS, echo TRANSPORT latency|connect ADDRESS PORT SECONDS
 *
 * `latency` sends 64 bytes, waits for their echo, and again; `connect` makes a connection, has one byte echoed, and closes.
 */
import { once } from 'node:events'
import { measureRoundTrips, REQUEST_BYTES } from '../support/round-trips.ts'
import { warmUpMs } from '../support/warm-up.ts'
import { echo, exchange } from './exchange.ts'
import { say } from './say.ts'
import { loadTransport } from './transports.ts'

const [name, role, address = '', port, seconds] = process.argv.slice(2)
const transport = await loadTransport(name)

if (role === 'server') say('ready', { port: await transport.listen(address, echo) })
else if (role === 'latency') await measureLatency()
else await measureConnects()

async function measureLatency(): Promise<void> {
  const socket = transport.connect(address, Number(port))
  await once(socket, 'connect')
  const request = Buffer.alloc(REQUEST_BYTES, 1)
  say('done', { ...(await measureRoundTrips(() => exchange(socket, request), Number(seconds))) })
}

async function measureConnects(): Promise<void> {
  const byte = Buffer.alloc(1)
  let connections = 0
  const startedAt = performance.now()
  const countFrom = startedAt + warmUpMs(Number(seconds))
  const endAt = startedAt + 1000 * Number(seconds)
  let countedFrom = startedAt
  let now = startedAt
  for (; now < endAt; now = performance.now()) {
    if (countedFrom < countFrom) {
      countedFrom = now
      connections = 0
    }
    const socket = transport.connect(address, Number(port))
    await once(socket, 'connect')
    await exchange(socket, byte)
    socket.end()
    await once(socket, 'close')
    connections++
  }
  say('done', { persec: (1000 * connections) / (now - countedFrom) })
}
