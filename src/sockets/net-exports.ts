/** What `serval/net` exports by name: all that `node:net` does, with service names where ports stand. */
import type { SocketConnectOpts } from 'node:net'
import { splitArguments } from './arguments.ts'
import { Server, type ServerOptions } from './server.ts'
import { Socket } from './socket.ts'
import type { ConnectOptions } from './socket-options.ts'

export {
  BlockList,
  getDefaultAutoSelectFamily,
  getDefaultAutoSelectFamilyAttemptTimeout,
  isIP,
  isIPv4,
  isIPv6,
  SocketAddress,
  setDefaultAutoSelectFamily,
  setDefaultAutoSelectFamilyAttemptTimeout,
} from 'node:net'
export type { MigrateTarget } from '../net/stack.ts'
export type { OnReadOptions } from './flow-reader.ts'
export { type ListenOptions, Server, type ServerOptions } from './server.ts'
export { Socket, Socket as Stream } from './socket.ts'
export type { AddressInfo } from './socket-address.ts'
export type { ConnectOptions, SocketOptions } from './socket-options.ts'

/** A server, whose `listen` takes a service name or a port. */
export function createServer(onConnection?: (socket: Socket) => void): Server
export function createServer(options?: ServerOptions | null, onConnection?: (socket: Socket) => void): Server
export function createServer(
  options?: ServerOptions | ((socket: Socket) => void) | null,
  onConnection?: (socket: Socket) => void,
): Server {
  return new Server(options as ServerOptions, onConnection)
}

/** A new socket that connects: see `Socket.connect`. */
export function connect(service: string, onConnect?: () => void): Socket
export function connect(port: number, host: string, onConnect?: () => void): Socket
export function connect(port: number, onConnect?: () => void): Socket
export function connect(options: ConnectOptions | SocketConnectOpts, onConnect?: () => void): Socket
export function connect(...args: unknown[]): Socket {
  const { options, callback } = splitArguments<ConnectOptions>(args)
  const socket = new Socket(options)
  if (options.timeout) socket.setTimeout(options.timeout)
  // Its signal was aborted already.
  return socket.destroyed ? socket : socket.connect(options, callback)
}

export const createConnection = connect
