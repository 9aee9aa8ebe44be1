/** What a router has to send, oldest first, with a cap: packets that find it full are lost. What goes by a full link waits. */
import type { Endpoint } from '../wire/endpoint.ts'
import type { TransmitBatch } from '../wire/transmit-batch.ts'

export const OUTPUT_LIMITS = { packets: 1024, bytes: 1 << 20 } as const

export interface Output {
  readonly bytes: Uint8Array
  readonly localId: number
  readonly remote: Endpoint
}

export class OutputQueue {
  readonly #outputs: Output[] = []
  #bytes = 0
  readonly #held = new Set<number>()

  get isEmpty(): boolean {
    return this.#outputs.length === 0
  }

  /** False: it is full. */
  push(output: Output): boolean {
    const bytes = this.#bytes + output.bytes.length
    if (this.#outputs.length === OUTPUT_LIMITS.packets || bytes > OUTPUT_LIMITS.bytes) return false
    this.#outputs.push(output)
    this.#bytes = bytes
    return true
  }

  hold(localId: number, isHeld: boolean): void {
    if (isHeld) this.#held.add(localId)
    else this.#held.delete(localId)
  }

  /** Puts the next packet into `batch`; false if there is none that need not wait. */
  poll(batch: TransmitBatch): boolean {
    const outputs = this.#outputs
    const at = this.#held.size === 0 ? 0 : outputs.findIndex(({ localId }) => !this.#held.has(localId))
    const output = at === 0 ? outputs.shift() : outputs.splice(at, at < 0 ? 0 : 1)[0]
    if (output === undefined) return false
    this.#bytes -= output.bytes.length
    batch.buffer.set(output.bytes)
    batch.setPacket(output.bytes.length)
    batch.setRoute(output.localId, output.remote)
    return true
  }
}
