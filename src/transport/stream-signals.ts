/** What has happened since the last `takeSignals`, as a bit mask. */
export const StreamSignal = {
  /** `read` has more. */
  readable: 0x01,
  /** `writable` has become true again. */
  writable: 0x02,
  /** Every byte of the peer's stream is here, read or not. */
  end: 0x04,
  /** All that was written is acknowledged. */
  allAcknowledged: 0x08,
  /** The peer has owed an answer for `deadPeerMs`. */
  dead: 0x10,
  /** An acknowledgement of what was never sent came; its segment was dropped. */
  badAck: 0x20,
} as const
