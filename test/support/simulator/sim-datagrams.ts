/** A program at one end of a flow of datagrams: sends text, keeps what it reads, and notes what it is told. */
import type { ServalError } from '../../../src/errors.ts'
import type { AnyFlow } from '../../../src/flow/any-flow.ts'
import { FlowSignal } from '../../../src/flow/states.ts'
import type { FlowHost } from './sim-flow.ts'

export class SimDatagrams {
  readonly host: FlowHost
  readonly flow: AnyFlow
  readonly received: string[] = []
  /** Names of `FlowSignal`, but for `readable`. */
  readonly events: string[] = []
  /** Reads nothing. */
  isPaused = false

  constructor(host: FlowHost, flow: AnyFlow) {
    this.host = host
    this.flow = flow
    flow.owner = this
  }

  get state(): string {
    return this.flow.state
  }

  get error(): ServalError | undefined {
    return this.flow.error
  }

  send(...texts: readonly string[]): this {
    for (const text of texts) this.flow.write(new TextEncoder().encode(text))
    this.host.wake()
    return this
  }

  close(): void {
    this.flow.close(this.host.nowMs)
    this.host.wake()
  }

  handleSignals(signals: number): void {
    for (const [name, bit] of Object.entries(FlowSignal)) {
      if (signals & bit && name !== 'readable') this.events.push(name)
    }
    if (this.isPaused) return
    for (let next = this.flow.read(); next; next = this.flow.read()) {
      this.received.push(new TextDecoder().decode(next))
    }
  }
}
