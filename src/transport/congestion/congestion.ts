/**
 * What a stream asks of a congestion control: one object a path, one short file an algorithm. Windows and
 * amounts are payload bytes; times are milliseconds.
 */
export interface CongestionControl {
  readonly name: string
  /** How much may be in flight: cwnd. */
  readonly windowBytes: number
  /** The path's segments carry `mss` bytes from now on. */
  setMss(mss: number): void
  /** `bytes` have newly arrived, outside recovery, while the window was what limited the sender. */
  handleDelivered(bytes: number, srttMs: number, nowMs: number): void
  /** Data was lost, for the first time in this episode; `flightBytes` were outstanding. */
  handleLoss(flightBytes: number, nowMs: number): void
  /** The retransmission timer has run out; `first`: not a repetition of the same time-out. */
  handleTimeout(flightBytes: number, first: boolean): void
  /** Nothing was in flight for `idleMs`, longer than an RTO. */
  handleIdle(idleMs: number): void
}

/** RFC 6928: ten segments, but not more than 14,600 bytes unless two segments are. */
export function initialWindowBytes(mss: number): number {
  return Math.min(10 * mss, Math.max(2 * mss, 14_600))
}
