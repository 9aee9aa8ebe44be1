/** How a stack hears that another process of its host has died: played with status sockets that end as a kernel ends them. */
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Neighbours } from '../../../src/net/neighbours.ts'
import { RuntimeDirectory } from '../../../src/net/runtime-dir.ts'
import type { Endpoint } from '../../../src/wire/endpoint.ts'

const peer: Endpoint = { address: '127.0.0.1', port: 4000 }
let base: string
let directory: RuntimeDirectory
let neighbours: Neighbours
let gone: Endpoint[]
let onGone: () => void
const listening: { readonly server: Server; readonly connections: Socket[] }[] = []

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'serval-nb-'))
  directory = new RuntimeDirectory(join(base, 'serval'))
  directory.prepare()
  gone = []
  onGone = () => undefined
  neighbours = new Neighbours({
    runtimeDirectory: directory,
    hostId: 'here',
    statusSocket: undefined,
    isOwn: () => true,
    onGone: endpoints => {
      gone.push(...endpoints)
      onGone()
    },
  })
})
afterEach(() => {
  neighbours.close()
  for (const { server, connections } of listening.splice(0)) {
    for (const connection of connections) connection.destroy()
    server.close()
  }
  rmSync(base, { recursive: true, force: true })
})

/** The status socket of the process at `peer`: `onConnection` is told of each that asks, from the first, 0. */
async function listen(onConnection: (connection: Socket, count: number) => void): Promise<Server> {
  const connections: Socket[] = []
  const server = createServer(connection => {
    connection.on('error', () => undefined)
    onConnection(connection, connections.push(connection) - 1)
  })
  listening.push({ server, connections })
  await new Promise<void>(resolve => server.listen(join(directory.path, '1-00000001.sock'), resolve))
  return server
}

function answer(connection: Socket): void {
  connection.once('data', () => {
    const { address, port } = peer
    connection.write(`${JSON.stringify({ hostId: 'here', endpoints: [`${address}:${port}`] })}\n`)
  })
}

describe('a neighbour', () => {
  it('is gone when its status socket is', async () => {
    const told = new Promise<void>(resolve => {
      onGone = resolve
    })
    const server = await listen(connection => {
      answer(connection)
      connection.once('data', () => setImmediate(() => server.close() && connection.destroy()))
    })
    neighbours.meet(peer)
    await told
    expect(gone).toEqual([peer])
  })

  it('is gone though the kernel took a question when the process was about to end', async () => {
    const told = new Promise<void>(resolve => {
      onGone = resolve
    })
    const server = await listen((connection, count) => {
      if (count === 0) {
        answer(connection)
        connection.once('data', () => setImmediate(() => connection.destroy()))
      } else {
        connection.destroy()
        if (count === 2) server.close()
      }
    })
    neighbours.meet(peer)
    await told
    expect(gone).toEqual([peer])
  })

  it('is not gone when a connection ended by accident', async () => {
    const askedAgain = new Promise<Socket>(resolve => {
      void listen((connection, count) => {
        answer(connection)
        if (count === 0) connection.once('data', () => setImmediate(() => connection.destroy()))
        else resolve(connection)
      }).then(() => neighbours.meet(peer))
    })
    const connection = await askedAgain
    await new Promise(resolve => connection.once('close', resolve))
    expect(gone).toEqual([])
  })
})
