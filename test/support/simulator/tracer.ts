/**
 * Keeps a line for every packet, as tcpdump would at the sender, and what became of it; their SHA-256 says whether two
 * runs were the same.
 */
import { createHash } from 'node:crypto'
import { formatEndpoint } from '../../../src/wire/endpoint.ts'
import { describe, summarize } from './describe-packet.ts'
import type { EventQueue } from './event-queue.ts'
import type { Network, Packet, PacketFate, Watcher } from './network.ts'

export interface TracedPacket {
  readonly atMs: number
  /** Labels of the two ports; an address where nobody has it. */
  readonly from: string
  readonly to: string
  readonly bytes: Uint8Array
  /** One for each copy: when it arrived, or why it did not. */
  readonly fates: readonly PacketFate[]
}

export class Tracer implements Watcher {
  readonly packets: TracedPacket[] = []
  readonly #queue: EventQueue
  readonly #network: Network

  constructor(queue: EventQueue, network: Network) {
    this.#queue = queue
    this.#network = network
  }

  handleSent({ from, to, bytes }: Packet, fates: readonly PacketFate[]): void {
    const target = this.#network.find(to)
    this.packets.push({
      atMs: this.#queue.nowMs,
      from: from.label,
      to: target?.label ?? formatEndpoint(to),
      bytes: bytes.slice(),
      fates,
    })
  }

  handleDelivered(): void {}

  /** `  1003.250 client > server SYN ... -> 1013.250`. */
  lines(): string[] {
    return this.packets.map(packet => {
      const fates = packet.fates.map(fate => (typeof fate === 'number' ? fate.toFixed(3) : fate))
      return `${packet.atMs.toFixed(3).padStart(12)} ${packet.from} > ${packet.to} ${describe(packet.bytes)} -> ${fates.join(', ')}`
    })
  }

  /**
   * The packets since the last call in short: `client > server SYN`, with `(lost)` or the like behind it where no copy
   * arrived.
   */
  take(): { readonly atMs: number; readonly summary: string }[] {
    return this.packets.splice(0).map(({ atMs, from, to, bytes, fates }) => {
      const arrived = fates.some(fate => typeof fate === 'number') || fates.length === 0
      const fate = arrived ? '' : ` (${fates.join(', ')})`
      return { atMs, summary: `${from} > ${to} ${summarize(bytes)}${fate}` }
    })
  }

  hash(): string {
    const hash = createHash('sha256')
    for (const line of this.lines()) hash.update(line).update('\n')
    return hash.digest('hex')
  }
}
