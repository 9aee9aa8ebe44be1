/** What `serval/dgram` exports by name: what `node:dgram` does, with service names where ports stand. */
import { callable } from './callable.ts'
import type { MessageListener, SocketOptions, SocketType } from './dgram-arguments.ts'
import { Socket as DatagramSocket } from './dgram-socket.ts'

export type { MigrateTarget } from '../net/stack.ts'
export type {
  BindOptions,
  MessageListener,
  RemoteInfo,
  SendCallback,
  SocketOptions,
  SocketType,
} from './dgram-arguments.ts'
export type { AddressInfo } from './socket-address.ts'

export const Socket = callable('Socket', DatagramSocket)
export type Socket = DatagramSocket

/** A datagram socket; `onMessage` listens to `message`. */
export function createSocket(options?: SocketType | SocketOptions, onMessage?: MessageListener): Socket {
  return new DatagramSocket(options, onMessage)
}
