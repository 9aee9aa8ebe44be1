/**
 * A datagram socket: messages to services and from them, with the shape, events and order of a `dgram.Socket`. Where it
 * differs from Node's is listed in test/compliance/dgram-differences.test.ts.
 *
 *   program -- send(message, service) --> stack: resolved and sent by itself          bound: from its own service
 *   program -- connect(service), send --> flow: lives on when either end moves
 *   program <-- message --------------- both; what comes on a flow is answered on it
 */
import type * as dgram from 'node:dgram'
import { EventEmitter } from 'node:events'
import { promisify } from 'node:util'
import { ServalError } from '../errors.ts'
import type { AnyFlow } from '../flow/any-flow.ts'
import { DEFAULT_DATAGRAM_LIMITS } from '../flow/datagram-queue.ts'
import type { FlowInfo } from '../flow/flow-info.ts'
import { FlowSignal } from '../flow/states.ts'
import { defaultStack } from '../net/default-stack.ts'
import type { FlowHandler, MigrateTarget, Stack } from '../net/stack.ts'
import { checkLoad, checkNumber, checkString } from './arguments.ts'
import { Binding } from './binding.ts'
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
import { Connection } from './dgram-connection.ts'
import { Peers } from './dgram-peers.ts'
import { Sender } from './dgram-sender.ts'
import { checkBufferSize, checkHops, checkInterface, groupError } from './dgram-settings.ts'
import { Hold } from './hold.ts'
import type { AddressInfo } from './socket-address.ts'
import { systemError } from './system-error.ts'
import type { Target } from './target.ts'

export class Socket extends adopting(EventEmitter) implements dgram.Socket {
  readonly type: SocketType
  readonly #ownStack: Stack | undefined
  readonly #peers = new Peers()
  #sender: Sender | undefined
  /** Flows that others have made to this socket's service. */
  readonly #flows = new Set<AnyFlow>()
  #inboxBytes: number
  #load: number | undefined
  #binding: Binding | undefined
  #isBound = false
  #connection: Connection | undefined
  /** What waits until the socket is bound. */
  #pending: (() => void)[] = []
  #isClosed = false
  #isReferenced = true
  readonly #held = new Hold()

  constructor(given?: SocketType | SocketOptions, onMessage?: MessageListener) {
    super()
    const { type, stack, signal, recvBufferSize = DEFAULT_DATAGRAM_LIMITS.bytes } = socketOptions(given)
    this.type = type
    this.#ownStack = stack
    this.#inboxBytes = checkBufferSize(recvBufferSize)
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
    if (this.#binding) throw new ServalError('ERR_SOCKET_ALREADY_BOUND', {})
    const { target, options, callback } = bindArguments(args)
    if (callback) this.once('listening', callback)
    this.#bind(target, options, false, callback)
    return this
  }

  /** The service as which it sends. Throws EBADF before `bind`. */
  address(): AddressInfo {
    this.#checkRunning()
    if (!this.#binding) throw systemError(new ServalError('EBADF', { syscall: 'getsockname' }), {})
    const { address, family, port, service } = this.#binding.address
    const isAny = address === '::' && this.type === 'udp4'
    return isAny ? { address: '0.0.0.0', family: 'IPv4', port, service } : { address, family, port, service }
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
    this.#whenBound(() => this.#send(sending))
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
    return this.#pending.length
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
      onReadable: flow => this.#readFlow(flow),
      onMoved: () =>
        this.emit(
          'migrate',
          this.flow?.paths.find(path => path.active),
        ),
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
    this.#whenBound(() => connection.open(this.#binding?.listener?.port ?? 0))
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
    this.#pending = []
    this.#connection?.letGo()
    this.#connection = undefined
    for (const flow of this.#flows) this.#stack.letGo(flow)
    const emitClose = () => {
      this.#hold()
      this.emit('close')
    }
    void Promise.resolve(this.#binding?.close()).then(() => process.nextTick(emitClose))
    return this
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#isClosed) await promisify(this.close).call(this)
  }

  /** The process waits for this socket while it is bound, as it does by default. */
  ref(): this {
    this.#isReferenced = true
    this.#hold()
    return this
  }

  unref(): this {
    this.#isReferenced = false
    this.#hold()
    return this
  }

  // ---- settings ---------------------------------------------------------------------------------------------------

  /** Bytes that may wait until the program takes them; the oldest are dropped beyond. */
  getRecvBufferSize(): number {
    return this.#inboxBytes
  }

  setRecvBufferSize(bytes: number): void {
    this.#inboxBytes = checkBufferSize(bytes)
    const { listener } = this.#binding ?? {}
    if (listener) listener.inboxBytes = bytes
  }

  /**
   * How busy this instance is, as `net.Server.load`. Messages without a connection are counted by nobody: who takes such has to
   * say it, or `balance=least-loaded` goes by weight.
   */
  get load(): number | undefined {
    return this.#load
  }

  /** Throws ERR_INVALID_ARG_TYPE, ERR_OUT_OF_RANGE. */
  set load(load: number | undefined) {
    this.#load = checkLoad(load)
    this.#reportLoad()
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
  #checkBound(syscall: string): void {
    this.#checkRunning()
    if (!this.#binding) throw systemError(new ServalError('EBADF', { syscall }), {})
  }

  #bind(
    target: Target,
    { weight, priority }: BindOptions,
    isPrivate: boolean,
    onListening: () => void = () => undefined,
  ): void {
    const onMessages = () => this.#readAll(binding)
    const options = { weight, priority, datagrams: { isPrivate, onMessages } }
    const binding: Binding = new Binding(this.#stack, target, options, flow => this.#accept(flow))
    this.#binding = binding
    this.#hold()
    binding.open(undefined).then(
      () => process.nextTick(() => this.#handleListening(binding)),
      error =>
        process.nextTick(() => {
          this.off('listening', onListening)
          this.#handleBindFailure(binding, error)
        }),
    )
  }

  #handleListening(binding: Binding): void {
    if (this.#isClosed || this.#binding !== binding) return
    this.#isBound = true
    if (binding.listener) binding.listener.inboxBytes = this.#inboxBytes
    this.#reportLoad()
    this.emit('listening')
    for (const act of this.#pending.splice(0)) act()
  }

  #reportLoad(): void {
    const listener = this.#binding?.listener
    if (listener !== undefined) listener.load = this.#load
  }

  #handleBindFailure(binding: Binding, error: Error): void {
    if (this.#isClosed || this.#binding !== binding) return
    const { address, port } = this.address()
    this.#binding = undefined
    this.#pending = []
    this.#hold()
    const details = { syscall: 'bind', address, port: binding.isAnyPort ? undefined : port }
    this.emit('error', error instanceof ServalError ? systemError(error, details) : error)
  }

  #whenBound(act: () => void): void {
    if (this.#isBound) return act()
    this.#pending.push(act)
    // Known to those who hear from it: nobody asks for it by name.
    if (!this.#binding) this.#bind({ service: '', port: 0, host: undefined }, {}, true)
  }

  #readAll(binding: Binding): void {
    for (let next = binding.listener?.read(); next && !this.#isClosed; next = binding.listener?.read()) {
      if (this.#connection?.isPeer(next.remote, next.port) === false) continue
      this.emit('message', asBuffer(next.payload), this.#peers.meet(next))
    }
  }

  #accept(flow: AnyFlow): FlowHandler {
    this.#flows.add(flow)
    return { onSignals: (_flow, signals) => this.#handleAccepted(flow, signals) }
  }

  /** A connected socket hears its peer alone: on its flow, but also by itself, and on a flow that the peer has made. */
  #handleAccepted(flow: AnyFlow, signals: number): void {
    if (this.#isClosed) return
    const remote = flow.activePath?.remote
    if (!this.#connection || (remote && this.#connection.isPeer(remote, flow.peerPort))) this.#readFlow(flow)
    if ((signals & (FlowSignal.end | FlowSignal.closed)) === 0) return
    this.#flows.delete(flow)
    this.#peers.forget(flow)
    this.#stack.letGo(flow)
  }

  #readFlow(flow: AnyFlow): void {
    for (let next = flow.read(); next && !this.#isClosed; next = flow.read()) {
      this.emit('message', asBuffer(next), this.#peers.meetFlow(flow, next.length))
    }
  }

  #send({ to, ...message }: Sending): void {
    this.#sender ??= new Sender(this.#stack, this.#peers, error => this.#fail(error))
    if (to === undefined) this.#sender.sendOn(this.#connection?.flow, message)
    else this.#sender.sendTo(to, message, this.#binding?.listener)
  }

  #fail(error: unknown): void {
    if (!this.#isClosed) this.emit('error', error)
  }

  #checkRunning(): void {
    if (this.#isClosed) throw new ServalError('ERR_SOCKET_DGRAM_NOT_RUNNING', {})
  }

  #hold(): void {
    this.#held.take(this.#isReferenced && this.#binding && !this.#isClosed ? this.#stack : undefined)
  }
}

function asBuffer({ buffer, byteOffset, length }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, length)
}
