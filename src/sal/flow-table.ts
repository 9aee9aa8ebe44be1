/**
 * The flow table: flowID -> flow. Packets are demultiplexed here by their destination flowID alone, never by an address
 * (NSDI 2012 section 3.3). FlowIDs are random 32-bit numbers, unique in a stack.
 */

import type { AnyFlow } from '../flow/any-flow.ts'
import { type FlowId, randomFlowId } from '../id/flow-id.ts'

export class FlowTable<F extends AnyFlow> {
  readonly #flows = new Map<FlowId, F>()
  #last: F | undefined

  get size(): number {
    return this.#flows.size
  }

  /** HOT. Packets come in runs, so the last flow found is asked first. */
  lookup(flowId: FlowId): F | undefined {
    if (this.#last?.flowId === flowId) return this.#last
    const flow = this.#flows.get(flowId)
    if (flow !== undefined) this.#last = flow
    return flow
  }

  insert(flow: F): void {
    this.#flows.set(flow.flowId, flow)
  }

  remove(flow: F): void {
    this.#flows.delete(flow.flowId)
    if (this.#last === flow) this.#last = undefined
  }

  /** A flowID that no flow here has. */
  unusedId(randomBytes: (n: number) => Uint8Array): FlowId {
    return randomFlowId(randomBytes, flowId => this.#flows.has(flowId))
  }

  [Symbol.iterator](): IterableIterator<F> {
    return this.#flows.values()
  }
}
