/** What a flow needs of its SAL. Calls go down by method, up by these: a flow knows no table but its own. */
import type { ServalError } from '../errors.ts'
import type { ReceiveBudget } from '../transport/receive-budget.ts'
import type { Endpoint } from '../wire/endpoint.ts'
import type { Profile } from '../wire/profile.ts'
import type { SegmentFields } from '../wire/segment.ts'
import type { Arrival } from './arrival.ts'
import type { Local } from './path.ts'
import type { FlowState } from './states.ts'

/** Where the next SYN goes. `waiting`: the service is being resolved; the SAL calls `flow.resolved`. */
export type SynTarget = SynRoute | 'waiting' | ServalError

export interface SynRoute {
  readonly local: Local
  readonly remote: Endpoint
  /** After so long without an answer another instance is to be asked too; absent: there is no other. */
  readonly patienceMs?: number
  /** Which of its flow's SYNs it is, from 1 on: it says so, and so does what answers it. */
  readonly attempt: number
}

/**
 * What a NACK means to the program, and when it is worth asking again: at once, since another instance is known; a few
 * times, since another one may be found; or until the deadline, since any instance may have room by then. `as planned`:
 * it changes nothing, as another answer is under way.
 */
export interface Refusal {
  readonly error: ServalError
  readonly retry: 'never' | 'at once' | 'elsewhere' | 'later' | 'as planned'
}

/** What a NACK said, and who sent it. */
export interface Nack {
  /** Of `reasonCodes`. */
  readonly reason: number
  readonly detail: string
  readonly remote: Endpoint
}

export interface FlowLimits {
  /** Bytes that may wait to be read, and so the largest window offered. */
  readonly receiveBufferBytes: number
  /** The same of all flows together (transport/receive-budget.ts). */
  readonly receiveMemoryBytes: number
  /** What the link keeps while the program is busy: no more is let come in at once. */
  readonly burstBytes: number
  /** Above so many unacknowledged bytes the program is asked to wait. */
  readonly sendBufferBytes: number
  /** A silent peer fails a flow that has something outstanding after this. */
  readonly deadPeerMs: number
  /**
   * A flow that the program has let go is reset unless its peer takes so much in each minute of what is left, or all of
   * it. A peer that acknowledges for ever and takes next to nothing would keep our memory for ever. While a program
   * holds the flow it is asked nothing: readers pause for hours with good reason, RFC 9293 section 3.8.6.1 keeps such
   * connections open, and the program sees what is not taken (RFC 6429 section 3).
   */
  readonly minProgressBytes: number
}

/** `F` is Flow; a parameter, so that this file stands below it. */
export interface FlowContext<F> {
  readonly profile: Profile
  readonly limits: FlowLimits
  readonly receiveBudget: ReceiveBudget
  /** Filled anew for each segment. */
  readonly segmentFields: SegmentFields
  randomBytes(n: number): Uint8Array
  /** The flow has packets to send. */
  wake(flow: F): void
  /** The flow's stream has something to do again: later on it may rest. */
  awake(flow: F): void
  /** The flow's next deadline may have come closer. */
  rearm(flow: F): void
  /** Bits of FlowSignal for the program. */
  signal(flow: F, bits: number): void
  /** A server's flow has been set up. */
  accepted(flow: F): void
  /** The flow is closed, and its last packet has gone out. */
  release(flow: F): void
  /** A state was entered. */
  trace(flow: F, from: FlowState, to: FlowState): void
  count(counter: string): void
  /** Resolves the service afresh. */
  nextInstance(flow: F, nowMs: number): SynTarget
  /** A SYN-ACK from `remote` is believed: the flow goes on with it, or it came too late. `attempt`: what it answers, as far as known. */
  answered(flow: F, remote: Endpoint, nowMs: number, attempt?: number): void
  refused(flow: F, nack: Nack, nowMs: number): void
  /** What a NACK means, of which `refused` has told. */
  refusal(flow: F, nack: Nack, nowMs: number): Refusal
  /** What set-up's or the peer's silence means to the program. */
  timeoutError(flow: F, nowMs: number): ServalError
  /** A packet for our flowID that is not our peer's: to be answered like one for an unknown flow. */
  answerUnknown(arrival: Arrival, nowMs: number): void
  /** Another address of this host's from which `remote` may be reached. */
  anotherLocal(local: Local, remote: Endpoint): Local | undefined
  /** Whether the host still has it. */
  hasLocal(local: Local): boolean
}
