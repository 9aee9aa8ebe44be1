/**
 * `http.Server` over active sockets: Node's own server, which takes any stream by its event `connection`, in front of a
 * server of `serval/net`, which listens.
 */
import http from 'node:http'
import { adopting } from './callable.ts'
import {
  type ListenOptions,
  Server as SocketServer,
  type ServerOptions as SocketServerOptions,
} from './server.ts'
import type { AddressInfo } from './socket-address.ts'

export interface ServerOptions extends http.ServerOptions, Pick<SocketServerOptions, 'stack'> {}

export type RequestListener = http.RequestListener

export class Server extends adopting(http.Server) {
  readonly #listener: SocketServer

  constructor(onRequest?: RequestListener)
  constructor(options?: ServerOptions, onRequest?: RequestListener)
  constructor(first?: ServerOptions | RequestListener, second?: RequestListener) {
    const options = typeof first === 'function' ? {} : (first ?? {})
    const onRequest = typeof first === 'function' ? first : second
    super(options, onRequest)
    const { noDelay = true, keepAlive, keepAliveInitialDelay, highWaterMark, stack } = options
    const listener = new SocketServer({
      allowHalfOpen: true,
      noDelay,
      keepAlive,
      keepAliveInitialDelay,
      highWaterMark,
      stack,
    })
    for (const event of ['connection', 'listening', 'drop', 'error']) {
      listener.on(event, (...args) => this.emit(event, ...args))
    }
    listener.on('close', () => super.close())
    this.#listener = listener
    Object.defineProperties(this, {
      listening: { get: () => listener.listening },
      connections: { get: () => listener.connections },
      maxConnections: {
        get: () => listener.maxConnections,
        set: (count: number) => {
          listener.maxConnections = count
        },
      },
    })
  }

  /** As `net.Server.listen` of this package: a service name, a port, or options. */
  override listen(service: string, backlog?: number, onListening?: () => void): this
  override listen(service: string, onListening?: () => void): this
  override listen(port?: number, host?: string, backlog?: number, onListening?: () => void): this
  override listen(port?: number, host?: string, onListening?: () => void): this
  override listen(port?: number, backlog?: number, onListening?: () => void): this
  override listen(port?: number, onListening?: () => void): this
  override listen(options: ListenOptions, onListening?: () => void): this
  override listen(onListening?: () => void): this
  override listen(...args: unknown[]): this {
    const last = args.at(-1)
    const onListening = typeof last === 'function' ? (last as () => void) : undefined
    this.#listener.listen(...((onListening ? args.slice(0, -1) : args) as [ListenOptions]))
    if (onListening) this.once('listening', onListening)
    return this
  }

  /** Ends idle connections, takes no new ones, and closes when the others have ended. */
  override close(callback?: (error?: Error) => void): this {
    this.closeIdleConnections()
    if (typeof callback === 'function')
      this.#listener.close(error => this.once('close', () => callback(error)))
    else this.#listener.close()
    return this
  }

  override address(): AddressInfo | null {
    return this.#listener.address()
  }

  override getConnections(callback: (error: Error | null, count: number) => void): this {
    this.#listener.getConnections(callback)
    return this
  }

  /** As `net.Server.load` of this package. */
  get load(): number | undefined {
    return this.#listener.load
  }

  set load(load: number | undefined) {
    this.#listener.load = load
  }

  override ref(): this {
    this.#listener.ref()
    return this
  }

  override unref(): this {
    this.#listener.unref()
    return this
  }
}
