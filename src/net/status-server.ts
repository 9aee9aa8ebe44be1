/** The status socket of a stack or router. It keeps no process alive, and goes with it. */
import { chmodSync, rmSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { atExit } from './at-exit.ts'
import type { PacketSource, PacketsRequest, PacketWatch } from './packet-watch.ts'
import { randomBytes } from './random.ts'
import type { RuleDesk } from './rule-desk.ts'
import type { RuleAnswer } from './rule-status.ts'
import type { RuntimeDirectory } from './runtime-dir.ts'
import type { StackStatus, StatusRequest } from './status.ts'

/** A question is short, and its asker does not linger. Rules are staged by the hundred. */
const MAX_REQUEST_CHARACTERS = 1 << 18
const IDLE_MS = 5000
/** Requests of one connection that wait for an answer; more is a fault. */
const MAX_WAITING = 1024

export interface StatusDesk {
  answer(request: StatusRequest): StackStatus
  /** Loads what few processes are ever asked for. */
  rules?(): Promise<RuleDesk>
  readonly packets?: PacketSource
}

/**
 * The status socket of this process. Without one (undefined, and a warning says why) others of this host cannot find it;
 * all else works.
 */
export function newStatusServer(directory: RuntimeDirectory, desk: StatusDesk): StatusServer | undefined {
  try {
    directory.prepare()
    return new StatusServer(directory.newStatusSocket(randomBytes), desk)
  } catch (error) {
    warn(error)
    return undefined
  }
}

export class StatusServer {
  readonly path: string
  readonly #server: Server
  readonly #connections = new Set<Socket>()
  /** Those who look on are told what they do not know yet. */
  readonly #beforeEnd = new Map<Socket, () => void>()
  #packetWatch: Promise<PacketWatch> | undefined
  #forget: (() => void) | undefined

  constructor(path: string, desk: StatusDesk) {
    this.path = path
    this.#server = createServer(connection => this.#serve(connection, desk))
    this.#server.unref()
  }

  /** Resolves when it can be asked, or has warned that it cannot. */
  async open(): Promise<void> {
    try {
      await this.#listen()
    } catch (error) {
      warn(error)
    }
  }

  close(): void {
    this.#forget?.()
    this.#server.close()
    for (const connection of this.#connections) {
      this.#beforeEnd.get(connection)?.()
      connection.destroySoon()
    }
  }

  #listen(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(this.path, () => {
        chmodSync(this.path, 0o600)
        this.#forget = atExit(() => rmSync(this.path, { force: true }))
        resolve()
      })
    })
  }

  #serve(connection: Socket, desk: StatusDesk): void {
    this.#connections.add(connection)
    connection.unref()
    connection.setEncoding('utf8')
    connection.setTimeout(IDLE_MS, () => connection.destroy())
    connection.on('error', () => connection.destroy())
    connection.on('close', () => {
      this.#connections.delete(connection)
      this.#beforeEnd.delete(connection)
    })
    const ask = desk.rules && inOrder(connection, () => desk.rules!())
    forEachLine(connection, line => {
      const value = parseJson(line)
      const request = parseStatusRequest(value)
      if (request !== undefined) connection.write(`${JSON.stringify(desk.answer(request))}\n`)
      else if (desk.packets && asksForPackets(value)) this.#show(connection, desk.packets)
      else if (ask !== undefined) ask(value)
      else connection.destroy()
      if (request?.ask === 'watch') connection.setTimeout(0)
    })
  }

  /** Few processes are ever watched: what it takes is loaded then. */
  #show(connection: Socket, source: PacketSource): void {
    if (this.#beforeEnd.has(connection)) return
    this.#beforeEnd.set(connection, () => undefined)
    connection.setTimeout(0)
    this.#packetWatch ??= import('./packet-watch.ts').then(({ PacketWatch }) => new PacketWatch(source))
    this.#packetWatch
      .then(watch => {
        if (!connection.destroyed) this.#beforeEnd.set(connection, watch.show(connection))
      })
      .catch(() => void connection.destroy())
  }
}

function forEachLine(connection: Socket, handle: (line: string) => void): void {
  let text = ''
  connection.on('data', (chunk: string) => {
    const lines = (text + chunk).split('\n')
    text = lines.pop() ?? ''
    for (const line of lines) if (!connection.destroyed) handle(line)
    if (text.length > MAX_REQUEST_CHARACTERS) connection.destroy()
  })
}

/** What an operator asks about rules is done in the order in which it comes; meanwhile no more is read. */
function inOrder(connection: Socket, openDesk: () => Promise<RuleDesk>): (value: unknown) => void {
  let opened: Promise<ReturnType<RuleDesk['converse']>> | undefined
  let last = Promise.resolve()
  let waiting = 0
  return value => {
    opened ??= openDesk().then(desk =>
      desk.converse(
        answer => say(connection, answer),
        () => connection.destroyed,
      ),
    )
    if (++waiting > MAX_WAITING) return void connection.destroy()
    connection.pause().setTimeout(0)
    last = Promise.all([opened, last])
      .then(([handle]) => (connection.destroyed ? undefined : handle(value)))
      .catch(() => void connection.destroy())
      .finally(() => {
        if (--waiting === 0) connection.resume().setTimeout(IDLE_MS)
      })
  }
}

/** Resolves when there is room for more, or nobody to hear it. */
function say(connection: Socket, answer: RuleAnswer): Promise<void> {
  if (connection.destroyed || connection.write(`${JSON.stringify(answer)}\n`)) return Promise.resolve()
  return new Promise(resolve => {
    const settle = () => {
      connection.off('drain', settle).off('close', settle)
      resolve()
    }
    connection.on('drain', settle).on('close', settle)
  })
}

function asksForPackets(value: unknown): boolean {
  return typeof value === 'object' && value !== null && (value as PacketsRequest).ask === 'packets'
}

function parseStatusRequest(value: unknown): StatusRequest | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const request = value as StatusRequest
  if (request.ask === 'status' || request.ask === 'watch' || request.ask === 'succession') return request
  return request.ask === 'service' && typeof request.serviceId === 'string' ? request : undefined
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}

function warn(error: unknown): void {
  process.emitWarning(error instanceof Error ? error.message : String(error), { code: 'SERVAL_RUNTIME_DIR' })
}
