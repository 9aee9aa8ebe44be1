/** `http.Agent` over active sockets: Node's own pool, with connections to services. */
import http from 'node:http'
import { connect as connectPath } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Stack } from '../net/stack.ts'
import { splitArguments, type TargetOptions } from './arguments.ts'
import { adopting } from './callable.ts'
import { targetOfRequest } from './http-target.ts'
import { connect, Socket } from './net-exports.ts'
import type { ConnectOptions } from './socket-options.ts'

export interface AgentOptions extends http.AgentOptions {
  /** Default: the process's own. */
  stack?: Stack | undefined
}

export interface RequestOptions extends http.RequestOptions {
  /** The service to ask; default: by host and port. */
  service?: string | undefined
}

/** Called without arguments; agents of other kinds give it some. */
type OnConnect = (error: Error | null, socket: Duplex) => void

export class Agent extends adopting(http.Agent) {
  readonly #stack: Stack | undefined

  constructor({ stack, ...options }: AgentOptions = {}) {
    super(options)
    this.#stack = stack
  }

  /** As `net.connect` of this package; a unix socket (`socketPath`) is Node's own. */
  override createConnection(options: RequestOptions, onConnect?: OnConnect): Duplex
  override createConnection(service: string, onConnect?: OnConnect): Duplex
  override createConnection(port: number, host?: string, onConnect?: OnConnect): Duplex
  override createConnection(...args: unknown[]): Duplex {
    try {
      const { options, callback } = splitArguments<RequestOptions & TargetOptions>(args)
      const { socketPath } = options
      if (socketPath) return connectPath({ ...options, path: socketPath }, callback)
      return connect({ ...connectionOptions(options), stack: this.#stack }, callback)
    } catch (error) {
      // A malformed name is the request's `error`, as one that nobody serves is; unless it is aborted before.
      const socket = new Socket()
      socket.connecting = true
      setImmediate(() => socket.destroy(error as Error))
      return socket
    }
  }

  /** Connections to one service are one pool. */
  override getName(options: RequestOptions = {}): string {
    const { service } = targetOfRequest(options)
    return super.getName(service === undefined || options.socketPath ? options : { host: service })
  }
}

/** Of all that a request has, what a connection takes; the agent has added its own. */
function connectionOptions(options: RequestOptions): ConnectOptions {
  const { timeout, noDelay, keepAlive, keepAliveInitialDelay, signal }: ConnectOptions = options as object
  const { lookup, family, hints, localAddress, localPort }: ConnectOptions = options as object
  const addresses = { lookup, family, hints, localAddress, localPort }
  return {
    ...targetOfRequest(options),
    ...addresses,
    timeout,
    noDelay,
    keepAlive,
    keepAliveInitialDelay,
    signal,
  }
}
