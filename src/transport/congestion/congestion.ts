/**
 * What a stream asks of a congestion control: one object a path, one short file an algorithm. Windows and
 * amounts are payload bytes; times are milliseconds.
 */
import type { RateSample } from '../delivery-rate.ts'

/** What an acknowledgement has told of a path. One object a path, filled anew each time. */
export interface Acknowledgement {
  readonly nowMs: number
  /** Newly delivered, and found lost since the acknowledgement before. */
  readonly deliveredBytes: number
  readonly lostBytes: number
  /** What is in flight now. */
  readonly inFlightBytes: number
  /** Measured by this acknowledgement; undefined if only repetitions were delivered. */
  readonly rttMs: number | undefined
  /** Smoothed; 0 before the first sample. */
  readonly srttMs: number
  /** The window, not the program or the peer, was what limited the sender when this was sent. */
  readonly windowLimited: boolean
  /** A loss is being repaired, or was until now. */
  readonly inRecovery: boolean
  readonly rate: RateSample
}

export interface CongestionControl {
  readonly name: CongestionName
  /** How much may be in flight: cwnd. */
  readonly windowBytes: number
  /**
   * How fast it may leave. Undefined: this algorithm is steered by its window. The sender then paces by window and
   * round-trip time, and reduces in proportion while it recovers (RFC 9937); with a rate it does neither.
   */
  readonly pacingBytesPerMs: number | undefined
  /** The window may double within a round trip, and pacing must let it. */
  readonly inSlowStart: boolean
  /** After an idle time it would go on as a new one begins: nothing is lost with it. */
  readonly isForgettable: boolean
  /** The path's segments carry `mss` bytes from now on. */
  setMss(mss: number): void
  /** Something has newly arrived. */
  handleAcknowledgement(acknowledgement: Acknowledgement): void
  /** Data was lost, for the first time in this episode; `flightBytes` were outstanding. */
  handleLoss(flightBytes: number, nowMs: number): void
  /** The retransmission timer has run out; `first`: not a repetition of the same time-out. */
  handleTimeout(flightBytes: number, first: boolean, nowMs: number): void
  /** The last loss, or the last first time-out, was none (RFC 9438 section 4.9): as if it had not been told of. */
  undo(nowMs: number): void
  /** Something leaves after `idleMs`, longer than an RTO, in which nothing was in flight. */
  handleIdle(idleMs: number, nowMs: number): void
}

export const congestionNames = ['cubic', 'bbr'] as const

export type CongestionName = (typeof congestionNames)[number]

/** RFC 6928: ten segments, but not more than 14,600 bytes unless two segments are. */
export function initialWindowBytes(mss: number): number {
  return Math.min(10 * mss, Math.max(2 * mss, 14_600))
}
