/**
 * What the SAL leaves to the profile that it speaks: which packets there are, what they mean, and what a flow makes of
 * them. Tables, listeners, resolution and the schedule are the same for all.
 */
import type { AnyFlow } from '../flow/any-flow.ts'
import type { Arrival } from '../flow/arrival.ts'
import type { FlowOptions } from '../flow/flow.ts'
import type { FlowContext } from '../flow/flow-context.ts'
import type { Local } from '../flow/path.ts'
import type { QueueSize } from '../flow/queue-size.ts'
import type { FlowId } from '../id/flow-id.ts'
import type { ServiceId } from '../id/service-id.ts'
import type { Endpoint } from '../wire/endpoint.ts'
import type { Profile } from '../wire/profile.ts'
import type { TransmitBatch } from '../wire/transmit-batch.ts'
import type { FlowTable } from './flow-table.ts'
import type { HalfOpen, Listener } from './listener.ts'
import type { Tracer, TracerHost } from './tracer.ts'

export interface Dialect {
  readonly flows: FlowTable<AnyFlow>
  readonly halfOpen: HalfOpen<AnyFlow>
  /** What peers make it keep. */
  readonly queues: readonly QueueSize[]
  /** A control packet has come that may have an answer, and that is nothing to the program. */
  isUrgent: boolean
  /** Undefined where the way of a SYN cannot be traced. */
  readonly tracer?: Tracer
  /** A client's flow, in the table. */
  newClient(options: Omit<FlowOptions, 'role' | 'flowId'>, nowMs: number): AnyFlow
  /** HOT. A datagram, or several that the kernel merged. `buffer` is given away: payloads are moved within it. */
  handleDatagram(buffer: Uint8Array, length: number, localId: number, remote: Endpoint, nowMs: number): void
  /** Answers that are no flow's. */
  pollTransmit(batch: TransmitBatch, nowMs: number): boolean
  /** A SYN that went to a router stays unanswered. */
  askRouter(local: Local, router: Endpoint): void
  /** A router has spoken. */
  routerHeard(router: Endpoint, nowMs: number): void
  /** Whether a router that says nothing is still there, as far as it can be known. */
  isRouterAlive(router: Endpoint, nowMs: number): boolean
  /** Routers whose word on where a SYN came from is believed. */
  trustRouters(routers: readonly Endpoint[]): void
}

/** A profile, and who speaks it: `native` (native-dialect.ts), `dialect2014` (dialect-2014.ts). */
export interface DialectKind {
  readonly profile: Profile
  open(host: DialectHost): Dialect
}

/** What a dialect needs of its SAL. */
export interface DialectHost {
  readonly profile: Profile
  readonly context: Omit<FlowContext<AnyFlow>, 'answerUnknown'>
  readonly traces: Pick<TracerHost, 'targetOf' | 'onOutcome'>
  /** Things that the program has not heard of yet. */
  readonly newsCount: number
  randomBytes(n: number): Uint8Array
  count(counter: string): void
  local(id: number): Local | undefined
  /** Who takes SYNs of `bytes` for a service here. */
  listenerFor(serviceId: ServiceId, protocol: number, bytes: number, nowMs: number): Listener | undefined
  /** Whether packets of `protocol` for a service have somebody here who takes them. */
  takes(serviceId: ServiceId, protocol: number): boolean
  /** Routers that choose another instance for each SYN of a flow, which says which one it is. */
  knowChoosers(routers: readonly Endpoint[]): void
  /** Whether nobody else at this host's addresses may take what this stack does not. */
  speaksForHost(): boolean
  /** A datagram without a flow has come; an answer would go to `replyTo`. */
  handleUnconnected(arrival: Arrival, replyTo: Endpoint, nowMs: number): void
  /** Something that looks like a SYN-ACK came for a flowID that no flow has. */
  handleLateAnswer(flowId: FlowId, remote: Endpoint, nowMs: number): void
  /** Of the flows that a listener accepts. */
  congestionOf(listener: Listener): FlowOptions['newCongestion']
}
