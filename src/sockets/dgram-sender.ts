/** Sends the messages of a datagram socket: by themselves, or on a flow; and tells what has become of them. */
import { isIP } from 'node:net'
import { ServalError } from '../errors.ts'
import type { AnyFlow } from '../flow/any-flow.ts'
import type { Stack, StackListener } from '../net/stack.ts'
import { isRemoteInfo, type RemoteInfo, type SendCallback } from './dgram-arguments.ts'
import type { Peer, Peers } from './dgram-peers.ts'
import { systemError } from './system-error.ts'
import { serviceTarget, type Target } from './target.ts'

/** Of RFC 768 over IPv4: what the kernel refuses, wherever it is for. */
const MAX_UDP_BYTES = 65_507
const NOBODY: ReadonlySet<string> = new Set(['ENOSERVICE', 'ENOROUTER', 'ECONNREFUSED'])

export interface Message {
  readonly payload: Uint8Array
  /** Told when it has left, or why it has not. */
  readonly callback: SendCallback | undefined
}

export class Sender {
  readonly #stack: Stack
  readonly #peers: Peers
  readonly #onError: (error: Error) => void

  /** `peers`: whom a port of an address may mean. `onError` is told what no callback is. */
  constructor(stack: Stack, peers: Peers, onError: (error: Error) => void) {
    this.#stack = stack
    this.#peers = peers
    this.#onError = onError
  }

  /** From `from`, which is open, to a service, or to whom a message came from. */
  sendTo(to: Target | RemoteInfo, message: Message, from: StackListener | undefined): void {
    try {
      this.#sendTo(to, message, from)
    } catch (error) {
      this.#tellSent(error as Error, message)
    }
  }

  /** On a flow: undefined, where there should be one. */
  sendOn(flow: AnyFlow | undefined, message: Message): void {
    try {
      if (flow === undefined) throw new ServalError('ERR_SOCKET_DGRAM_NOT_CONNECTED', {})
      flow.write(message.payload)
      this.#stack.wake()
      this.#tellSent(undefined, message)
    } catch (error) {
      this.#tellSent(error as Error, message)
    }
  }

  #sendTo(to: Target | RemoteInfo, message: Message, from: StackListener | undefined): void {
    const { port } = to
    const { payload } = message
    if (payload.length > MAX_UDP_BYTES) throw tooLong(to, payload.length)
    const peer =
      port === undefined ? undefined : this.#peers.find(port, isRemoteInfo(to) ? to.address : to.host)
    if (peer && 'flow' in peer) return this.sendOn(peer.flow, message)
    if (from === undefined) return
    const known: Peer | undefined =
      peer ?? (isRemoteInfo(to) ? { service: to.service, remote: to } : undefined)
    const datagram =
      known && 'remote' in known
        ? { from, payload, to: known.service, remote: known.remote }
        : { from, payload, to: serviceTarget(to as Target) }
    // As of UDP: whether anybody hears it at the port is not the sender's business, but that there is such a host is.
    const isOfKnownHost = port !== undefined && (isRemoteInfo(to) || isAddress(to.host))
    this.#stack.send(datagram, error =>
      this.#tellSent(isOfKnownHost && error && NOBODY.has(error.code) ? undefined : error, message),
    )
  }

  #tellSent(error: Error | undefined, { payload, callback }: Message): void {
    if (error instanceof ServalError) systemError(error, { syscall: 'send' })
    if (callback) process.nextTick(callback, error ?? null, error ? 0 : payload.length)
    else if (error) process.nextTick(this.#onError, error)
  }
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
