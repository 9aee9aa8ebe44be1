/**
 * One end of a connection in the 2014 profile (src/wire/README.md, A5 to A13), with the connection table of all flows. What
 * differs from the native one: control packets carry a nonce in the clear instead of a tag and go one at a time; TCP's FIN
 * ends the stream, and the SAL's follows when that is acknowledged; an address is taken for what RSYN says.
 */
import { ServalError } from '../../errors.ts'
import type { FlowId } from '../../id/flow-id.ts'
import type { ServiceId } from '../../id/service-id.ts'
import type { Direction } from '../../security/keys.ts'
import type { CongestionControl } from '../../transport/congestion/congestion.ts'
import { StreamSignal } from '../../transport/stream-signals.ts'
import { readU32 } from '../../wire/bytes.ts'
import { finishRawBatch } from '../../wire/raw-ip.ts'
import { type Protocol, protocols } from '../../wire/sal-header.ts'
import type { TransmitBatch } from '../../wire/transmit-batch.ts'
import type { AnyFlow } from '../any-flow.ts'
import type { Arrival } from '../arrival.ts'
import { type FlowInfo, flowInfo } from '../flow-info.ts'
import type { Local, Path } from '../path.ts'
import type { QueueSize } from '../queue-size.ts'
import { FlowSignal, type FlowState, type MigrationState, programSignals } from '../states.ts'
import { type FlowTimer, FlowTimers } from '../timers.ts'
import type { Carriage } from './carriage.ts'
import { Connection2014 } from './connection.ts'
import { ControlSlot } from './control-slot.ts'
import { DatagramCarriage } from './datagram-carriage.ts'
import type { LastWord } from './last-words.ts'
import { Moving } from './moving.ts'
import type { OpeningOptions, Syn2014 } from './opening.ts'
import { Outbox2014 } from './outbox.ts'
import { PacketInput } from './packet-input.ts'
import { PacketWriter2014 } from './packets.ts'
import type { Context2014, Parts2014 } from './parts.ts'
import { PathInUse } from './path-2014.ts'
import { StreamCarriage } from './stream-carriage.ts'

export interface Flow2014Options extends OpeningOptions {
  readonly role: Direction
  readonly flowId: FlowId
  readonly protocol?: Protocol | undefined
  readonly newCongestion?: ((mss: number) => CongestionControl) | undefined
}

export class Flow2014 implements AnyFlow {
  readonly role: Direction
  readonly flowId: FlowId
  readonly service: ServiceId
  readonly serviceName: string | undefined
  readonly protocol: Protocol
  readonly peerPort = 0
  owner: unknown
  countedBy: { flows: number } | undefined
  pendingSignals = 0
  scheduledAt = Number.POSITIVE_INFINITY
  ready = false

  readonly #parts: Parts2014<Flow2014>
  readonly #connection: Connection2014<Flow2014>
  readonly #moving: Moving<Flow2014>
  readonly #input: PacketInput<Flow2014>
  #isReleased = false
  /** The carriage may send once more, ahead of our RST. */
  #hasLastWords = false

  constructor(options: Flow2014Options, context: Context2014<Flow2014>, nowMs: number) {
    const { role, flowId, service, serviceName, protocol = protocols.STREAM, newCongestion } = options
    this.role = role
    this.flowId = flowId
    this.service = service
    this.serviceName = serviceName
    this.protocol = protocol
    const writer = new PacketWriter2014(flowId, protocol, context.randomBytes(8), context.profile)
    const slot = new ControlSlot(readU32(context.randomBytes(4), 0))
    const path = new PathInUse(context.profile, newCongestion)
    const { limits, receiveBudget: budget } = context
    const carriage =
      protocol === protocols.STREAM
        ? new StreamCarriage({ ...limits, budget }, readU32(context.randomBytes(4), 0))
        : new DatagramCarriage(serviceName ?? service.toString(), budget)
    const outbox = new Outbox2014(slot, writer, path, () => context.wake(this))
    const timers = new FlowTimers()
    this.#parts = { flow: this, role, context, slot, outbox, writer, timers, path, carriage }
    this.#connection = new Connection2014(this.#parts, options, nowMs)
    this.#moving = new Moving(this.#parts, {
      asked: atMs => this.#connection.handleAsked(atMs),
      moved: () => context.signal(this, FlowSignal.moved),
      stalled: () => context.signal(this, FlowSignal.stalled),
    })
    this.#input = new PacketInput(this.#parts, this.#connection, this.#moving)
  }

  // ---- what the program sees ------------------------------------------------------------------------------

  get state(): FlowState {
    return this.#connection.state
  }

  get error(): ServalError | undefined {
    return this.#connection.error
  }

  get peerFlowId(): FlowId {
    return this.#parts.writer.peerFlowId
  }

  get migrationState(): MigrationState {
    return this.#moving.state
  }

  get activePath(): Path | undefined {
    return this.#parts.path.current
  }

  get readableBytes(): number {
    return this.#carriage.readableBytes
  }

  get bufferedBytes(): number {
    return this.#carriage.bufferedBytes
  }

  get unsentBytes(): number {
    return this.#carriage.unsentBytes
  }

  get writable(): boolean {
    return this.#carriage.writable
  }

  get endReceived(): boolean {
    return this.#connection.closing.isReceived && this.#carriage.receivedAll
  }

  get unfinished(): boolean {
    return this.state !== 'CLOSED' && this.state !== 'TIMEWAIT'
  }

  write(chunk: Uint8Array): void {
    if (this.#connection.isEnded) throw new ServalError('EPIPE', { syscall: 'write' })
    this.#carriage.write(chunk)
    this.#parts.context.wake(this)
  }

  read(): Uint8Array | undefined {
    const chunk = this.#carriage.read()
    if (chunk !== undefined) this.#parts.context.wake(this)
    return chunk
  }

  end(nowMs: number): void {
    if (this.#connection.isEnded) return
    this.#connection.input('end', nowMs)
    this.#afterInput(nowMs)
  }

  close(nowMs: number): void {
    const { closing } = this.#connection
    if (closing.isOrphaned || this.state === 'CLOSED') return
    closing.orphan()
    if (this.state === 'REQUEST') return this.reset(nowMs)
    if (this.readableBytes > 0) return this.#refuseUnread(nowMs)
    this.end(nowMs)
    closing.watchOrphan(nowMs)
    this.#parts.context.rearm(this)
  }

  reset(nowMs: number): void {
    if (this.state !== 'CLOSED') this.#connection.input('abort', nowMs)
  }

  setKeepAlive(intervalMs: number, nowMs: number): void {
    this.#carriage.setKeepAlive(intervalMs, nowMs)
    this.#parts.context.rearm(this)
  }

  setNoDelay(noDelay: boolean): void {
    this.#carriage.setNoDelay(noDelay)
  }

  info(): FlowInfo {
    return flowInfo(this, this.activePath ? [this.activePath] : [], this.#carriage.stats)
  }

  get queues(): readonly QueueSize[] {
    const { receiveBufferBytes } = this.#parts.context.limits
    const bytesToRead = { name: 'bytes to read', size: this.readableBytes, limit: receiveBufferBytes }
    return [this.#parts.outbox.queue, bytesToRead]
  }

  // ---- what the SAL calls ---------------------------------------------------------------------------------

  connect(nowMs: number): void {
    this.#connection.connect(nowMs)
  }

  resolved(nowMs: number): void {
    this.#connection.resolved(nowMs)
    this.#stir()
  }

  fail(error: ServalError): void {
    this.#connection.fail(error)
  }

  peerGone(nowMs: number): void {
    this.#connection.input('RST', nowMs)
  }

  /** Server: false where the SYN cannot be answered. */
  respond(syn: Syn2014, nowMs: number): boolean {
    return this.#connection.respond(syn, nowMs)
  }

  /** Server: the SYN came once more within the life of its entry; it is answered as it was. */
  repeatSyn(nowMs: number): void {
    this.#connection.input('SYN', nowMs)
  }

  /** A packet for this flow. The buffer is the flow's from now on. */
  handlePacket(arrival: Arrival, nowMs: number): void {
    if (this.state === 'CLOSED') return
    this.#input.handlePacket(arrival, nowMs)
    this.#carriage.handleBatchEnd(nowMs)
    this.#afterInput(nowMs)
  }

  move(local: Local, nowMs: number): void {
    if (!this.#connection.isMovable) return
    this.#moving.move(local, nowMs)
    this.#stir()
  }

  get waitsForAddress(): boolean {
    return this.migrationState === 'NOADDRESS'
  }

  localLost(local: Local, other: Local | undefined, nowMs: number): void {
    if (!this.#connection.isMovable) return
    if (this.activePath?.local === local) this.#moving.suspend()
    if (this.#moving.ownLocal !== local) return
    if (other) this.move(other, nowMs)
    else this.#moving.lost(nowMs)
    this.#parts.context.rearm(this)
  }

  localChanged(): void {}

  /** A packet never has more than the interface took when the path was opened: what shrinks later is for IP to cut. */
  handleTooLong(): void {}

  get nextTimeoutAt(): number {
    const { timers, path } = this.#parts
    if (this.state === 'CLOSED' || path.isSuspended) return timers.nextAt
    return Math.min(timers.nextAt, this.#carriage.nextTimeoutAt)
  }

  handleTimeout(nowMs: number): void {
    const { timers, path } = this.#parts
    for (let timer = timers.takeExpired(nowMs); timer; timer = timers.takeExpired(nowMs)) {
      this.#handleTimer(timer, nowMs)
    }
    if (this.state !== 'CLOSED' && !path.isSuspended) this.#carriage.handleTimeout(nowMs)
    this.#afterInput(nowMs)
  }

  pollTransmit(batch: TransmitBatch, nowMs: number): boolean {
    const { context, outbox } = this.#parts
    if (this.#hasLastWords) {
      this.#hasLastWords = false
      if (this.#emitData(batch, nowMs)) return true
    }
    if (outbox.write(batch)) return true
    if (this.#isReleased) return false
    if (this.state === 'CLOSED') {
      this.#isReleased = true
      this.#carriage.close()
      context.release(this)
      return false
    }
    if (!this.#connection.isOpen || !this.#emitData(batch, nowMs)) return false
    // Datagrams are done with when they have left.
    this.#heed(nowMs)
    return true
  }

  /** What its peer's FIN is answered with when the flow is gone; undefined: the peer's is not to be expected. */
  get lastWord(): LastWord | undefined {
    const { writer, slot } = this.#parts
    const { endedAt: saidAt } = this.#connection
    return saidAt === undefined
      ? undefined
      : { flowId: this.flowId, writer, verno: slot.verno, ackno: slot.ackno, saidAt }
  }

  rest(): 'ended' {
    return 'ended'
  }

  // ---- details --------------------------------------------------------------------------------------------

  get #carriage(): Carriage {
    return this.#parts.carriage
  }

  #emitData(batch: TransmitBatch, nowMs: number): boolean {
    const { writer, path } = this.#parts
    const { current } = path
    if (current === undefined || path.isSuspended || current.local.isHeld) return false
    if (!this.#carriage.emitBatch(batch, writer.dataPrefix(current), current, nowMs)) return false
    finishRawBatch(batch)
    batch.setRoute(current.local.id, current.remote)
    return true
  }

  #handleTimer(timer: FlowTimer, nowMs: number): void {
    const connection = this.#connection
    const isDead = !this.waitsForAddress && connection.isSilent(nowMs)
    switch (timer) {
      case 'setup':
      case 'deadline':
      case 'linger':
      case 'orphan':
        return connection.handleTimer(timer, nowMs)
      case 'fin':
        if (isDead) return connection.input('gaveUp', nowMs)
        if (!connection.closing.givesUpRepeating()) this.#moving.handleRepeatDue(nowMs)
        return
      case 'rsyn':
        return isDead ? connection.input('gaveUp', nowMs) : this.#moving.handleAnswerDue(nowMs)
      default:
        // The others are the native profile's.
        return
    }
  }

  #afterInput(nowMs: number): void {
    this.#heed(nowMs)
    if (this.#connection.endDeferred(nowMs)) this.#heed(nowMs)
    this.#stir()
  }

  /** What the carriage has to say, and what follows from it. */
  #heed(nowMs: number): void {
    const { context, carriage } = this.#parts
    const { closing } = this.#connection
    const signals = carriage.takeSignals()
    const bits = programSignals(signals)
    if (bits !== 0) context.signal(this, bits)
    if (signals & StreamSignal.badAck) context.count('badAck')
    if (closing.isOrphaned && carriage.readableBytes > 0) return this.#refuseUnread(nowMs)
    // A10: the SAL's FIN follows when TCP's has been acknowledged.
    if (this.state !== 'CLOSED' && closing.takeFin()) this.#moving.sendFin(nowMs)
    this.#connection.handleProgress(nowMs)
    if (signals & StreamSignal.dead) this.#connection.input('gaveUp', nowMs)
  }

  /** A12: unread data is answered with RST in place of the SAL's FIN, behind what TCP may still send, its FIN included. */
  #refuseUnread(nowMs: number): void {
    if (this.state === 'CLOSED') return
    this.#carriage.end()
    this.#hasLastWords = true
    this.reset(nowMs)
  }

  /** There may be something to send, or to wait for. */
  #stir(): void {
    this.#parts.context.wake(this)
    this.#parts.context.rearm(this)
  }
}
