/**
 * Many flows that do nothing: idle-flows TRANSPORT server ADDRESS PORTS, idle-flows TRANSPORT client ADDRESS PORT,...
 *
 * Both ends obey `memory`, with descriptors; `cpu`, used so far; the client also `open N` more flows, and
 * `exchange SECONDS`: 64 bytes on one flow and their echo, and again.
 */
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import type { Socket } from 'node:net'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { REQUEST_BYTES } from '../support/round-trips.ts'
import { obey } from './commands.ts'
import { echo, exchange } from './exchange.ts'
import { say } from './say.ts'
import { loadTransport } from './transports.ts'

/** Connections that are being made at a time. */
const CONCURRENCY = 64

const [name, role, address = '', parameter = ''] = process.argv.slice(2)
const transport = await loadTransport(name)
const sockets: Socket[] = []

if (role === 'server') await serve(Number(parameter))
obey({ memory, open, exchange: exchangeFor })

async function serve(ports: number): Promise<void> {
  const onConnection = (socket: Socket) => {
    sockets.push(socket)
    echo(socket)
  }
  const listening = Array.from({ length: ports }, () => transport.listen(address, onConnection))
  say('ready', { ports: await Promise.all(listening) })
}

async function open(count: number): Promise<object> {
  const ports = parameter.split(',').map(Number)
  let left = count
  const connectInTurn = async () => {
    while (left > 0) {
      const socket = transport.connect(address, ports[left-- % ports.length]!)
      await once(socket, 'connect')
      sockets.push(socket)
    }
  }
  await Promise.all(Array.from({ length: CONCURRENCY }, connectInTurn))
  return { flows: sockets.length }
}

async function exchangeFor(seconds: number): Promise<object> {
  const request = Buffer.alloc(REQUEST_BYTES, 1)
  const endAt = performance.now() + 1000 * seconds
  let exchanges = 0
  for (; performance.now() < endAt; exchanges++) await exchange(sockets[0]!, request)
  return { exchanges }
}

/** Of what lives. */
function memory(): object {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  // What the first finds dead may be all that held more, by finalizers and weak references.
  for (let i = 0; i < 3; i++) collect()
  return { rss: process.memoryUsage.rss(), descriptors: readdirSync('/proc/self/fd').length }
}
