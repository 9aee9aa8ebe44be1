/**
 * A program at one end of a flow: writes the bytes of a pattern as the stream takes them, reads and compares what
 * comes, and notes what it is told.
 */
import { createHash, type Hash } from 'node:crypto'
import type { ServalError } from '../../../src/errors.ts'
import type { AnyFlow } from '../../../src/flow/any-flow.ts'
import { FlowSignal } from '../../../src/flow/states.ts'
import { InvariantViolation } from './invariant-violation.ts'
import { Pattern } from './pattern.ts'

const CHUNK_BYTES = 65_536
const SIGNALS = Object.entries(FlowSignal)
const { connected, readable, writable, end, closed, moved } = FlowSignal

/** The host of a flow, as the flow knows it. */
export interface FlowHost {
  readonly name: string
  readonly nowMs: number
  /** Whether flows keep hashes of what they write and read. */
  readonly hashes: boolean
  wake(): void
}

export class SimFlow {
  readonly host: FlowHost
  readonly flow: AnyFlow
  /** What the program was told, in order: `connected`, `readable`, ... without repeats in a row. */
  readonly events: string[] = []
  sentBytes = 0
  receivedBytes = 0
  moves = 0
  /** Reads what comes, whatever it is: for tests that corrupt what no checksum covers. */
  takesAnything = false
  /** Bits of all it was ever told. */
  #told = 0
  /** All that is to be sent is sent once this many bytes are. */
  #toSendBytes = 0
  #endsWhenSent = false
  #isPaused = false
  readonly #sentHash: Hash | undefined
  readonly #receivedHash: Hash | undefined
  readonly #outgoing: Pattern
  readonly #incoming: Pattern
  onEvent: (event: string) => void = () => undefined

  constructor(host: FlowHost, flow: AnyFlow) {
    this.host = host
    this.flow = flow
    const clientFlowId = flow.role === 'client' ? flow.flowId : flow.peerFlowId
    const patterns = [new Pattern(clientFlowId), new Pattern(clientFlowId ^ 0x5bd1e995)] as const
    this.#outgoing = patterns[flow.role === 'client' ? 0 : 1]
    this.#incoming = patterns[flow.role === 'client' ? 1 : 0]
    flow.owner = this
    if (!host.hashes) return
    this.#sentHash = createHash('sha256')
    this.#receivedHash = createHash('sha256')
  }

  /** The flowID that both ends know it by. */
  get clientFlowId(): number {
    return this.flow.role === 'client' ? this.flow.flowId : this.flow.peerFlowId
  }

  /** SHA-256 of what was written, where the world keeps hashes. */
  get sentHash(): string | undefined {
    return this.#sentHash?.copy().digest('hex')
  }

  /** The same of what was read. */
  get receivedHash(): string | undefined {
    return this.#receivedHash?.copy().digest('hex')
  }

  get state(): string {
    return this.flow.state
  }

  get error(): ServalError | undefined {
    return this.flow.error
  }

  get isConnected(): boolean {
    return (this.#told & connected) !== 0
  }

  /** The peer's stream has ended, and all of it was read. */
  get isEnded(): boolean {
    return (this.#told & end) !== 0 && this.flow.readableBytes === 0
  }

  get isClosed(): boolean {
    return (this.#told & closed) !== 0
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

  /** The same, without heeding how much the stream has taken already. */
  sendAtOnce(bytes: number): this {
    this.#toSendBytes += bytes
    while (this.sentBytes < this.#toSendBytes) this.#write()
    this.host.wake()
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
    if (signals & moved) this.moves++
    this.#told |= signals
    for (const [name, bit] of SIGNALS) {
      if ((signals & bit) === 0 || this.events.at(-1) === name) continue
      this.events.push(name)
    }
    if (signals & readable && !this.#isPaused) this.#readAll()
    if (signals & (connected | writable)) this.#pump()
    for (const [name, bit] of SIGNALS) if (signals & bit) this.onEvent(name)
  }

  /** The server's side of a set-up. */
  handleAccepted(): void {
    this.#told |= connected
    this.events.push('connected')
  }

  #readAll(): void {
    while (this.#take(this.flow.read()));
    this.host.wake()
  }

  #take(chunk: Uint8Array | undefined): boolean {
    if (chunk === undefined) return false
    if (!this.takesAnything && !this.#incoming.matches(this.receivedBytes, chunk)) {
      throw new InvariantViolation(
        'prefix',
        `${this.host.name} read ${chunk.length} bytes at offset ${this.receivedBytes} that were not sent there`,
      )
    }
    this.receivedBytes += chunk.length
    this.#receivedHash?.update(chunk)
    return true
  }

  #pump(): void {
    while (this.sentBytes < this.#toSendBytes && this.flow.writable && this.flow.state !== 'CLOSED')
      this.#write()
    if (this.#endsWhenSent && this.sentBytes === this.#toSendBytes) this.flow.end(this.host.nowMs)
    this.host.wake()
  }

  #write(): void {
    const end = Math.min(this.#toSendBytes, this.sentBytes + CHUNK_BYTES)
    const chunk = this.#outgoing.bytes(this.sentBytes, end)
    this.#sentHash?.update(chunk)
    this.flow.write(chunk)
    // The memory is the program's again.
    chunk.fill(0)
    this.sentBytes = end
  }
}
