/** The router's sockets, and what is to leave by them. */
import { emitShim, SHIM_BYTES } from '../wire/encapsulation.ts'
import { type Endpoint, endpointFamily } from '../wire/endpoint.ts'
import { nativeProfile } from '../wire/native-profile.ts'
import { emitPacket, packetLength, type SalPacket } from '../wire/packet.ts'
import type { TransmitBatch } from '../wire/transmit-batch.ts'
import type { RouterCounters } from './counters.ts'
import { type Output, OutputQueue } from './output-queue.ts'

/** One of the router's sockets. */
export interface RouterLocal {
  readonly id: number
  readonly endpoint: Endpoint
}

export class Exits {
  readonly #counters: Pick<RouterCounters, 'outputFull'>
  readonly #locals = new Map<number, RouterLocal>()
  readonly #output = new OutputQueue()

  constructor(counters: Pick<RouterCounters, 'outputFull'>) {
    this.#counters = counters
  }

  get isEmpty(): boolean {
    return this.#output.isEmpty
  }

  get endpoints(): readonly Endpoint[] {
    return [...this.#locals.values()].map(({ endpoint }) => endpoint)
  }

  add(local: RouterLocal): void {
    this.#locals.set(local.id, local)
  }

  remove(localId: number): void {
    this.#locals.delete(localId)
  }

  endpointOf(localId: number): Endpoint | undefined {
    return this.#locals.get(localId)?.endpoint
  }

  /** The socket that a packet came in by, if it can reach the target; else one that can. */
  towards(target: Endpoint, arrivedAt: number): number | undefined {
    const family = endpointFamily(target)
    const arrived = this.#locals.get(arrivedAt)
    if (arrived === undefined || endpointFamily(arrived.endpoint) === family) return arrivedAt
    for (const { id, endpoint } of this.#locals.values()) if (endpointFamily(endpoint) === family) return id
    return undefined
  }

  /** A full link: what goes by it waits. */
  hold(localId: number, isHeld: boolean): void {
    this.#output.hold(localId, isHeld)
  }

  /** False: nothing more fits, which is counted. `hops` undefined: as many as a packet starts with. */
  sendPacket(packet: SalPacket, hops: number | undefined, localId: number, remote: Endpoint): boolean {
    const bytes = new Uint8Array(SHIM_BYTES + packetLength(packet, nativeProfile))
    emitShim(bytes, 0, bytes.length, hops)
    emitPacket(packet, bytes, SHIM_BYTES, nativeProfile)
    return this.send({ bytes, localId, remote })
  }

  send(output: Output): boolean {
    const isTaken = this.#output.push(output)
    if (!isTaken) this.#counters.outputFull++
    return isTaken
  }

  /** Puts the next packet into `batch`; false if there is none. */
  poll(batch: TransmitBatch): boolean {
    return this.#output.poll(batch)
  }
}
