/**
 * Connected datagrams in the 2014 profile (src/wire/README.md, A16.2): a UDP header in front of each, an empty one behind
 * the set-up's control packets. Nothing is sent again, so nothing is to be waited for before FIN.
 */
import { ServalError } from '../../errors.ts'
import type { ReceiveBudget } from '../../transport/receive-budget.ts'
import { StreamSignal } from '../../transport/stream-signals.ts'
import type { StreamStats } from '../../transport/stream-stats.ts'
import { emitDatagram } from '../../wire/datagram.ts'
import { MAX_RAW_PACKET_BYTES, RAW_DATA_PREFIX_BYTES } from '../../wire/raw-ip.ts'
import { protocols } from '../../wire/sal-header.ts'
import type { TransmitBatch } from '../../wire/transmit-batch.ts'
import { parseUdpHeader, UDP_HEADER_BYTES } from '../../wire/udp-header.ts'
import { WireError } from '../../wire/wire-error.ts'
import { DatagramQueue, DEFAULT_DATAGRAM_LIMITS } from '../datagram-queue.ts'
import type { Path } from '../path.ts'
import type { Carriage, TransportBytes } from './carriage.ts'

interface Waiting {
  readonly payload: Uint8Array
}

export class DatagramCarriage implements Carriage {
  readonly protocol = protocols.DATAGRAM
  readonly stats: StreamStats | undefined = undefined
  readonly #inbox: DatagramQueue<Waiting>
  readonly #outbox = new DatagramQueue<Waiting>()
  #maxBytes = MAX_RAW_PACKET_BYTES - OVERHEAD_BYTES
  readonly #service: string
  #isOpen = false
  #isSuspended = false
  #hasEnded = false
  #peerHasEnded = false
  #signals = 0

  /** `service`: how errors call the peer. */
  constructor(service: string, budget: ReceiveBudget) {
    this.#inbox = new DatagramQueue(DEFAULT_DATAGRAM_LIMITS, budget)
    this.#service = service
  }

  // ---- set-up ---------------------------------------------------------------------------------------------

  emitSyn(buffer: Uint8Array, offset: number): number {
    return emitDatagram({ srcPort: 0, payload: NOTHING }, 'nothing', buffer, offset)
  }

  emitSynAck(buffer: Uint8Array, offset: number): number {
    return this.emitSyn(buffer, offset)
  }

  emitThirdAck(buffer: Uint8Array, offset: number): number {
    return this.emitSyn(buffer, offset)
  }

  handleSyn({ buffer, start, end }: TransportBytes): boolean {
    return !(parseUdpHeader(buffer, start, end) instanceof WireError)
  }

  handleSynAck(synAck: TransportBytes): boolean {
    return this.handleSyn(synAck)
  }

  open(path: Path): void {
    this.#isOpen = true
    this.adopt(path)
  }

  // ---- data -----------------------------------------------------------------------------------------------

  handleData({ buffer, start, end }: TransportBytes): 'ok' | 'malformed' {
    const header = parseUdpHeader(buffer, start, end)
    if (header instanceof WireError) return 'malformed'
    const payload = buffer.slice(start + UDP_HEADER_BYTES, start + header.lengthBytes)
    // A16.2: an empty one is none.
    if (payload.length === 0 || this.#peerHasEnded) return 'ok'
    this.#inbox.put({ payload })
    this.#signals |= StreamSignal.readable
    return 'ok'
  }

  handleBatchEnd(): void {}

  emitBatch(batch: TransmitBatch, prefix: Uint8Array): boolean {
    const next = this.#isSuspended || !this.#isOpen ? undefined : this.#outbox.take()
    if (next === undefined) return false
    batch.buffer.set(prefix)
    const bytes = emitDatagram({ srcPort: 0, payload: next.payload }, 'nothing', batch.buffer, prefix.length)
    batch.setPacket(prefix.length + bytes)
    if (this.#outbox.size === 0) this.#signals |= StreamSignal.writable | StreamSignal.allAcknowledged
    return true
  }

  acknowledgeNow(): void {}

  takeSignals(): number {
    const signals = this.#signals
    this.#signals = 0
    return signals
  }

  // ---- ends -----------------------------------------------------------------------------------------------

  end(): void {
    this.#hasEnded = true
  }

  get isDone(): boolean {
    return this.#hasEnded && this.#outbox.size === 0
  }

  handleFin(): void {
    this.#peerHasEnded = true
    this.#signals |= StreamSignal.end
  }

  get receivedAll(): boolean {
    return this.#peerHasEnded
  }

  close(): void {
    this.#inbox.forgo()
  }

  // ---- the program's side ---------------------------------------------------------------------------------

  get readableBytes(): number {
    return this.#inbox.payloadBytes
  }

  get bufferedBytes(): number {
    return this.#outbox.payloadBytes
  }

  get unsentBytes(): number {
    return this.#outbox.payloadBytes
  }

  get writable(): boolean {
    return this.#outbox.size === 0
  }

  /** Throws EMSGSIZE for more than a packet holds. */
  write(chunk: Uint8Array): void {
    if (chunk.length > this.#maxBytes) {
      const [bytes, limit, service] = [chunk.length, this.#maxBytes, this.#service]
      throw new ServalError('EMSGSIZE', { syscall: 'send', service, bytes, limit })
    }
    this.#outbox.put({ payload: chunk })
  }

  read(): Uint8Array | undefined {
    return this.#inbox.take()?.payload
  }

  setKeepAlive(): void {}

  setNoDelay(): void {}

  // ---- paths and time -------------------------------------------------------------------------------------

  readonly nextTimeoutAt = Number.POSITIVE_INFINITY

  handleTimeout(): void {}

  suspend(): void {
    this.#isSuspended = true
  }

  adopt(path: Path): void {
    this.#maxBytes = path.mtu.packetBytes - OVERHEAD_BYTES
    this.#isSuspended = false
  }
}

const OVERHEAD_BYTES = RAW_DATA_PREFIX_BYTES + UDP_HEADER_BYTES
const NOTHING = new Uint8Array(0)
