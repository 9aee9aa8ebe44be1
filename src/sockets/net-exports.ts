/** What `serval/net` exports by name: all that `node:net` does, with service names where ports stand. */
import nodeNet, { type SocketConnectOpts } from 'node:net'
import { normalizeArguments } from './arguments.ts'
import { callable } from './callable.ts'
import { type ServerOptions, Server as ServiceServer } from './server.ts'
import { Socket as ActiveSocket } from './socket.ts'
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
/** Not documented by Node, and used all the same. */
export { normalizeArguments as _normalizeArgs } from './arguments.ts'
export type { OnReadOptions } from './flow-reader.ts'
export type { ListenOptions, ServerOptions } from './server.ts'
export type { AddressInfo } from './socket-address.ts'
export type { ConnectOptions, SocketOptions } from './socket-options.ts'
export const { _setSimultaneousAccepts } = nodeNet as unknown as {
  _setSimultaneousAccepts(...args: unknown[]): unknown
}

export const Socket = callable('Socket', ActiveSocket)
export type Socket = ActiveSocket
export const Stream = Socket
export type Stream = ActiveSocket
export const Server = callable('Server', ServiceServer)
export type Server = ServiceServer

/** A server, whose `listen` takes a service name or a port. */
export function createServer(onConnection?: (socket: Socket) => void): Server
export function createServer(options?: ServerOptions | null, onConnection?: (socket: Socket) => void): Server
export function createServer(
  options?: ServerOptions | ((socket: Socket) => void) | null,
  onConnection?: (socket: Socket) => void,
): Server {
  return new ServiceServer(options as ServerOptions, onConnection)
}

/** A new socket that connects: see `Socket.connect`. */
export function connect(service: string, onConnect?: () => void): Socket
export function connect(port: number, host: string, onConnect?: () => void): Socket
export function connect(port: number, onConnect?: () => void): Socket
export function connect(options: ConnectOptions | SocketConnectOpts, onConnect?: () => void): Socket
export function connect(...args: unknown[]): Socket {
  const normalized = normalizeArguments(args)
  const options: ConnectOptions = normalized[0]
  const socket = new ActiveSocket(options)
  if (options.timeout) socket.setTimeout(options.timeout)
  // Its signal was aborted already.
  return socket.destroyed ? socket : socket.connect(normalized)
}

export const createConnection = connect
