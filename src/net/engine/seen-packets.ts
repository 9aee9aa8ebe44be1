/**
 * What a worker of the router shows to whoever looks on, for its main thread to tell: copies, and no more of them than
 * that thread can take. The rest is counted.
 */
import type { Endpoint } from '../../wire/endpoint.ts'
import type { PacketTap } from '../links/link.ts'
import type { FromWorker, SeenPacket } from './worker-messages.ts'

/** Nobody reads more lines than this. */
const PACKETS_PER_MS = 10
/** So many may come at once. */
const MAX_BURST = 1000

export class SeenPackets implements PacketTap {
  readonly #nowMs: () => number
  #packets: SeenPacket[] = []
  #missed = 0
  /** Packets that may be shown. */
  #credit = MAX_BURST
  #creditedAt = 0

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs
  }

  show(buffer: Uint8Array, length: number, source: Endpoint, destination: Endpoint): void {
    if (this.#credit < 1) return this.miss(1)
    this.#credit--
    this.#packets.push({ bytes: buffer.slice(0, length), source, destination, atMs: this.#nowMs() })
  }

  miss(packets: number): void {
    this.#missed += packets
  }

  /** Hands over what has been seen since. */
  tell(tell: (message: FromWorker) => void): void {
    const now = this.#nowMs()
    this.#credit = Math.min(MAX_BURST, this.#credit + PACKETS_PER_MS * (now - this.#creditedAt))
    this.#creditedAt = now
    if (this.#packets.length === 0 && this.#missed === 0) return
    tell({ type: 'seen', packets: this.#packets, missed: this.#missed })
    this.#packets = []
    this.#missed = 0
  }
}
