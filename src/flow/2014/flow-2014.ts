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
import { reasonCodes } from '../../wire/extensions/reason.ts'
import { finishRawBatch, RAW_PORT } from '../../wire/raw-ip.ts'
import { type Protocol, protocols } from '../../wire/sal-header.ts'
import type { TransmitBatch } from '../../wire/transmit-batch.ts'
import type { AnyFlow } from '../any-flow.ts'
import type { Arrival } from '../arrival.ts'
import { type ConnectionAction, type ConnectionInput, connectionTable } from '../connection-table.ts'
import type { FlowContext } from '../flow-context.ts'
import { type FlowInfo, flowInfo } from '../flow-info.ts'
import type { Local, Path } from '../path.ts'
import type { QueueSize } from '../queue-size.ts'
import { sameBytes } from '../setup.ts'
import { FlowSignal, type FlowState, hasPeer, type MigrationState } from '../states.ts'
import { type FlowTimer, FlowTimers } from '../timers.ts'
import type { Carriage, TransportBytes } from './carriage.ts'
import { ControlSlot } from './control-slot.ts'
import { DatagramCarriage } from './datagram-carriage.ts'
import { Moving } from './moving.ts'
import { type ControlPacket, PacketWriter2014 } from './packets.ts'
import { mssFrom, openPath2014 } from './path-2014.ts'
import { StreamCarriage } from './stream-carriage.ts'

const { SYN, RSYN, ACK, RST, FIN } = controlFlags
const SYN_ACK = SYN | ACK
const RSYN_ACK = RSYN | ACK

export interface Flow2014Options {
  readonly role: Direction
  readonly flowId: FlowId
  readonly service: ServiceId
  readonly serviceName?: string | undefined
  readonly protocol?: Protocol | undefined
  /** How long set-up may take, ms. */
  readonly timeoutMs: number
  readonly newCongestion?: ((mss: number) => CongestionControl) | undefined
}

/** An ACK of this profile is never for nobody: what no flow takes is the dialect's. */
type Flow2014Context = Omit<FlowContext<Flow2014>, 'answerUnknown'>

/** A SYN that is for one of this host's listeners. */
export interface Syn2014 {
  readonly arrival: Arrival
  /** The client: the source of the packet, or what the first router said it was. */
  readonly replyTo: Endpoint
  /** What the SYN-ACK repeats, this end's own address behind; undefined: it came directly. */
  readonly source: readonly string[] | undefined
}

/** A due packet that is written when the link asks for it, so that it carries the newest numbers. */
type Due = () => ControlPacket | undefined

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

  readonly #context: Flow2014Context
  readonly #newCongestion: Flow2014Options['newCongestion']
  readonly #nonce: Uint8Array
  readonly #slot: ControlSlot
  readonly #writer: PacketWriter2014
  readonly #timers = new FlowTimers()
  readonly #deadlineAt: number
  readonly #moving: Moving
  readonly #carriage: Carriage
  #state: FlowState = 'INIT'
  #path: Path | undefined
  #pathsOpened = 0
  #peerNonce: Uint8Array = NO_BYTES
  /** Of the SYN that this end answers. */
  #syn: Syn2014 | undefined
  #due: Due[] = []
  /** Client: when the set-up was done, and when the third ACK left last. */
  #openedAt = 0
  #thirdAckAt = 0
  #endsEarly = false
  #hasEnded = false
  #finQueued = false
  #finAcknowledged = false
  /** The peer's own FIN has our FIN's number in its ackno, though it does not acknowledge it (A3.1). */
  #isFinSeen = false
  #finReceived = false
  #isOrphaned = false
  #orphanedBytes = 0
  #isSuspended = false
  #heardAt: number
  #askedAt: number
  #isReleased = false
  /** The carriage may send once more, ahead of our RST. */
  #hasLastWords = false

  constructor(options: Flow2014Options, context: Flow2014Context, nowMs: number) {
    const { role, flowId, service, serviceName, protocol = protocols.STREAM, timeoutMs } = options
    this.role = role
    this.flowId = flowId
    this.service = service
    this.serviceName = serviceName
    this.protocol = protocol
    this.#context = context
    this.#newCongestion = options.newCongestion
    this.#nonce = context.randomBytes(8)
    this.#slot = new ControlSlot(readU32(context.randomBytes(4), 0))
    this.#writer = new PacketWriter2014(flowId, protocol, this.#nonce, context.profile)
    this.#deadlineAt = nowMs + timeoutMs
    this.#heardAt = this.#askedAt = nowMs
    this.#carriage = this.#newCarriage()
    this.#moving = new Moving(this.#newMovingFlow())
  }

  // ---- what the program sees ------------------------------------------------------------------------------

  get state(): FlowState {
    return this.#state
  }

  get peerFlowId(): FlowId {
    return this.#writer.peerFlowId
  }

  get migrationState(): MigrationState {
    return this.#moving.state
  }

  get activePath(): Path | undefined {
    return this.#path
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
    return this.#finReceived && this.#carriage.receivedAll
  }

  get unfinished(): boolean {
    return this.#state !== 'CLOSED' && this.#state !== 'TIMEWAIT'
  }

  write(chunk: Uint8Array): void {
    if (this.#hasEnded || this.#endsEarly || this.#state === 'CLOSED')
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
    if (this.#hasEnded || this.#endsEarly || this.#state === 'CLOSED') return
    this.#input('end', nowMs)
    this.#afterInput(nowMs)
  }

  close(nowMs: number): void {
    if (this.#isOrphaned || this.#state === 'CLOSED') return
    this.#isOrphaned = true
    if (this.#state === 'REQUEST') return this.reset(nowMs)
    if (this.readableBytes > 0) return this.#refuseUnread(nowMs)
    this.end(nowMs)
    this.#armOrphan(nowMs)
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
    return flowInfo(this, this.#path ? [this.#path] : [], this.#carriage.stats)
  }

  get queues(): readonly QueueSize[] {
    const { receiveBufferBytes } = this.#context.limits
    return [
      { name: 'owed control packets', size: this.#due.length, limit: DUE_LIMIT },
      { name: 'bytes to read', size: this.readableBytes, limit: receiveBufferBytes },
    ]
  }

  // ---- what the SAL calls ---------------------------------------------------------------------------------

  connect(nowMs: number): void {
    this.#timers.arm('deadline', this.#deadlineAt)
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
    const { packet, local } = syn.arrival
    const { control } = packet
    if (control === undefined || !this.#carriage.handleSyn(transportOf(syn.arrival))) return false
    this.#syn = syn
    this.#writer.meet(packet.srcFlowId)
    this.#peerNonce = control.nonce
    this.#slot.start(control.verno)
    this.#path = this.#openPath(local, syn.replyTo)
    this.#timers.arm('deadline', this.#deadlineAt)
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
    this.#askedAt = nowMs
    this.#moving.move(local, nowMs)
    this.#context.wake(this)
    this.#context.rearm(this)
  }

  get waitsForAddress(): boolean {
    return this.migrationState === 'NOADDRESS'
  }

  localLost(local: Local, other: Local | undefined, nowMs: number): void {
    if (!this.#isMovable) return
    if (this.#path?.local === local) this.#suspend()
    if (this.#moving.ownLocal !== local) return
    if (other) this.move(other, nowMs)
    else this.#moving.lost(nowMs)
    this.#context.rearm(this)
  }

  localChanged(): void {}

  /** A packet never has more than the interface took when the path was opened: what shrinks later is for IP to cut. */
  handleTooLong(): void {}

  get nextTimeoutAt(): number {
    if (this.#state === 'CLOSED' || this.#isSuspended) return this.#timers.nextAt
    return Math.min(this.#timers.nextAt, this.#carriage.nextTimeoutAt)
  }

  handleTimeout(nowMs: number): void {
    for (let timer = this.#timers.takeExpired(nowMs); timer; timer = this.#timers.takeExpired(nowMs)) {
      this.#handleTimer(timer, nowMs)
    }
    if (this.#state !== 'CLOSED' && !this.#isSuspended) this.#carriage.handleTimeout(nowMs)
    this.#afterInput(nowMs)
  }

  pollTransmit(batch: TransmitBatch, nowMs: number): boolean {
    if (this.#hasLastWords && this.#path) {
      this.#hasLastWords = false
      if (!this.#isSuspended && this.#emitData(batch, this.#path, nowMs)) return true
    }
    for (let due = this.#due.shift(); due; due = this.#due.shift()) {
      const packet = due()
      if (packet === undefined) continue
      this.#writer.write(packet, batch)
      return true
    }
    if (this.#isReleased) return false
    if (this.#state === 'CLOSED') return this.#release()
    const path = this.#path
    if (path === undefined || !this.#mayCarry || path.local.isHeld) return false
    if (!this.#emitData(batch, path, nowMs)) return false
    // Datagrams are done with when they have left.
    this.#heed(nowMs)
    return true
  }

  #emitData(batch: TransmitBatch, path: Path, nowMs: number): boolean {
    if (!this.#carriage.emitBatch(batch, this.#writer.dataPrefix(path), path, nowMs)) return false
    finishRawBatch(batch)
    batch.setRoute(path.local.id, path.remote)
    return true
  }

  rest(): 'ended' {
    return 'ended'
  }

  // ---- input ----------------------------------------------------------------------------------------------

  /** REQUEST: SYN-ACK, or RST. */
  #handleAnswer(arrival: Arrival, control: ControlExtension, nowMs: number): void {
    const { packet, local, remote } = arrival
    const { flags, ackno } = control
    if ((flags & RST) !== 0) return this.#handleRefusal(control, remote, nowMs)
    // A8: both flags, and the SYN is what is acknowledged.
    if ((flags & SYN_ACK) !== SYN_ACK || packet.protocol !== this.protocol) return this.#count('unexpected')
    if (!this.#slot.acknowledge(ackno)) return this.#count('badAckno')
    if (!this.#carriage.handleSynAck(transportOf(arrival))) return this.#count('unexpected')
    this.#writer.meet(packet.srcFlowId)
    this.#peerNonce = control.nonce
    this.#slot.start(control.verno)
    // A14: a SYN that routers sent on is answered with their addresses and, as the last one, the server's.
    const server = packet.extension('source')?.addresses.at(-1)
    const peer = server === undefined ? remote : { address: server, port: RAW_PORT }
    this.#path = this.#openPath(local, peer, this.#slot.roundTripMs(nowMs))
    this.#heardAt = this.#openedAt = nowMs
    this.#carriage.open(this.#path, nowMs)
    this.#context.answered(this, remote, nowMs)
    this.#input('SYN_ACK', nowMs)
  }

  /** RST in place of a SYN-ACK. Its nonce is that of the SYN (A12), or nobody has seen the SYN. */
  #handleRefusal({ nonce }: ControlExtension, remote: Endpoint, nowMs: number): void {
    if (!sameBytes(nonce, this.#nonce)) return this.#count('badNonce')
    this.#context.refused(this, reasonCodes.REFUSED, remote, nowMs)
    const service = this.serviceName ?? this.service.toString()
    const asked = remote.address
    this.fail(new ServalError('ECONNREFUSED', { service, reason: 'refused', asked, syscall: 'connect' }))
  }

  #handleControl(arrival: Arrival, control: ControlExtension, nowMs: number): void {
    const { flags, verno, ackno, nonce } = control
    if ((flags & RST) !== 0) return this.#handleReset(control, nowMs)
    if (arrival.packet.srcFlowId !== this.peerFlowId || !sameBytes(nonce, this.#peerNonce))
      return this.#count('badNonce')
    if (this.#moving.isRepeated(flags, verno)) {
      // The prototype says ACK, and with that the mover can wait for ever (A11, two RSYN-ACKs lost).
      return this.#moving.handleRsyn(verno, arrival.remote, nowMs)
    }
    if (!this.#slot.accepts(flags, verno)) return this.#acknowledgeAgain(flags, nowMs)
    if (this.#state === 'RESPOND') return this.#handleThirdAck(arrival, control, nowMs)
    const covered = (flags & ACK) === 0 ? 0 : this.#slot.acknowledge(ackno)
    if (covered === undefined) return this.#count('badAckno')
    if ((flags & FIN) !== 0 && this.#slot.isSeen(ackno)) this.#isFinSeen = true
    this.#handleCovered(covered, flags, nowMs)
    this.#heard(nowMs)
    this.#slot.take(flags, verno)
    if ((flags & RSYN_ACK) === RSYN_ACK) {
      const isNewest = (covered & RSYN) !== 0 || ackno === this.#slot.verno
      this.#moving.handleRsynAck(arrival.local, arrival.remote, isNewest, nowMs)
    } else if ((flags & RSYN) !== 0) this.#handleRsyn(verno, arrival.remote, nowMs)
    else if ((flags & ACK) !== 0) this.#moving.handleAck(nowMs)
    if ((flags & FIN) !== 0) this.#handleFin(nowMs)
    this.#handleBehind(arrival, nowMs)
  }

  #handleRsyn(verno: number, remote: Endpoint, nowMs: number): void {
    if (this.#isMovable) this.#moving.handleRsyn(verno, remote, nowMs)
    else this.#count('unexpected')
  }

  /** A5: a control packet with an old number is answered by what is expected now. */
  #acknowledgeAgain(flags: number, nowMs: number): void {
    this.#count('controlRepeated')
    if ((flags & SYN) !== 0 && this.role === 'client') return this.#sendThirdAck(nowMs)
    this.#acknowledge()
    if (this.#state === 'TIMEWAIT') this.#linger(nowMs)
  }

  /** A8: nonce and both numbers are right; the client's address is where it comes from. */
  #handleThirdAck(arrival: Arrival, { flags, verno, ackno }: ControlExtension, nowMs: number): void {
    const isThirdAck = flags === ACK && verno === this.#slot.ackno && ackno === this.#slot.verno
    if (!isThirdAck) return this.#count('unexpected')
    this.#slot.acknowledge(ackno)
    this.#path = this.#openPath(arrival.local, arrival.remote, this.#slot.roundTripMs(nowMs))
    this.#heardAt = nowMs
    this.#carriage.open(this.#path, nowMs)
    this.#input('ACK', nowMs)
    this.#handleBehind(arrival, nowMs, false)
  }

  /** The transport part behind a control packet. A third ACK that is repeated asks for a sign of life. */
  #handleBehind(arrival: Arrival, nowMs: number, isRepeat = true): void {
    const { packet } = arrival
    if (packet.transport.length > 0) this.#carry(transportOf(arrival), nowMs)
    if (packet.service === undefined || !isRepeat) return
    if (this.protocol === protocols.STREAM) this.#carriage.acknowledgeNow()
    else this.#acknowledge()
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

  /** A11: an original that has lost two RSYN-ACKs says ACK for ever; RSYN must go once more, with a new number. */
  #handleCovered(covered: number, flags: number, nowMs: number): void {
    if (covered === 0) return
    if ((covered & FIN) !== 0) this.#finAcknowledged = true
    if ((covered & RSYN) !== 0 && (flags & RSYN) === 0) this.#timers.arm('fin', nowMs + this.#backedOffMs(0))
    else this.#timers.disarm('fin')
  }

  #handleFin(nowMs: number): void {
    this.#finReceived = true
    this.#carriage.handleFin()
    this.#acknowledge()
    if (this.#state === 'TIMEWAIT') this.#linger(nowMs)
  }

  /**
   * A12. The prototype takes any RST whose number has not been passed. It always carries a nonce: the peer's own, or, where
   * it answers a packet of ours, ours.
   */
  #handleReset({ flags, verno, nonce }: ControlExtension, nowMs: number): void {
    const isActive = sameBytes(nonce, this.#peerNonce) && this.#slot.accepts(flags, verno)
    if (isActive || sameBytes(nonce, this.#nonce)) this.#input('RST', nowMs)
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
    const carriage = this.#carriage
    const signals = carriage.takeSignals()
    let bits = 0
    if (signals & StreamSignal.readable) bits |= FlowSignal.readable
    if (signals & StreamSignal.writable) bits |= FlowSignal.writable
    if (signals & StreamSignal.allAcknowledged) bits |= FlowSignal.drained
    if (bits !== 0) this.#context.signal(this, bits)
    if (signals & StreamSignal.badAck) this.#count('badAck')
    if (this.#isOrphaned && carriage.readableBytes > 0) return this.#refuseUnread(nowMs)
    // A10: the SAL's FIN follows when TCP's has been acknowledged.
    if (this.#hasEnded && !this.#finQueued && carriage.isDone && this.#state !== 'CLOSED') {
      this.#finQueued = true
      // A11: while RSYN is out FIN carries it on.
      this.#slot.put(this.#moving.isAsking ? RSYN | FIN : FIN)
      this.#sendSlot(nowMs)
    }
    if (this.#finReceived && carriage.receivedAll && !HEARD_FIN.has(this.#state)) this.#input('FIN', nowMs)
    if (this.#finAcknowledged && AWAITS_FIN_ACK.has(this.#state)) this.#input('FIN_ACKED', nowMs)
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
        return this.#sendSynAck(nowMs)
      case 'sendThirdAck':
        return this.#sendThirdAck(nowMs)
      case 'connected':
        this.#timers.disarm('deadline')
        return this.#context.signal(this, FlowSignal.connected)
      case 'accept':
        this.#timers.disarm('deadline')
        this.#syn = undefined
        return this.#context.accepted(this)
      case 'defer':
        this.#endsEarly = true
        return
      case 'sendFin':
        this.#hasEnded = true
        return this.#carriage.end()
      case 'end':
        return this.#context.signal(this, FlowSignal.end)
      case 'linger':
        return this.#linger(nowMs)
      case 'sendRst':
        return this.#sendReset()
      case 'close':
        return this.#closeNow()
      case 'closeReset':
      case 'closeResetIfLost':
        if (action === 'closeReset' || !this.#finAcknowledged) this.error = reset()
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
    const target = this.#context.nextInstance(this, nowMs)
    if (target instanceof ServalError) return this.fail(target)
    if (target === 'waiting') return this.#timers.disarm('setup')
    const { local, remote } = target
    if (this.#slot.flags === 0) this.#slot.put(SYN)
    this.#timers.arm('setup', nowMs + this.#backedOffMs(this.#slot.sends))
    this.#slot.handleSent(nowMs)
    this.#put(() => ({
      flags: SYN,
      verno: this.#slot.slotVerno,
      ackno: 0,
      local,
      remote,
      service: this.service,
      transport: (buffer, offset) => this.#carriage.emitSyn(buffer, offset, mssFrom(local)),
    }))
  }

  /** A8: never by timer, once for each SYN. */
  #sendSynAck(nowMs: number): void {
    const path = this.#path
    if (path === undefined) return
    if (this.#slot.flags === 0) this.#slot.put(SYN)
    this.#slot.handleSent(nowMs)
    this.#put(() => ({
      ...this.#towards(path),
      flags: SYN_ACK,
      verno: this.#slot.slotVerno,
      ackno: this.#slot.ackno,
      source: this.#syn?.source && [...this.#syn.source, path.local.endpoint.address],
      transport: (buffer, offset) => this.#carriage.emitSynAck(buffer, offset, mssFrom(path.local)),
    }))
  }

  /**
   * A8: an original does not repeat its SYN-ACK, so a third ACK that is lost would end the connection. It is repeated
   * until the server is heard, as long as that remembers the SYN: an idle one says nothing, and later nobody would listen.
   */
  #sendThirdAck(nowMs: number): void {
    const path = this.#path
    if (path === undefined) return
    this.#thirdAckAt = nowMs
    this.#armThirdAck(nowMs + path.transport.rtt.rtoMs)
    this.#put(() => ({
      ...this.#towards(path),
      ...this.#numbers(ACK),
      service: this.service,
      transport: (buffer, offset) => this.#carriage.emitThirdAck(buffer, offset, nowMs),
    }))
  }

  #armThirdAck(at: number): void {
    if (at < this.#openedAt + this.#context.profile.policy.halfOpenMs) this.#timers.arm('setup', at)
  }

  /** Silence is a sign early where an answer is due. */
  #repeatThirdAck(nowMs: number): void {
    const idleUntil = this.#thirdAckAt + IDLE_THIRD_ACK_MS
    if (this.bufferedBytes === 0 && nowMs < idleUntil) this.#armThirdAck(idleUntil)
    else this.#sendThirdAck(nowMs)
  }

  #sendReset(): void {
    const path = this.#path
    if (path && this.peerFlowId !== 0)
      this.#put(() => ({ ...this.#towards(path), ...this.#numbers(RST | ACK) }))
  }

  /** ACK of what is expected now. */
  #acknowledge(): void {
    const path = this.#path
    if (path) this.#put(() => ({ ...this.#towards(path), ...this.#numbers(ACK) }))
  }

  #linger(nowMs: number): void {
    const { timeWaitMs, timeWaitPtos } = this.#context.profile.policy
    const rtoMs = this.#path?.transport.rtt.rtoMs ?? 0
    this.#timers.arm('linger', nowMs + Math.max(timeWaitMs, timeWaitPtos * rtoMs))
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
        else this.#repeatThirdAck(nowMs)
        return
      case 'deadline':
        return this.#input('gaveUp', nowMs)
      case 'fin':
        if (this.#isDead(nowMs)) return this.#input('gaveUp', nowMs)
        // A10: where our ACK of its FIN has come the peer is gone, and cannot repeat the ACK of ours that was lost.
        if (this.#isFinSeen && this.#slot.sends > SEEN_FIN_REPEATS) this.#finAcknowledged = true
        else this.#moving.handleDue(nowMs)
        return
      case 'rsyn':
        if (this.#isDead(nowMs)) return this.#input('gaveUp', nowMs)
        return this.#moving.handleAnswerDue(nowMs)
      case 'linger':
        return this.#input('lingered', nowMs)
      case 'orphan':
        return this.#orphanProgresses ? this.#armOrphan(nowMs) : this.reset(nowMs)
      default:
        // The others are the native profile's.
        return
    }
  }

  /** RTO, doubled for each repeat. */
  #backedOffMs(repeats: number): number {
    const { initialRtoMs, maxRtoMs } = this.#context.profile.policy
    return Math.min((this.#path?.transport.rtt.rtoMs ?? initialRtoMs) * 2 ** repeats, maxRtoMs)
  }

  /** The slot's packet, now and again until it is acknowledged. */
  #sendSlot(nowMs: number): void {
    if (this.#slot.flags === 0) return
    if (this.#slot.sends === 0) this.#askedAt = nowMs
    this.#timers.arm('fin', nowMs + this.#backedOffMs(this.#slot.sends))
    this.#slot.handleSent(nowMs)
    this.#put(() => this.#slotPacket())
  }

  /** RSYN leaves from the new address, FIN alone from the one in use; to a mover it goes as RSYN-ACK does (A11). */
  #slotPacket(): ControlPacket | undefined {
    const { flags, slotVerno: verno, ackno } = this.#slot
    const [path, moving] = [this.#path, this.#moving]
    if (flags === 0 || path === undefined) return undefined
    if (moving.isAnswering) {
      const { ownLocal: local = path.local, peerEndpoint: remote = path.remote } = moving
      return { flags: flags | RSYN_ACK, verno, ackno, local, remote }
    }
    const local = (flags & RSYN) === 0 ? path.local : moving.ownLocal
    return local && { flags, verno, ackno, local, remote: path.remote }
  }

  /** RSYN-ACK, now and again until it is acknowledged. */
  #answerRsyn(repeats: number, nowMs: number): void {
    this.#timers.arm('rsyn', nowMs + this.#backedOffMs(repeats))
    this.#put(() => {
      const [local, remote] = [this.#moving.ownLocal, this.#moving.peerEndpoint]
      return local && remote && { ...this.#numbers(RSYN_ACK), local, remote }
    })
  }

  #armOrphan(nowMs: number): void {
    this.#orphanedBytes = this.bufferedBytes
    this.#timers.arm('orphan', nowMs + this.#context.profile.policy.finWait2Ms)
  }

  get #orphanProgresses(): boolean {
    const takenBytes = this.#orphanedBytes - this.bufferedBytes
    return takenBytes > 0 && (this.bufferedBytes === 0 || takenBytes >= this.#context.limits.minProgressBytes)
  }

  #isDead(nowMs: number): boolean {
    const silentMs = nowMs - Math.max(this.#heardAt, this.#askedAt)
    return !this.waitsForAddress && silentMs >= this.#context.limits.deadPeerMs
  }

  // ---- parts ----------------------------------------------------------------------------------------------

  #newMovingFlow() {
    const flow = this
    return {
      slot: this.#slot,
      get activePath() {
        return flow.#path
      },
      sendSlot: (nowMs: number) => this.#sendSlot(nowMs),
      answer: (repeats: number, nowMs: number) => this.#answerRsyn(repeats, nowMs),
      stopAnswering: () => this.#timers.disarm('rsyn'),
      acknowledge: (local: Local, remote: Endpoint) =>
        this.#put(() => ({ ...this.#numbers(ACK), local, remote })),
      adopt: (local: Local, remote: Endpoint, rttMs: number | undefined, nowMs: number) => {
        // A copy of a move that is done.
        if (!this.#isSuspended && this.#path?.joins(local.id, remote)) return
        this.#path = this.#openPath(local, remote, rttMs)
        this.#isSuspended = false
        this.#askedAt = nowMs
        this.#carriage.adopt(this.#path, nowMs)
      },
      suspend: () => {
        this.#suspend()
        this.#context.signal(this, FlowSignal.stalled)
      },
      moved: () => this.#context.signal(this, FlowSignal.moved),
      count: (counter: string) => this.#count(counter),
    }
  }

  #suspend(): void {
    this.#isSuspended = true
    this.#carriage.suspend()
  }

  #newCarriage(): Carriage {
    const { limits } = this.#context
    return this.protocol === protocols.STREAM
      ? new StreamCarriage(limits, readU32(this.#context.randomBytes(4), 0))
      : new DatagramCarriage(this.serviceName ?? this.service.toString())
  }

  /** `rttMs`: what the exchange of control packets has shown of it, if anything. */
  #openPath(local: Local, remote: Endpoint, rttMs?: number): Path {
    const { profile } = this.#context
    const path = openPath2014(this.#pathsOpened++, local, remote, profile, this.#newCongestion)
    if (rttMs !== undefined) path.transport.rtt.sample(rttMs)
    return path
  }

  #towards({ local, remote }: Path): Pick<ControlPacket, 'local' | 'remote'> {
    return { local, remote }
  }

  #numbers(flags: number): Pick<ControlPacket, 'flags' | 'verno' | 'ackno'> {
    return { flags, verno: this.#slot.verno, ackno: this.#slot.ackno }
  }

  #put(due: Due): void {
    if (this.#due.length < DUE_LIMIT) this.#due.push(due)
    this.#context.wake(this)
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
    return this.#mayHear && this.#state !== 'REQUEST' && !this.#isSuspended
  }
}

/** Reserved bits say nothing (A3.1). */
function knownControl(control: ControlExtension | undefined): ControlExtension | undefined {
  return control && { ...control, flags: control.flags & KNOWN_CONTROL_FLAGS }
}

function transportOf({ packet }: Arrival): TransportBytes {
  return { buffer: packet.transport, start: 0, end: packet.transport.length }
}

function reset(): ServalError {
  return new ServalError('ECONNRESET', { syscall: 'read' })
}

const AWAITS_FIN_ACK: ReadonlySet<FlowState> = new Set(['FINWAIT1', 'CLOSING', 'LASTACK'])
const HEARD_FIN: ReadonlySet<FlowState> = new Set(['CLOSED', 'CLOSEWAIT', 'LASTACK', 'CLOSING', 'TIMEWAIT'])

/** Beyond it what is owed is forgotten: what matters is repeated. */
const DUE_LIMIT = 64
/** As many as an original has been seen to send into that silence. */
const SEEN_FIN_REPEATS = 3
/** RFC 6298 (2.1): before anything is known. */
const IDLE_THIRD_ACK_MS = 1_000
const NO_BYTES = new Uint8Array(0)
