/**
 * Requests and replies as datagrams of node:dgram, with nothing that would make up for a loss:
 * echo-datagram server ADDRESS, echo-datagram latency ADDRESS PORT
 *
 * The client obeys `measure SECONDS`.
 */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { measureRoundTrips, REQUEST_BYTES } from '../support/round-trips.ts'
import { obey } from './commands.ts'
import { say } from './say.ts'

const [role, address = '', port] = process.argv.slice(2)
const socket = createSocket('udp4')

if (role === 'server') serve()
else await measure()

function serve(): void {
  obey()
  socket.on('message', (message, from) => socket.send(message, from.port, from.address))
  socket.bind(0, address, () => say('ready', { port: socket.address().port }))
}

async function measure(): Promise<void> {
  socket.connect(Number(port), address)
  await once(socket, 'connect')
  const request = Buffer.alloc(REQUEST_BYTES, 1)
  const exchange = () =>
    new Promise<void>(resolve => {
      socket.once('message', () => resolve())
      socket.send(request)
    })
  obey({ measure: seconds => measureRoundTrips(exchange, seconds) })
}
