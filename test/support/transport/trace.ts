/**
 * Scripted exchanges with one stream, one packet a line, each at its time in milliseconds. The script plays
 * the program and the peer, and says what must leave, in order, and nothing else:
 *
 *     0    write 2500
 *     0    > 0:1000
 *     0    > 1000:2000
 *     0    > 2000:2500 push
 *     20   < ack 2500
 *
 * `>` is what the stream must send then, `<` what it gets. A segment is `[start:end] [ack N] [win N] [sack
 * A-B ...] [dsack] [probe] [fin] [push]`, in offsets. Of a segment that leaves, range, sack, dsack, probe and fin are
 * compared always, ack, win, push and no-push where the line has them. A segment that arrives acknowledges
 * what the last one did, and its window is that of the last one. Packets that follow each other with `<+`
 * arrive in one datagram.
 *
 * `>10 A:B` stands for ten segments of the same size in a row.
 *
 * Other lines: `write N`, `end`, `read` (all there is), `final N`, `nagle`, `keepalive N`, `path` (a move to
 * a fresh one, `path N`: whose RTT is known to be N), `suspend`, `resume`, and assertions: `signals a b`,
 * `cwnd N`, `flight N`, `srtt N`, `next N`, `next none`, `readable N`, `stats name N`.
 */
import { TransportPath } from '../../../src/transport/path.ts'
import type { Stream } from '../../../src/transport/stream.ts'
import type { StreamOptions } from '../../../src/transport/stream-options.ts'
import { StreamSignal } from '../../../src/transport/stream-signals.ts'
import { emitDataPrefix, PacketWalk } from '../../../src/wire/encapsulation.ts'
import { BASE_HEADER_BYTES } from '../../../src/wire/sal-header.ts'
import {
  emitSackRange,
  nativeSegment,
  SACK_RANGE_BYTES,
  type SackRange,
  type SegmentCodec,
  SegmentFields,
  segmentFlags,
} from '../../../src/wire/segment.ts'
import { TransmitBatch } from '../../../src/wire/transmit-batch.ts'
import { newStream } from './new-stream.ts'
import { pattern } from './pattern.ts'

export interface TraceOptions extends Partial<StreamOptions> {
  readonly mss?: number
  /** The peer's window at first; default 100,000, or what the codec's field holds. */
  readonly window?: number
}

/** Runs `script`; what went wrong and in which line, undefined if it holds. */
export function traceFailure(script: string, options: TraceOptions = {}): string | undefined {
  const trace = new Trace(options)
  let line = 'after the last line'
  try {
    for (line of lines(script)) trace.step(line)
    line = 'after the last line'
    trace.finish()
  } catch (error) {
    return `${line}\n${error instanceof Error ? error.message : error}`
  }
  return undefined
}

function lines(script: string): string[] {
  return script
    .split('\n')
    .map(line => line.replace(/#.*/, '').trim())
    .filter(line => line !== '')
}

interface SegmentText {
  readonly start: number
  readonly end: number
  readonly ack?: number
  readonly win?: number
  readonly sack: readonly SackRange[]
  readonly flags: ReadonlySet<string>
}

class Trace {
  readonly stream: Stream
  readonly #mss: number
  /** Both wrap early: in 48 bits, and in 32. */
  readonly #sendIsn = 2 ** 48 - 1_500
  readonly #receiveIsn = 40
  readonly #codec: SegmentCodec
  readonly #prefix = new Uint8Array(4 + BASE_HEADER_BYTES)
  readonly #left: { readonly at: number; readonly segment: SegmentText }[] = []
  readonly #fields = new SegmentFields()
  #nowMs = 0
  #ack = 0
  #window: number
  #written = 0
  #paths = 1
  #pending: string[] = []

  constructor({ mss = 1_000, codec = nativeSegment, window, ...options }: TraceOptions) {
    this.#codec = codec
    this.#window = window ?? (codec === nativeSegment ? 100_000 : 60_000)
    this.#mss = mss
    emitDataPrefix(this.#prefix, 0, 1, 2, 0)
    const path = new TransportPath({ id: 0, mss })
    const isn = { sendIsn: this.#sendIsn, receiveIsn: this.#receiveIsn }
    this.stream = newStream({ path, nowMs: 0, codec, ...isn, ...options })
    this.#receive([''])
    this.#left.length = 0
  }

  step(line: string): void {
    const [time, verb, ...rest] = line.split(/\s+/)
    const at = Number(time)
    if (Number.isNaN(at)) throw new Error('a line begins with a time')
    if (verb === '>') return this.#expect(at, rest.join(' '))
    if (/^>\d+$/.test(verb!)) return this.#expectRow(at, Number(verb!.slice(1)), rest.join(' '))
    if (verb === '<+') {
      this.#pending.push(rest.join(' '))
      return
    }
    this.#advance(at)
    this.#expectNothingLeft()
    if (verb === '<') this.#receive([...this.#pending.splice(0), rest.join(' ')])
    else this.#act(verb!, rest)
    this.#send()
  }

  finish(): void {
    this.#expectNothingLeft()
  }

  #act(verb: string, words: readonly string[]): void {
    const { stream } = this
    const number = Number(words[0])
    const text = words.join(' ')
    switch (verb) {
      case 'write':
        stream.write(pattern(this.#written, number))
        this.#written += number
        return
      case 'end':
        return stream.end()
      case 'read':
        while (stream.read() !== undefined);
        return
      case 'final':
        return equal(stream.handleFinalOffset(number), words[1] ?? 'ok')
      case 'nagle':
        return stream.setNoDelay(false)
      case 'keepalive':
        return stream.setKeepAlive(number, this.#nowMs)
      case 'path':
        return stream.switchPath(this.#freshPath(words[0]), this.#nowMs)
      case 'suspend':
        return stream.suspend()
      case 'resume':
        return stream.resume(this.#freshPath(words[0]), this.#nowMs)
      case 'signals':
        return equal(signalNames(stream.takeSignals()), text)
      case 'cwnd':
        return equal(Math.round(stream.path.congestion.windowBytes), number)
      case 'flight':
        return equal(stream.path.bytesInFlight, number)
      case 'srtt':
        return equal(`${stream.path.rtt.srttMs ?? 'unknown'}`, text)
      case 'next':
        return equal(stream.nextTimeoutAt, text === 'none' ? Number.POSITIVE_INFINITY : number)
      case 'readable':
        return equal(stream.readableBytes, number)
      case 'stats':
        return equal(new Map(Object.entries(stream.stats)).get(words[0]!), Number(words[1]))
      default:
        throw new Error(`no such verb: ${verb}`)
    }
  }

  #freshPath(rttMs: string | undefined): TransportPath {
    const path = new TransportPath({ id: this.#paths++, mss: this.#mss })
    if (rttMs !== undefined) path.rtt.sample(Number(rttMs))
    return path
  }

  #expect(at: number, text: string): void {
    this.#advance(at)
    const next = this.#left.shift()
    if (next === undefined) throw new Error('nothing was sent')
    const expected = parse(text)
    const sent = describe(next.segment, expected)
    if (Math.abs(next.at - at) > 0.01) throw new Error(`was sent at ${next.at}: ${sent}`)
    equal(sent, describe(expected, expected))
  }

  #expectRow(at: number, count: number, text: string): void {
    const { start, end } = parse(text)
    const bytes = (end - start) / count
    for (let from = start; from < end; from += bytes) this.#expect(at, `${from}:${from + bytes}`)
  }

  #expectNothingLeft(): void {
    const [next] = this.#left
    if (next === undefined) return
    throw new Error(`before this line, at ${next.at}, was sent: ${describe(next.segment, next.segment)}`)
  }

  /** Lets the timers that are due up to `at` fire, each at its time. */
  #advance(at: number): void {
    if (at < this.#nowMs) throw new Error('time runs forward')
    while (this.stream.nextTimeoutAt <= at) {
      this.#nowMs = Math.max(this.#nowMs, this.stream.nextTimeoutAt)
      this.stream.handleTimeout(this.#nowMs)
      this.#send()
    }
    this.#nowMs = at
  }

  #send(): void {
    const batch = new TransmitBatch()
    const walk = new PacketWalk()
    while (this.stream.emitBatch(batch, this.#prefix, this.stream.path, this.#nowMs)) {
      walk.reset(batch.buffer, 0, batch.length)
      let packets = 0
      for (; walk.next(); packets++) {
        this.#left.push({ at: this.#nowMs, segment: this.#read(batch.buffer, walk) })
      }
      equal(walk.error?.code, undefined)
      equal(packets, batch.packets)
    }
  }

  #read(buffer: Uint8Array, walk: PacketWalk): SegmentText {
    const fields = this.#parse(buffer, walk.packetStart + BASE_HEADER_BYTES, walk.packetEnd)
    const { payloadStart, payloadEnd } = fields
    const start = this.#codec.unwrap(fields.seq, this.#sendIsn + this.#written) - this.#sendIsn
    const end = start + payloadEnd - payloadStart
    const payload = buffer.subarray(payloadStart, payloadEnd)
    const wrong = pattern(start, payload.length).findIndex((byte, i) => byte !== payload[i])
    if (wrong >= 0) throw new Error(`byte ${start + wrong} is not what was written`)
    const sack = Array.from({ length: fields.sackCount }, (_, i) => ({
      start: this.#receivedOffset(fields.sackStarts[i]!),
      end: this.#receivedOffset(fields.sackEnds[i]!),
    }))
    const flags = new Set<string>()
    if (fields.flags & segmentFlags.PSH) flags.add('push')
    if (fields.flags & segmentFlags.DSACK) flags.add('dsack')
    if (fields.flags & segmentFlags.PROBE) flags.add('probe')
    if (fields.flags & segmentFlags.FIN) flags.add('fin')
    return { start, end, ack: this.#receivedOffset(fields.ack), win: fields.windowBytes, sack, flags }
  }

  #parse(buffer: Uint8Array, start: number, end: number): SegmentFields {
    const error = this.#codec.parseInto(this.#fields, buffer, start, end)
    if (error !== undefined) throw error
    return this.#fields
  }

  #receive(texts: readonly string[]): void {
    const packets = texts.map(text => this.#write(parse(text)))
    const datagram = new Uint8Array(packets.reduce((sum, packet) => sum + packet.length, 0))
    let at = 0
    for (const packet of packets) {
      datagram.set(packet, at)
      this.stream.handleSegment(
        this.#parse(datagram, at, at + packet.length),
        datagram,
        this.stream.path,
        this.#nowMs,
      )
      at += packet.length
    }
    this.stream.handleBatchEnd(this.#nowMs)
  }

  #write(text: SegmentText): Uint8Array {
    this.#ack = text.ack ?? this.#ack
    this.#window = text.win ?? this.#window
    const { headerBytes, wrap } = this.#codec
    const payloadAt = headerBytes + SACK_RANGE_BYTES * text.sack.length
    const buffer = new Uint8Array(payloadAt + text.end - text.start)
    const wireSent = (offset: number) => wrap(this.#sendIsn + offset)
    let flags: number = segmentFlags.ACK
    if (text.flags.has('dsack')) flags |= segmentFlags.DSACK
    if (text.flags.has('probe')) flags |= segmentFlags.PROBE
    if (text.flags.has('push')) flags |= segmentFlags.PSH
    if (text.flags.has('fin')) flags |= segmentFlags.FIN
    const seq = wrap(this.#receiveIsn + text.start)
    const count = text.sack.length
    this.#codec.emitHeader(buffer, 0, seq, wireSent(this.#ack), this.#window, flags, count)
    for (const [index, { start, end }] of text.sack.entries()) {
      emitSackRange(buffer, 0, index, wireSent(start), wireSent(end))
    }
    buffer.set(pattern(text.start, text.end - text.start), payloadAt)
    return buffer
  }

  #receivedOffset(wire: number): number {
    return this.#codec.unwrap(wire, this.#receiveIsn) - this.#receiveIsn
  }
}

function parse(text: string): SegmentText {
  const words = text.split(/\s+/).filter(word => word !== '')
  const flags = new Set<string>()
  const sack: SackRange[] = []
  let [start, end] = [0, 0]
  let ack: number | undefined
  let win: number | undefined
  while (words.length > 0) {
    const word = words.shift()!
    if (/^\d+:\d+$/.test(word)) [start, end] = word.split(':').map(Number) as [number, number]
    else if (word === 'ack') ack = Number(words.shift())
    else if (word === 'win') win = Number(words.shift())
    else if (word === 'sack') {
      while (/^\d+-\d+$/.test(words[0] ?? '')) {
        const [from, to] = words.shift()!.split('-').map(Number) as [number, number]
        sack.push({ start: from, end: to })
      }
    } else if (['push', 'no-push', 'dsack', 'probe', 'fin'].includes(word)) flags.add(word)
    else throw new Error(`what is ${word}?`)
  }
  return { start, end, sack, flags, ...(ack !== undefined && { ack }), ...(win !== undefined && { win }) }
}

/** Of `segment` what is always compared, and what `asked` has. */
function describe(segment: SegmentText, asked: SegmentText): string {
  const words: string[] = []
  if (segment.end > segment.start) words.push(`${segment.start}:${segment.end}`)
  if (asked.ack !== undefined) words.push(`ack ${segment.ack}`)
  if (asked.win !== undefined) words.push(`win ${segment.win}`)
  if (segment.sack.length > 0) words.push('sack', ...segment.sack.map(range => `${range.start}-${range.end}`))
  for (const flag of ['dsack', 'probe', 'fin']) if (segment.flags.has(flag)) words.push(flag)
  if (asked.flags.has('push') || asked.flags.has('no-push'))
    words.push(segment.flags.has('push') ? 'push' : 'no-push')
  return words.join(' ')
}

function signalNames(signals: number): string {
  return Object.entries(StreamSignal)
    .filter(([, bit]) => (signals & bit) !== 0)
    .map(([name]) => name)
    .join(' ')
}

function equal(actual: unknown, expected: unknown): void {
  if (actual !== expected) throw new Error(`expected: ${expected}\nactual:   ${actual}`)
}
