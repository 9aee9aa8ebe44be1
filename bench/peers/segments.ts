/**
 * `segments gathered|copied|merged|single|copy`: two ends of a stream in this process, on a clock of their own. Obeys
 * `measure SECONDS`: what a segment of a batch took (../segments.ts). The median of batches: what interrupts one of them is none of its cost.
 */
import { TransportPath } from '../../src/transport/path.ts'
import { rehearse } from '../../src/transport/rehearsal.ts'
import { Stream } from '../../src/transport/stream.ts'
import { openStream } from '../../src/transport/stream-options.ts'
import { DATA_PREFIX_BYTES, emitDataPrefix, PacketWalk, SHIM_BYTES } from '../../src/wire/encapsulation.ts'
import { BASE_HEADER_BYTES } from '../../src/wire/sal-header.ts'
import { parseSegmentInto, SEGMENT_HEADER_BYTES, SegmentFields } from '../../src/wire/segment.ts'
import { SegmentRun } from '../../src/wire/segment-run.ts'
import { TransmitBatch } from '../../src/wire/transmit-batch.ts'
import { quantile } from '../support/statistics.ts'
import { obey } from './commands.ts'

/** What IPv4 and UDP leave of 1500 bytes. */
const PACKET_BYTES = 1472
const PAYLOAD_BYTES = PACKET_BYTES - DATA_PREFIX_BYTES - SEGMENT_HEADER_BYTES
const PACKETS = 44
const BATCH_BYTES = PACKETS * PAYLOAD_BYTES
/** Of the ends' own clock, between batches: 10 Gbit/s. */
const STEP_MS = 0.05

class End {
  readonly #path = new TransportPath({ id: 0, mss: PAYLOAD_BYTES })
  readonly stream: Stream
  readonly batch = new TransmitBatch()
  readonly #prefix = new Uint8Array(DATA_PREFIX_BYTES)
  readonly #walk = new PacketWalk()
  readonly #run = new SegmentRun()
  readonly #fields = new SegmentFields()

  constructor(sendIsn: number, receiveIsn: number) {
    const options = { path: this.#path, sendIsn, receiveIsn, nowMs: 0 }
    this.stream = new Stream(options, openStream(options))
    emitDataPrefix(this.#prefix, 0, 1, 2, 0)
  }

  /** What a SYN-ACK does: the peer learns our window. */
  greet(peer: End): void {
    const segment = new Uint8Array(SEGMENT_HEADER_BYTES)
    peer.#handle(segment, 0, this.stream.emitSegment(segment, 0, 0), 0)
    peer.stream.handleBatchEnd(0)
  }

  /** False if nothing may leave now. */
  emit(nowMs: number): boolean {
    return this.stream.emitBatch(this.batch, this.#prefix, this.#path, nowMs)
  }

  /** Takes a datagram, or several that have been merged, and reads. Returns the bytes that were read. */
  receive(buffer: Uint8Array, nowMs: number): number {
    const walk = this.#walk
    walk.reset(buffer, 0, buffer.length)
    while (walk.next()) {
      const { packetStart, packetEnd } = walk
      const isRun = walk.hasMore && this.#run.join(buffer, packetStart - SHIM_BYTES, walk.end)
      if (isRun) walk.skipTo(this.#run.end, this.#run.endsShort)
      this.#handle(buffer, packetStart + BASE_HEADER_BYTES, isRun ? this.#run.payloadEnd : packetEnd, nowMs)
    }
    if (walk.error !== undefined) throw walk.error
    this.stream.handleBatchEnd(nowMs)
    let bytes = 0
    for (let view = this.stream.read(); view !== undefined; view = this.stream.read()) bytes += view.length
    return bytes
  }

  #handle(buffer: Uint8Array, start: number, end: number, nowMs: number): void {
    const error = parseSegmentInto(this.#fields, buffer, start, end)
    if (error !== undefined) throw error
    this.stream.handleSegment(this.#fields, buffer, this.#path, nowMs)
  }
}

// As a stack does.
rehearse()
const part = process.argv[2]
const isGathered = part !== 'copied'
const source = new End(1000, 2000)
const sink = new End(2000, 1000)
sink.greet(source)
source.greet(sink)
source.batch.mayGather = isGathered

/** As many bytes as a batch carries, as a program writes them. */
const block = Uint8Array.from({ length: BATCH_BYTES }, (_, i) => i)
const copied = new Uint8Array(BATCH_BYTES)
let nowMs = 0
obey({ measure })

function measure(seconds: number): object {
  const took: number[] = []
  for (const endAt = performance.now() + 1000 * seconds; performance.now() < endAt; ) {
    const tookMs = part === 'copy' ? measured(() => copied.set(block)) : transfer()
    if (tookMs !== undefined) took.push((1e6 * tookMs) / PACKETS)
  }
  if (took.length === 0) throw new Error('no batch was full')
  return { ns: quantile(took, 0.5) }
}

/**
 * Moves what the window lets go from end to end. Returns what the part of it that is measured took for the first batch;
 * undefined: that was not a full one.
 */
function transfer(): number | undefined {
  nowMs += STEP_MS
  while (sink.stream.wantsToSend(nowMs) && sink.emit(nowMs)) source.receive(sent(sink), nowMs)
  for (const { stream } of [source, sink]) if (stream.nextTimeoutAt <= nowMs) stream.handleTimeout(nowMs)
  if (source.stream.unsentBytes < BATCH_BYTES) source.stream.write(block)
  let isEmitted = false
  const emitMs = measured(() => {
    isEmitted = source.emit(nowMs)
  })
  const isFull = isEmitted && source.batch.packets === PACKETS
  const receiveMs = isEmitted ? deliver() : 0
  // A window counts as used up when a batch is asked for in vain.
  while (source.emit(nowMs)) deliver()
  if (!isFull) return undefined
  return part === 'gathered' || part === 'copied' ? emitMs : receiveMs
}

/** What the sink takes for the source's batch. */
function deliver(): number {
  const wire = sent(source)
  const { packets, segmentBytes } = source.batch
  const datagrams = part === 'single' ? cut(wire, segmentBytes) : [wire]
  let bytes = 0
  const tookMs = measured(() => {
    for (const datagram of datagrams) bytes += sink.receive(datagram, nowMs)
  })
  const expected = wire.length - packets * (PACKET_BYTES - PAYLOAD_BYTES)
  if (bytes !== expected) throw new Error(`${bytes} bytes of ${expected} came`)
  return tookMs
}

/** A copy of an end's batch, as the kernel makes one. */
function sent({ batch }: End): Uint8Array {
  batch.flatten()
  return batch.buffer.slice(0, batch.length)
}

function cut(wire: Uint8Array, bytes: number): Uint8Array[] {
  return Array.from({ length: Math.ceil(wire.length / bytes) }, (_, i) =>
    wire.slice(i * bytes, (i + 1) * bytes),
  )
}

function measured(work: () => void): number {
  const from = performance.now()
  work()
  return performance.now() - from
}
