import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { pino } from 'pino'
import { afterEach, describe, expect, it } from 'vitest'
import { ControlServer, type ControlServerOptions } from '../../../controller/control-server.ts'
import { Hub } from '../../../controller/hub.ts'
import { emitMessage } from '../../../src/control/codec.ts'
import { endpoints } from '../../support/control-world.ts'

const PROBE = emitMessage({
  type: 'hello',
  version: 1,
  kind: 'probe',
  instance: '0'.repeat(32),
  hostId: '',
  hostName: '',
  program: '',
  pid: 1,
  endpoints: endpoints('10.0.0.1:1'),
})

const sockets: Socket[] = []
let server: ControlServer

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  await server.close(0)
})

/** Connects from an address of this host's loopback network. */
async function listen(limits: Partial<ControlServerOptions>): Promise<(from: string) => Socket> {
  const hub = new Hub({ controller: 'c'.repeat(32), pid: 1, startedAt: 0 })
  server = new ControlServer({ hub, logger: pino({ level: 'silent' }), nowMs: () => 0, ...limits })
  const { port } = await server.listenTcp({ address: '127.0.0.1', port: 0 })
  return from => {
    const socket = connect({ host: '127.0.0.1', port, localAddress: from })
    socket.on('error', () => undefined)
    sockets.push(socket)
    return socket
  }
}

/** Whether a connection is answered, rather than closed. */
async function isServed(socket: Socket): Promise<boolean> {
  socket.write(PROBE)
  return Promise.race([once(socket, 'data').then(() => true), once(socket, 'close').then(() => false)])
}

/** Connects and stays: the server takes connections in the order in which they were made. */
async function stay(open: (from: string) => Socket, from: string): Promise<Socket> {
  const socket = open(from)
  await once(socket, 'connect')
  return socket
}

describe('the control server', () => {
  it('takes so many connections from one address, and others from others', async () => {
    const open = await listen({ maxConnectionsPerAddress: 2 })
    const first = await stay(open, '127.0.0.1')
    await stay(open, '127.0.0.1')
    expect(await isServed(open('127.0.0.1'))).toBe(false)
    expect(await isServed(open('127.0.0.2'))).toBe(true)
    first.destroy()
    await once(first, 'close')
    while (!(await isServed(open('127.0.0.1')))) expect(sockets.length).toBeLessThan(100)
  })

  it('takes so many connections in all', async () => {
    const open = await listen({ maxConnections: 2 })
    await stay(open, '127.0.0.1')
    await stay(open, '127.0.0.2')
    expect(await isServed(open('127.0.0.3'))).toBe(false)
  })
})
