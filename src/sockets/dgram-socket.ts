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
import { isIP } from 'node:net'
import { promisify } from 'node:util'
import { ServalError } from '../errors.ts'
import type { AnyFlow } from '../flow/any-flow.ts'
import { DEFAULT_DATAGRAM_LIMITS } from '../flow/datagram-queue.ts'
import type { FlowInfo } from '../flow/flow-info.ts'
import { FlowSignal } from '../flow/states.ts'
import { defaultStack } from '../net/default-stack.ts'
import type { FlowHandler, MigrateTarget, Stack } from '../net/stack.ts'
import { type Endpoint, sameEndpoint } from '../wire/endpoint.ts'
import { checkNumber, checkString, wrongValue } from './arguments.ts'
import { Binding } from './binding.ts'
import { adopting } from './callable.ts'
import { closeOn } from './close-on.ts'
import {
  type BindOptions,
  bindArguments,
  connectArguments,
  isRemoteInfo,
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
import { type Peer, Peers } from './dgram-peers.ts'
import { Hold } from './hold.ts'
import { isOwnAddress } from './host-lookup.ts'
import { type AddressInfo, socketAddress } from './socket-address.ts'
import { connectError, systemError } from './system-error.ts'
import { serviceTarget, type Target } from './target.ts'

/** To whom it is connected, or about to be. */
interface Connection {
  readonly target: Target
  readonly callback: ((error?: Error) => void) | undefined
  flow: AnyFlow | undefined
  isUp: boolean
}

/** Of RFC 768 over IPv4: what the kernel refuses, wherever it is for. */
const MAX_UDP_BYTES = 65_507
const NOBODY: ReadonlySet<string> = new Set(['ENOSERVICE', 'ENOROUTER', 'ECONNREFUSED'])

export class Socket extends adopting(EventEmitter) implements dgram.Socket {
  readonly type: SocketType
  readonly #ownStack: Stack | undefined
  readonly #peers = new Peers()
  /** Flows that others have made to this socket's service. */
  readonly #flows = new Set<AnyFlow>()
  #inboxBytes: number
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
    const connection: Connection = { target, callback, flow: undefined, isUp: false }
    this.#connection = connection
    this.#whenBound(() => this.#connect(connection))
  }

  /** Ends the flow; `disconnect` is emitted only where the peer has. */
  disconnect(): void {
    const connection = this.#connection
    if (!connection?.isUp) throw new ServalError('ERR_SOCKET_DGRAM_NOT_CONNECTED', {})
    this.#connection = undefined
    if (connection.flow) this.#letGo(connection.flow)
  }

  remoteAddress(): AddressInfo {
    this.#checkRunning()
    const { flow, isUp, target } = this.#connection ?? {}
    const remote = flow?.activePath?.remote
    if (!isUp || !remote || !target) throw new ServalError('ERR_SOCKET_DGRAM_NOT_CONNECTED', {})
    return { ...socketAddress({ ...remote, port: target.port ?? remote.port }), service: target.service }
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
    const { flow } = this.#connection ?? {}
    for (const open of flow ? [flow, ...this.#flows] : this.#flows) this.#letGo(open)
    this.#connection = undefined
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

  getSendBufferSize(): number {
    return DEFAULT_DATAGRAM_LIMITS.bytes
  }

  /** The stack's own; what is sent hardly ever waits. */
  setSendBufferSize(bytes: number): void {
    checkBufferSize(bytes)
  }

  /** Settings of the kernel's sockets mean nothing here: they are checked as by Node, and have no effect. */
  setTTL(ttl: number): number {
    return this.#setHops('setTTL', ttl, 1)
  }

  setMulticastTTL(ttl: number): number {
    return this.#setHops('setMulticastTTL', ttl, 0)
  }

  setMulticastLoopback(flag: boolean): boolean {
    this.#checkBound('setMulticastLoopback')
    return flag
  }

  setMulticastInterface(multicastInterface: string): void {
    checkString(multicastInterface, 'multicastInterface')
    this.#checkRunning()
    const syscall = 'setMulticastInterface'
    if (!isIP(multicastInterface)) throw this.#invalid(syscall)
    if (!isOwnAddress(multicastInterface, this.#stack))
      throw systemError(new ServalError('EADDRNOTAVAIL', { syscall, address: multicastInterface }), {})
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

  #setHops(syscall: string, ttl: number, least: number): number {
    checkNumber(ttl, 'ttl')
    this.#checkBound(syscall)
    if (ttl >= least && ttl <= 255) return ttl
    throw this.#invalid(syscall)
  }

  #invalid(syscall: string): ServalError {
    return systemError(new ServalError('EINVAL', { syscall }), {})
  }

  #noGroup(syscall: string, group: unknown): ServalError {
    if (group === undefined) return new ServalError('ERR_MISSING_ARGS', { arguments: '"multicastAddress"' })
    this.#checkRunning()
    if (typeof group !== 'string' || !isGroup(group)) return this.#invalid(syscall)
    const expected =
      'left out: bind to a name, and give that name a rule "FORWARD ... to=all" where it is resolved'
    return wrongValue('multicastAddress', expected, group)
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
    this.emit('listening')
    for (const act of this.#pending.splice(0)) act()
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
      if (this.#connection && !this.#isPeer(next.remote, next.port)) continue
      this.emit('message', asBuffer(next.payload), this.#peers.meet(next))
    }
  }

  #accept(flow: AnyFlow): FlowHandler {
    this.#flows.add(flow)
    return { onSignals: (_flow, signals) => this.#handleAccepted(flow, signals) }
  }

  #handleAccepted(flow: AnyFlow, signals: number): void {
    if (this.#isClosed) return
    const remote = flow.activePath?.remote
    if (!this.#connection || (remote && this.#isPeer(remote, flow.peerPort))) this.#readFlow(flow)
    if ((signals & (FlowSignal.end | FlowSignal.closed)) === 0) return
    this.#flows.delete(flow)
    this.#peers.forget(flow)
    this.#letGo(flow)
  }

  /** A connected socket hears its peer alone: on its flow, but also by itself, and on a flow that the peer has made. */
  #isPeer(remote: Endpoint, port: number): boolean {
    const { target, flow } = this.#connection ?? {}
    const peer = flow?.activePath?.remote
    if (!target || !peer || !sameEndpoint(peer, remote)) return false
    return target.port === undefined || target.port === port
  }

  #readFlow(flow: AnyFlow): void {
    for (let next = flow.read(); next && !this.#isClosed; next = flow.read()) {
      this.emit('message', asBuffer(next), this.#peers.meetFlow(flow, next.length))
    }
  }

  #send({ payload, to, callback }: Sending): void {
    try {
      if (to === undefined) this.#sendOn(this.#connection?.flow, payload, callback)
      else this.#sendTo(to, payload, callback)
    } catch (error) {
      this.#tellSent(error as Error, payload, callback)
    }
  }

  #sendTo(to: Target | RemoteInfo, payload: Uint8Array, callback: SendCallback | undefined): void {
    const { port } = to
    if (payload.length > MAX_UDP_BYTES) throw tooLong(to, payload.length)
    const peer =
      port === undefined ? undefined : this.#peers.find(port, isRemoteInfo(to) ? to.address : to.host)
    if (peer && 'flow' in peer) return this.#sendOn(peer.flow, payload, callback)
    const from = this.#binding?.listener
    if (from === undefined) return
    const known: Peer | undefined =
      peer ?? (isRemoteInfo(to) ? { service: to.service, remote: to } : undefined)
    const message =
      known && 'remote' in known
        ? { from, payload, to: known.service, remote: known.remote }
        : { from, payload, to: serviceTarget(to as Target) }
    const isOfKnownHost = port !== undefined && (isRemoteInfo(to) || isAddress(to.host))
    if (isOfKnownHost) this.#stack.send(message, error => this.#tellSentToPort(error, payload, callback))
    else this.#stack.send(message, error => this.#tellSent(error, payload, callback))
  }

  #sendOn(flow: AnyFlow | undefined, payload: Uint8Array, callback: SendCallback | undefined): void {
    if (flow === undefined) throw new ServalError('ERR_SOCKET_DGRAM_NOT_CONNECTED', {})
    flow.write(payload)
    this.#stack.wake()
    this.#tellSent(undefined, payload, callback)
  }

  /** As of UDP: whether anybody hears it at the port is not the sender's business, but that there is such a host is. */
  #tellSentToPort(
    error: ServalError | undefined,
    payload: Uint8Array,
    callback: SendCallback | undefined,
  ): void {
    this.#tellSent(error && NOBODY.has(error.code) ? undefined : error, payload, callback)
  }

  #tellSent(error: Error | undefined, { length }: Uint8Array, callback: SendCallback | undefined): void {
    if (error instanceof ServalError) systemError(error, { syscall: 'send' })
    if (callback) process.nextTick(callback, error ?? null, error ? 0 : length)
    else if (error) process.nextTick(() => this.#fail(error))
  }

  #connect(connection: Connection): void {
    if (this.#connection !== connection) return
    try {
      const port = this.#binding?.listener?.port ?? 0
      const handler = {
        onSignals: (flow: AnyFlow, signals: number) => this.#handleSignals(connection, flow, signals),
      }
      connection.flow = this.#stack.connect(
        serviceTarget(connection.target),
        { datagrams: { port } },
        handler,
      )
    } catch (error) {
      this.#handleConnectFailure(connection, error as Error)
    }
  }

  #handleSignals(connection: Connection, flow: AnyFlow, signals: number): void {
    if (this.#isClosed || this.#connection !== connection) return
    if (signals & FlowSignal.connected) this.#handleConnected(connection)
    if (signals & FlowSignal.readable) this.#readFlow(flow)
    if (signals & FlowSignal.moved)
      this.emit(
        'migrate',
        this.flow?.paths.find(path => path.active),
      )
    if ((signals & (FlowSignal.end | FlowSignal.closed)) === 0 || this.#connection !== connection) return
    if (!connection.isUp) return this.#handleConnectFailure(connection, flow.error)
    this.#connection = undefined
    this.#letGo(flow)
    if (flow.error) this.#fail(systemError(flow.error, {}))
    else this.emit('disconnect')
  }

  #handleConnected(connection: Connection): void {
    connection.isUp = true
    this.emit('connect')
    connection.callback?.()
  }

  #handleConnectFailure(connection: Connection, error: Error | undefined): void {
    this.#connection = undefined
    const cause = error instanceof ServalError ? connectError(error, connection.target) : error
    if (cause === undefined) return
    if (connection.callback) process.nextTick(connection.callback, cause)
    else process.nextTick(() => this.#fail(cause))
  }

  #letGo(flow: AnyFlow): void {
    this.#stack.letGo(flow)
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

function checkBufferSize(bytes: unknown): number {
  if (Number.isInteger(bytes) && (bytes as number) > 0) return bytes as number
  throw new ServalError('ERR_SOCKET_BAD_BUFFER_SIZE', {})
}

function tooLong(to: Target | RemoteInfo, bytes: number): ServalError {
  const { service, port } = to
  const address = isRemoteInfo(to) ? to.address : (to.host ?? '127.0.0.1')
  const where = port === undefined ? {} : { address, port, message: `send EMSGSIZE ${address}:${port}` }
  return new ServalError('EMSGSIZE', { syscall: 'send', service, bytes, limit: MAX_UDP_BYTES, ...where })
}

/** Of this host, or told by its address. */
function isAddress(host = 'localhost'): boolean {
  return host === 'localhost' || isIP(host) !== 0
}

/** Of RFC 5771 or RFC 4291 section 2.7. */
function isGroup(address: string): boolean {
  return (
    (isIP(address) === 4 && /^2(2[4-9]|3\d)\./.test(address)) || (isIP(address) === 6 && /^ff/i.test(address))
  )
}
