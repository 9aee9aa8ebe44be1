/** An agent on a real socket, driven by the real clock. */
import { randomBytes } from 'node:crypto'
import { connect, type Socket } from 'node:net'
import { performance } from 'node:perf_hooks'
import { Agent, type AgentOptions } from '../../src/control/agent.ts'
import type { AgentEvent } from '../../src/control/agent-events.ts'
import * as codec from '../../src/control/codec.ts'
import { endpoints } from './control-world.ts'

export type ControlTarget = { path: string } | { host: string; port: number }
type EventOf<T extends AgentEvent['type']> = Extract<AgentEvent, { type: T }>

export class ControlClient {
  readonly core: Agent
  socket: Socket | undefined
  readonly #target: ControlTarget
  readonly #events: AgentEvent[] = []
  readonly #waiting: { readonly type: string; readonly resolve: (event: never) => void }[] = []
  #timer: NodeJS.Timeout | undefined

  constructor(target: ControlTarget, at: string, options: Partial<AgentOptions> = {}) {
    this.#target = target
    this.core = new Agent({
      kind: 'host',
      hostId: 'host',
      hostName: 'host',
      program: 'program',
      pid: process.pid,
      randomBytes,
      ...options,
    })
    this.core.setEndpoints(endpoints(at))
    this.do(nowMs => this.core.start(nowMs))
  }

  /** Calls the core and carries out what it then wants. */
  do<T>(action: (nowMs: number) => T): T {
    const result = action(performance.now())
    this.#run()
    return result
  }

  /** The next event of a type, one that has come already or one to come. */
  event<T extends AgentEvent['type']>(type: T): Promise<EventOf<T>> {
    const index = this.#events.findIndex(event => event.type === type)
    if (index >= 0) return Promise.resolve(this.#events.splice(index, 1)[0] as EventOf<T>)
    return new Promise(resolve => this.#waiting.push({ type, resolve }))
  }

  /** Ends the connection as the kernel does for a process that dies, and does not come back. */
  die(): void {
    clearTimeout(this.#timer)
    this.socket?.removeAllListeners()
    this.socket?.on('error', () => undefined)
    this.socket?.destroy()
  }

  stop(): void {
    this.do(nowMs => this.core.stop(nowMs))
    clearTimeout(this.#timer)
  }

  #run(): void {
    for (let command = this.core.pollCommand(); command; command = this.core.pollCommand()) {
      if (command.type === 'connect') this.#connect(command.connection)
      else if (command.type === 'send') this.socket?.write(command.bytes)
      else this.socket?.destroySoon()
    }
    for (let event = this.core.pollEvent(); event; event = this.core.pollEvent()) this.#hand(event)
    clearTimeout(this.#timer)
    const waitMs = this.core.nextTimeoutAt() - performance.now()
    if (waitMs === Number.POSITIVE_INFINITY) return
    this.#timer = setTimeout(() => this.do(nowMs => this.core.handleTimeout(nowMs)), Math.max(0, waitMs))
  }

  #connect(connection: number): void {
    const socket = connect(this.#target)
    this.socket = socket
    let reason = 'the connection ended'
    socket.on('connect', () => this.do(nowMs => this.core.handleConnected(connection, codec, nowMs)))
    socket.on('data', chunk => this.do(nowMs => this.core.handleData(connection, chunk, nowMs)))
    socket.on('error', error => {
      reason = error.message
    })
    socket.on('close', () => this.do(nowMs => this.core.handleDisconnected(connection, reason, nowMs)))
  }

  #hand(event: AgentEvent): void {
    const index = this.#waiting.findIndex(({ type }) => type === event.type)
    if (index < 0) this.#events.push(event)
    else this.#waiting.splice(index, 1)[0]!.resolve(event as never)
  }
}
