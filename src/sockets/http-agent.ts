/** `http.Agent` over active sockets: Node's own pool, with connections to services. */
import http from 'node:http'
import type { Duplex } from 'node:stream'
import type { Stack } from '../net/stack.ts'
import { targetOfRequest } from './http-target.ts'
import { connect } from './net-exports.ts'
import type { ConnectOptions } from './socket-options.ts'

export interface AgentOptions extends http.AgentOptions {
  /** Default: the process's own. */
  stack?: Stack | undefined
}

export interface RequestOptions extends http.RequestOptions {
  /** The service to ask; default: by host and port. */
  service?: string | undefined
}

type Callback = (error: Error | null, socket: Duplex) => void

export class Agent extends http.Agent {
  readonly #stack: Stack | undefined

  constructor({ stack, ...options }: AgentOptions = {}) {
    super(options)
    this.#stack = stack
  }

  override createConnection(options: RequestOptions, callback?: Callback): Duplex | undefined {
    try {
      return connect({ ...connectionOptions(options), stack: this.#stack })
    } catch (error) {
      // A malformed name is the request's `error`, as one that nobody serves is.
      callback?.(error as Error, undefined as unknown as Duplex)
      return undefined
    }
  }

  /** Connections to one service are one pool. */
  override getName(options: RequestOptions = {}): string {
    const { service } = targetOfRequest(options)
    return super.getName(service === undefined ? options : { host: service })
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
