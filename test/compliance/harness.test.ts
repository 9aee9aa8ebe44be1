/** The comparison is worth what it notices: modules with planted faults tell another story, Node's own tells the same. */
import type { Socket } from 'node:net'
import { describe, expect, it } from 'vitest'
import { modules, type NetModule, play, readAll, type Scenario, seen } from './harness.ts'

const node = modules['node:net']

const scenario: Scenario = async world => {
  const served = await world.serve(socket => socket.resume().end('hello'))
  const client = world.connect('client', served)
  world.note('data', String(await readAll(client)))
  await seen(client, 'close')
  world.note('figures', [client.bytesRead, client.destroyed])
}

/** node:net, but that something is done to each socket that connects. */
function withFault(spoil: (socket: Socket) => void): NetModule {
  const connect = ((...args: Parameters<NetModule['connect']>) => {
    const socket = node.connect(...args)
    spoil(socket)
    return socket
  }) as NetModule['connect']
  return { ...node, connect }
}

const faults: Record<string, (socket: Socket) => void> = {
  'an event told twice': socket => socket.once('ready', () => socket.emit('ready')),
  'an event left out': socket => {
    const { emit } = socket
    socket.emit = (event: string | symbol, ...args: unknown[]) =>
      event === 'finish' || Reflect.apply(emit, socket, [event, ...args])
  },
  'events in another order': socket => socket.once('connect', () => socket.emit('end')),
  'another argument': socket => {
    const { emit } = socket
    socket.emit = (event: string | symbol, ...args: unknown[]) =>
      Reflect.apply(emit, socket, event === 'close' ? [event, true] : [event, ...args])
  },
  'an error': socket => socket.once('end', () => socket.destroy(new Error('planted'))),
  'data changed': socket => {
    const { push } = socket
    socket.push = chunk => push.call(socket, chunk && Buffer.from(String(chunk).replace('h', 'j')))
  },
  'a wrong figure': socket => Object.defineProperty(socket, 'bytesRead', { value: 4 }),
}

describe('the comparison', () => {
  it('finds no difference between Node and itself', async () => {
    expect(await play(node, scenario)).toEqual(await play(node, scenario))
  })

  it.each(Object.entries(faults))('notices %s', async (_name, spoil) => {
    expect(await play(withFault(spoil), scenario)).not.toEqual(await play(node, scenario))
  })

  it('does not wait for ever for what never comes', async () => {
    const deaf: Scenario = async world => void (await seen(world.net.createServer(), 'listening', 20))
    await expect(play(node, deaf)).rejects.toMatchObject({
      message: expect.stringContaining('node:net'),
      cause: { message: 'no "listening" in 20 ms' },
    })
  })
})
