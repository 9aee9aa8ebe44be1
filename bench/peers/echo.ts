/**
 * Requests and replies: echo TRANSPORT server ADDRESS, echo TRANSPORT latency|connect ADDRESS PORT
 *
 * The client obeys `measure SECONDS`:
 * `latency` sends 64 bytes, waits for their echo, and again; `connect` makes a connection, has one byte echoed, and closes.
 */
import { once } from 'node:events'
import { measureRoundTrips, REQUEST_BYTES } from '../support/round-trips.ts'
import { obey } from './commands.ts'
import { echo, exchange } from './exchange.ts'
import { say } from './say.ts'
import { loadTransport } from './transports.ts'

const [name, role, address = '', port] = process.argv.slice(2)
const transport = await loadTransport(name)

if (role === 'server') await serve()
else obey({ measure: role === 'latency' ? await latencyOfOne() : measureConnects })

async function serve(): Promise<void> {
  obey()
  say('ready', { port: await transport.listen(address, echo) })
}

/** On one connection. */
async function latencyOfOne() {
  const socket = transport.connect(address, Number(port))
  await once(socket, 'connect')
  const request = Buffer.alloc(REQUEST_BYTES, 1)
  return (seconds: number) => measureRoundTrips(() => exchange(socket, request), seconds)
}

async function measureConnects(seconds: number): Promise<object> {
  const byte = Buffer.alloc(1)
  let connections = 0
  const startedAt = performance.now()
  const endAt = startedAt + 1000 * seconds
  while (performance.now() < endAt) {
    const socket = transport.connect(address, Number(port))
    await once(socket, 'connect')
    await exchange(socket, byte)
    socket.end()
    await once(socket, 'close')
    connections++
  }
  return { count: connections, persec: (1000 * connections) / (performance.now() - startedAt) }
}
