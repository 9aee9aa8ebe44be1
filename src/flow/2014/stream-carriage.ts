/**
 * The stream of a flow in the 2014 profile: TCP's header and numbers (src/wire/README.md, A16.1). SYN and SYN-ACK agree on
 * segment size and window scale and have no timestamps or SACK; the end of the stream is TCP's FIN.
 */
import { Stream } from '../../transport/stream.ts'
import { openStream, type StreamLimits } from '../../transport/stream-options.ts'
import type { StreamStats } from '../../transport/stream-stats.ts'
import { protocols } from '../../wire/sal-header.ts'
import { type SegmentCodec, SegmentFields, segmentFlags } from '../../wire/segment.ts'
import {
  emitTcpHeader,
  MAX_WINDOW_UNITS,
  parseTcpHeader,
  renumberTcpHeader,
  scaledTcpSegment,
  type TcpHeader,
  tcpFlags,
} from '../../wire/tcp-header.ts'
import type { TransmitBatch } from '../../wire/transmit-batch.ts'
import { WireError } from '../../wire/wire-error.ts'
import type { Path } from '../path.ts'
import type { Carriage, TransportBytes } from './carriage.ts'

/** What the prototype offers: windows of 128 KiB. */
const OWN_SHIFT = 1
/** RFC 7323 section 2.3. */
const MAX_SHIFT = 14
/** RFC 9293 section 3.7.1: of a peer that says nothing. */
const DEFAULT_MSS = 536

export class StreamCarriage implements Carriage {
  readonly protocol = protocols.STREAM
  readonly #limits: StreamLimits
  readonly #isn: number
  readonly #fields = new SegmentFields()
  /** What the peer's SYN or SYN-ACK said. */
  #peerIsn = 0
  #peerMss = DEFAULT_MSS
  /** Undefined: it does not scale, so neither do we. */
  #peerShift: number | undefined
  #peerWindowBytes = 0
  #codec: SegmentCodec
  #stream: Stream | undefined
  /** Written and set before the set-up was done. */
  #early: Uint8Array[] = []
  #hasEnded = false
  #keepAliveMs = 0
  #noDelay = true

  /** `isn`: 32 random bits. */
  constructor(limits: StreamLimits, isn: number) {
    const most = MAX_WINDOW_UNITS * 2 ** OWN_SHIFT
    this.#limits = { ...limits, receiveBufferBytes: Math.min(limits.receiveBufferBytes ?? most, most) }
    this.#isn = isn
    this.#codec = scaledTcpSegment(0, 0)
  }

  // ---- set-up ---------------------------------------------------------------------------------------------

  /** Without a window, as the prototype's: nothing can be sent before the SYN-ACK anyway. */
  emitSyn(buffer: Uint8Array, offset: number, mss: number): number {
    return emitTcpHeader(this.#opening(tcpFlags.SYN, 0, mss, true), buffer, offset)
  }

  /** The window is never scaled here (RFC 7323 section 2.2); the scale is offered to who offered one. */
  emitSynAck(buffer: Uint8Array, offset: number, mss: number): number {
    const window = Math.min(this.#limits.receiveBufferBytes ?? 0, MAX_WINDOW_UNITS)
    const flags = tcpFlags.SYN | tcpFlags.ACK
    return emitTcpHeader(this.#opening(flags, window, mss, this.#peerShift !== undefined), buffer, offset)
  }

  /** With the number that it had first, however often: data that has left meanwhile belongs to nothing yet at the server. */
  emitThirdAck(buffer: Uint8Array, offset: number, nowMs: number): number {
    const bytes = this.#stream?.emitSegment(buffer, offset, nowMs) ?? 0
    if (bytes > 0) renumberTcpHeader(buffer, offset, (this.#isn + 1) >>> 0)
    return bytes
  }

  handleSyn(syn: TransportBytes): boolean {
    return this.#handleOpening(syn, tcpFlags.SYN) !== undefined
  }

  handleSynAck(synAck: TransportBytes): boolean {
    const ack = (this.#isn + 1) >>> 0
    return this.#handleOpening(synAck, tcpFlags.SYN | tcpFlags.ACK, ack) !== undefined
  }

  open(path: Path, nowMs: number): void {
    const ownShift = this.#peerShift === undefined ? 0 : OWN_SHIFT
    this.#codec = scaledTcpSegment(ownShift, this.#peerShift ?? 0)
    this.#fit(path)
    const limits = { ...this.#limits, codec: this.#codec }
    const [sendIsn, receiveIsn] = [this.#isn + 1, this.#peerIsn + 1]
    const beginning = openStream({ ...limits, sendIsn, receiveIsn, nowMs })
    beginning.noDelay = this.#noDelay
    beginning.peerEdge = beginning.largestWindowBytes = this.#peerWindowBytes
    beginning.setKeepAlive(this.#keepAliveMs, nowMs)
    this.#stream = new Stream({ ...limits, path: path.transport }, beginning)
    for (const chunk of this.#early) this.#stream.write(chunk)
    this.#early = []
    if (this.#hasEnded) this.#stream.end()
  }

  // ---- data -----------------------------------------------------------------------------------------------

  get stats(): StreamStats | undefined {
    return this.#stream?.stats
  }

  handleData({ buffer, start, end }: TransportBytes, nowMs: number): 'ok' | 'reset' | 'malformed' {
    const fields = this.#fields
    const stream = this.#stream
    if (stream === undefined) return 'ok'
    if (this.#codec.parseInto(fields, buffer, start, end) !== undefined) return 'malformed'
    // RFC 5961 section 3.2: only one with the very next number.
    if ((fields.flags & segmentFlags.RST) !== 0) return stream.isNext(fields) ? 'reset' : 'ok'
    if ((fields.flags & segmentFlags.SYN) !== 0) return 'malformed'
    stream.handleSegment(fields, buffer, stream.path, nowMs)
    return 'ok'
  }

  handleBatchEnd(nowMs: number): void {
    this.#stream?.handleBatchEnd(nowMs)
  }

  emitBatch(batch: TransmitBatch, prefix: Uint8Array, path: Path, nowMs: number): boolean {
    return this.#stream?.emitBatch(batch, prefix, path.transport, nowMs) ?? false
  }

  acknowledgeNow(): void {
    this.#stream?.acknowledgeNow()
  }

  takeSignals(): number {
    return this.#stream?.takeSignals() ?? 0
  }

  // ---- ends -----------------------------------------------------------------------------------------------

  end(): void {
    this.#hasEnded = true
    this.#stream?.end()
  }

  get isDone(): boolean {
    return this.#hasEnded && (this.#stream?.acknowledgedAll ?? false)
  }

  /** FIN of the SAL follows TCP's. A peer that has sent none ends where it stands, as the prototype takes it. */
  handleFin(): void {
    const stream = this.#stream
    if (stream !== undefined && !stream.receivedAll) stream.handleFinalOffset(stream.receivedBytes)
  }

  get receivedAll(): boolean {
    return this.#stream?.receivedAll ?? false
  }

  close(): void {
    this.#stream?.forgo()
  }

  // ---- the program's side ---------------------------------------------------------------------------------

  get readableBytes(): number {
    return this.#stream?.readableBytes ?? 0
  }

  get bufferedBytes(): number {
    return this.#stream?.bufferedBytes ?? this.#early.reduce((sum, chunk) => sum + chunk.length, 0)
  }

  get unsentBytes(): number {
    return this.#stream?.unsentBytes ?? this.bufferedBytes
  }

  get writable(): boolean {
    return this.#stream?.writable ?? this.bufferedBytes < (this.#limits.sendBufferBytes ?? 0)
  }

  write(chunk: Uint8Array): void {
    if (this.#stream !== undefined) this.#stream.write(chunk)
    else this.#early.push(new Uint8Array(chunk))
  }

  read(): Uint8Array | undefined {
    return this.#stream?.read()
  }

  setKeepAlive(intervalMs: number, nowMs: number): void {
    this.#keepAliveMs = intervalMs
    this.#stream?.setKeepAlive(intervalMs, nowMs)
  }

  setNoDelay(noDelay: boolean): void {
    this.#noDelay = noDelay
    this.#stream?.setNoDelay(noDelay)
  }

  // ---- paths and time -------------------------------------------------------------------------------------

  get nextTimeoutAt(): number {
    return this.#stream?.nextTimeoutAt ?? Number.POSITIVE_INFINITY
  }

  handleTimeout(nowMs: number): void {
    if (this.nextTimeoutAt <= nowMs) this.#stream?.handleTimeout(nowMs)
  }

  suspend(): void {
    this.#stream?.suspend()
  }

  /** What was in flight is sent again at once. */
  adopt(path: Path, nowMs: number): void {
    this.#fit(path)
    this.#stream?.resume(path.transport, nowMs)
  }

  // ---- details --------------------------------------------------------------------------------------------

  /** The peer takes no longer segments than it has said. */
  #fit(path: Path): void {
    path.transport.mss = Math.min(path.transport.mss, this.#peerMss)
  }

  #opening(flags: number, window: number, mss: number, scales: boolean): TcpHeader {
    const scale = [{ kind: 'nop' }, { kind: 'window-scale', shift: OWN_SHIFT }] as const
    return {
      srcPort: 0,
      dstPort: 0,
      seq: this.#isn,
      ack: (flags & tcpFlags.ACK) === 0 ? 0 : (this.#peerIsn + 1) >>> 0,
      reserved: 0,
      flags,
      window,
      checksum: 0,
      urgent: 0,
      options: [{ kind: 'mss', mss }, ...(scales ? scale : [])],
    }
  }

  #handleOpening({ buffer, start, end }: TransportBytes, flags: number, ack?: number): TcpHeader | undefined {
    const header = parseTcpHeader(buffer, start, end)
    if (header instanceof WireError || (header.flags & OPENING_FLAGS) !== flags) return undefined
    if (ack !== undefined && header.ack !== ack) return undefined
    this.#peerIsn = header.seq
    this.#peerWindowBytes = header.window
    for (const option of header.options) {
      if (option.kind === 'mss') this.#peerMss = Math.max(option.mss, MIN_MSS)
      else if (option.kind === 'window-scale') this.#peerShift = Math.min(option.shift, MAX_SHIFT)
    }
    return header
  }
}

const OPENING_FLAGS = tcpFlags.SYN | tcpFlags.ACK | tcpFlags.RST | tcpFlags.FIN
/** A peer that asks for less would have us send headers. */
const MIN_MSS = 64
