/**
 * What V8 is shown before the first stream: that counts of bytes are large, and times fractions of a millisecond. It keeps a
 * field that has held nothing but small integers as such. When a stream came to its 2,147,483,648th byte it had to give up
 * the shape of what counts them, and with it the code of every function that had looked at one: 56 of them at both ends of a
 * transfer that had just become fast, a second of CPU time to compile them anew. A shape that has been general from the
 * beginning stays as it is.
 */
import { DATA_PREFIX_BYTES, emitDataPrefix } from '../wire/encapsulation.ts'
import { nativeSegment, parseSegmentInto, SegmentFields } from '../wire/segment.ts'
import { TransmitBatch } from '../wire/transmit-batch.ts'
import { TransportPath } from './path.ts'
import { RestingStream } from './resting-stream.ts'
import { Stream } from './stream.ts'
import { StreamStats } from './stream-stats.ts'

/** Where the rehearsed streams stand: some way into the 17th TiB. */
const FAR = 2 ** 44 + 1
const MSS = 1000
const WINDOW_BYTES = 64 * MSS
const STEPS = 16
const STEP_MS = 1.25
/** What becomes of the packets of some steps, and of which: all that can happen on a path should have happened. */
const FATES: Readonly<Record<number, Fate>> = { 0: 'third lost', 3: 'all twice', 8: 'all lost' }
/** Longer than any time-out. */
const SILENCE_MS = 4000.5

type Fate = 'third lost' | 'all twice' | 'all lost'

let isDone = false

/** Two streams talk to each other for a moment of their own. Once a process. */
export function rehearse(): void {
  if (isDone) return
  isDone = true
  const ends = [new End(), new End()] as const
  const [source, sink] = ends
  let nowMs = 0.5
  for (let step = 0; step < STEPS; step++) {
    source.stream.write(new Uint8Array(4 * MSS))
    source.stream.write(new Uint8Array(1))
    source.talk(sink, nowMs, FATES[step])
    sink.talk(source, nowMs + STEP_MS / 2)
    nowMs += FATES[step] === 'all lost' ? SILENCE_MS : STEP_MS
    for (const { stream } of ends) if (stream.nextTimeoutAt <= nowMs) stream.handleTimeout(nowMs)
  }
}

class End {
  readonly path = new TransportPath({ id: 0, mss: MSS })
  readonly stream = new Stream(
    { path: this.path },
    new RestingStream(POSITION, nativeSegment, undefined, farStats()),
  )
  readonly #batch = new TransmitBatch()
  readonly #prefix = new Uint8Array(DATA_PREFIX_BYTES)
  readonly #fields = new SegmentFields()

  constructor() {
    emitDataPrefix(this.#prefix, 0, 1, 1, 0)
    this.path.flight.rate.totalDeliveredBytes = FAR
  }

  /** All that may leave now reaches `peer`, or has another fate. */
  talk(peer: End, nowMs: number, fate?: Fate): void {
    while (
      this.stream.wantsToSend(nowMs) &&
      this.stream.emitBatch(this.#batch, this.#prefix, this.path, nowMs)
    ) {
      const { buffer, length, segmentBytes } = this.#batch
      for (let at = 0, packet = 0; at < length; at += segmentBytes, packet++) {
        if (fate === 'all lost' || (fate === 'third lost' && packet === 2)) continue
        const bytes = buffer.slice(at, Math.min(at + segmentBytes, length))
        peer.#hear(bytes, nowMs)
        if (fate === 'all twice') peer.#hear(bytes.slice(), nowMs)
      }
      peer.stream.handleBatchEnd(nowMs)
      while (peer.stream.read() !== undefined);
    }
  }

  #hear(packet: Uint8Array, nowMs: number): void {
    parseSegmentInto(this.#fields, packet, DATA_PREFIX_BYTES, packet.length)
    this.stream.handleSegment(this.#fields, packet, this.path, nowMs)
  }
}

function farStats(): StreamStats {
  const stats = new StreamStats()
  stats.bytesIn = stats.bytesOut = stats.retransmittedBytes = FAR
  return stats
}

const POSITION = {
  sendIsn: 1,
  receiveIsn: 1,
  sentBytes: FAR,
  readBytes: FAR,
  peerEdge: FAR + WINDOW_BYTES,
  largestWindowBytes: WINDOW_BYTES,
  windowBytes: WINDOW_BYTES,
  advertisedEdge: FAR + WINDOW_BYTES,
  noDelay: true,
  keepAliveMs: 0,
  keepAliveAt: Number.POSITIVE_INFINITY,
  heardAt: 0.5,
}
