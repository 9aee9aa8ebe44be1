/**
 * A flow: one end of a connection to a service. It hands each thing that happens to the part that it concerns, and speaks
 * to its SAL through `FlowContext` only.
 *
 *   SAL -- handlePacket, handleData, handleTimeout --> Flow --> ControlInput, Connection, Mobility, FlowTransport
 *   SAL <-- pollTransmit ----------------------------- Flow <-- FlowOutput <-- Outbox (control packets), FlowTransport (data)
 *   program -- write, read, end, reset --------------> Flow -- signals --> program
 *
 * control-input.ts reads the peer's control packets. connection.ts runs the connection table, with opening.ts and closing.ts;
 * mobility.ts changes addresses, with migration.ts, rebinding.ts and path-search.ts; flow-stream.ts keeps the stream, or
 * flow-datagrams.ts the datagrams. control-packet.ts writes control packets, control-channel.ts numbers them, outbox.ts keeps those due.
 */
import { ServalError } from '../errors.ts'
import type { FlowId } from '../id/flow-id.ts'
import type { ServiceId } from '../id/service-id.ts'
import type { Direction } from '../security/keys.ts'
import type { CongestionControl } from '../transport/congestion/congestion.ts'
import { StreamSignal } from '../transport/stream-signals.ts'
import { readU32 } from '../wire/bytes.ts'
import type { Endpoint } from '../wire/endpoint.ts'
import { type Protocol, protocols } from '../wire/sal-header.ts'
import type { TransmitBatch } from '../wire/transmit-batch.ts'
import type { WireError } from '../wire/wire-error.ts'
import type { AnyFlow } from './any-flow.ts'
import { type Arrival, arrivalBytes } from './arrival.ts'
import { Connection } from './connection.ts'
import { ControlChannel } from './control-channel.ts'
import { ControlInput } from './control-input.ts'
import { ControlPacketWriter } from './control-packet.ts'
import type { FlowContext } from './flow-context.ts'
import { FlowDatagrams } from './flow-datagrams.ts'
import { type FlowInfo, flowInfo } from './flow-info.ts'
import { FlowOutput } from './flow-output.ts'
import type { FlowParts, PeerControl } from './flow-parts.ts'
import { FlowStream } from './flow-stream.ts'
import type { FlowTransport } from './flow-transport.ts'
import { Mobility } from './mobility.ts'
import { Outbox } from './outbox.ts'
import type { Local, Path } from './path.ts'
import { PathSet } from './path-set.ts'
import { type QueueSize, queuesOf } from './queue-size.ts'
import { type FlowState, type MigrationState, programSignals } from './states.ts'
import { type FlowTimer, FlowTimers } from './timers.ts'

export interface FlowOptions {
  readonly role: Direction
  readonly flowId: FlowId
  /** The service contacted. */
  readonly service: ServiceId
  /** Its name, where the program gave one. */
  readonly serviceName?: string
  /** How long set-up may take, ms. */
  readonly timeoutMs: number
  /** What it carries; default: a stream. */
  readonly protocol?: Protocol | undefined
  /** Of datagrams: the port of this host that they are from; default: none. */
  readonly port?: number | undefined
  /** Makes the congestion control of each path; default: the transport's. */
  readonly newCongestion?: (mss: number) => CongestionControl
}

export class Flow implements AnyFlow {
  readonly role: Direction
  readonly flowId: FlowId
  readonly service: ServiceId
  readonly serviceName: string | undefined
  /** The shell's own reference (a socket); the core never reads it. */
  owner: unknown
  countedBy: { flows: number } | undefined
  /** The SAL's own: bits of FlowSignal that the program has not heard of yet, and the flow's place in the schedule. */
  pendingSignals = 0
  scheduledAt = Number.POSITIVE_INFINITY
  ready = false

  readonly #parts: FlowParts<Flow>
  readonly #transport: FlowTransport
  readonly #connection: Connection<Flow>
  readonly #mobility: Mobility<Flow>
  readonly #control: ControlInput<Flow>
  readonly #output: FlowOutput<Flow>

  constructor(options: FlowOptions, context: FlowContext<Flow>, nowMs: number) {
    const { role, flowId, service, serviceName, timeoutMs, newCongestion } = options
    const { protocol = protocols.STREAM, port = 0 } = options
    this.role = role
    this.flowId = flowId
    this.service = service
    this.serviceName = serviceName
    const { profile } = context
    const channel = new ControlChannel<PeerControl>(readU32(context.randomBytes(4), 0))
    this.#parts = {
      flow: this,
      role,
      context,
      channel,
      outbox: new Outbox(),
      timers: new FlowTimers(),
      paths: new PathSet(newCongestion),
      writer: new ControlPacketWriter({ role, flowId, service, channel, profile, protocol }),
    }
    this.#transport =
      protocol === protocols.STREAM
        ? new FlowStream(this.#parts)
        : new FlowDatagrams(this.#parts, port, serviceName ?? service.toString())
    this.#connection = new Connection(this.#parts, this.#transport, timeoutMs, nowMs)
    this.#mobility = new Mobility(this.#parts, this.#transport, this.#connection)
    this.#control = new ControlInput(this.#parts, this.#transport, this.#connection, this.#mobility)
    this.#output = new FlowOutput(this.#parts, this.#transport, this.#connection, this.#mobility)
  }

  // ---- what the program sees ------------------------------------------------------------------------------

  /** What it carries. */
  get protocol(): Protocol {
    return this.#transport.protocol
  }

  /** Of datagrams: the port of the peer's host that they are from, as it says; 0: none. */
  get peerPort(): number {
    return this.#transport.peerPort
  }

  get state(): FlowState {
    return this.#connection.state
  }

  /** Why the flow closed; undefined while it lives, and after an orderly close. */
  get error(): ServalError | undefined {
    return this.#connection.error
  }

  get peerFlowId(): FlowId {
    return this.#parts.writer.peerFlowId
  }

  get migrationState(): MigrationState {
    return this.#mobility.state
  }

  get activePath(): Path | undefined {
    return this.#parts.paths.active
  }

  /** Bytes that can be read now. */
  get readableBytes(): number {
    return this.#transport.readableBytes
  }

  /** Bytes written that the peer has not acknowledged. */
  get bufferedBytes(): number {
    return this.#transport.bufferedBytes
  }

  /** Bytes written that have never left. */
  get unsentBytes(): number {
    return this.#transport.unsentBytes
  }

  /** Whether the send buffer is below its high-water mark. */
  get writable(): boolean {
    return this.#transport.writable
  }

  /** Whether every byte that the peer sent, to its end of stream, has come. */
  get endReceived(): boolean {
    return this.#transport.receivedAll
  }

  /** Queues a copy of `chunk`. Throws EPIPE after `end`. */
  write(chunk: Uint8Array): void {
    if (this.#connection.isEnded || this.state === 'CLOSED')
      throw new ServalError('EPIPE', { syscall: 'write' })
    this.#transport.write(chunk)
    this.#parts.context.wake(this)
  }

  /** The next bytes in order, or undefined. The caller owns them. */
  read(): Uint8Array | undefined {
    const chunk = this.#transport.read()
    if (chunk !== undefined) this.#parts.context.wake(this)
    return chunk
  }

  /** No more will be written: the peer sees the end of the stream behind the last byte. */
  end(nowMs: number): void {
    this.#connection.end(nowMs)
  }

  /** Lets go of the flow: what was written still goes out, what comes in is answered with a reset. */
  close(nowMs: number): void {
    this.#connection.letGo(nowMs)
  }

  /** Ends the flow at once; the peer's program sees ECONNRESET. */
  reset(nowMs: number): void {
    this.#connection.abort(nowMs)
  }

  /** Probes an idle peer every `intervalMs`; 0 stops. */
  setKeepAlive(intervalMs: number, nowMs: number): void {
    this.#transport.setKeepAlive(intervalMs, nowMs)
    this.#parts.context.rearm(this)
  }

  /** Whether small writes are sent at once; they are, by default. */
  setNoDelay(noDelay: boolean): void {
    this.#transport.setNoDelay(noDelay)
  }

  info(): FlowInfo {
    return flowInfo(this, this.#parts.paths.all, this.#transport.stats)
  }

  /** What the peer makes this flow keep. */
  get queues(): readonly QueueSize[] {
    const candidates = this.#mobility.migration?.candidates.length ?? 0
    return queuesOf(this.#parts, candidates, this.readableBytes)
  }

  /** Whether something of this flow still has to reach the peer, so that the process should not end. */
  get unfinished(): boolean {
    return this.state !== 'CLOSED' && this.state !== 'TIMEWAIT'
  }

  // ---- what the SAL calls ---------------------------------------------------------------------------------

  /** Client: begins the set-up. */
  connect(nowMs: number): void {
    this.#connection.connect(nowMs)
  }

  /** Client: the service could not be resolved before, and may be now. */
  resolved(nowMs: number): void {
    this.#connection.resolved(nowMs)
  }

  /** Client: the set-up has failed for good. */
  fail(error: ServalError): void {
    this.#connection.fail(error)
  }

  /** Server: a SYN for one of this host's listeners came; the answer goes to `replyTo`. */
  respond(syn: Arrival, replyTo: Endpoint, nowMs: number): void {
    this.#connection.respond(syn, replyTo, nowMs)
  }

  /** Server: a copy of the SYN; it may have come another way. */
  repeatSyn(bytes: number, nowMs: number): void {
    const path = this.activePath
    if (path) path.credit.receivedBytes += bytes
    this.#connection.input('SYN', nowMs)
  }

  /** The peer's process has ended. */
  peerGone(nowMs: number): void {
    this.#connection.input('RST', nowMs)
  }

  /** HOT. Whether untagged data from there is believed: the address is proven, and set-up is over. */
  believes(srcFlowId: FlowId, remote: Endpoint): boolean {
    const { writer, paths } = this.#parts
    return srcFlowId === writer.peerFlowId && this.state !== 'RESPOND' && paths.proves(remote)
  }

  /**
   * HOT. What a packet carries that `believes` let pass; or a run of them, joined, each but the last one with
   * `segmentBytes` of payload (wire/segment-run.ts).
   */
  handleData(
    buffer: Uint8Array,
    start: number,
    end: number,
    nowMs: number,
    segmentBytes = 0,
  ): WireError | undefined {
    const path = this.#parts.paths.active
    if (path === undefined) return undefined
    const error = this.#transport.handlePayload(buffer, start, end, path.transport, nowMs, segmentBytes)
    if (error === undefined) this.#connection.handleHeard(nowMs)
    return error
  }

  /** HOT. A received buffer has been handled: time to decide on acknowledging, and to tell the program. */
  handleBatchEnd(nowMs: number): void {
    this.#transport.handleBatchEnd(nowMs)
    this.#afterInput(nowMs)
  }

  /** Plain data of this flow's, from an address that the peer has not proven. */
  handleUnproven(arrival: Arrival, nowMs: number): void {
    const { context } = this.#parts
    this.#mobility.rebinding.handleUnproven(arrival.local, arrival.remote, arrivalBytes(arrival), nowMs)
    context.wake(this)
    context.rearm(this)
  }

  /** A packet for this flow that is more than plain data. */
  handlePacket(arrival: Arrival, nowMs: number): void {
    this.#control.handlePacket(arrival, nowMs)
    this.handleBatchEnd(nowMs)
  }

  /** A new address of this host's has come, or one of it has been chosen, for this flow. */
  move(local: Local, nowMs: number): void {
    this.#mobility.move(local, nowMs)
  }

  /** Whether the flow waits for an address, or for one from which its peer can be reached. */
  get waitsForAddress(): boolean {
    return this.#mobility.waitsForAddress
  }

  /** `local` has gone; `other` is the best of what is left. */
  localLost(local: Local, other: Local | undefined, nowMs: number): void {
    this.#mobility.localLost(local, other, nowMs)
  }

  /** The interface of `local` has changed. */
  localChanged(local: Local): void {
    this.#mobility.localChanged(local)
  }

  /** The system has refused a packet from `local`, to `remote` if that is known, as too long. */
  handleTooLong(localId: number, remote: Endpoint | undefined): void {
    this.#mobility.handleTooLong(localId, remote)
  }

  get nextTimeoutAt(): number {
    return Math.min(this.#parts.timers.nextAt, this.#transport.nextTimeoutAt)
  }

  handleTimeout(nowMs: number): void {
    const { timers, paths } = this.#parts
    for (let timer = timers.takeExpired(nowMs); timer; timer = timers.takeExpired(nowMs)) {
      this.#handleTimer(timer, nowMs)
    }
    if (this.#transport.handleTimeout(nowMs) && paths.active) {
      this.#mobility.search.handleTimeout(paths.active, this.#transport)
    }
    this.#afterInput(nowMs)
  }

  /** HOT. Writes what is to be sent next; false when there is nothing. */
  pollTransmit(batch: TransmitBatch, nowMs: number): boolean {
    const isFilled = this.#output.pollTransmit(batch, nowMs)
    if (isFilled) this.#tell()
    return isFilled
  }

  /**
   * Keeps of the stream only where it stands, if nothing has happened on it for a while. `ended`: it will not come to that
   * any more.
   */
  rest(nowMs: number): 'resting' | 'awake' | 'ended' {
    if (this.#connection.isClosing) return 'ended'
    if (this.#transport.isSuspended || this.migrationState !== 'INITIAL') return 'awake'
    return this.#transport.rest(nowMs) ? 'resting' : 'awake'
  }

  // ---- input ----------------------------------------------------------------------------------------------

  #handleTimer(timer: FlowTimer, nowMs: number): void {
    switch (timer) {
      case 'rsyn':
        if (this.#isPeerDead(nowMs)) return this.#connection.input('gaveUp', nowMs)
        return this.#mobility.migrating.handleRsynDue(nowMs)
      case 'candidates':
        return this.#mobility.migrating.handleCandidatesDue(nowMs)
      case 'rebinding':
        return this.#mobility.rebinding.handleDue(nowMs)
      case 'probe':
        return this.#control.handleProbeDue(nowMs)
      default:
        return this.#connection.handleTimer(timer, this.#isPeerDead(nowMs), nowMs)
    }
  }

  /** It owes an answer, and it is not we who cannot be reached. */
  #isPeerDead(nowMs: number): boolean {
    return !this.waitsForAddress && this.#connection.isSilent(nowMs)
  }

  /** HOT. What the stream has to say, and what follows from it. */
  #afterInput(nowMs: number): void {
    const { context } = this.#parts
    const signals = this.#tell()
    this.#connection.handleProgress(nowMs)
    if (signals & StreamSignal.dead) this.#connection.input('gaveUp', nowMs)
    context.wake(this)
    context.rearm(this)
  }

  #tell(): number {
    const signals = this.#transport.takeSignals()
    const bits = programSignals(signals)
    if (bits !== 0) this.#parts.context.signal(this, bits)
    if (signals & StreamSignal.badAck) this.#parts.context.count('badAck')
    return signals
  }
}
