/**
 * Runs one scenario against `node:net` and against `serval/net`, and compares what was seen. A scenario is written for
 * Node and knows nothing of Serval; what it sees is kept by actor, for the order of events is promised for each socket and
 * each server, not between them.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import type * as Net from 'node:net'
import nodeNet from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { defaultStack } from '../../src/net/default-stack.ts'
import servalNet from '../../src/sockets/net.ts'

/** Programs of other tests, or of the machine, are none of ours. */
const runtimeDir = mkdtempSync(join(tmpdir(), 'serval-compliance-'))
process.env.SERVAL_RUNTIME_DIR = runtimeDir
afterAll(async () => {
  // Node aborts where a thread is stopped while a datagram comes in.
  await defaultStack().close()
  rmSync(runtimeDir, { recursive: true, force: true })
})

export type NetModule = typeof Net
/** What each actor has seen, in order. */
export type Story = Record<string, string[]>
export type Scenario = (world: World) => Promise<void>

/** The two that are compared. */
export const modules: Record<'node:net' | 'serval/net', NetModule> = {
  'node:net': nodeNet,
  'serval/net': servalNet as unknown as NetModule,
}

/** A test: both modules tell the same story of a scenario. */
export function compare(name: string, scenario: Scenario): void {
  it(name, async () => {
    const expected = await play(modules['node:net'], scenario)
    expect(Object.values(expected).flat(), 'the scenario sees something').not.toEqual([])
    expect(await play(modules['serval/net'], scenario)).toEqual(expected)
  })
}

/** Plays a scenario and ends what it has left open. */
export async function play(net: NetModule, scenario: Scenario): Promise<Story> {
  const world = new World(net)
  try {
    await scenario(world)
    return structuredClone(world.story)
  } catch (error) {
    throw new Error(`with ${net === nodeNet ? 'node:net' : 'serval/net'}: ${JSON.stringify(world.story)}`, {
      cause: error,
    })
  } finally {
    await world.end()
  }
}

const SOCKET_EVENTS = ['connect', 'ready', 'end', 'finish', 'timeout', 'error', 'close']
const SERVER_EVENTS = ['listening', 'connection', 'drop', 'error', 'close']
/** A scenario that waits for what never comes; a machine that does much besides makes a second of it a minute. */
const PATIENCE_MS = 60_000

export class World {
  readonly net: NetModule
  readonly story: Story = {}
  readonly #sockets: Net.Socket[] = []
  readonly #servers: Net.Server[] = []

  constructor(net: NetModule) {
    this.net = net
  }

  note(actor: string, what: unknown): void {
    const notes = this.story[actor] ?? []
    notes.push(typeof what === 'string' ? what : JSON.stringify(what))
    this.story[actor] = notes
  }

  /** Notes the events of a socket, errors by their code. */
  watch(actor: string, socket: Net.Socket, events: readonly string[] = SOCKET_EVENTS): Net.Socket {
    this.#sockets.push(socket)
    for (const event of events) {
      socket.on(event, (...args: unknown[]) => this.note(actor, [event, ...args.map(tell)].join(' ')))
    }
    if (!events.includes('error')) socket.on('error', () => undefined)
    return socket
  }

  watchServer(actor: string, server: Net.Server, events: readonly string[] = SERVER_EVENTS): Net.Server {
    this.#servers.push(server)
    for (const event of events) {
      server.on(event, (...args: unknown[]) => {
        const told = event === 'error' ? args.map(tell) : []
        this.note(actor, [event, ...told].join(' '))
      })
    }
    return server
  }

  /** A server that listens on a free port of this host; its sockets end with the scenario. */
  async serve(
    onConnection: (socket: Net.Socket) => void = () => undefined,
    options: Net.ServerOpts = {},
  ): Promise<Served> {
    const server = this.net.createServer(options, socket => {
      this.#sockets.push(socket)
      socket.on('error', () => undefined)
      onConnection(socket)
    })
    this.#servers.push(server)
    server.listen(0, '127.0.0.1')
    await seen(server, 'listening')
    return { server, port: portOf(server), host: '127.0.0.1' }
  }

  /** A socket of the scenario's, watched. */
  connect(actor: string, { port, host }: Served, options: object = {}): Net.Socket {
    return this.watch(actor, this.net.connect({ port, host, ...options }))
  }

  /** Notes the code of what `act` throws, or what it returns. */
  attempt(actor: string, what: string, act: () => unknown): void {
    try {
      const result = act()
      this.note(actor, `${what}: ${typeof result === 'object' ? 'returned' : String(result)}`)
    } catch (error) {
      const { code, name } = error as NodeJS.ErrnoException
      this.note(actor, `${what}: ${name} ${code}`)
    }
  }

  async end(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await Promise.all(
      this.#servers.map(server => new Promise<void>(resolve => server.close(() => resolve()))),
    )
  }
}

export interface Served {
  readonly server: Net.Server
  readonly port: number
  readonly host: string
}

export function portOf(server: Net.Server): number {
  return (server.address() as Net.AddressInfo).port
}

/** Resolves with the arguments of the next such event. */
export function seen(
  emitter: NodeJS.EventEmitter,
  event: string,
  patienceMs = PATIENCE_MS,
): Promise<unknown[]> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no "${event}" in ${patienceMs} ms`)), patienceMs)
    emitter.once(event, (...args) => {
      clearTimeout(timer)
      resolve(args)
    })
  })
}

/** All that is read from a socket until its end. */
export async function readAll(socket: Net.Socket): Promise<Buffer> {
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  await seen(socket, 'end')
  return Buffer.concat(chunks)
}

/** Several turns of the event loop: what was due has happened. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise(resolve => setImmediate(resolve))
}

/** Resolves when `check` holds. */
export async function until(check: () => boolean): Promise<void> {
  const giveUpAt = performance.now() + PATIENCE_MS
  while (!check()) {
    if (performance.now() > giveUpAt) throw new Error(`not in ${PATIENCE_MS} ms: ${check}`)
    await new Promise(resolve => setImmediate(resolve))
  }
}

/** Bytes that differ at every place, so that a shift or a swap shows. */
export function pattern(length: number): Buffer {
  const bytes = Buffer.alloc(length)
  for (let i = 0; i + 4 <= length; i += 4) bytes.writeUInt32BE(Math.imul(i, 2_654_435_761) >>> 0, i)
  return bytes
}

export function tell(value: unknown): string {
  if (value instanceof Error) {
    const { code, syscall } = value as NodeJS.ErrnoException
    return [value.name, code, syscall].filter(Boolean).join(' ')
  }
  return String(value)
}
