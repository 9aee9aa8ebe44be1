/** Streams and datagrams of one name in different programs: each client reaches the one that takes what it sends. */
import { once } from 'node:events'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { startController } from '../../../controller/index.ts'
import type { RouterShell } from '../../../src/net/router-shell.ts'
import type { Stack } from '../../../src/net/stack.ts'
import { parseRule } from '../../../src/service/rule-text.ts'
import dgram, { type Socket } from '../../../src/sockets/dgram.ts'
import { formatEndpoint } from '../../../src/wire/endpoint.ts'
import { accepting, echo, FlowEnd } from '../../support/net/flow-end.ts'
import { Stacks } from '../../support/net/stacks.ts'

const NAME = 'game.example'
const TIMES = 20

let stacks: Stacks
const sockets: Socket[] = []
beforeEach(() => {
  stacks = new Stacks()
})
afterEach(async () => {
  await Promise.all(sockets.splice(0).map(socket => socket[Symbol.asyncDispose]()))
  await stacks.close()
})

async function openController(): Promise<void> {
  const runtimeDir = { path: stacks.runtimeDir }
  stacks.add(await startController({ control: false, api: false, runtimeDir, leaseMs: 60_000 }))
}

async function openRouter(rules: readonly string[] = []): Promise<RouterShell> {
  const router = stacks.openRouter({ rules })
  await router.ready
  return router
}

const addressOf = ({ endpoints }: Pick<Stack, 'endpoints'>) => formatEndpoint(endpoints[0]!)

function open(stack: Stack): Socket {
  const socket = dgram.createSocket({ stack })
  sockets.push(socket)
  return socket
}

/** Answers each datagram. */
async function answering(stack: Stack): Promise<void> {
  const socket = open(stack)
  socket.on('message', (bytes, from) => socket.send(`${bytes}, by datagram`, from))
  socket.bind(NAME)
  await once(socket, 'listening')
}

/** What comes back: of a stream, of a datagram, of a connection of datagrams. */
async function answers(client: Stack): Promise<string[]> {
  const end = FlowEnd.connect(client, NAME)
  end.end('by stream')
  await end.closed()
  const lone = open(client)
  lone.send('lone', NAME)
  const [toLone] = await once(lone, 'message')
  const connected = open(client)
  connected.connect(NAME)
  await once(connected, 'connect')
  connected.send('connected')
  const [toConnected] = await once(connected, 'message')
  return [end.text, String(toLone), String(toConnected)]
}

const RIGHT = ['by stream', 'lone, by datagram', 'connected, by datagram']

async function expectRight(client: Stack): Promise<void> {
  for (let i = 0; i < TIMES; i++) expect(await answers(client)).toEqual(RIGHT)
}

describe('a name of streams in one program and of datagrams in another', () => {
  const bind = '127.0.0.1'

  it('is told apart where programs of one host meet', async () => {
    const [streams, datagrams, client] = [stacks.open({ bind }), stacks.open({ bind }), stacks.open({ bind })]
    await accepting(streams, NAME, echo)
    await answering(datagrams)
    await expectRight(client)
  })

  it('is told apart where a controller resolves it', async () => {
    await openController()
    const [streams, datagrams, client] = [stacks.open({ bind }), stacks.open({ bind }), stacks.open({ bind })]
    await accepting(streams, NAME, echo)
    await answering(datagrams)
    await expectRight(client)
  })

  it('is told apart by a router that has its rules from a controller', async () => {
    await openController()
    const router = addressOf(await openRouter())
    const [streams, datagrams, client] = [
      stacks.open({ bind }),
      stacks.open({ bind }),
      stacks.open({ bind, router }),
    ]
    await accepting(streams, NAME, echo)
    await answering(datagrams)
    await expectRight(client)
  })

  it('is told apart by a router whose rules a person wrote', async () => {
    const shell = await openRouter()
    const options = { bind, router: addressOf(shell) }
    const [streams, datagrams, client] = [stacks.open(options), stacks.open(options), stacks.open(options)]
    await accepting(streams, NAME, echo)
    await answering(datagrams)
    const { prefix, rule } = parseRule(
      `${NAME} FORWARD ${addressOf(streams)} stream, ${addressOf(datagrams)} datagram`,
    )
    shell.serviceTable.insert(prefix, rule, { source: 'user' })
    await expectRight(client)
  })

  it('is told apart by who serves the one itself and asks for the other', async () => {
    const [streams, datagrams] = [stacks.open({ bind }), stacks.open({ bind })]
    await accepting(streams, NAME, echo)
    await answering(datagrams)
    expect(await answers(streams)).toEqual(RIGHT)
    expect(await answers(datagrams)).toEqual(RIGHT)
  })
})

describe('a name of streams alone', () => {
  it.each([
    ['asked of the runtime directory', async () => undefined, 'ENOROUTER'],
    ['asked of a controller', openController, 'ENOSERVICE'],
    [
      'asked of a controller by a router',
      async () => {
        await openController()
        return openRouter(['*.example DELAY'])
      },
      // A router answers no datagram.
      undefined,
    ],
  ])('leaves a datagram and a connection of datagrams without anybody: %s', async (_how, prepare, code) => {
    const shell = await prepare()
    const server = stacks.open({ bind: '127.0.0.1' })
    await accepting(server, NAME, echo)
    const client = stacks.open({ bind: '127.0.0.1', ...(shell && { router: addressOf(shell) }) })
    const end = FlowEnd.connect(client, NAME)
    end.end('hello')
    await end.closed()
    expect(end.text).toBe('hello')
    const connected = open(client)
    connected.connect(NAME)
    const [refused] = await once(connected, 'error')
    expect(refused).toMatchObject({ code: code ?? 'ENOSERVICE' })
    if (code === undefined) return
    const lone = open(client)
    const error = await new Promise(resolve => lone.send('lone', NAME, resolve))
    expect(error).toMatchObject({ code })
    expect(server.counters.datagramNoService).toBeUndefined()
  })
})
