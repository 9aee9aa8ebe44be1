/** What a flow of the 2014 profile carries, stream or datagrams, behind control packets that are the same for both. */
import type { StreamStats } from '../../transport/stream-stats.ts'
import type { Protocol } from '../../wire/sal-header.ts'
import type { TransmitBatch } from '../../wire/transmit-batch.ts'
import type { Arrival } from '../arrival.ts'
import type { ProgramSide } from '../flow-transport.ts'
import type { Path } from '../path.ts'

/** A packet's transport part, `buffer[start, end)`. Checksums are the envelope's business. */
export interface TransportBytes {
  readonly buffer: Uint8Array
  readonly start: number
  readonly end: number
}

export function transportOf({ packet }: Arrival): TransportBytes {
  return { buffer: packet.transport, start: 0, end: packet.transport.length }
}

export interface Carriage extends ProgramSide {
  readonly protocol: Protocol
  readonly stats: StreamStats | undefined
  // ---- what stands behind the set-up's control packets; the bytes written are returned ----
  /** `mss`: what a segment from here may have. */
  emitSyn(buffer: Uint8Array, offset: number, mss: number): number
  emitSynAck(buffer: Uint8Array, offset: number, mss: number): number
  emitThirdAck(buffer: Uint8Array, offset: number, nowMs: number): number
  /** Server: takes the client's; false: malformed. */
  handleSyn(syn: TransportBytes): boolean
  /** Client: takes the server's; false: malformed, or no answer to ours. */
  handleSynAck(synAck: TransportBytes): boolean
  /** The peer is known, and set-up is over: data may go. */
  open(path: Path, nowMs: number): void
  // ---- data ----
  /** Data, or the third ACK's part. `ended`: it was the last; `reset`: the peer's transport has given up. */
  handleData(data: TransportBytes, nowMs: number): 'ok' | 'reset' | 'malformed'
  handleBatchEnd(nowMs: number): void
  /** Fills `batch` with packets behind `prefix`; false: nothing may leave. */
  emitBatch(batch: TransmitBatch, prefix: Uint8Array, path: Path, nowMs: number): boolean
  /** The third ACK came once more: the client waits for a sign. */
  acknowledgeNow(): void
  /** Bits of StreamSignal since the last call. */
  takeSignals(): number
  // ---- ends ----
  /** The program writes no more: the end goes behind the last byte, where there is one. */
  end(): void
  /** The peer has everything, the end too: FIN may follow. */
  readonly isDone: boolean
  /** The peer's FIN: it sends no more. */
  handleFin(): void
  readonly receivedAll: boolean
  /** The flow is over. What is here can still be read. */
  close(): void
  // ---- paths and time ----
  readonly nextTimeoutAt: number
  handleTimeout(nowMs: number): void
  suspend(): void
  adopt(path: Path, nowMs: number): void
}
