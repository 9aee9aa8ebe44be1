/**
 * A controller's hub and agents on one virtual clock, joined by pipes that take time and cut what goes
 * through them into chunks of any size.
 */
import { Hub } from '../../controller/hub.ts'
import type { HubLimits } from '../../controller/hub-limits.ts'
import type { HubNotice } from '../../controller/hub-reports.ts'
import { Agent, type AgentOptions } from '../../src/control/agent.ts'
import type { AgentCommand, AgentEvent } from '../../src/control/agent-events.ts'
import * as codec from '../../src/control/codec.ts'
import { instanceId } from '../../src/control/fields.ts'
import type { NamedPrefix } from '../../src/control/messages.ts'
import type { Registration } from '../../src/control/registrations.ts'
import { parseServicePattern } from '../../src/id/name.ts'
import { type Endpoint, parseEndpoint } from '../../src/wire/endpoint.ts'
import { Random } from './random.ts'

/** One way through a pipe, in milliseconds. */
export const LATENCY_MS = 1

/** A service as agents name it. */
export function named(name: string): NamedPrefix {
  return { name, prefix: parseServicePattern(name) }
}

export function registration(name: string, weight = 1, priority = 1): Registration {
  return { ...named(name), weight, priority }
}

/** `10.0.0.1:5000 [fd00::1]:5000`. */
export function endpoints(text: string): Endpoint[] {
  return text.split(' ').map(part => parseEndpoint(part)!)
}

export class ControlWorld {
  nowMs = 0
  /** Undefined while the controller is down. */
  hub: Hub | undefined
  readonly random: Random
  readonly #limits: Partial<HubLimits>
  readonly #agents: WorldAgent[] = []
  readonly #pending: { at: number; order: number; run: () => void }[] = []
  readonly #pipes = new Map<number, Pipe>()
  #order = 0
  #connections = 0
  #pid = 100
  #isHubStalled = false
  /** What it was said while it was stopped. */
  readonly #unheard: (() => void)[] = []

  constructor(seed = 1, limits: Partial<HubLimits> = {}) {
    this.random = new Random(seed)
    this.#limits = limits
    this.startController()
  }

  startController(): void {
    const controller = instanceId(this.random.bytes(16))
    this.hub = new Hub({ controller, pid: ++this.#pid, startedAt: this.nowMs, limits: this.#limits })
  }

  /** kill -9: its connections end, nothing is said. */
  killController(): void {
    this.hub = undefined
    for (const pipe of this.#pipes.values()) this.#later(() => pipe.agent.lost(pipe, 'the connection ended'))
    this.#pipes.clear()
  }

  /** SIGSTOP and SIGCONT: what is said to it waits. */
  stallController(forMs: number): void {
    this.#isHubStalled = true
    this.#later(() => {
      this.#isHubStalled = false
      // Timers come before sockets, as in Node's event loop.
      if ((this.hub?.nextTimeoutAt() ?? NEVER) <= this.nowMs) this.hub?.handleTimeout(this.nowMs)
      for (const hear of this.#unheard.splice(0)) hear()
    }, forMs)
  }

  agent(options: Partial<AgentOptions> & { at?: string } = {}): WorldAgent {
    const agent = new WorldAgent(this, options)
    this.#agents.push(agent)
    agent.core.start(this.nowMs)
    return agent
  }

  /** Lets so much time pass. */
  run(forMs: number): void {
    const until = this.nowMs + forMs
    for (;;) {
      this.#settle()
      const nextAt = Math.min(
        this.#pending[0]?.at ?? NEVER,
        this.#isHubStalled ? NEVER : (this.hub?.nextTimeoutAt() ?? NEVER),
        ...this.#agents.filter(agent => agent.isRunning).map(agent => agent.core.nextTimeoutAt()),
      )
      if (nextAt > until) break
      this.nowMs = Math.max(this.nowMs, nextAt)
      this.#step()
    }
    this.nowMs = until
  }

  notices(): HubNotice[] {
    const notices: HubNotice[] = []
    for (let notice = this.hub?.pollNotice(); notice; notice = this.hub?.pollNotice()) notices.push(notice)
    return notices
  }

  /** Names in the registry, sorted, each with how many serve it: `web.example 2`. */
  registered(): string[] {
    const services = [...(this.hub?.registry.services.values() ?? [])]
    return services.map(service => `${service.name} ${service.registrations.size}`).sort()
  }

  /** What the shells do for the cores. Called by WorldAgent. */
  carryOut(agent: WorldAgent, command: AgentCommand): void {
    if (command.type === 'connect') return this.#connect(agent, command.connection)
    const pipe = agent.pipe
    if (pipe === undefined || pipe.agentConnection !== command.connection) return
    if (command.type === 'close') return this.endPipe(pipe)
    this.toHub(() => {
      if (!this.#pipes.has(pipe.hubConnection)) return
      for (const chunk of this.#chunks(command.bytes)) {
        this.hub?.handleData(pipe.hubConnection, chunk, this.nowMs)
      }
    })
  }

  /** The agent's end is closed, by itself or because its process died: the hub hears of it. */
  endPipe(pipe: Pipe): void {
    pipe.agent.pipe = undefined
    this.toHub(() => {
      if (this.#pipes.delete(pipe.hubConnection)) this.hub?.handleClosed(pipe.hubConnection, 'died')
    })
  }

  toHub(run: () => void): void {
    this.#later(() => {
      if (this.#isHubStalled) this.#unheard.push(run)
      else run()
    })
  }

  #connect(agent: WorldAgent, agentConnection: number): void {
    this.#later(() => {
      if (this.hub === undefined) return agent.refused(agentConnection)
      const pipe = { agent, agentConnection, hubConnection: ++this.#connections }
      agent.pipe = pipe
      this.#pipes.set(pipe.hubConnection, pipe)
      this.toHub(() => this.hub?.handleOpened(pipe.hubConnection, 'pipe', this.nowMs))
      agent.connected(agentConnection)
    })
  }

  #step(): void {
    while ((this.#pending[0]?.at ?? NEVER) <= this.nowMs) this.#pending.shift()!.run()
    if (!this.#isHubStalled && (this.hub?.nextTimeoutAt() ?? NEVER) <= this.nowMs) {
      this.hub?.handleTimeout(this.nowMs)
    }
    for (const agent of this.#agents) {
      if (agent.isRunning && agent.core.nextTimeoutAt() <= this.nowMs) agent.core.handleTimeout(this.nowMs)
    }
  }

  #settle(): void {
    for (const agent of this.#agents) agent.poll()
    const hub = this.hub
    for (let command = hub?.pollCommand(); command; command = hub?.pollCommand()) {
      const pipe = this.#pipes.get(command.connection)
      if (pipe === undefined) continue
      if (command.type === 'close') {
        this.#pipes.delete(command.connection)
        this.#later(() => pipe.agent.lost(pipe, 'the connection ended'))
        continue
      }
      const { bytes } = command
      this.#later(() => {
        for (const chunk of this.#chunks(bytes)) pipe.agent.receive(pipe, chunk)
      })
    }
  }

  #chunks(bytes: Uint8Array): Uint8Array[] {
    const chunks: Uint8Array[] = []
    for (let from = 0; from < bytes.length; ) {
      const to = Math.min(bytes.length, from + 1 + this.random.below(bytes.length))
      chunks.push(bytes.slice(from, to))
      from = to
    }
    return chunks
  }

  #later(run: () => void, delayMs = LATENCY_MS): void {
    this.#pending.push({ at: this.nowMs + delayMs, order: ++this.#order, run })
    this.#pending.sort((a, b) => a.at - b.at || a.order - b.order)
  }
}

const NEVER = Number.POSITIVE_INFINITY

interface Pipe {
  readonly agent: WorldAgent
  readonly agentConnection: number
  readonly hubConnection: number
}

/** A process with an agent in it. */
export class WorldAgent {
  readonly core: Agent
  /** Everything that it was told, in order. */
  readonly events: AgentEvent[] = []
  isRunning = true
  pipe: Pipe | undefined
  #isDead = false
  readonly #world: ControlWorld
  /** What came while it was stopped. */
  readonly #unread: (() => void)[] = []

  constructor(world: ControlWorld, { at, ...options }: Partial<AgentOptions> & { at?: string }) {
    this.#world = world
    this.core = new Agent({
      kind: 'host',
      hostId: 'host',
      hostName: 'host',
      program: 'program',
      pid: 1,
      randomBytes: world.random.bytes,
      ...options,
    })
    if (at !== undefined) this.core.setEndpoints(endpoints(at))
  }

  /** kill -9 of the process. */
  kill(): void {
    this.isRunning = false
    this.#isDead = true
    if (this.pipe !== undefined) this.#world.endPipe(this.pipe)
  }

  /** SIGSTOP of the process, or the end of its network: its connection stays, it says nothing. */
  freeze(): void {
    this.isRunning = false
  }

  thaw(): void {
    if (this.#isDead) return
    this.isRunning = true
    for (const read of this.#unread.splice(0)) read()
  }

  /** Takes the events of one type that came since the last call for it. */
  take<T extends AgentEvent['type']>(type: T): Extract<AgentEvent, { type: T }>[] {
    const taken = this.events.filter(event => event.type === type)
    for (const event of taken) this.events.splice(this.events.indexOf(event), 1)
    return taken as Extract<AgentEvent, { type: T }>[]
  }

  poll(): void {
    if (!this.isRunning) return
    for (let command = this.core.pollCommand(); command; command = this.core.pollCommand()) {
      this.#world.carryOut(this, command)
    }
    for (let event = this.core.pollEvent(); event; event = this.core.pollEvent()) this.events.push(event)
  }

  connected(connection: number): void {
    this.#whenRunning(() => this.core.handleConnected(connection, codec, this.#world.nowMs))
  }

  refused(connection: number): void {
    this.#whenRunning(() => this.core.handleDisconnected(connection, 'ECONNREFUSED', this.#world.nowMs))
  }

  lost(pipe: Pipe, reason: string): void {
    if (this.pipe === pipe) this.pipe = undefined
    this.#whenRunning(() => this.core.handleDisconnected(pipe.agentConnection, reason, this.#world.nowMs))
  }

  receive(pipe: Pipe, chunk: Uint8Array): void {
    this.#whenRunning(() => this.core.handleData(pipe.agentConnection, chunk, this.#world.nowMs))
  }

  #whenRunning(run: () => void): void {
    if (this.isRunning) run()
    else this.#unread.push(run)
  }
}
