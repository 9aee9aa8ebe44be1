/**
 * Two streams, a link each way between them, and a clock that jumps to whatever is due next. Every datagram is one
 * packet, or a whole batch where the link says so (as UDP_GRO would merge it).
 */

import { TransportPath } from '../../../src/transport/path.ts'
import { Stream, type StreamOptions } from '../../../src/transport/stream.ts'
import { emitDataPrefix, PacketWalk } from '../../../src/wire/encapsulation.ts'
import { BASE_HEADER_BYTES } from '../../../src/wire/sal-header.ts'
import { parseSegmentInto, SegmentFields } from '../../../src/wire/segment.ts'
import { TransmitBatch } from '../../../src/wire/transmit-batch.ts'

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
}

export interface StreamLabOptions {
  readonly link: LabLink
  /** 0 to 1; needed where the link is random. */
  readonly random?: () => number
  readonly mss?: number
  readonly stream?: Partial<StreamOptions>
}

interface Arrival {
  readonly at: number
  readonly order: number
  readonly to: LabEnd
  readonly datagram: Uint8Array
}

export class StreamLab {
  nowMs = 0
  readonly a: LabEnd
  readonly b: LabEnd
  link: LabLink
  readonly #random: () => number
  readonly #arrivals: Arrival[] = []
  #order = 0

  constructor({ link, random = () => 0.5, mss = 1_000, stream = {} }: StreamLabOptions) {
    this.link = link
    this.#random = random
    const isn = { a: 2 ** 48 - 5_000, b: 77 }
    this.a = new LabEnd(this, mss, { ...stream, sendIsn: isn.a, receiveIsn: isn.b })
    this.b = new LabEnd(this, mss, { ...stream, sendIsn: isn.b, receiveIsn: isn.a })
    this.a.peer = this.b
    this.b.peer = this.a
    // What a SYN-ACK and a third ACK do: each end learns the other's window.
    for (const end of [this.a, this.b]) end.greet()
  }

  /** Lets time pass until `done`, nothing is due, or `limitMs` has come. */
  run(done: () => boolean = () => false, limitMs = Number.POSITIVE_INFINITY): void {
    this.#flush()
    while (!done()) {
      const at = Math.min(this.#arrivals[0]?.at ?? Number.POSITIVE_INFINITY, this.a.nextAt, this.b.nextAt)
      if (at === Number.POSITIVE_INFINITY || at > limitMs) break
      this.nowMs = Math.max(this.nowMs, at)
      while ((this.#arrivals[0]?.at ?? Number.POSITIVE_INFINITY) <= this.nowMs) {
        const { to, datagram } = this.#arrivals.shift()!
        to.receive(datagram, this.nowMs)
      }
      for (const end of [this.a, this.b]) end.tick(this.nowMs)
      this.#flush()
    }
    if (limitMs !== Number.POSITIVE_INFINITY && !done()) this.nowMs = Math.max(this.nowMs, limitMs)
  }

  /** Puts one datagram on the way to `to`. */
  carry(datagram: Uint8Array, to: LabEnd): void {
    const { delayMs, lossRate = 0, duplicateRate = 0, reorderRate = 0, reorderMs = 0 } = this.link
    const { bytesPerMs = Number.POSITIVE_INFINITY, queueBytes = Number.POSITIVE_INFINITY } = this.link
    const startAt = Math.max(this.nowMs, to.linkFreeAt)
    if ((startAt - this.nowMs) * bytesPerMs > queueBytes) return
    to.linkFreeAt = startAt + datagram.length / bytesPerMs
    if (this.#random() < lossRate) return
    const copies = this.#random() < duplicateRate ? 2 : 1
    for (let i = 0; i < copies; i++) {
      const extraMs = this.#random() < reorderRate ? this.#random() * reorderMs : 0
      this.#enqueue({
        at: to.linkFreeAt + delayMs + extraMs,
        order: this.#order++,
        to,
        datagram: datagram.slice(),
      })
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
  readonly received: Uint8Array[] = []
  receivedBytes = 0
  /** Whether what arrives is read at once. */
  reading = true
  /** Every signal seen so far. */
  signals = 0
  peer: LabEnd | undefined
  linkFreeAt = 0
  readonly #lab: StreamLab
  readonly #mss: number
  readonly #prefix = new Uint8Array(4 + BASE_HEADER_BYTES)
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
    emitDataPrefix(this.#prefix, 0, 1, 2, 0)
    this.stream = new Stream({ path: this.newPath(0), nowMs: lab.nowMs, ...options })
  }

  get nextAt(): number {
    return this.stream.nextTimeoutAt
  }

  newPath(id: number): TransportPath {
    return new TransportPath({ id, mss: this.#mss })
  }

  greet(): void {
    const segment = new Uint8Array(64)
    const length = this.stream.emitSegment(segment, 0, this.#lab.nowMs)
    this.peer!.#handle(segment, 0, length, this.#lab.nowMs)
    this.peer!.stream.handleBatchEnd(this.#lab.nowMs)
  }

  receive(datagram: Uint8Array, nowMs: number): void {
    this.#walk.reset(datagram, 0, datagram.length)
    while (this.#walk.next()) {
      this.#handle(datagram, this.#walk.packetStart + BASE_HEADER_BYTES, this.#walk.packetEnd, nowMs)
    }
    if (this.#walk.error !== undefined) throw new Error(`lab: ${this.#walk.error.code}`)
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
      this.received.push(bytes)
      this.receivedBytes += bytes.length
    }
  }

  flush(nowMs: number): void {
    const batch = this.#batch
    while (this.stream.wantsToSend(nowMs)) {
      if (!this.stream.emitBatch(batch, this.#prefix, this.stream.path, nowMs)) break
      if (this.#lab.link.merge) this.#lab.carry(batch.buffer.subarray(0, batch.length), this.peer!)
      else {
        for (let at = 0; at < batch.length; at += batch.segmentBytes) {
          this.#lab.carry(
            batch.buffer.subarray(at, Math.min(at + batch.segmentBytes, batch.length)),
            this.peer!,
          )
        }
      }
    }
  }

  #handle(buffer: Uint8Array, start: number, end: number, nowMs: number): void {
    const error = parseSegmentInto(this.#fields, buffer, start, end)
    if (error !== undefined) throw new Error(`lab: ${error.code}`)
    this.stream.handleSegment(this.#fields, buffer, this.stream.path, nowMs)
  }
}
