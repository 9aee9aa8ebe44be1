/** The control listener: sockets and the clock around the hub. */
import { createServer, type Server, type Socket } from 'node:net'
import type { Logger } from 'pino'
import type { GoneReason } from '../src/control/messages.ts'
import type { Hub } from './hub.ts'
import type { HubCommand, HubNotice } from './hub-reports.ts'
import { type ListenAddress, listenControl, listenUnix, type RuntimeDir } from './listen.ts'

export interface ControlServerOptions {
  readonly hub: Hub
  readonly logger: Logger
  /** Milliseconds on the clock that the hub was started with. */
  readonly nowMs: () => number
  /** Connections at once. Default 10,000. */
  readonly maxConnections?: number
  /** Of these, from one IP address (the unix socket has no such limit). Default 1,000. */
  readonly maxConnectionsPerAddress?: number
}

export class ControlServer {
  readonly #hub: Hub
  readonly #logger: Logger
  readonly #nowMs: () => number
  readonly #maxConnections: number
  readonly #maxPerAddress: number
  readonly #servers: Server[] = []
  readonly #sockets = new Map<number, Socket>()
  readonly #perAddress = new Map<string, number>()
  #lastConnection = 0
  #timer: NodeJS.Timeout | undefined
  #isClosed = false

  constructor(options: ControlServerOptions) {
    this.#hub = options.hub
    this.#logger = options.logger
    this.#nowMs = options.nowMs
    this.#maxConnections = options.maxConnections ?? 10_000
    this.#maxPerAddress = options.maxConnectionsPerAddress ?? 1000
    this.#run()
  }

  /** Resolves to the address with the port it got; rejects as `listenControl` does. */
  listenTcp(at: ListenAddress): Promise<ListenAddress> {
    return listenControl(
      this.#server(({ remoteAddress }) => remoteAddress ?? GONE),
      at,
    )
  }

  /** Resolves to the path; rejects as `listenUnix` does. */
  listenUnix(runtimeDir: RuntimeDir): Promise<string> {
    return listenUnix(
      this.#server(() => undefined),
      runtimeDir,
    )
  }

  /** The hub has something to do that came in another way. */
  wake(): void {
    this.#run()
  }

  /** Says goodbye to all, gives what is under way `graceMs` to be written, and lets go of every address. */
  async close(graceMs: number): Promise<void> {
    const closed = this.#servers.map(server => new Promise(resolve => server.close(resolve)))
    this.#hub.shutDown('the controller is being stopped')
    this.#run()
    this.#isClosed = true
    clearTimeout(this.#timer)
    const expired = setTimeout(() => this.#destroyAll(), graceMs)
    await Promise.all(closed)
    clearTimeout(expired)
  }

  /** `addressOf` gives what connections are counted by; undefined: they are not. */
  #server(addressOf: (socket: Socket) => string | undefined): Server {
    const server = createServer({ noDelay: true }, socket => this.#accept(socket, addressOf(socket)))
    server.maxConnections = this.#maxConnections
    this.#servers.push(server)
    return server
  }

  #accept(socket: Socket, address: string | undefined): void {
    // Closed before it was accepted: it has no address any more by which it could be counted.
    if (address === GONE) return void socket.destroy()
    const from = address === undefined ? 'unix' : `${address} port ${socket.remotePort}`
    if (this.#sockets.size >= this.#maxConnections || !this.#admit(address)) {
      this.#logger.warn({ from }, 'too many control connections: refused')
      socket.destroy()
      return
    }
    const connection = ++this.#lastConnection
    this.#sockets.set(connection, socket)
    // The end of what the agent says is the end of the agent: what was to be said to it need not go first.
    const end = (reason: GoneReason) => {
      this.#hub.handleClosed(connection, reason)
      this.#run()
      socket.destroy()
    }
    socket.on('data', chunk => {
      this.#hub.handleData(connection, chunk, this.#nowMs())
      this.#run()
    })
    socket.on('end', () => end('died'))
    socket.on('drain', () => socket.resume())
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.#logger.debug({ from, err: error }, 'control connection failed')
      end(error.code === 'ECONNRESET' || error.code === 'EPIPE' ? 'died' : 'silent')
    })
    socket.on('close', () => {
      this.#sockets.delete(connection)
      this.#release(address)
      end('died')
    })
    this.#hub.handleOpened(connection, from, this.#nowMs())
    this.#run()
  }

  /** Carries out what the hub wants, then sets the timer for what it wants later. */
  #run(): void {
    for (let command = this.#hub.pollCommand(); command; command = this.#hub.pollCommand())
      this.#carryOut(command)
    for (let notice = this.#hub.pollNotice(); notice; notice = this.#hub.pollNotice()) this.#log(notice)
    clearTimeout(this.#timer)
    if (this.#isClosed) return
    const waitMs = Math.max(0, Math.min(MAX_TIMER_MS, this.#hub.nextTimeoutAt() - this.#nowMs()))
    this.#timer = setTimeout(() => {
      this.#hub.handleTimeout(this.#nowMs())
      this.#run()
    }, Math.ceil(waitMs))
  }

  #carryOut(command: HubCommand): void {
    const socket = this.#sockets.get(command.connection)
    if (socket === undefined || socket.destroyed) return
    if (command.type === 'close') return closeSoon(socket)
    socket.write(command.bytes)
    if (socket.writableLength > MAX_UNREAD_BYTES) socket.destroy()
    // Who does not read answers may put no more questions.
    else if (socket.writableNeedDrain) socket.pause()
  }

  #log(notice: HubNotice): void {
    switch (notice.type) {
      case 'joined': {
        const { kind, program, pid, hostName } = notice.member
        return this.#logger.info({ kind, program, pid, host: hostName, from: notice.from }, 'joined')
      }
      case 'left': {
        const { kind, program, pid, hostName } = notice.member
        return this.#logger.info({ kind, program, pid, host: hostName, reason: notice.reason }, 'left')
      }
      case 'registered':
      case 'unregistered': {
        const { program, pid } = notice.member
        return this.#logger.info({ service: notice.name, program, pid }, notice.type)
      }
      case 'rejected':
        return this.#logger.warn({ from: notice.from, reason: notice.reason }, 'connection rejected')
    }
  }

  #admit(address: string | undefined): boolean {
    if (address === undefined) return true
    const count = this.#perAddress.get(address) ?? 0
    if (count >= this.#maxPerAddress) return false
    this.#perAddress.set(address, count + 1)
    return true
  }

  #release(address: string | undefined): void {
    if (address === undefined) return
    const count = this.#perAddress.get(address)! - 1
    if (count === 0) this.#perAddress.delete(address)
    else this.#perAddress.set(address, count)
  }

  #destroyAll(): void {
    for (const socket of this.#sockets.values()) socket.destroy()
  }
}

/** What may wait for an agent that does not read: a router's full table fits, a stopped process is let go. */
const MAX_UNREAD_BYTES = 64 * 1024 * 1024
const CLOSE_MS = 1000
const GONE = 'gone'
/** What setTimeout can wait; a deadline further away is looked at again then. */
const MAX_TIMER_MS = 0x7fffffff

/** Ends the connection once all is written, and at any rate soon. */
function closeSoon(socket: Socket): void {
  const timer = setTimeout(() => socket.destroy(), CLOSE_MS)
  socket.on('close', () => clearTimeout(timer))
  socket.destroySoon()
}
