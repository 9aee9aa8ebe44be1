/** The shell of a simulated node: drives a core as `net` does, by handling, draining and re-arming one timer. */
import type { Endpoint } from '../../../src/wire/endpoint.ts'
import type { TransmitBatch } from '../../../src/wire/transmit-batch.ts'
import type { EventQueue } from './event-queue.ts'
import type { Network, Node, Port } from './network.ts'

/** What hosts' and routers' cores have in common. */
export interface Core {
  readonly nextTimeoutAt: number
  handleDatagram(buffer: Uint8Array, length: number, localId: number, remote: Endpoint, nowMs: number): void
  handleTimeout(nowMs: number): void
  pollTransmit(batch: TransmitBatch, nowMs: number): boolean
}

/** What a node needs of its world. */
export interface Surroundings {
  readonly queue: EventQueue
  readonly network: Network
  /** Filled by one node at a time. */
  readonly batch: TransmitBatch
  /** `node` has done something: time to look at it. */
  inspect(node: SimNode): void
}

/** Datagrams that wait to be handed over as one buffer, as UDP_GRO does it. */
interface Merged {
  readonly port: Port
  readonly remote: Endpoint
  readonly segmentBytes: number
  readonly parts: Uint8Array[]
  bytes: number
}

/** What the kernel merges at most. */
const MAX_MERGED_PACKETS = 64
const MAX_MERGED_BYTES = 65_507

export abstract class SimNode implements Node {
  readonly name: string
  readonly world: Surroundings
  readonly ports = new Map<number, Port>()
  protected abstract readonly core: Core
  /** Datagrams that come within so long are handed over together; undefined: each by itself. */
  readonly #mergeMs: number | undefined
  #wakeAt = Number.POSITIVE_INFINITY
  #isWaking = false
  #merged: Merged | undefined

  constructor(name: string, world: Surroundings, mergeMs?: number) {
    this.name = name
    this.world = world
    this.#mergeMs = mergeMs
  }

  get nowMs(): number {
    return this.world.queue.nowMs
  }

  receive(bytes: Uint8Array, port: Port, remote: Endpoint): void {
    if (this.#mergeMs === undefined) this.#handOver(bytes, port, remote)
    else this.#merge(bytes, port, remote, this.#mergeMs)
  }

  /** The program has asked for something: the core's answer goes out at this same instant. */
  wake(): void {
    if (this.#isWaking) return
    this.#isWaking = true
    this.world.queue.at(this.nowMs, () => {
      this.#isWaking = false
      this.#drain()
    })
  }

  /** Tells the program what the core has to say. */
  protected drainEvents(): void {}

  #handOver(buffer: Uint8Array, port: Port, remote: Endpoint): void {
    this.core.handleDatagram(buffer, buffer.length, port.id, remote, this.nowMs)
    this.#drain()
  }

  #drain(): void {
    const { batch, network } = this.world
    this.drainEvents()
    while (this.core.pollTransmit(batch, this.nowMs)) {
      const port = this.ports.get(batch.localId)
      if (port === undefined) continue
      const { buffer, length, remote, packets } = batch
      const step = packets > 1 ? batch.segmentBytes : length
      for (let start = 0; start < length; start += step) {
        network.send(port, remote, buffer.slice(start, Math.min(start + step, length)))
      }
    }
    this.#arm()
    this.world.inspect(this)
  }

  #arm(): void {
    const at = this.core.nextTimeoutAt
    if (at >= this.#wakeAt || at === Number.POSITIVE_INFINITY) return
    this.#wakeAt = at
    this.world.queue.at(at, () => this.#tick())
  }

  #tick(): void {
    if (this.#wakeAt > this.nowMs) return
    this.#wakeAt = Number.POSITIVE_INFINITY
    this.core.handleTimeout(this.nowMs)
    this.#drain()
  }

  #merge(bytes: Uint8Array, port: Port, remote: Endpoint, mergeMs: number): void {
    const merged = this.#merged
    const last = merged?.parts.at(-1)
    if (
      merged === undefined ||
      merged.port !== port ||
      merged.remote !== remote ||
      last?.length !== merged.segmentBytes ||
      bytes.length > merged.segmentBytes ||
      merged.parts.length === MAX_MERGED_PACKETS ||
      merged.bytes + bytes.length > MAX_MERGED_BYTES
    ) {
      this.#flush()
      const opened = { port, remote, segmentBytes: bytes.length, parts: [bytes], bytes: bytes.length }
      this.#merged = opened
      this.world.queue.at(this.nowMs + mergeMs, () => {
        if (this.#merged === opened) this.#flush()
      })
      return
    }
    merged.parts.push(bytes)
    merged.bytes += bytes.length
  }

  #flush(): void {
    const merged = this.#merged
    if (merged === undefined) return
    this.#merged = undefined
    const buffer = new Uint8Array(merged.bytes)
    let at = 0
    for (const part of merged.parts) {
      buffer.set(part, at)
      at += part.length
    }
    this.#handOver(buffer, merged.port, merged.remote)
  }
}
