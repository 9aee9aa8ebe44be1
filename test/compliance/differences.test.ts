/**
 * Where `serval/net` differs from `node:net`, and means to: all of it. Each difference is shown on both sides, so that
 * one which goes away, here or in Node, is seen.
 */
import type { Socket } from 'node:net'
import { describe, expect, it } from 'vitest'
import { modules, play, seen, type World } from './harness.ts'

interface Difference {
  readonly because: string
  readonly scenario: (world: World) => Promise<void>
  readonly node: readonly string[]
  readonly serval: readonly string[]
}

const differences: Record<string, Difference> = {
  'text that is no port is the name of a service, not the path of a unix socket': {
    because: 'services stand where paths do',
    scenario: async world => {
      const client = world.net.connect('web.example')
      const [error] = (await seen(client, 'error')) as [NodeJS.ErrnoException]
      world.note('seen', String(error.code))
      world.attempt('seen', 'path', () => world.watch('socket', world.net.connect({ path: '/nowhere' }), []))
      world.attempt('seen', 'listen to a path', () => world.net.createServer().listen({ path: '' }))
    },
    node: ['ENOENT', 'path: returned', 'listen to a path: TypeError ERR_INVALID_ARG_VALUE'],
    serval: [
      'ENOROUTER',
      'path: TypeError ERR_INVALID_ARG_VALUE',
      'listen to a path: TypeError ERR_INVALID_ARG_VALUE',
    ],
  },
  'a malformed name is reported by throwing': {
    because: 'it can never be resolved, so it is an argument error',
    scenario: async world => {
      world.attempt('seen', 'connect', () => {
        world.watch('socket', world.net.connect('no name'), [])
      })
    },
    node: ['connect: undefined'],
    serval: ['connect: Error ESERVICENAME'],
  },
  'connections of one program have one local port': {
    because: 'one UDP socket serves all flows, which are told apart by their flowIDs',
    scenario: async world => {
      const served = await world.serve()
      const first = world.connect('socket', served)
      await seen(first, 'ready')
      const second = world.connect('socket', served)
      await seen(second, 'ready')
      world.note('seen', [first.localPort === second.localPort])
    },
    node: ['[false]'],
    serval: ['[true]'],
  },
  'the stack chooses the address from which a socket connects': {
    because: 'a flow may use, and move between, all that the stack has',
    scenario: async world => {
      const { server, port, host } = await world.serve()
      const connection = seen(server, 'connection')
      const client = world.net.connect({ port, host, localAddress: '127.0.0.2' })
      const [accepted] = (await connection) as [Socket]
      world.note('seen', String(accepted.remoteAddress))
      client.destroy()
    },
    node: ['127.0.0.2'],
    serval: ['127.0.0.1'],
  },
  '::1 is the same host as 127.0.0.1': {
    because: 'a service has no address family',
    scenario: async world => {
      const { port } = await world.serve()
      const client = world.watch('socket', world.net.connect(port, '::1'), [])
      const event = await Promise.race(
        ['connect', 'error'].map(event => seen(client, event).then(() => event)),
      )
      world.note('seen', event)
    },
    node: ['error'],
    serval: ['connect'],
  },
  'an aborted signal keeps connect from connecting': {
    because: 'Node connects all the same, after the AbortError',
    scenario: async world => {
      const client = world.connect('seen', await world.serve(), { signal: AbortSignal.abort() })
      await seen(client, 'close')
      world.note('seen', [client.destroyed, client.connecting])
      client.destroy()
    },
    node: ['error AbortError ABORT_ERR', 'close', '[false,true]'],
    serval: ['error AbortError ABORT_ERR', 'close', '[true,false]'],
  },
  'a socket does not try the addresses of a host one by one': {
    because: 'the stack resolves the service, with the first packet',
    scenario: async world => {
      const { port } = await world.serve()
      const client = world.net.connect(port, 'localhost')
      client.once('lookup', () => world.note('seen', 'lookup'))
      client.once('connectionAttempt', () => world.note('seen', 'attempt'))
      await seen(client, 'ready')
      world.note('seen', 'ready')
      client.destroy()
    },
    node: ['lookup', 'attempt', 'ready'],
    serval: ['lookup', 'ready'],
  },
  'what is of the system is not taken for a socket': {
    because: 'a flow is none of its descriptors',
    scenario: async world => {
      const Socket = world.net.Socket as unknown as new (options: object) => Socket
      world.attempt('seen', 'handle', () => world.watch('socket', new Socket({ handle: {} }), []))
    },
    node: ['handle: returned'],
    serval: ['handle: TypeError ERR_INVALID_ARG_VALUE'],
  },
  'there is nothing below a socket or server for others to use': {
    because: 'there is no descriptor: node:http and others would read past the socket from it',
    scenario: async world => {
      const served = await world.serve()
      const client = world.connect('socket', served)
      await seen(client, 'ready')
      world.note('seen', [
        Boolean(Reflect.get(client, '_handle')),
        Boolean(Reflect.get(served.server, '_handle')),
      ])
    },
    node: ['[true,true]'],
    serval: ['[false,false]'],
  },
}

describe('serval/net differs from node:net in that', () => {
  it.each(Object.entries(differences))('%s', async (_name, { scenario, node, serval }) => {
    expect((await play(modules['node:net'], scenario)).seen).toEqual(node)
    expect((await play(modules['serval/net'], scenario)).seen).toEqual(serval)
  })
})
