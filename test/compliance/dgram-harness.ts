/**
 * Runs one scenario against `node:dgram` and against `serval/dgram`, and compares what was seen, by actor. As harness.ts,
 * which says more.
 */
import type * as Dgram from 'node:dgram'
import nodeDgram from 'node:dgram'
import { expect, it } from 'vitest'
import servalDgram from '../../src/sockets/dgram.ts'
import { type Story, seen, tell } from './harness.ts'

export type DgramModule = typeof Dgram

export const modules: Record<'node:dgram' | 'serval/dgram', DgramModule> = {
  'node:dgram': nodeDgram,
  'serval/dgram': servalDgram as unknown as DgramModule,
}

export type DgramScenario = (world: DgramWorld) => Promise<void>

/** A test: both modules tell the same story of a scenario. */
export function compare(name: string, scenario: DgramScenario): void {
  it(name, async () => {
    const expected = await play(modules['node:dgram'], scenario)
    expect(Object.values(expected).flat(), 'the scenario sees something').not.toEqual([])
    expect(await play(modules['serval/dgram'], scenario)).toEqual(expected)
  })
}

/** Plays a scenario and closes what it has left open. */
export async function play(dgram: DgramModule, scenario: DgramScenario): Promise<Story> {
  const world = new DgramWorld(dgram)
  try {
    await scenario(world)
    return structuredClone(world.story)
  } catch (error) {
    const module = dgram === nodeDgram ? 'node:dgram' : 'serval/dgram'
    throw new Error(`with ${module}: ${JSON.stringify(world.story)}`, { cause: error })
  } finally {
    await world.end()
  }
}

const EVENTS = ['listening', 'connect', 'message', 'error', 'close']

export class DgramWorld {
  readonly dgram: DgramModule
  readonly story: Story = {}
  readonly #sockets: Dgram.Socket[] = []

  constructor(dgram: DgramModule) {
    this.dgram = dgram
  }

  note(actor: string, what: unknown): void {
    const notes = this.story[actor] ?? []
    notes.push(typeof what === 'string' ? what : JSON.stringify(what))
    this.story[actor] = notes
  }

  /** A socket whose events are noted, errors by their code. */
  socket(actor: string, options: Dgram.SocketType | Dgram.SocketOptions = 'udp4'): Dgram.Socket {
    const socket = this.dgram.createSocket(options as Dgram.SocketOptions)
    this.#sockets.push(socket)
    for (const event of EVENTS) {
      socket.on(event, (...args: unknown[]) => {
        const told = event === 'message' ? [String(args[0])] : args.map(tell)
        this.note(actor, [event, ...told].join(' '))
      })
    }
    return socket
  }

  /** The same, bound to a free port of this host. */
  async bound(actor: string): Promise<Dgram.Socket> {
    const socket = this.socket(actor)
    socket.bind(0, '127.0.0.1')
    await seen(socket, 'listening')
    return socket
  }

  /** Notes the code of what `act` throws, or that it returned. */
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
    for (const socket of this.#sockets) await closed(socket)
  }
}

function closed(socket: Dgram.Socket): Promise<void> {
  return new Promise(resolve => {
    try {
      socket.close(resolve)
    } catch {
      resolve()
    }
  })
}
