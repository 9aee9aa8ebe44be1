/**
 * A flow as its SAL and its program see it: one end of a connection to a service, whichever profile it speaks. The
 * packets that make and move it are its dialect's (sal/dialect.ts).
 */
import type { ServalError } from '../errors.ts'
import type { FlowId } from '../id/flow-id.ts'
import type { ServiceId } from '../id/service-id.ts'
import type { Direction } from '../security/keys.ts'
import type { Endpoint } from '../wire/endpoint.ts'
import type { Protocol } from '../wire/sal-header.ts'
import type { TransmitBatch } from '../wire/transmit-batch.ts'
import type { FlowInfo } from './flow-info.ts'
import type { Local, Path } from './path.ts'
import type { QueueSize } from './queue-size.ts'
import type { FlowState, MigrationState } from './states.ts'

export interface AnyFlow {
  readonly role: Direction
  readonly flowId: FlowId
  /** 0 until the peer is known. */
  readonly peerFlowId: FlowId
  /** The service contacted. */
  readonly service: ServiceId
  /** Its name, where the program gave one. */
  readonly serviceName: string | undefined
  /** What it carries: a stream, or datagrams. */
  readonly protocol: Protocol
  /** Of datagrams: the port of the peer's host that they are from, as it says; 0: none. */
  readonly peerPort: number
  readonly state: FlowState
  readonly migrationState: MigrationState
  readonly activePath: Path | undefined
  /** Why the flow closed; undefined while it lives, and after an orderly close. */
  readonly error: ServalError | undefined

  // ---- what the program does ------------------------------------------------------------------------------

  /** The shell's own reference (a socket); the core never reads it. */
  owner: unknown
  /** Bytes that can be read now. */
  readonly readableBytes: number
  /** Bytes written that the peer has not acknowledged; of them those that have never left. */
  readonly bufferedBytes: number
  readonly unsentBytes: number
  /** Whether the send buffer is below its high-water mark; if not, `FlowSignal.writable` tells when it is again. */
  readonly writable: boolean
  /** Whether every byte that the peer sent, to its end of stream, has come. */
  readonly endReceived: boolean
  /** Whether something of this flow still has to reach the peer, so that the process should not end. */
  readonly unfinished: boolean
  /** Queues a copy of `chunk`. Throws EPIPE after `end`. */
  write(chunk: Uint8Array): void
  /** The next bytes in order, or undefined. The caller owns them. */
  read(): Uint8Array | undefined
  /** No more will be written: the peer sees the end of the stream behind the last byte. */
  end(nowMs: number): void
  /** Lets go of the flow: what was written still goes out, what comes in is answered with a reset. */
  close(nowMs: number): void
  /** Ends the flow at once; the peer's program sees ECONNRESET. */
  reset(nowMs: number): void
  /** Probes an idle peer every `intervalMs`; 0 stops. */
  setKeepAlive(intervalMs: number, nowMs: number): void
  /** Whether small writes are sent at once; they are, by default. */
  setNoDelay(noDelay: boolean): void
  info(): FlowInfo

  // ---- what the SAL does ----------------------------------------------------------------------------------

  /** Who has accepted it and counts it, as long as it is open. */
  countedBy: { flows: number } | undefined

  /** The SAL's own: bits of FlowSignal that the program has not heard of yet, and the flow's place in the schedule. */
  pendingSignals: number
  scheduledAt: number
  ready: boolean
  /** What the peer makes this flow keep. */
  readonly queues: readonly QueueSize[]
  readonly waitsForAddress: boolean
  readonly nextTimeoutAt: number
  /** Client: begins the set-up. */
  connect(nowMs: number): void
  /** Client: the service could not be resolved before, and may be now. */
  resolved(nowMs: number): void
  /** Client: the set-up has failed for good. */
  fail(error: ServalError, nowMs: number): void
  /** The peer's process has ended. */
  peerGone(nowMs: number): void
  /** A new address of this host's has come, or one of it has been chosen, for this flow. */
  move(local: Local, nowMs: number): void
  /** `local` has gone; `other` is the best of what is left. */
  localLost(local: Local, other: Local | undefined, nowMs: number): void
  /** The interface of `local` has changed. */
  localChanged(local: Local): void
  /** The system has refused a packet from `local`, to `remote` if that is known, as too long. */
  handleTooLong(localId: number, remote: Endpoint | undefined): void
  handleTimeout(nowMs: number): void
  /** HOT. Writes what is to be sent next; false when there is nothing. */
  pollTransmit(batch: TransmitBatch, nowMs: number): boolean
  /** Keeps of the stream only where it stands, if nothing has happened on it for a while; `ended`: it need not be asked again. */
  rest(nowMs: number): 'resting' | 'awake' | 'ended'
}
