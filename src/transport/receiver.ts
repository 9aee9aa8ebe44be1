/**
 * The receiving half of a stream: reassembles, keeps the window open as far as the reader keeps up, and
 * decides when to acknowledge.
 *
 * A buffer from the link holds many segments. Those that follow each other in the stream are compacted in
 * place, so that the reader gets one view a buffer and nothing is allocated a segment.
 */
import { Reassembly } from './reassembly.ts'
import type { ReceiveBudget } from './receive-budget.ts'
import { advancedEdge, MIN_SEGMENT_BYTES, type ReceiveWindow } from './receive-window.ts'
import type { StreamPosition } from './resting-stream.ts'
import type { StreamStats } from './stream-stats.ts'
import { streamTimers, type TimerTable } from './timers.ts'

export class Receiver {
  readonly #reassembly: Reassembly
  readonly #timers: TimerTable
  readonly #stats: StreamStats
  readonly #window: ReceiveWindow
  /** The stack's; undefined: no limit, or the stream is over. */
  #budget: ReceiveBudget | undefined
  readonly #ackDelayMs: number
  /** The first byte that the peer has not been allowed to send. It only grows. */
  #advertisedEdge: number
  #acknowledgeNow = false
  /** Without SACK the sender counts acknowledgements: each segment out of order is worth one (RFC 5681 section 4.2). */
  readonly #repeatsAcks: boolean
  #repeatsDue = 0
  /** What the end of the stream takes in the sequence. */
  #endNumbers = 0
  /** In-order bytes since the last acknowledgement. */
  #unacknowledgedBytes = 0
  /** The newest data was all that the peer had. */
  #pushed = false
  /** The largest payload since then. */
  #largestBytes = 0
  /** The largest payload of the time before stands for the peer's segment size. */
  #segmentBytes = MIN_SEGMENT_BYTES
  /** Bytes of the stream, from `#runOffset` on, that lie in `#runBuffer[#runStart, #runEnd)`. */
  #runBuffer: Uint8Array | undefined
  #runStart = 0
  #runEnd = 0
  #runOffset = 0
  /** An offset within the out-of-order range that grew last (RFC 2018 section 4). */
  #newestOffset = 0

  constructor(
    position: StreamPosition,
    window: ReceiveWindow,
    ackDelayMs: number,
    timers: TimerTable,
    stats: StreamStats,
    repeatsAcks = false,
    budget?: ReceiveBudget,
  ) {
    this.#budget = budget
    this.#repeatsAcks = repeatsAcks
    this.#window = window
    this.#advertisedEdge = position.advertisedEdge
    this.#reassembly = new Reassembly(position.readBytes)
    this.#ackDelayMs = ackDelayMs
    this.#timers = timers
    this.#stats = stats
  }

  /** The first byte not here. */
  get nextOffset(): number {
    return this.#reassembly.nextOffset
  }

  /** The acknowledgement number. */
  get ackOffset(): number {
    return this.#reassembly.nextOffset + (this.complete ? this.#endNumbers : 0)
  }

  get readableBytes(): number {
    return this.#reassembly.readableBytes
  }

  /** Every byte of the stream is here. */
  get complete(): boolean {
    return this.#reassembly.complete
  }

  get windowBytes(): number {
    return this.#window.bytes
  }

  /** The first byte that the peer has not been allowed to send. */
  get advertisedEdge(): number {
    return this.#advertisedEdge
  }

  /** Nothing is to be read, put in order or acknowledged; and the end is not known. */
  get isAtRest(): boolean {
    return !this.#acknowledgeNow && this.#unacknowledgedBytes === 0 && this.#reassembly.isAtRest
  }

  /** An acknowledgement must not wait. */
  get acknowledgeNow(): boolean {
    return this.#acknowledgeNow
  }

  /** Something came twice since the last acknowledgement. */
  get hasDuplicate(): boolean {
    return this.#reassembly.duplicateStart !== this.#reassembly.duplicateEnd
  }

  /** There is more to say than the cumulative acknowledgement. */
  get hasSack(): boolean {
    return this.#reassembly.ranges.count > 0 || this.hasDuplicate
  }

  setFinalOffset(offset: number): 'ok' | 'conflict' {
    return this.#reassembly.setFinalOffset(offset)
  }

  /** The peer's stream ends at `offset`, and its end has the number there; that is acknowledged at once. */
  handleInBandEnd(offset: number): 'ok' | 'conflict' {
    this.#flush()
    this.#endNumbers = 1
    this.#acknowledgeNow = true
    return this.#reassembly.setFinalOffset(offset)
  }

  read(): Uint8Array | undefined {
    const view = this.#reassembly.read()
    if (view === undefined) return undefined
    this.#budget?.release(view.length)
    if (this.#windowUpdateDue()) this.#acknowledgeNow = true
    return view
  }

  /**
   * HOT. The stream's bytes from `offset` on are `buffer[start, end)`, which is ours from now on. They came in segments of
   * `segmentBytes`. `pushed`: the peer has no more for now.
   */
  handlePayload(
    offset: number,
    buffer: Uint8Array,
    start: number,
    end: number,
    segmentBytes: number,
    pushed: boolean,
  ): void {
    this.#pushed = pushed
    if (buffer === this.#runBuffer && offset === this.#runOffset + (this.#runEnd - this.#runStart)) {
      buffer.copyWithin(this.#runEnd, start, end)
      this.#runEnd += end - start
    } else {
      this.#flush()
      this.#runBuffer = buffer
      this.#runStart = start
      this.#runEnd = end
      this.#runOffset = offset
    }
    if (segmentBytes > this.#largestBytes) this.#largestBytes = segmentBytes
  }

  /** The peer asks for an answer, or has sent what it may not. */
  requestAcknowledgement(): void {
    this.#acknowledgeNow = true
  }

  /** The segments at hand are all handled: RFC 9293 section 3.8.6.3, RFC 5681 section 4.2. */
  handleBatchEnd(rttMs: number, nowMs: number): void {
    this.#flush()
    this.#window.update(this.#reassembly.readOffset, rttMs, nowMs)
    const fullBytes = Math.max(this.#largestBytes, MIN_SEGMENT_BYTES)
    if (this.#unacknowledgedBytes >= 2 * fullBytes) this.#acknowledgeNow = true
    if (this.#acknowledgeNow || this.#unacknowledgedBytes === 0) return
    if (!this.#pushed) {
      // The peer has more to send. If that does not follow at once, its window or Nagle's algorithm holds it, and it is
      // this acknowledgement that it waits for: the case after a time-out, and at odd numbers in slow start.
      this.#timers.arm(streamTimers.acknowledge, nowMs + Math.min(HELD_ACK_DELAY_MS, this.#ackDelayMs))
    } else if (!this.#timers.armed(streamTimers.acknowledge)) {
      this.#timers.arm(streamTimers.acknowledge, nowMs + this.#ackDelayMs)
    }
  }

  /** The window to send now; moves the edge. */
  advertise(): number {
    const openBytes = this.#openBytes()
    const before = this.#advertisedEdge
    this.#advertisedEdge = advancedEdge(before, this.#reassembly.readOffset, openBytes, this.#segmentBytes)
    this.#budget?.promise(this.#advertisedEdge - before)
    if (openBytes < this.#window.bytes) this.#budget?.noteShort()
    return Math.max(0, this.#advertisedEdge - this.#reassembly.nextOffset)
  }

  /** Nothing more is wanted: what was promised is not kept for it any longer. */
  forgo(): void {
    this.#budget?.release(this.#promisedBytes())
    this.#budget = undefined
  }

  /** An acknowledgement leaves. */
  handleAcknowledged(): void {
    if (this.#repeatsDue > 0) this.#repeatsDue--
    this.#acknowledgeNow = this.#repeatsDue > 0
    this.#unacknowledgedBytes = 0
    if (this.#largestBytes > 0) this.#segmentBytes = Math.max(this.#largestBytes, MIN_SEGMENT_BYTES)
    this.#largestBytes = 0
    this.#timers.disarm(streamTimers.acknowledge)
  }

  /**
   * Hands at most `maxRanges` ranges of offsets to `emit` and returns how many. First the duplicate, if
   * `hasDuplicate` (RFC 2883), which is told once; then the range that grew last (RFC 2018 section 4); then
   * from the top down: new ranges arise there, so that each is told several times.
   */
  takeSack(maxRanges: number, emit: (index: number, start: number, end: number) => void): number {
    const { ranges, duplicateStart, duplicateEnd } = this.#reassembly
    let count = 0
    if (this.hasDuplicate && count < maxRanges) emit(count++, duplicateStart, duplicateEnd)
    this.#reassembly.forgetDuplicate()
    const newest = ranges.indexOf(this.#newestOffset)
    if (newest >= 0 && count < maxRanges) emit(count++, ranges.start(newest), ranges.end(newest))
    for (let index = ranges.count - 1; index >= 0 && count < maxRanges; index--) {
      if (index !== newest) emit(count++, ranges.start(index), ranges.end(index))
    }
    return count
  }

  /** What the peer may make us keep, or has. */
  #promisedBytes(): number {
    return this.#advertisedEdge - this.#reassembly.readOffset
  }

  /** The window, as far as the stack has memory for it. */
  #openBytes(): number {
    const { bytes } = this.#window
    return this.#budget === undefined ? bytes : this.#budget.windowBytes(bytes, this.#promisedBytes())
  }

  /** Hands the run to reassembly, cut to the window. */
  #flush(): void {
    const buffer = this.#runBuffer
    if (buffer === undefined) return
    this.#runBuffer = undefined
    const bytes = this.#runEnd - this.#runStart
    const admitted = Math.min(bytes, this.#admittedEdge(this.#runOffset + bytes) - this.#runOffset)
    // RFC 9293 section 3.10.7.4: what is outside the window is dropped and answered.
    if (admitted < bytes) this.#acknowledgeNow = true
    if (admitted <= 0) return
    this.#insert(buffer.subarray(this.#runStart, this.#runStart + admitted))
  }

  /** What lies before it is taken. A peer that has not waited for its window gets what it would be offered now. */
  #admittedEdge(end: number): number {
    if (end > this.#advertisedEdge) this.advertise()
    return this.#advertisedEdge
  }

  #insert(run: Uint8Array): void {
    const reassembly = this.#reassembly
    const { nextOffset } = reassembly
    const gaps = reassembly.ranges.count
    reassembly.insert(this.#runOffset, run)
    const advanced = reassembly.nextOffset - nextOffset
    this.#unacknowledgedBytes += advanced
    this.#stats.bytesIn += advanced
    if (advanced === 0) {
      this.#newestOffset = this.#runOffset
      if (this.#repeatsAcks) this.#repeatsDue++
    }
    // RFC 5681 section 4.2: at once if it is out of order, fills a gap, or came twice.
    if (advanced < run.length || gaps > 0) this.#acknowledgeNow = true
  }

  /** A window that has been small, or has grown much, is worth a packet of its own. */
  #windowUpdateDue(): boolean {
    const bytes = this.#openBytes()
    const growth = bytes - this.#promisedBytes()
    if (growth < Math.min(2 * this.#segmentBytes, bytes / 2)) return false
    const left = this.#advertisedEdge - this.#reassembly.nextOffset
    return growth >= bytes / 4 || left <= bytes / 8
  }
}

const HELD_ACK_DELAY_MS = 1
