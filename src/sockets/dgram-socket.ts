/**
 * A datagram socket: messages to services and from them, with the shape, events and order of a `dgram.Socket`. Where it
 * differs from Node's is listed in test/compliance/dgram-differences.test.ts.
 *
 *   program -- send(message, service) --> stack: resolved and sent by itself          bound: from its own service
 *   program -- connect(service), send --> flow: lives on when either end moves
 *   program <-- message --------------- both; what comes on a flow is answered on it
 */
import { AsyncResource } from 'node:async_hooks'
import type * as dgram from 'node:dgram'
import { EventEmitter } from 'node:events'
import { promisify } from 'node:util'
import { ServalError } from '../errors.ts'
import { DEFAULT_DATAGRAM_LIMITS } from '../flow/datagram-queue.ts'
import type { FlowInfo } from '../flow/flow-info.ts'
import { defaultStack } from '../net/default-stack.ts'
import type { MigrateTarget, Stack } from '../net/stack.ts'
import { checkLoad, checkNumber, checkString } from './arguments.ts'
import { adopting } from './callable.ts'
import { closeOn } from './close-on.ts'
import {
  type BindOptions,
  bindArguments,
  connectArguments,
  type MessageData,
  type MessageListener,
  type RemoteInfo,
  type SendCallback,
  type Sending,
  type SocketOptions,
  type SocketType,
  sendArguments,
  socketOptions,
} from './dgram-arguments.ts'
import { DatagramBinding } from './dgram-binding.ts'
import { Connection } from './dgram-connection.ts'
import { Inbox } from './dgram-inbox.ts'
import { Peers } from './dgram-peers.ts'
import { Sender } from './dgram-sender.ts'
import { checkBufferSize, checkHops, checkInterface, groupError } from './dgram-settings.ts'
import type { AddressInfo } from './socket-address.ts'
import { systemError } from './system-error.ts'

export class Socket extends adopting(EventEmitter) implements dgram.Socket {
  readonly type: SocketType
  readonly #ownStack: Stack | undefined
  /** Messages are told in the async context in which the socket was made, whoever is the first to send on it. */
  readonly #scope = new AsyncResource('SERVALDGRAM')
  readonly #peers = new Peers()
  readonly #inbox: Inbox
  readonly #binding: DatagramBinding
  #sender: Sender | undefined
  #connection: Connection | undefined
  #isClosed = false

  constructor(given?: SocketType | SocketOptions, onMessage?: MessageListener) {
    super()
    const { type, stack, signal, recvBufferSize = DEFAULT_DATAGRAM_LIMITS.bytes } = socketOptions(given)
    this.type = type
    this.#ownStack = stack
    this.#inbox = new Inbox(this.#peers, {
      onMessage: (message, info) => this.#scope.runInAsyncScope(this.emit, this, 'message', message, info),
      connection: () => this.#connection,
    })
    this.#binding = new DatagramBinding(() => this.#stack, type, checkBufferSize(recvBufferSize), {
      onListening: () => this.emit('listening'),
      onFailed: error => this.emit('error', error),
      onMessages: () => this.#inbox.readListener(this.#binding.listener),
      onFlow: flow => this.#inbox.accept(this.#stack, flow),
    })
    if (onMessage !== undefined) this.on('message', onMessage)
    if (signal) closeOn(signal, this, () => this.#isClosed || this.close())
  }

  // ---- bound ------------------------------------------------------------------------------------------------------

  /**
   * Serves a service, or a port of this host; 0 or nothing is any free one. `listening` follows. Throws on malformed
   * arguments, ERR_SOCKET_ALREADY_BOUND. Emits `error`: EADDRINUSE, or what the controller has against it.
   */
  bind(service: string, onListening?: () => void): this
  bind(port?: number, address?: string, onListening?: () => void): this
  bind(port?: number, onListening?: () => void): this
  bind(onListening?: () => void): this
  bind(options: BindOptions, onListening?: () => void): this
  bind(...args: unknown[]): this {
    this.#checkRunning()
    if (this.#binding.address) throw new ServalError('ERR_SOCKET_ALREADY_BOUND', {})
    const { target, options, callback } = bindArguments(args)
    if (callback) this.once('listening', callback)
    this.#binding.bind(target, options, false, () => callback && this.off('listening', callback))
    return this
  }

  /** The service as which it sends. Throws EBADF before `bind`. */
  address(): AddressInfo {
    return this.#checkBound('getsockname')
  }

  // ---- sending ----------------------------------------------------------------------------------------------------

  /**
   * Sends a message: to a service, to a port of a host, to whom a message came from, or to whom the socket is connected. A
   * socket that is not bound is then bound to any free port. `callback` is called when it has left, or with the error that
   * is emitted otherwise: EMSGSIZE, ENOSERVICE, ENOROUTER, EHOSTUNREACH, ETIMEDOUT. Throws on malformed arguments.
   */
  send(message: MessageData, service: string | RemoteInfo, callback?: SendCallback): void
  send(message: MessageData, port?: number, address?: string, callback?: SendCallback): void
  send(message: MessageData, port?: number, callback?: SendCallback): void
  send(message: MessageData, callback?: SendCallback): void
  send(message: MessageData, offset: number, length: number, service: string, callback?: SendCallback): void
  send(
    message: MessageData,
    offset: number,
    length: number,
    port?: number,
    address?: string,
    callback?: SendCallback,
  ): void
  send(message: MessageData, offset: number, length: number, port?: number, callback?: SendCallback): void
  send(message: MessageData, offset: number, length: number, callback?: SendCallback): void
  send(...args: unknown[]): void {
    this.#checkRunning()
    const sending = sendArguments(args, this.#connection !== undefined)
    this.#binding.whenBound(() => this.#send(sending))
  }

  /** Of old: `send` with a range. */
  sendto(
    message: MessageData,
    offset: number,
    length: number,
    port: number,
    address: string,
    callback?: SendCallback,
  ): void {
    checkNumber(offset, 'offset')
    checkNumber(length, 'length')
    checkNumber(port, 'port')
    checkString(address, 'address')
    this.send(message, offset, length, port, address, callback)
  }

  /** Nothing is ever kept here that the system has not taken; a flow that has no address keeps what it is given. */
  getSendQueueSize(): number {
    return this.#connection?.flow?.bufferedBytes ?? 0
  }

  getSendQueueCount(): number {
    return this.#binding.waitingCount
  }

  // ---- connected --------------------------------------------------------------------------------------------------

  /**
   * Makes a flow to a service: messages go to the one instance that took it, and from there come here, until `disconnect`,
   * wherever either end moves. `connect` follows. Emits `error`, if there is no callback: as `net.Socket.connect`.
   */
  connect(service: string, callback?: () => void): void
  connect(port: number, address?: string, callback?: () => void): void
  connect(port: number, callback?: () => void): void
  connect(...args: unknown[]): void {
    this.#checkRunning()
    const { target, callback } = connectArguments(args)
    if (this.#connection) throw new ServalError('ERR_SOCKET_DGRAM_IS_CONNECTED', {})
    const connection = new Connection(this.#stack, target, {
      onConnected: () => {
        this.emit('connect')
        callback?.()
      },
      onReadable: flow => this.#inbox.readFlow(flow),
      onMoved: path => this.emit('migrate', path),
      onFailed: error => {
        this.#connection = undefined
        if (callback) process.nextTick(callback, error)
        else process.nextTick(() => this.#fail(error))
      },
      onEnded: error => {
        this.#connection = undefined
        if (error) this.#fail(error)
        else this.emit('disconnect')
      },
    })
    this.#connection = connection
    this.#binding.whenBound(() => connection.open(this.#binding.listener?.port ?? 0))
  }

  /** Ends the flow; `disconnect` is emitted only where the peer has. */
  disconnect(): void {
    const connection = this.#connection
    if (!connection?.isUp) throw new ServalError('ERR_SOCKET_DGRAM_NOT_CONNECTED', {})
    this.#connection = undefined
    connection.letGo()
  }

  remoteAddress(): AddressInfo {
    this.#checkRunning()
    const remote = this.#connection?.remoteAddress
    if (!remote) throw new ServalError('ERR_SOCKET_DGRAM_NOT_CONNECTED', {})
    return remote
  }

  /** What the stack knows of the flow of a connected socket. */
  get flow(): FlowInfo | undefined {
    return this.#connection?.flow?.info()
  }

  /** Moves the flow to another of this host's addresses; resolves when the peer has confirmed it. */
  async migrate(target: MigrateTarget): Promise<void> {
    const { flow, isUp } = this.#connection ?? {}
    if (!isUp || !flow) throw new ServalError('ERR_SOCKET_DGRAM_NOT_CONNECTED', {})
    await this.#stack.migrate(flow, target)
  }

  // ---- ending -----------------------------------------------------------------------------------------------------

  /** Sends and receives no more; `close` follows. */
  close(callback?: () => void): this {
    this.#checkRunning()
    if (typeof callback === 'function') this.on('close', callback)
    this.#isClosed = true
    this.#connection?.letGo()
    this.#connection = undefined
    this.#inbox.close()
    const emitClose = () => {
      this.#binding.release()
      this.emit('close')
    }
    void this.#binding.close().then(() => process.nextTick(emitClose))
    return this
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#isClosed) await promisify(this.close).call(this)
  }

  /** The process waits for this socket while it is bound, as it does by default. */
  ref(): this {
    this.#binding.hold(true)
    return this
  }

  unref(): this {
    this.#binding.hold(false)
    return this
  }

  // ---- settings ---------------------------------------------------------------------------------------------------

  /** Bytes that may wait until the program takes them; the oldest are dropped beyond. */
  getRecvBufferSize(): number {
    return this.#binding.inboxBytes
  }

  setRecvBufferSize(bytes: number): void {
    this.#binding.inboxBytes = checkBufferSize(bytes)
  }

  /**
   * How busy this instance is, as `net.Server.load`. Messages without a connection are counted by nobody: who takes such has to
   * say it, or `balance=least-loaded` goes by weight.
   */
  get load(): number | undefined {
    return this.#binding.load
  }

  /** Throws ERR_INVALID_ARG_TYPE, ERR_OUT_OF_RANGE. */
  set load(load: number | undefined) {
    this.#binding.load = checkLoad(load)
  }

  getSendBufferSize(): number {
    return DEFAULT_DATAGRAM_LIMITS.bytes
  }

  /** The stack's own; what is sent hardly ever waits. */
  setSendBufferSize(bytes: number): void {
    checkBufferSize(bytes)
  }

  /** Settings of the kernel's sockets mean nothing here: they are checked as by Node, and have no effect. */
  setTTL(ttl: number): number {
    checkNumber(ttl, 'ttl')
    this.#checkBound('setTTL')
    return checkHops('setTTL', ttl, 1)
  }

  setMulticastTTL(ttl: number): number {
    checkNumber(ttl, 'ttl')
    this.#checkBound('setMulticastTTL')
    return checkHops('setMulticastTTL', ttl, 0)
  }

  setMulticastLoopback(flag: boolean): boolean {
    this.#checkBound('setMulticastLoopback')
    return flag
  }

  setMulticastInterface(multicastInterface: string): void {
    checkString(multicastInterface, 'multicastInterface')
    this.#checkRunning()
    checkInterface('setMulticastInterface', multicastInterface, this.#stack)
  }

  setBroadcast(_flag: boolean): void {
    this.#checkBound('setBroadcast')
  }

  /** A group is a name that several serve, and a rule `to=all` for it: nobody can join by himself. Throws. */
  addMembership(group: string): void {
    throw this.#noGroup('addMembership', group)
  }

  dropMembership(group: string): void {
    throw this.#noGroup('dropMembership', group)
  }

  addSourceSpecificMembership(source: string, group: string): void {
    checkString(source, 'sourceAddress')
    throw this.#noGroup('addSourceSpecificMembership', checkString(group, 'groupAddress'))
  }

  dropSourceSpecificMembership(source: string, group: string): void {
    checkString(source, 'sourceAddress')
    throw this.#noGroup('dropSourceSpecificMembership', checkString(group, 'groupAddress'))
  }

  // ---- details ----------------------------------------------------------------------------------------------------

  get #stack(): Stack {
    return this.#ownStack ?? defaultStack()
  }

  #noGroup(syscall: string, group: unknown): ServalError {
    if (group === undefined) return new ServalError('ERR_MISSING_ARGS', { arguments: '"multicastAddress"' })
    this.#checkRunning()
    return groupError(syscall, String(group))
  }

  /** Node's has a descriptor from then on. */
  #checkBound(syscall: string): AddressInfo {
    this.#checkRunning()
    const { address } = this.#binding
    if (!address) throw systemError(new ServalError('EBADF', { syscall }), {})
    return address
  }

  #send({ to, ...message }: Sending): void {
    this.#sender ??= new Sender(this.#stack, this.#peers, error => this.#fail(error))
    if (to === undefined) this.#sender.sendOn(this.#connection?.flow, message)
    else this.#sender.sendTo(to, message, this.#binding.listener)
  }

  #fail(error: unknown): void {
    if (!this.#isClosed) this.emit('error', error)
  }

  #checkRunning(): void {
    if (this.#isClosed) throw new ServalError('ERR_SOCKET_DGRAM_NOT_RUNNING', {})
  }
}
