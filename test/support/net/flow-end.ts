/** One end of a flow for tests: a FlowHandler that gathers what happens, and promises for it. */
import type { AnyFlow } from '../../../src/flow/any-flow.ts'
import { FlowSignal } from '../../../src/flow/states.ts'
import { nowMs } from '../../../src/net/clock.ts'
import type { FlowHandler, ServiceTarget, Stack } from '../../../src/net/stack.ts'

export class FlowEnd implements FlowHandler {
  readonly stack: Stack
  /** All signals seen. */
  signals = 0
  /** What has been read; with `keeps` false only counted. */
  readonly chunks: Uint8Array[] = []
  bytes = 0
  keeps = true
  /** While true nothing is read, so the window closes. */
  paused = false
  onChunk: ((chunk: Uint8Array) => void) | undefined
  #flow: AnyFlow | undefined
  readonly #waiters: { readonly until: () => boolean; resolve(): void }[] = []

  constructor(stack: Stack) {
    this.stack = stack
  }

  /** A client's end. Set-up is given longer than by default: the machine may do much besides. */
  static connect(stack: Stack, target: ServiceTarget, timeoutMs = 60_000): FlowEnd {
    const end = new FlowEnd(stack)
    end.attach(stack.connect(target, { timeoutMs }, end))
    return end
  }

  get flow(): AnyFlow {
    if (this.#flow === undefined) throw new Error('no flow yet')
    return this.#flow
  }

  get text(): string {
    return Buffer.concat(this.chunks).toString()
  }

  attach(flow: AnyFlow): this {
    this.#flow = flow
    return this
  }

  onSignals(flow: AnyFlow, signals: number): void {
    this.#flow = flow
    this.signals |= signals
    this.#read()
    this.#settle()
  }

  write(data: string | Uint8Array): void {
    this.flow.write(typeof data === 'string' ? new TextEncoder().encode(data) : data)
    this.stack.wake()
  }

  end(data?: string | Uint8Array): void {
    if (data !== undefined) this.write(data)
    this.flow.end(nowMs())
    this.stack.wake()
  }

  resume(): void {
    this.paused = false
    this.#read()
    this.stack.wake()
    this.#settle()
  }

  /** Resolves when all of these signals have been seen; rejects with the flow's error if it closes before. */
  seen(signals: number): Promise<void> {
    return this.until(() => (this.signals & signals) === signals)
  }

  /** The error that the flow closed with; undefined: an orderly close. */
  async closed(): Promise<Error | undefined> {
    await this.#either(() => this.#isClosed)
    return this.flow.error
  }

  /** Resolves when `condition` holds; rejects with the flow's error if it closes before. */
  async until(condition: () => boolean): Promise<void> {
    await this.#either(() => condition() || this.#isClosed)
    if (!condition()) throw this.flow.error ?? new Error('the flow closed')
  }

  get #isClosed(): boolean {
    return (this.signals & FlowSignal.closed) !== 0
  }

  /** Looks after each signal. */
  #either(condition: () => boolean): Promise<void> {
    if (condition()) return Promise.resolve()
    return new Promise(resolve => this.#waiters.push({ until: condition, resolve }))
  }

  #read(): void {
    if (this.paused) return
    for (let chunk = this.flow.read(); chunk !== undefined; chunk = this.flow.read()) {
      this.bytes += chunk.length
      this.onChunk?.(chunk)
      if (this.keeps) this.chunks.push(chunk)
    }
  }

  #settle(): void {
    for (const waiter of this.#waiters.splice(0)) {
      if (waiter.until()) waiter.resolve()
      else this.#waiters.push(waiter)
    }
  }
}

/** Serves a service with ends that the test is told of; resolves as `Stack.listen`. */
export async function accepting(stack: Stack, target: ServiceTarget, onEnd: (end: FlowEnd) => void) {
  return stack.listen(target, {}, flow => {
    const end = new FlowEnd(stack).attach(flow)
    onEnd(end)
    return end
  })
}

/** Sends back what comes, and ends when the peer does. */
export function echo(end: FlowEnd): void {
  end.keeps = false
  end.onChunk = chunk => end.flow.write(chunk)
  void end.seen(FlowSignal.end).then(
    () => end.end(),
    () => undefined,
  )
}

/** Writes `bytes` of `chunk` over and over, as fast as the peer takes them, and ends. */
export async function pour(end: FlowEnd, chunk: Uint8Array, bytes: number): Promise<void> {
  for (let sent = 0; sent < bytes; sent += chunk.length) {
    await end.until(() => end.flow.writable)
    end.write(chunk.subarray(0, Math.min(chunk.length, bytes - sent)))
  }
  end.end()
}
