/** What the program has not heard of yet, in the order in which it will. Signals of one flow gather until they are told. */
import type { AnyFlow } from '../flow/any-flow.ts'
import type { ServiceId } from '../id/service-id.ts'
import type { Protocol } from '../wire/sal-header.ts'
import type { DatagramEvent } from './datagrams.ts'
import type { Listener } from './listener.ts'
import type { TraceProbe } from './tracer.ts'

export type SalEvent =
  /** A listener has a new flow, set up. */
  | { readonly type: 'accept'; readonly listener: Listener; readonly flow: AnyFlow }
  /** Bits of FlowSignal that have gathered since the last event of this flow. */
  | { readonly type: 'flow'; readonly flow: AnyFlow; readonly signals: number }
  | { readonly type: 'traced'; readonly probe: TraceProbe }
  /** A DELAY rule holds flows or datagrams of a protocol: insert a rule and call `resolved`, or call `unresolved`. */
  | {
      readonly type: 'resolve'
      readonly serviceId: ServiceId
      readonly name: string | undefined
      readonly protocol: Protocol
    }
  | DatagramEvent

export class News {
  /** A flow stands for the signals that it has pending. */
  readonly #items: (AnyFlow | Exclude<SalEvent, { type: 'flow' }>)[] = []

  get count(): number {
    return this.#items.length
  }

  tell(event: Exclude<SalEvent, { type: 'flow' }>): void {
    this.#items.push(event)
  }

  /** Adds bits of FlowSignal to what is told of a flow. */
  signal(flow: AnyFlow, bits: number): void {
    if (flow.pendingSignals === 0) this.#items.push(flow)
    flow.pendingSignals |= bits
  }

  /** The next thing that the program should hear of. */
  take(): SalEvent | undefined {
    const next = this.#items.shift()
    if (next === undefined || 'type' in next) return next
    const signals = next.pendingSignals
    next.pendingSignals = 0
    return { type: 'flow', flow: next, signals }
  }
}
