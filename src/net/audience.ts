/** Who hears of what happens at a SAL: the programs, by their flows and listeners, and the parts of the stack. */
import type { AnyFlow } from '../flow/any-flow.ts'
import { FlowSignal } from '../flow/states.ts'
import type { SalEvent } from '../sal/news.ts'
import type { Messages } from './messages.ts'
import type { Moves } from './moves.ts'
import type { Neighbours } from './neighbours.ts'
import type { FlowHandler } from './program-scope.ts'
import type { Resolution } from './resolution.ts'
import type { StackListener } from './stack-listener.ts'
import type { Traces } from './traces.ts'

export interface AudienceParts {
  readonly moves: Moves
  readonly neighbours: Neighbours
  readonly messages: Messages
  readonly traces: Traces
  readonly resolution: Resolution
}

export class Audience {
  readonly #parts: AudienceParts

  constructor(parts: AudienceParts) {
    this.#parts = parts
  }

  hear(event: SalEvent): void {
    switch (event.type) {
      case 'accept':
        return (event.listener.owner as StackListener).accept(event.flow)
      case 'flow':
        return this.#tell(event.flow, event.signals)
      case 'traced':
        return this.#parts.traces.handleTraced(event.probe)
      case 'messages':
        return (event.listener.owner as StackListener).handleMessages()
      case 'sent':
        return this.#parts.messages.handleSent(event.datagram, event.error)
      case 'resolve':
        void this.#parts.resolution.handleResolve(event.serviceId, event.name, event.protocol)
    }
  }

  #tell(flow: AnyFlow, signals: number): void {
    const { moves, neighbours } = this.#parts
    moves.handleSignals(flow, signals)
    if (signals & FlowSignal.moved && flow.activePath) neighbours.meet(flow.activePath.remote)
    const handler = flow.owner as FlowHandler | undefined
    handler?.onSignals(flow, signals)
  }
}
