/** What comes to a datagram socket: messages by themselves, and on flows, those that others have made to it too. */
import type { AnyFlow } from '../flow/any-flow.ts'
import { FlowSignal } from '../flow/states.ts'
import type { FlowHandler, Stack, StackListener } from '../net/stack.ts'
import type { MessageListener } from './dgram-arguments.ts'
import type { Connection } from './dgram-connection.ts'
import type { Peers } from './dgram-peers.ts'

export interface InboxEvents {
  readonly onMessage: MessageListener
  /** Whom the socket is connected to: it hears nobody else. */
  connection(): Connection | undefined
}

export class Inbox {
  readonly #peers: Peers
  readonly #events: InboxEvents
  readonly #accepted = new Map<AnyFlow, Stack>()
  #isClosed = false

  /** `peers` are told whom it hears from. */
  constructor(peers: Peers, events: InboxEvents) {
    this.#peers = peers
    this.#events = events
  }

  /** Reads what has come by itself. */
  readListener(listener: StackListener | undefined): void {
    for (let next = listener?.read(); next && !this.#isClosed; next = listener?.read()) {
      if (this.#events.connection()?.isPeer(next.remote, next.port) === false) continue
      this.#events.onMessage(asBuffer(next.payload), this.#peers.meet(next))
    }
  }

  readFlow(flow: AnyFlow): void {
    for (let next = flow.read(); next && !this.#isClosed; next = flow.read()) {
      this.#events.onMessage(asBuffer(next), this.#peers.meetFlow(flow, next.length))
    }
  }

  /** Somebody has made a flow to the socket. */
  accept(stack: Stack, flow: AnyFlow): FlowHandler {
    this.#accepted.set(flow, stack)
    return { onSignals: (_flow, signals) => this.#handleAccepted(stack, flow, signals) }
  }

  /** Nothing more is told. */
  close(): void {
    this.#isClosed = true
    for (const [flow, stack] of this.#accepted) stack.letGo(flow)
  }

  /** A connected socket hears its peer alone: on its flow, but also by itself, and on a flow that the peer has made. */
  #handleAccepted(stack: Stack, flow: AnyFlow, signals: number): void {
    if (this.#isClosed) return
    const remote = flow.activePath?.remote
    const connection = this.#events.connection()
    if (!connection || (remote && connection.isPeer(remote, flow.peerPort))) this.readFlow(flow)
    if ((signals & (FlowSignal.end | FlowSignal.closed)) === 0) return
    this.#accepted.delete(flow)
    this.#peers.forget(flow)
    stack.letGo(flow)
  }
}

function asBuffer({ buffer, byteOffset, length }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, length)
}
