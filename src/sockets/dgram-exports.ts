/** What `serval/dgram` exports by name: what `node:dgram` does, with service names where ports stand. */
import type { MessageListener, SocketOptions, SocketType } from './dgram-arguments.ts'
import { Socket } from './dgram-socket.ts'

export type { MigrateTarget } from '../net/stack.ts'
export type {
  BindOptions,
  MessageListener,
  RemoteInfo,
  SendCallback,
  SocketOptions,
  SocketType,
} from './dgram-arguments.ts'
export { Socket } from './dgram-socket.ts'
export type { AddressInfo } from './socket-address.ts'

/** A datagram socket; `onMessage` listens to `message`. */
export function createSocket(options?: SocketType | SocketOptions, onMessage?: MessageListener): Socket {
  return new Socket(options, onMessage)
}
