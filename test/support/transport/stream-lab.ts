/**
 * Two streams, a link each way between them, and a clock that jumps to whatever is due next. Every datagram
 * is one packet, or a whole batch where the link says so (as UDP_GRO would merge it).
 *
 * Each packet that leaves is held to what flow control promises: nothing beyond the window that the peer has
 * given, and no window that is taken back. What is read is compared with the pattern.
 */

import { congestionFactories } from '../../../src/transport/congestion/algorithms.ts'
import type { CongestionControl, CongestionName } from '../../../src/transport/congestion/congestion.ts'
import { TransportPath } from '../../../src/transport/path.ts'
import type { Stream } from '../../../src/transport/stream.ts'
import type { StreamOptions } from '../../../src/transport/stream-options.ts'
import { DATA_PREFIX_BYTES, emitDataPrefix, PacketWalk } from '../../../src/wire/encapsulation.ts'
import { BASE_HEADER_BYTES } from '../../../src/wire/sal-header.ts'
import { parseSegmentInto, SEGMENT_HEADER_BYTES, SegmentFields } from '../../../src/wire/segment.ts'
import { unwrap48 } from '../../../src/wire/sequence.ts'
import { TransmitBatch } from '../../../src/wire/transmit-batch.ts'
import type { Random } from '../random.ts'
import { newStream } from './new-stream.ts'
import { firstWrong, pattern } from './pattern.ts'

export interface LabLink {
  /** One way. */
  readonly delayMs: number
  /** 0 to 1, of each datagram. */
  readonly lossRate?: number
  readonly duplicateRate?: number
  /** A datagram with this probability takes up to `reorderMs` longer. */
  readonly reorderRate?: number
  readonly reorderMs?: number
  /** Bytes a millisecond; default without limit. */
  readonly bytesPerMs?: number
  /** What may wait for the rate; default without limit. */
  readonly queueBytes?: number
  /** Batches stay whole; default false: each packet travels by itself. */
  readonly merge?: boolean
  /** With this probability the last byte of a datagram to b is changed. */
  readonly corruptRate?: number
}

export interface StreamLabOptions {
  readonly link: LabLink
  readonly random: Random
  readonly mss?: number
  /** Of every path; default: the transport's. */
  readonly congestion?: CongestionName
  readonly stream?: Partial<StreamOptions>
}

interface Arrival {
  readonly at: number
  readonly to: LabEnd
  readonly datagram: Uint8Array
}

export class StreamLab {
  nowMs = 0
  readonly a: LabEnd
  readonly b: LabEnd
  link: LabLink
  readonly newCongestion: (mss: number) => CongestionControl
  readonly #random: Random
  readonly #arrivals: Arrival[] = []

  constructor({ link, random, mss = 1_000, congestion = 'cubic', stream = {} }: StreamLabOptions) {
    this.link = link
    this.newCongestion = congestionFactories(() => random.fraction())[congestion]
    this.#random = random
    const isn = { a: 2 ** 48 - 5_000, b: 77 }
    this.a = new LabEnd(this, mss, { ...stream, sendIsn: isn.a, receiveIsn: isn.b })
    this.b = new LabEnd(this, mss, { ...stream, sendIsn: isn.b, receiveIsn: isn.a })
    this.a.greet(this.b)
    this.b.greet(this.a)
  }

  /** Lets time pass until `done`, nothing is due, or `limitMs` has come. `done` is asked before each step. */
  run(done: () => boolean = () => false, limitMs = Number.POSITIVE_INFINITY): void {
    while (!done()) {
      this.#flush()
      const at = Math.min(this.#arrivals[0]?.at ?? Number.POSITIVE_INFINITY, this.a.nextAt, this.b.nextAt)
      if (at === Number.POSITIVE_INFINITY || at > limitMs) break
      this.nowMs = Math.max(this.nowMs, at)
      while ((this.#arrivals[0]?.at ?? Number.POSITIVE_INFINITY) <= this.nowMs) {
        const { to, datagram } = this.#arrivals.shift()!
        to.receive(datagram, this.nowMs)
      }
      for (const end of [this.a, this.b]) end.tick(this.nowMs)
    }
  }

  /** Puts one datagram on the way to `to`. */
  carry(datagram: Uint8Array, to: LabEnd): void {
    const { delayMs, lossRate = 0, duplicateRate = 0, reorderRate = 0, reorderMs = 0 } = this.link
    const { corruptRate = 0 } = this.link
    const { bytesPerMs = Number.POSITIVE_INFINITY, queueBytes = Number.POSITIVE_INFINITY } = this.link
    const startAt = Math.max(this.nowMs, to.linkFreeAt)
    if ((startAt - this.nowMs) * bytesPerMs > queueBytes) return
    to.linkFreeAt = startAt + datagram.length / bytesPerMs
    if (this.#random.chance(lossRate)) return
    const copies = this.#random.chance(duplicateRate) ? 2 : 1
    for (let i = 0; i < copies; i++) {
      const copy = datagram.slice()
      if (to === this.b && this.#random.chance(corruptRate)) copy[copy.length - 1]! ^= 0x40
      const extraMs = this.#random.chance(reorderRate) ? this.#random.fraction() * reorderMs : 0
      this.#enqueue({ at: to.linkFreeAt + delayMs + extraMs, to, datagram: copy })
    }
  }

  #enqueue(arrival: Arrival): void {
    let low = 0
    let high = this.#arrivals.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#arrivals[middle]!.at <= arrival.at) low = middle + 1
      else high = middle
    }
    this.#arrivals.splice(low, 0, arrival)
  }

  #flush(): void {
    for (const end of [this.a, this.b]) end.flush(this.nowMs)
  }
}

export class LabEnd {
  readonly stream: Stream
  writtenBytes = 0
  receivedBytes = 0
  /** Where the first wrong byte was read; -1 if none was. */
  wrongAt = -1
  /** Whether what arrives is read at once. */
  reading = true
  /** Every signal seen so far. */
  signals = 0
  linkFreeAt = 0
  /** The first byte that the peer may not send, as far as our packets have said. */
  #admittedEdge = 0
  #peer: LabEnd | undefined
  #paths = 0
  readonly #lab: StreamLab
  readonly #mss: number
  readonly #isns: { readonly sendIsn: number; readonly receiveIsn: number }
  readonly #prefix = new Uint8Array(DATA_PREFIX_BYTES)
  readonly #batch = new TransmitBatch()
  readonly #walk = new PacketWalk()
  readonly #fields = new SegmentFields()

  constructor(
    lab: StreamLab,
    mss: number,
    options: Partial<StreamOptions> & { sendIsn: number; receiveIsn: number },
  ) {
    this.#lab = lab
    this.#mss = mss
    this.#isns = options
    emitDataPrefix(this.#prefix, 0, 1, 2, 0)
    this.stream = newStream({ path: this.freshPath(), nowMs: lab.nowMs, ...options })
  }

  /** The first byte that this end may not send, as far as the peer has said. */
  get admittedEdge(): number {
    return this.#peer!.#admittedEdge
  }

  get nextAt(): number {
    return this.stream.nextTimeoutAt
  }

  freshPath(): TransportPath {
    return new TransportPath({
      id: this.#paths++,
      mss: this.#mss,
      newCongestion: mss => this.#lab.newCongestion(mss),
    })
  }

  /** What a SYN-ACK and a third ACK do: the peer learns our window. */
  greet(peer: LabEnd): void {
    this.#peer = peer
    const segment = new Uint8Array(SEGMENT_HEADER_BYTES)
    const length = this.stream.emitSegment(segment, 0, this.#lab.nowMs)
    this.#inspect(segment, 0, length)
    peer.#handle(segment, 0, length, this.#lab.nowMs)
    peer.stream.handleBatchEnd(this.#lab.nowMs)
  }

  write(bytes: number): void {
    this.stream.write(pattern(this.writtenBytes, bytes))
    this.writtenBytes += bytes
  }

  receive(datagram: Uint8Array, nowMs: number): void {
    this.#walk.reset(datagram, 0, datagram.length)
    while (this.#walk.next()) {
      this.#handle(datagram, this.#walk.packetStart + BASE_HEADER_BYTES, this.#walk.packetEnd, nowMs)
    }
    if (this.#walk.error !== undefined) throw this.#walk.error
    this.stream.handleBatchEnd(nowMs)
    this.settle()
  }

  tick(nowMs: number): void {
    if (this.stream.nextTimeoutAt <= nowMs) this.stream.handleTimeout(nowMs)
    this.settle()
  }

  /** Takes the signals, and what may be read. */
  settle(): void {
    this.signals |= this.stream.takeSignals()
    while (this.reading) {
      const bytes = this.stream.read()
      if (bytes === undefined) break
      const wrong = firstWrong(this.receivedBytes, bytes)
      if (wrong >= 0 && this.wrongAt < 0) this.wrongAt = wrong
      this.receivedBytes += bytes.length
    }
  }

  flush(nowMs: number): void {
    const batch = this.#batch
    while (this.stream.wantsToSend(nowMs)) {
      if (!this.stream.emitBatch(batch, this.#prefix, this.stream.path, nowMs)) {
        throw new Error('the stream wants to send, and does not')
      }
      for (let at = 0; at < batch.length; at += batch.segmentBytes) {
        const end = Math.min(at + batch.segmentBytes, batch.length)
        this.#inspect(batch.buffer, at + DATA_PREFIX_BYTES, end)
        if (!this.#lab.link.merge) this.#lab.carry(batch.buffer.subarray(at, end), this.#peer!)
      }
      if (this.#lab.link.merge) this.#lab.carry(batch.buffer.subarray(0, batch.length), this.#peer!)
    }
  }

  /** A segment that leaves. */
  #inspect(buffer: Uint8Array, start: number, end: number): void {
    const fields = this.#fields
    const error = parseSegmentInto(fields, buffer, start, end)
    if (error !== undefined) throw error
    const offset = unwrap48(fields.seq, this.#isns.sendIsn + this.writtenBytes) - this.#isns.sendIsn
    const behind = offset + fields.payloadEnd - fields.payloadStart
    if (behind > this.#peer!.#admittedEdge) throw new Error(`${behind} is beyond the peer's window`)
    const near = this.#isns.receiveIsn + this.#peer!.writtenBytes
    const edge = unwrap48(fields.ack, near) - this.#isns.receiveIsn + fields.windowBytes
    if (edge < this.#admittedEdge) throw new Error(`the window shrank from ${this.#admittedEdge} to ${edge}`)
    this.#admittedEdge = edge
  }

  #handle(buffer: Uint8Array, start: number, end: number, nowMs: number): void {
    const error = parseSegmentInto(this.#fields, buffer, start, end)
    if (error !== undefined) throw error
    this.stream.handleSegment(this.#fields, buffer, this.stream.path, nowMs)
  }
}
