/**
 * The async context (node:async_hooks) in which a program hears of a flow: that in which it called the service or began to listen,
 * as with `node:net`, and not that of whoever else had the turn. So AsyncLocalStorage has what the program put there, each flow
 * its own.
 */
import { AsyncResource } from 'node:async_hooks'
import type { AnyFlow } from '../flow/any-flow.ts'

export interface FlowHandler {
  /** `signals`: bits of FlowSignal that have gathered. */
  onSignals(flow: AnyFlow, signals: number): void
}

export class FlowScope extends AsyncResource implements FlowHandler {
  #handler: FlowHandler | undefined

  /** In the context of the caller. `handler` may be told later, by `take`. */
  constructor(handler?: FlowHandler) {
    super('SERVALFLOW')
    this.#handler = handler
  }

  /** The program takes the flow, in the context that it is then told of it in. */
  take(onFlow: (flow: AnyFlow) => FlowHandler, flow: AnyFlow): this {
    this.#handler = this.runInAsyncScope(onFlow, undefined, flow)
    return this
  }

  onSignals(flow: AnyFlow, signals: number): void {
    const handler = this.#handler
    if (handler !== undefined) this.runInAsyncScope(handler.onSignals, handler, flow, signals)
  }
}

export class ListenerScope extends AsyncResource {
  constructor() {
    super('SERVALLISTENER')
  }

  /** Of a flow that has been accepted: as the listener's, until the program enters another. */
  newFlowScope(): FlowScope {
    return this.runInAsyncScope(() => new FlowScope())
  }
}
