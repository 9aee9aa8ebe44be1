/**
 * The states of a flow and the signals it gives its program.
 *
 * Connection states are those of the prototype (src/stack/serval_sock.h), migration states those of the paper's
 * RSYN exchange with NOADDRESS added: an end that has no address keeps its flows and waits.
 */
import { StreamSignal } from '../transport/stream-signals.ts'

export const flowStates = [
  'INIT',
  'LISTEN',
  'REQUEST',
  'RESPOND',
  'CONNECTED',
  'FINWAIT1',
  'FINWAIT2',
  'CLOSING',
  'CLOSEWAIT',
  'LASTACK',
  'TIMEWAIT',
  'CLOSED',
] as const
export type FlowState = (typeof flowStates)[number]

/** Whether a flow in `state` has a peer to tell of what it does, and has not done with it. */
export function hasPeer(state: FlowState): boolean {
  return WITH_PEER.has(state)
}

const WITH_PEER: ReadonlySet<FlowState> = new Set([
  'CONNECTED',
  'FINWAIT1',
  'FINWAIT2',
  'CLOSING',
  'CLOSEWAIT',
  'LASTACK',
])

export const migrationStates = [
  'INITIAL',
  'RSYN_SENT',
  'RSYN_RECV',
  'RSYN_SENT_RECV',
  'NOADDRESS',
  'NOADDRESS_RSYN_RECV',
] as const
export type MigrationState = (typeof migrationStates)[number]

/** Bits of what a program is told about its flow; several gather into one notification. */
export const FlowSignal = {
  /** The set-up is done: the peer is known and verified. */
  connected: 1,
  /** There are bytes to read. */
  readable: 2,
  /** What was written has fallen below the send buffer's high-water mark. */
  writable: 4,
  /** The peer sent all it will, and every byte of it can be read. */
  end: 8,
  /** The flow is over; `flow.error` says why, or is undefined after an orderly close. */
  closed: 16,
  /** The peer has confirmed a new path, ours or its own. */
  moved: 32,
  /** The flow has no usable address and waits for one. */
  stalled: 64,
  /** All that was written has been acknowledged. */
  drained: 128,
} as const

/** HOT. What of a transport's signals (bits of StreamSignal) is the program's to hear, as bits of FlowSignal. */
export function programSignals(signals: number): number {
  let bits = 0
  if (signals & StreamSignal.readable) bits |= FlowSignal.readable
  if (signals & StreamSignal.writable) bits |= FlowSignal.writable
  if (signals & StreamSignal.allAcknowledged) bits |= FlowSignal.drained
  return bits
}
