/** What a stream is made with, and how it begins. */
import { nativeSegment, type SegmentCodec } from '../wire/segment.ts'
import type { TransportPath } from './path.ts'
import type { ReceiveBudget } from './receive-budget.ts'
import { firstWindowBytes } from './receive-window.ts'
import { RestingStream } from './resting-stream.ts'

/** What is the same for many streams. */
export interface StreamLimits {
  /** Default: the native segment. */
  readonly codec?: SegmentCodec
  /** The largest window; default 16 MiB. */
  readonly receiveBufferBytes?: number
  /** What comes in at once at most without loss, where that is known. */
  readonly burstBytes?: number
  /**
   * `writable` turns false where so much is not acknowledged, or less where it has not left yet; default 16 MiB. `write`
   * never refuses.
   */
  readonly sendBufferBytes?: number
  /** What all streams of a stack share; default: there is no limit. */
  readonly budget?: ReceiveBudget
  /** How long a peer may owe an answer; default 120,000. */
  readonly deadPeerMs?: number
  /** How long an acknowledgement may wait, here and at the peer; default 25. */
  readonly delayedAckMs?: number
}

export interface StreamOptions extends StreamLimits {
  readonly path: TransportPath
}

/** Where one begins. */
export interface StreamBeginning {
  /** The number on the wire of the first byte that we send, and of the first that we receive. */
  readonly sendIsn: number
  readonly receiveIsn: number
  readonly nowMs: number
}

/** A stream at its beginning, at rest until there is something to do. */
export function openStream(options: StreamBeginning & StreamLimits): RestingStream {
  const { sendIsn, receiveIsn, nowMs, codec = nativeSegment, budget } = options
  const { receiveBufferBytes = DEFAULT_BUFFER_BYTES, burstBytes = Number.POSITIVE_INFINITY } = options
  const firstBytes = firstWindowBytes(receiveBufferBytes, burstBytes)
  const windowBytes = budget?.firstWindowBytes(firstBytes) ?? firstBytes
  return RestingStream.fresh({ sendIsn, receiveIsn, windowBytes, heardAt: nowMs }, codec, budget)
}

/** Of either direction. */
export const DEFAULT_BUFFER_BYTES = 16 * 1_024 * 1_024
export const DEFAULT_DEAD_PEER_MS = 120_000
