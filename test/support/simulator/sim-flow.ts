/**
 * A program at one end of a flow: writes the bytes of a pattern as the stream takes them, reads and compares what
 * comes, and notes what it is told.
 */
import type { ServalError } from '../../../src/errors.ts'
import type { Flow } from '../../../src/flow/flow.ts'
import { FlowSignal } from '../../../src/flow/states.ts'
import { InvariantViolation } from './invariant-violation.ts'
import { Pattern } from './pattern.ts'

const CHUNK_BYTES = 65_536
const SIGNALS = Object.entries(FlowSignal)

/** The host of a flow, as the flow knows it. */
export interface FlowHost {
  readonly name: string
  readonly nowMs: number
  wake(): void
}

export class SimFlow {
  readonly host: FlowHost
  readonly flow: Flow
  /** What the program was told, in order: `connected`, `readable`, ... without repeats in a row. */
  readonly events: string[] = []
  sentBytes = 0
  receivedBytes = 0
  moves = 0
  /** All that is to be sent is sent once this many bytes are. */
  #toSendBytes = 0
  #endsWhenSent = false
  #isPaused = false
  readonly #outgoing: Pattern
  readonly #incoming: Pattern
  onEvent: (event: string) => void = () => undefined

  constructor(host: FlowHost, flow: Flow) {
    this.host = host
    this.flow = flow
    const clientFlowId = flow.role === 'client' ? flow.flowId : flow.peerFlowId
    const patterns = [new Pattern(clientFlowId), new Pattern(clientFlowId ^ 0x5bd1e995)] as const
    this.#outgoing = patterns[flow.role === 'client' ? 0 : 1]
    this.#incoming = patterns[flow.role === 'client' ? 1 : 0]
    flow.owner = this
  }

  /** The flowID that both ends know it by. */
  get clientFlowId(): number {
    return this.flow.role === 'client' ? this.flow.flowId : this.flow.peerFlowId
  }

  get state(): string {
    return this.flow.state
  }

  get error(): ServalError | undefined {
    return this.flow.error
  }

  get isConnected(): boolean {
    return this.events.includes('connected')
  }

  /** The peer's stream has ended, and all of it was read. */
  get isEnded(): boolean {
    return this.events.includes('end') && this.flow.readableBytes === 0
  }

  get isClosed(): boolean {
    return this.events.includes('closed')
  }

  /** Everything to be sent has been acknowledged. */
  get isDrained(): boolean {
    return this.sentBytes === this.#toSendBytes && this.flow.bufferedBytes === 0
  }

  /** Sends the next `bytes` bytes of the pattern, as the stream takes them. */
  send(bytes: number): this {
    this.#toSendBytes += bytes
    this.#pump()
    return this
  }

  /** Ends the stream behind what is to be sent. */
  end(): this {
    this.#endsWhenSent = true
    this.#pump()
    return this
  }

  close(): void {
    this.flow.close(this.host.nowMs)
    this.host.wake()
  }

  reset(): void {
    this.flow.reset(this.host.nowMs)
    this.host.wake()
  }

  /** Reads no more, until `resume`. */
  pause(): this {
    this.#isPaused = true
    return this
  }

  resume(): this {
    this.#isPaused = false
    this.#readAll()
    return this
  }

  /** Takes one chunk, paused or not. */
  readOne(): void {
    this.#take(this.flow.read())
    this.host.wake()
  }

  handleSignals(signals: number): void {
    if (signals & FlowSignal.moved) this.moves++
    for (const [name, bit] of SIGNALS) {
      if ((signals & bit) === 0 || this.events.at(-1) === name) continue
      this.events.push(name)
    }
    if (signals & FlowSignal.readable && !this.#isPaused) this.#readAll()
    if (signals & (FlowSignal.connected | FlowSignal.writable)) this.#pump()
    for (const [name, bit] of SIGNALS) if (signals & bit) this.onEvent(name)
  }

  /** The server's side of a set-up. */
  handleAccepted(): void {
    this.events.push('connected')
  }

  #readAll(): void {
    while (this.#take(this.flow.read()));
    this.host.wake()
  }

  #take(chunk: Uint8Array | undefined): boolean {
    if (chunk === undefined) return false
    if (!this.#incoming.matches(this.receivedBytes, chunk)) {
      throw new InvariantViolation(
        'prefix',
        `${this.host.name} read ${chunk.length} bytes at offset ${this.receivedBytes} that were not sent there`,
      )
    }
    this.receivedBytes += chunk.length
    return true
  }

  #pump(): void {
    while (this.sentBytes < this.#toSendBytes && this.flow.writable && this.flow.state !== 'CLOSED') {
      const end = Math.min(this.#toSendBytes, this.sentBytes + CHUNK_BYTES)
      this.flow.write(this.#outgoing.bytes(this.sentBytes, end))
      this.sentBytes = end
    }
    if (this.#endsWhenSent && this.sentBytes === this.#toSendBytes) this.flow.end(this.host.nowMs)
    this.host.wake()
  }
}
