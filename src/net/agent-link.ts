/**
 * Carries an agent over its control connection, a unix socket or TCP: does what it commands, reports to it what happens,
 * and hands on its events. It keeps no process alive.
 */
import { createConnection, type Socket } from 'node:net'
import { hostname } from 'node:os'
import { Agent, type AgentOptions } from '../control/agent.ts'
import type { AgentEvent } from '../control/agent-events.ts'
import type { NamedPrefix } from '../control/messages.ts'
import type { Registration } from '../control/registrations.ts'
import { ServalError } from '../errors.ts'
import { type Endpoint, formatEndpoint } from '../wire/endpoint.ts'
import { DeadlineTimer, nowMs } from './clock.ts'
import type { ControllerAddress } from './config.ts'
import { randomBytes } from './random.ts'

/** How often it is looked whether a controller of this host has come. */
const LOOK_INTERVAL_MS = 250

/** After so long without an answer of a configured controller the program's user is told. */
const PATIENCE_MS = 3000

const thisProcess = { hostName: hostname(), pid: process.pid }

export interface AgentLinkOptions {
  /** Whom it speaks for; unless it says otherwise, a process of this host: this one. */
  readonly agent: Omit<AgentOptions, keyof typeof thisProcess | 'randomBytes'> & Partial<typeof thisProcess>
  /** Where the controller is to be found now; undefined: there is none. */
  where(): ControllerAddress | undefined
  /** Whether somebody said that there is one, so that it is waited for. */
  readonly isConfigured: boolean
  onEvent(event: AgentEvent): void
}

interface Waiter {
  readonly name: string
  resolve(): void
  reject(error: Error): void
}

export class AgentLink {
  readonly #options: AgentLinkOptions
  readonly #agent: Agent
  readonly #timer = new DeadlineTimer(() => this.#step(now => this.#agent.handleTimeout(now)))
  readonly #waiting = new Map<number, Waiter>()
  #interval: NodeJS.Timeout | undefined
  #connection: { readonly number: number; readonly socket: Socket } | undefined
  #isReady = false

  constructor(options: AgentLinkOptions) {
    this.#options = options
    this.#agent = new Agent({ ...thisProcess, randomBytes, ...options.agent })
    this.#timer.hold(false)
  }

  get instance(): string {
    return this.#agent.instance
  }

  /** Whether a controller may know more: one is configured, connected, or about to be. */
  get hasController(): boolean {
    return this.#options.isConfigured || (this.#agent.state !== 'STOPPED' && this.#agent.state !== 'WAITING')
  }

  /** Whether the program has been told of one; else it is one of this host. */
  get isConfigured(): boolean {
    return this.#options.isConfigured
  }

  /** For people: where a controller was looked for. */
  get description(): string {
    const address = this.#options.where()
    return address === undefined ? 'no controller on this host' : `controller ${formatController(address)}`
  }

  start(): void {
    this.#look()
    this.#interval = setInterval(() => this.#look(), LOOK_INTERVAL_MS)
    this.#interval.unref()
  }

  /** Says goodbye: what was registered is withdrawn, and nobody takes it for a crash. */
  stop(): void {
    clearInterval(this.#interval)
    this.#step(now => this.#agent.stop(now))
    this.#timer.disarm()
    for (const waiter of this.#waiting.values()) waiter.resolve()
    this.#waiting.clear()
  }

  setEndpoints(endpoints: readonly Endpoint[]): void {
    this.#step(() => this.#agent.setEndpoints(endpoints))
  }

  resolve(service: NamedPrefix): void {
    this.#step(now => this.#agent.resolve(service, now))
  }

  /**
   * Keeps it registered from now on. `acknowledged` resolves when the controller has it, or when there is none to wait
   * for, and rejects when it refuses (EADDRINUSE).
   */
  register(registration: Registration): { readonly id: number; readonly acknowledged: Promise<void> } {
    const hasController = this.hasController
    const id = this.#agent.register(registration)
    const acknowledged = hasController ? this.#wait(id, registration.name) : Promise.resolve()
    this.#step(() => undefined)
    return { id, acknowledged }
  }

  /** Resolves when the controller has taken note, or is not there. */
  unregister(id: number): Promise<void> {
    this.#waiting.get(id)?.resolve()
    const done = this.#isReady ? this.#wait(id, '') : Promise.resolve()
    this.#step(() => this.#agent.unregister(id))
    return done
  }

  #wait(id: number, name: string): Promise<void> {
    if (this.#options.isConfigured && !this.#isReady) this.#warnIfStillWaiting(id, name)
    return new Promise((resolve, reject) => this.#waiting.set(id, { name, resolve, reject }))
  }

  /** Whoever configured a controller wants to know that nothing happens before it answers. */
  #warnIfStillWaiting(id: number, name: string): void {
    setTimeout(() => {
      if (!this.#waiting.has(id)) return
      process.emitWarning(`${this.description} does not answer; ${name} waits for it`, {
        code: 'SERVAL_CONTROLLER',
      })
    }, PATIENCE_MS).unref()
  }

  /** A controller of this host is found by its socket; before that, there is nothing to dial. */
  #look(): void {
    if (this.#agent.state === 'STOPPED' && this.#options.where() !== undefined)
      this.#step(now => this.#agent.start(now))
  }

  #step(input: (nowMs: number) => void): void {
    input(nowMs())
    for (let command = this.#agent.pollCommand(); command; command = this.#agent.pollCommand()) {
      if (command.type === 'connect') this.#dial(command.connection)
      else if (command.connection !== this.#connection?.number) continue
      else if (command.type === 'send') this.#connection.socket.write(command.bytes)
      else this.#hangUp(this.#connection.socket)
    }
    for (let event = this.#agent.pollEvent(); event; event = this.#agent.pollEvent()) this.#handle(event)
    this.#timer.arm(this.#agent.nextTimeoutAt())
  }

  #dial(number: number): void {
    const address = this.#options.where()
    if (address === undefined) {
      setImmediate(() => this.#step(now => this.#agent.handleDisconnected(number, 'it has gone', now)))
      return
    }
    const socket =
      'path' in address
        ? createConnection(address.path)
        : createConnection({ host: address.address, port: address.port })
    this.#connection = { number, socket }
    let reason = 'it closed the connection'
    socket.unref()
    socket.setNoDelay(true)
    // The generated code of the messages is a megabyte of heap: who has no controller does without.
    const loading = import('../control/codec.ts')
    socket.on('connect', async () => {
      const codec = await loading
      this.#step(now => this.#agent.handleConnected(number, codec, now))
      socket.on('data', chunk => this.#step(now => this.#agent.handleData(number, chunk, now)))
    })
    socket.on('error', error => {
      reason = error.message
    })
    socket.on('close', () => this.#step(now => this.#agent.handleDisconnected(number, reason, now)))
  }

  #hangUp(socket: Socket): void {
    this.#connection = undefined
    socket.destroySoon()
  }

  #handle(event: AgentEvent): void {
    switch (event.type) {
      case 'connected':
        this.#isReady = true
        break
      case 'disconnected':
        this.#isReady = false
        if (!this.#options.isConfigured) this.#settleAll()
        break
      case 'registered':
      case 'unregistered':
        this.#settle(event.registrationId, waiter => waiter.resolve())
        break
      case 'refused':
        this.#settle(event.registrationId, ({ name, reject }) =>
          reject(refusalError(name, event.code, event.message)),
        )
        break
    }
    this.#options.onEvent(event)
  }

  #settle(id: number, how: (waiter: Waiter) => void): void {
    const waiter = this.#waiting.get(id)
    this.#waiting.delete(id)
    if (waiter !== undefined) how(waiter)
  }

  /** A controller that nobody asked for has gone: it is not waited for. */
  #settleAll(): void {
    for (const waiter of this.#waiting.values()) waiter.resolve()
    this.#waiting.clear()
  }
}

function refusalError(service: string, code: string, message: string): ServalError {
  if (code === 'ESERVICENAME') return new ServalError('ESERVICENAME', { value: service, expected: message })
  return new ServalError('EADDRINUSE', { service, owner: `another program (controller: ${message})` })
}

export function formatController(address: ControllerAddress): string {
  return 'path' in address ? `unix:${address.path}` : formatEndpoint(address)
}
