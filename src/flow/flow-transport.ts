/**
 * What a flow carries, as the flow sees it: a reliable stream of bytes (flow-stream.ts), or datagrams that may be lost
 * (flow-datagrams.ts). Set-up, moves, FIN and reset are the flow's own and the same for both.
 */
import type { FlowKeys } from '../security/keys.ts'
import type { TransportPath } from '../transport/path.ts'
import type { Protocol } from '../wire/sal-header.ts'
import type { TransmitBatch } from '../wire/transmit-batch.ts'
import type { WireError } from '../wire/wire-error.ts'
import type { SegmentSource } from './outbox.ts'
import type { Path } from './path.ts'

/** What it has done since the flow began. Bytes are payload. */
export interface TransportStats {
  readonly bytesIn: number
  readonly bytesOut: number
  readonly retransmittedSegments: number
}

/** What the program has of it. */
export interface ProgramSide {
  readonly readableBytes: number
  /** Bytes written that the peer has not acknowledged; of them those that have never left. */
  readonly bufferedBytes: number
  readonly unsentBytes: number
  readonly writable: boolean
  /** Throws EMSGSIZE for a datagram that is larger than the path takes. */
  write(chunk: Uint8Array): void
  read(): Uint8Array | undefined
  setKeepAlive(intervalMs: number, nowMs: number): void
  setNoDelay(noDelay: boolean): void
}

export interface FlowTransport extends ProgramSide {
  readonly protocol: Protocol
  /** Undefined until the set-up is done. */
  readonly stats: TransportStats | undefined
  /** Of datagrams: the port of the peer's host that they are from, as it says; 0: none. */
  readonly peerPort: number

  // ---- the end, of either side ----------------------------------------------------------------------------

  /** No more is written. */
  end(): void
  readonly acknowledgedAll: boolean
  /** Whether all that the peer sent before its FIN is here. */
  readonly receivedAll: boolean
  /** Whether there is something to read that the peer takes for delivered. */
  readonly owesReading: boolean
  /** Where the peer's FIN says that it ends. */
  handleFinalOffset(finalOffset: number): 'conflict' | 'ok'
  /** HOT. Whether what has not left yet fits behind our FIN, into so many bytes of payload. */
  fitsBehindFin(payloadBytes: number): boolean

  // ---- the peer's side ------------------------------------------------------------------------------------

  /**
   * HOT. The payload of a packet without extensions, or behind such that are skipped; with `segmentBytes` above 0 a run of
   * segments of a stream, joined, with so many bytes each.
   */
  handlePayload(
    buffer: Uint8Array,
    start: number,
    end: number,
    path: TransportPath,
    nowMs: number,
    segmentBytes?: number,
  ): WireError | undefined
  /** What rides behind a control packet of the peer's. `lie`: it acknowledges what was never sent. */
  handleRider(payload: Uint8Array, path: TransportPath, nowMs: number): WireError | 'lie' | undefined
  /** The third ACK has come: the peer repeats it until it hears something. */
  acknowledgeNow(): void
  /** HOT. A received buffer has been handled. */
  handleBatchEnd(nowMs: number): void
  /** Whether a tagged echo answers a question of its own. */
  isAnsweredBy(echo: Uint8Array, nowMs: number): boolean
  /** Bits of `StreamSignal` since the last call. */
  takeSignals(): number

  // ---- output ---------------------------------------------------------------------------------------------

  /** What rides along with our control packets; undefined until the set-up is done. */
  readonly riders: SegmentSource | undefined
  /** HOT. Fills `batch` with what leaves by `path` now; false when there is nothing. */
  emitBatch(batch: TransmitBatch, path: Path, nowMs: number): boolean
  /** HOT. Whether packets of that size show that larger ones than `packetBytes` would be of use. */
  fills(segmentBytes: number, packetBytes: number): boolean
  /** Packets on this path are smaller from now on. */
  handleShrunk(path: TransportPath): void

  // ---- its life -------------------------------------------------------------------------------------------

  /** The set-up is done: what was written before goes out. */
  open(keys: FlowKeys, nowMs: number): void
  /** While its flow has no address to send from. */
  readonly isSuspended: boolean
  suspend(): void
  /** Sends on `path` from now on, and again if it was suspended. */
  adopt(path: TransportPath, nowMs: number): void
  /** Nothing is sent or expected any more; what has come can still be read. */
  close(): void
  /** Keeps only where it stands, if nothing has happened on it for a while; returns whether it rests now. */
  rest(nowMs: number): boolean
  /** Infinity: never by itself. */
  readonly nextTimeoutAt: number
  /** Returns whether something was due. */
  handleTimeout(nowMs: number): boolean
}
