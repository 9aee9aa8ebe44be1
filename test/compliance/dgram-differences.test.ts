/** Where `serval/dgram` differs from `node:dgram`, and means to; each difference is shown on both sides. */
import { closeSync, openSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { type DgramScenario, modules, play } from './dgram-harness.ts'
import { seen } from './harness.ts'

interface Difference {
  readonly because: string
  readonly scenario: DgramScenario
  readonly node: readonly string[]
  readonly serval: readonly string[]
}

const differences: Record<string, Difference> = {
  'nobody joins a group by himself': {
    because: 'a group is a name that several serve, and a rule for it says "to=all"',
    scenario: async world => {
      const socket = await world.bound('socket')
      world.attempt('seen', 'addMembership', () => socket.addMembership('224.0.0.114'))
    },
    node: ['addMembership: undefined'],
    serval: ['addMembership: TypeError ERR_INVALID_ARG_VALUE'],
  },
  'a socket needs no type': {
    because: 'a service has no address family',
    scenario: async world => {
      const create = world.dgram.createSocket as unknown as () => { close(): void }
      world.attempt('seen', 'createSocket', () => create().close())
    },
    node: ['createSocket: TypeError ERR_SOCKET_BAD_TYPE'],
    serval: ['createSocket: returned'],
  },
  'a descriptor of the system’s is not taken': {
    because: 'a service is none of its files',
    scenario: async world => {
      const socket = world.socket('socket')
      const fd = openSync('/dev/null', 'r')
      world.attempt('seen', 'bind', () => socket.bind({ fd } as object))
      closeSync(fd)
    },
    node: ['bind: TypeError ERR_INVALID_FD_TYPE'],
    serval: ['bind: TypeError ERR_INVALID_ARG_VALUE'],
  },
  'a connection is refused where nobody serves the port': {
    because: 'connecting makes a flow, which an instance must take; the kernel only notes the address',
    scenario: async world => {
      const client = world.socket('client')
      client.connect(9, '127.0.0.1')
      const event = await Promise.race([
        seen(client, 'connect').then(() => 'connect'),
        seen(client, 'error').then(([error]) => (error as NodeJS.ErrnoException).code),
      ])
      world.note('seen', String(event))
    },
    node: ['connect'],
    serval: ['ECONNREFUSED'],
  },
}

describe.each(Object.entries(differences))('%s', (_name, { because, scenario, node, serval }) => {
  it(`with node:dgram is otherwise: ${because}`, async () => {
    expect((await play(modules['node:dgram'], scenario)).seen).toEqual(node)
  })

  it('with serval/dgram', async () => {
    expect((await play(modules['serval/dgram'], scenario)).seen).toEqual(serval)
  })
})
