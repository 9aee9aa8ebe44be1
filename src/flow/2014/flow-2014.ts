/**
 * One end of a connection in the 2014 profile (src/wire/README.md, A5 to A13), with the connection table of all flows. What
 * differs from the native one: control packets carry a nonce in the clear instead of a tag and go one at a time; TCP's FIN
 * ends the stream, and the SAL's follows when that is acknowledged; an address is taken for what RSYN says.
 *
 * Where the prototype obeys anybody this end asks for the nonce: it is in every control packet that a flow sends.
 */
import { ServalError } from '../../errors.ts'
import type { FlowId } from '../../id/flow-id.ts'
import type { ServiceId } from '../../id/service-id.ts'
import type { Direction } from '../../security/keys.ts'
import type { CongestionControl } from '../../transport/congestion/congestion.ts'
import { StreamSignal } from '../../transport/stream-signals.ts'
import { readU32 } from '../../wire/bytes.ts'
import type { Endpoint } from '../../wire/endpoint.ts'
import { type ControlExtension, controlFlags, KNOWN_CONTROL_FLAGS } from '../../wire/extensions/control.ts'
import { finishRawBatch } from '../../wire/raw-ip.ts'
import { type Protocol, protocols } from '../../wire/sal-header.ts'
import type { TransmitBatch } from '../../wire/transmit-batch.ts'
import type { AnyFlow } from '../any-flow.ts'
import type { Arrival } from '../arrival.ts'
import { type ConnectionAction, type ConnectionInput, connectionTable } from '../connection-table.ts'
import { type FlowInfo, flowInfo } from '../flow-info.ts'
import type { Local, Path } from '../path.ts'
import type { QueueSize } from '../queue-size.ts'
import { FlowSignal, type FlowState, hasPeer, type MigrationState } from '../states.ts'
import { type FlowTimer, FlowTimers } from '../timers.ts'
import { type Carriage, type TransportBytes, transportOf } from './carriage.ts'
import { Closing2014 } from './closing.ts'
import { ControlSlot } from './control-slot.ts'
import { DatagramCarriage } from './datagram-carriage.ts'
import { Moving } from './moving.ts'
import { Opening2014, type OpeningOptions, type Syn2014 } from './opening.ts'
import { Outbox2014 } from './outbox.ts'
import { PacketWriter2014 } from './packets.ts'
import type { Context2014, Parts2014 } from './parts.ts'
import { PathInUse } from './path-2014.ts'
import { StreamCarriage } from './stream-carriage.ts'

const { SYN, RSYN, ACK, RST, FIN } = controlFlags
const RSYN_ACK = RSYN | ACK

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
  error: ServalError | undefined

  readonly #context: Context2014<Flow2014>
  readonly #parts: Parts2014<Flow2014>
  readonly #carriage: Carriage
  readonly #path: PathInUse
  readonly #timers = new FlowTimers()
  readonly #opening: Opening2014<Flow2014>
  readonly #moving: Moving<Flow2014>
  readonly #closing: Closing2014<Flow2014>
  #state: FlowState = 'INIT'
  /** The program has ended its stream before the set-up was done. */
  #endsEarly = false
  #heardAt: number
  /** When the peer was last asked for something new: its silence before does not count against it. */
  #askedAt: number
  #isReleased = false
  /** The carriage may send once more, ahead of our RST. */
  #hasLastWords = false

  constructor(options: Flow2014Options, context: Context2014<Flow2014>, nowMs: number) {
    const { role, flowId, service, serviceName, protocol = protocols.STREAM, newCongestion } = options
    const { profile } = context
    this.role = role
    this.flowId = flowId
    this.service = service
    this.serviceName = serviceName
    this.protocol = protocol
    this.#context = context
    this.#heardAt = this.#askedAt = nowMs
    const writer = new PacketWriter2014(flowId, protocol, context.randomBytes(8), profile)
    const slot = new ControlSlot(readU32(context.randomBytes(4), 0))
    this.#carriage = this.#newCarriage()
    this.#path = new PathInUse(profile, newCongestion)
    this.#parts = {
      flow: this,
      role,
      context,
      slot,
      writer,
      outbox: new Outbox2014(slot, writer, this.#path, () => context.wake(this)),
      timers: this.#timers,
      path: this.#path,
      carriage: this.#carriage,
    }
    this.#opening = new Opening2014(this.#parts, options, nowMs)
    this.#closing = new Closing2014(this.#parts)
    this.#moving = new Moving(this.#parts, {
      asked: atMs => {
        this.#askedAt = atMs
      },
      moved: () => context.signal(this, FlowSignal.moved),
      stalled: () => context.signal(this, FlowSignal.stalled),
    })
  }

  // ---- what the program sees ------------------------------------------------------------------------------

  get state(): FlowState {
    return this.#state
  }

  get peerFlowId(): FlowId {
    return this.#parts.writer.peerFlowId
  }

  get migrationState(): MigrationState {
    return this.#moving.state
  }

  get activePath(): Path | undefined {
    return this.#path.current
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
    return this.#closing.isReceived && this.#carriage.receivedAll
  }

  get unfinished(): boolean {
    return this.#state !== 'CLOSED' && this.#state !== 'TIMEWAIT'
  }

  write(chunk: Uint8Array): void {
    if (this.#closing.hasEnded || this.#endsEarly || this.#state === 'CLOSED')
      throw new ServalError('EPIPE', { syscall: 'write' })
    this.#carriage.write(chunk)
    this.#context.wake(this)
  }

  read(): Uint8Array | undefined {
    const chunk = this.#carriage.read()
    if (chunk !== undefined) this.#context.wake(this)
    return chunk
  }

  end(nowMs: number): void {
    if (this.#closing.hasEnded || this.#endsEarly || this.#state === 'CLOSED') return
    this.#input('end', nowMs)
    this.#afterInput(nowMs)
  }

  close(nowMs: number): void {
    const closing = this.#closing
    if (closing.isOrphaned || this.#state === 'CLOSED') return
    closing.orphan()
    if (this.#state === 'REQUEST') return this.reset(nowMs)
    if (this.readableBytes > 0) return this.#refuseUnread(nowMs)
    this.end(nowMs)
    closing.watchOrphan(nowMs)
    this.#context.rearm(this)
  }

  reset(nowMs: number): void {
    if (this.#state !== 'CLOSED') this.#input('abort', nowMs)
  }

  setKeepAlive(intervalMs: number, nowMs: number): void {
    this.#carriage.setKeepAlive(intervalMs, nowMs)
    this.#context.rearm(this)
  }

  setNoDelay(noDelay: boolean): void {
    this.#carriage.setNoDelay(noDelay)
  }

  info(): FlowInfo {
    return flowInfo(this, this.activePath ? [this.activePath] : [], this.#carriage.stats)
  }

  get queues(): readonly QueueSize[] {
    const { receiveBufferBytes } = this.#context.limits
    const bytesToRead = { name: 'bytes to read', size: this.readableBytes, limit: receiveBufferBytes }
    return [this.#parts.outbox.queue, bytesToRead]
  }

  // ---- what the SAL calls ---------------------------------------------------------------------------------

  connect(nowMs: number): void {
    this.#opening.startDeadline()
    this.#input('connect', nowMs)
  }

  resolved(nowMs: number): void {
    if (this.#state !== 'REQUEST' || this.#timers.armed('setup')) return
    this.#sendSyn(nowMs)
    this.#context.wake(this)
    this.#context.rearm(this)
  }

  fail(error: ServalError): void {
    if (this.#state === 'CLOSED') return
    this.error = error
    this.#enter('CLOSED')
    this.#closeNow()
  }

  peerGone(nowMs: number): void {
    this.#input('RST', nowMs)
  }

  /** Server: false where the SYN cannot be answered. */
  respond(syn: Syn2014, nowMs: number): boolean {
    if (!this.#opening.handleSyn(syn)) return false
    this.#input('SYN', nowMs)
    return true
  }

  /** Server: the SYN came once more within the life of its entry; it is answered as it was. */
  repeatSyn(nowMs: number): void {
    this.#input('SYN', nowMs)
  }

  /** A packet for this flow. The buffer is the flow's from now on. */
  handlePacket(arrival: Arrival, nowMs: number): void {
    const control = knownControl(arrival.packet.control)
    if (this.#state === 'CLOSED') return
    if (control === undefined) this.#handleData(arrival, nowMs)
    else if (this.#state === 'REQUEST') this.#handleAnswer(arrival, control, nowMs)
    else this.#handleControl(arrival, control, nowMs)
    this.#carriage.handleBatchEnd(nowMs)
    this.#afterInput(nowMs)
  }

  move(local: Local, nowMs: number): void {
    if (!this.#isMovable) return
    this.#moving.move(local, nowMs)
    this.#context.wake(this)
    this.#context.rearm(this)
  }

  get waitsForAddress(): boolean {
    return this.migrationState === 'NOADDRESS'
  }

  localLost(local: Local, other: Local | undefined, nowMs: number): void {
    if (!this.#isMovable) return
    if (this.activePath?.local === local) this.#moving.suspend()
    if (this.#moving.ownLocal !== local) return
    if (other) this.move(other, nowMs)
    else this.#moving.lost(nowMs)
    this.#context.rearm(this)
  }

  localChanged(): void {}

  /** A packet never has more than the interface took when the path was opened: what shrinks later is for IP to cut. */
  handleTooLong(): void {}

  get nextTimeoutAt(): number {
    if (this.#state === 'CLOSED' || this.#path.isSuspended) return this.#timers.nextAt
    return Math.min(this.#timers.nextAt, this.#carriage.nextTimeoutAt)
  }

  handleTimeout(nowMs: number): void {
    for (let timer = this.#timers.takeExpired(nowMs); timer; timer = this.#timers.takeExpired(nowMs)) {
      this.#handleTimer(timer, nowMs)
    }
    if (this.#state !== 'CLOSED' && !this.#path.isSuspended) this.#carriage.handleTimeout(nowMs)
    this.#afterInput(nowMs)
  }

  pollTransmit(batch: TransmitBatch, nowMs: number): boolean {
    const path = this.activePath
    if (this.#hasLastWords) {
      this.#hasLastWords = false
      if (path && !this.#path.isSuspended && this.#emitData(batch, path, nowMs)) return true
    }
    if (this.#parts.outbox.write(batch)) return true
    if (this.#isReleased) return false
    if (this.#state === 'CLOSED') return this.#release()
    if (path === undefined || !this.#mayCarry || path.local.isHeld) return false
    if (!this.#emitData(batch, path, nowMs)) return false
    // Datagrams are done with when they have left.
    this.#heed(nowMs)
    return true
  }

  rest(): 'ended' {
    return 'ended'
  }

  // ---- input ----------------------------------------------------------------------------------------------

  /** REQUEST: SYN-ACK, or RST. */
  #handleAnswer(arrival: Arrival, control: ControlExtension, nowMs: number): void {
    if ((control.flags & RST) !== 0) {
      const refusal = this.#opening.handleRefusal(control, arrival.remote, nowMs)
      if (refusal) this.fail(refusal)
    } else if (this.#opening.handleSynAck(arrival, control, nowMs)) {
      this.#heardAt = nowMs
      this.#input('SYN_ACK', nowMs)
    }
  }

  #handleControl(arrival: Arrival, control: ControlExtension, nowMs: number): void {
    const { slot, writer } = this.#parts
    const { flags, verno, ackno, nonce } = control
    if ((flags & RST) !== 0) return this.#handleReset(control, nowMs)
    if (arrival.packet.srcFlowId !== this.peerFlowId || !writer.isPeerNonce(nonce))
      return this.#count('badNonce')
    if (this.#moving.isRepeated(flags, verno)) {
      // The prototype says ACK, and with that the mover can wait for ever (A11, two RSYN-ACKs lost).
      return this.#moving.handleRsyn(verno, arrival.remote, nowMs)
    }
    if (!slot.accepts(flags, verno)) return this.#acknowledgeAgain(flags, nowMs)
    if (this.#state === 'RESPOND') return this.#handleThirdAck(arrival, control, nowMs)
    const covered = (flags & ACK) === 0 ? 0 : slot.acknowledge(ackno)
    if (covered === undefined) return this.#count('badAckno')
    this.#closing.handleCovered(covered)
    this.#moving.handleCovered(covered, flags, nowMs)
    this.#heard(nowMs)
    slot.take(flags, verno)
    if ((flags & RSYN_ACK) === RSYN_ACK) {
      const isNewest = (covered & RSYN) !== 0 || ackno === slot.verno
      this.#moving.handleRsynAck(arrival.local, arrival.remote, isNewest, nowMs)
    } else if ((flags & RSYN) !== 0) this.#handleRsyn(verno, arrival.remote, nowMs)
    else if ((flags & ACK) !== 0) this.#moving.handleAck(nowMs)
    if ((flags & FIN) !== 0) this.#handleFin(ackno, nowMs)
    this.#handleBehind(arrival, nowMs)
  }

  #handleRsyn(verno: number, remote: Endpoint, nowMs: number): void {
    if (this.#isMovable) this.#moving.handleRsyn(verno, remote, nowMs)
    else this.#count('unexpected')
  }

  /** A5: a control packet with an old number is answered by what is expected now. */
  #acknowledgeAgain(flags: number, nowMs: number): void {
    this.#count('controlRepeated')
    if ((flags & SYN) !== 0 && this.role === 'client') return this.#opening.sendThirdAck(nowMs)
    this.#parts.outbox.acknowledge()
    if (this.#state === 'TIMEWAIT') this.#closing.linger(nowMs)
  }

  #handleThirdAck(arrival: Arrival, control: ControlExtension, nowMs: number): void {
    if (!this.#opening.handleThirdAck(arrival, control, nowMs)) return
    this.#heardAt = nowMs
    this.#input('ACK', nowMs)
    this.#handleBehind(arrival, nowMs, false)
  }

  /** The transport part behind a control packet. A third ACK that is repeated asks for a sign of life. */
  #handleBehind(arrival: Arrival, nowMs: number, isRepeat = true): void {
    const { packet } = arrival
    if (packet.transport.length > 0) this.#carry(transportOf(arrival), nowMs)
    if (packet.service === undefined || !isRepeat) return
    if (this.protocol === protocols.STREAM) this.#carriage.acknowledgeNow()
    else this.#parts.outbox.acknowledge()
  }

  #handleData(arrival: Arrival, nowMs: number): void {
    const { packet } = arrival
    if (packet.srcFlowId !== this.peerFlowId || packet.protocol !== this.protocol)
      return this.#count('unexpected')
    // A server's data before the SYN-ACK, or a client's before its third ACK, belongs to nothing yet.
    if (!this.#mayHear) return this.#count('early')
    this.#heard(nowMs)
    this.#carry(transportOf(arrival), nowMs)
  }

  #carry(data: TransportBytes, nowMs: number): void {
    const outcome = this.#carriage.handleData(data, nowMs)
    if (outcome === 'malformed') this.#count('malformed')
    else if (outcome === 'reset') this.#input('RST', nowMs)
  }

  #handleFin(ackno: number, nowMs: number): void {
    this.#closing.handleFin(ackno)
    if (this.#state === 'TIMEWAIT') this.#closing.linger(nowMs)
  }

  /**
   * A12. The prototype takes any RST whose number has not been passed. It always carries a nonce: the peer's own, or, where
   * it answers a packet of ours, ours.
   */
  #handleReset({ flags, verno, nonce }: ControlExtension, nowMs: number): void {
    const { slot, writer } = this.#parts
    const isActive = writer.isPeerNonce(nonce) && slot.accepts(flags, verno)
    if (isActive || writer.isOwnNonce(nonce)) this.#input('RST', nowMs)
    else this.#count('badNonce')
  }

  /** The peer is there, and knows that set-up is over. */
  #heard(nowMs: number): void {
    this.#heardAt = nowMs
    if (this.role === 'client') this.#timers.disarm('setup')
  }

  #afterInput(nowMs: number): void {
    this.#heed(nowMs)
    if (this.#state === 'CONNECTED' && this.#endsEarly) {
      this.#endsEarly = false
      this.#input('end', nowMs)
      this.#heed(nowMs)
    }
    this.#context.wake(this)
    this.#context.rearm(this)
  }

  /** What the carriage has to say, and what follows from it. */
  #heed(nowMs: number): void {
    const [carriage, closing] = [this.#carriage, this.#closing]
    const signals = carriage.takeSignals()
    let bits = 0
    if (signals & StreamSignal.readable) bits |= FlowSignal.readable
    if (signals & StreamSignal.writable) bits |= FlowSignal.writable
    if (signals & StreamSignal.allAcknowledged) bits |= FlowSignal.drained
    if (bits !== 0) this.#context.signal(this, bits)
    if (signals & StreamSignal.badAck) this.#count('badAck')
    if (closing.isOrphaned && carriage.readableBytes > 0) return this.#refuseUnread(nowMs)
    // A10: the SAL's FIN follows when TCP's has been acknowledged.
    if (this.#state !== 'CLOSED' && closing.takeFin()) this.#moving.sendFin(nowMs)
    if (closing.isReceived && carriage.receivedAll && !HEARD_FIN.has(this.#state)) this.#input('FIN', nowMs)
    if (closing.isAcknowledged && AWAITS_FIN_ACK.has(this.#state)) this.#input('FIN_ACKED', nowMs)
    if (signals & StreamSignal.dead) this.#input('gaveUp', nowMs)
  }

  /** A12: unread data is answered with RST in place of the SAL's FIN, behind what TCP may still send, its FIN included. */
  #refuseUnread(nowMs: number): void {
    this.#carriage.end()
    this.#hasLastWords = true
    this.reset(nowMs)
  }

  // ---- the connection table -------------------------------------------------------------------------------

  #input(input: ConnectionInput, nowMs: number): void {
    const cell = connectionTable[this.#state][input]
    if (cell === 'ignored') return this.#count(`connection:${this.#state}:${input}`)
    if (cell === 'illegal') throw new ServalError('ERR_SOCKET_CLOSED', { state: this.#state, call: input })
    const [next, ...actions] = cell
    this.#enter(next)
    for (const action of actions) this.#run(action, nowMs)
    this.#context.wake(this)
    this.#context.rearm(this)
  }

  #enter(next: FlowState): void {
    if (next === this.#state) return
    this.#context.trace(this, this.#state, next)
    this.#state = next
  }

  #run(action: ConnectionAction, nowMs: number): void {
    switch (action) {
      case 'sendSyn':
        return this.#sendSyn(nowMs)
      case 'sendSynAck':
        return this.#opening.sendSynAck(nowMs)
      case 'sendThirdAck':
        return this.#opening.sendThirdAck(nowMs)
      case 'connected':
        this.#timers.disarm('deadline')
        return this.#context.signal(this, FlowSignal.connected)
      case 'accept':
        this.#timers.disarm('deadline')
        return this.#context.accepted(this)
      case 'defer':
        this.#endsEarly = true
        return
      case 'sendFin':
        return this.#closing.end()
      case 'end':
        return this.#context.signal(this, FlowSignal.end)
      case 'linger':
        return this.#closing.linger(nowMs)
      case 'sendRst':
        if (this.peerFlowId !== 0) this.#parts.outbox.putNumberless(RST | ACK)
        return
      case 'close':
        return this.#closeNow()
      case 'closeReset':
      case 'closeResetIfLost':
        if (action === 'closeReset' || !this.#closing.isAcknowledged) this.error = reset()
        return this.#closeNow()
      case 'closeTimedOut':
      case 'closeTimedOutIfLost':
        if (action === 'closeTimedOut' || !this.#carriage.isDone)
          this.error = this.#context.timeoutError(this, nowMs)
        return this.#closeNow()
      case 'tryAnother':
      case 'sendDone':
        // NACK, and word that nobody will ask again, are the native profile's.
        return
    }
  }

  #sendSyn(nowMs: number): void {
    const error = this.#opening.sendSyn(nowMs)
    if (error) this.fail(error)
  }

  #closeNow(): void {
    this.#timers.disarmAll()
    this.#context.signal(this, FlowSignal.closed)
    this.#context.wake(this)
    this.#context.rearm(this)
  }

  // ---- time -----------------------------------------------------------------------------------------------

  #handleTimer(timer: FlowTimer, nowMs: number): void {
    switch (timer) {
      case 'setup':
        if (this.#state === 'REQUEST') this.#sendSyn(nowMs)
        else this.#opening.repeatThirdAck(nowMs)
        return
      case 'deadline':
        return this.#input('gaveUp', nowMs)
      case 'fin':
        if (this.#isDead(nowMs)) return this.#input('gaveUp', nowMs)
        if (!this.#closing.givesUpRepeating()) this.#moving.handleRepeatDue(nowMs)
        return
      case 'rsyn':
        if (this.#isDead(nowMs)) return this.#input('gaveUp', nowMs)
        return this.#moving.handleAnswerDue(nowMs)
      case 'linger':
        return this.#input('lingered', nowMs)
      case 'orphan':
        return this.#closing.orphanProgresses ? this.#closing.watchOrphan(nowMs) : this.reset(nowMs)
      default:
        // The others are the native profile's.
        return
    }
  }

  #isDead(nowMs: number): boolean {
    const silentMs = nowMs - Math.max(this.#heardAt, this.#askedAt)
    return !this.waitsForAddress && silentMs >= this.#context.limits.deadPeerMs
  }

  // ---- parts ----------------------------------------------------------------------------------------------

  #newCarriage(): Carriage {
    const { limits } = this.#context
    return this.protocol === protocols.STREAM
      ? new StreamCarriage(limits, readU32(this.#context.randomBytes(4), 0))
      : new DatagramCarriage(this.serviceName ?? this.service.toString())
  }

  #emitData(batch: TransmitBatch, path: Path, nowMs: number): boolean {
    if (!this.#carriage.emitBatch(batch, this.#parts.writer.dataPrefix(path), path, nowMs)) return false
    finishRawBatch(batch)
    batch.setRoute(path.local.id, path.remote)
    return true
  }

  #count(counter: string): void {
    this.#context.count(counter)
  }

  #release(): false {
    this.#isReleased = true
    this.#context.release(this)
    return false
  }

  /** Whether the flow may change its addresses. */
  get #isMovable(): boolean {
    return hasPeer(this.#state) || this.#state === 'TIMEWAIT'
  }

  get #mayHear(): boolean {
    return this.#state !== 'INIT' && this.#state !== 'RESPOND' && this.#state !== 'CLOSED'
  }

  get #mayCarry(): boolean {
    return this.#mayHear && this.#state !== 'REQUEST' && !this.#path.isSuspended
  }
}

/** Reserved bits say nothing (A3.1). */
function knownControl(control: ControlExtension | undefined): ControlExtension | undefined {
  return control && { ...control, flags: control.flags & KNOWN_CONTROL_FLAGS }
}

function reset(): ServalError {
  return new ServalError('ECONNRESET', { syscall: 'read' })
}

const AWAITS_FIN_ACK: ReadonlySet<FlowState> = new Set(['FINWAIT1', 'CLOSING', 'LASTACK'])
const HEARD_FIN: ReadonlySet<FlowState> = new Set(['CLOSED', 'CLOSEWAIT', 'LASTACK', 'CLOSING', 'TIMEWAIT'])
