/**
 * A flow: one end of a connection to a service. It joins the connection table, the migration table, the control
 * channel and the stream, and speaks to its SAL through `FlowContext` only.
 *
 *   SAL -- handlePacket, handleData, handleTimeout --> Flow --> connection-table, migration-table (data)
 *   SAL <-- pollTransmit ----------------------------- Flow <-- Outbox (control packets), Stream (segments)
 *   program -- write, read, end, reset --------------> Flow -- signals --> program
 *
 * connection-table.ts and migration-table.ts are the rules; setup.ts and migration.ts run the two exchanges;
 * control-packet.ts writes packets, control-channel.ts numbers them; path.ts and timers.ts are values.
 */
import { ServalError } from '../errors.ts'
import { type FlowId, NO_FLOW_ID } from '../id/flow-id.ts'
import type { ServiceId } from '../id/service-id.ts'
import { type Direction, derivePlainKeys, type FlowKeys } from '../security/keys.ts'
import type { CongestionControl } from '../transport/congestion/congestion.ts'
import type { RestingStream } from '../transport/resting-stream.ts'
import { openStream, Stream, StreamSignal } from '../transport/stream.ts'
import { readU32 } from '../wire/bytes.ts'
import { type Endpoint, sameEndpoint } from '../wire/endpoint.ts'
import { controlFlags } from '../wire/extensions/control.ts'
import { keyModes } from '../wire/extensions/key.ts'
import { reasonCodes } from '../wire/extensions/reason.ts'
import { nativeSegment, type SegmentFields } from '../wire/segment.ts'
import type { TransmitBatch } from '../wire/transmit-batch.ts'
import type { AnyFlow } from './any-flow.ts'
import { type Arrival, arrivalBytes } from './arrival.ts'
import { type ConnectionAction, type ConnectionInput, connectionTable } from './connection-table.ts'
import { AHEAD_LIMIT, ControlChannel, OUTSTANDING_LIMIT, type Outstanding } from './control-channel.ts'
import { CONTROL_OVERHEAD_BYTES, ControlPacketWriter } from './control-packet.ts'
import type { FlowContext, SynTarget } from './flow-context.ts'
import { type FlowInfo, flowInfo } from './flow-info.ts'
import { CANDIDATE_LIMIT, Migration } from './migration.ts'
import { type Due, OUTBOX_LIMIT, Outbox } from './outbox.ts'
import { packed, unpacked } from './packed-bytes.ts'
import type { Local, Path } from './path.ts'
import { PathSearch } from './path-search.ts'
import { FORMER_PATHS_LIMIT, PathSet } from './path-set.ts'
import type { QueueSize } from './queue-size.ts'
import { Rebinding } from './rebinding.ts'
import { repeatsFrom, Setup, sameBytes } from './setup.ts'
import { FlowSignal, type FlowState, type MigrationState } from './states.ts'
import { type FlowTimer, FlowTimers } from './timers.ts'

/** A FIN of the peer's, kept until its turn; RSYN needs nothing kept. */
type PeerControl = { readonly kind: 'FIN'; readonly finalOffset: number } | { readonly kind: 'RSYN' }

export interface FlowOptions {
  readonly role: Direction
  readonly flowId: FlowId
  /** The service contacted. */
  readonly service: ServiceId
  /** Its name, where the program gave one. */
  readonly serviceName?: string
  /** How long set-up may take, ms. */
  readonly timeoutMs: number
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
  /** The SAL's own: bits of FlowSignal that the program has not heard of yet, and the flow's place in the schedule. */
  pendingSignals = 0
  scheduledAt = Number.POSITIVE_INFINITY
  ready = false
  /** Why the flow closed; undefined while it lives, and after an orderly close. */
  error: ServalError | undefined

  readonly #context: FlowContext<Flow>
  readonly #channel: ControlChannel<PeerControl>
  readonly #outbox = new Outbox()
  readonly #timers = new FlowTimers()
  /** Until set-up is over; then the client's nonce alone is kept, for instances that answer late, as text: it is the smallest. */
  #setup: Setup | undefined
  #lateNonce = ''
  readonly #paths: PathSet
  /** Made when they are first needed: most flows never move, and never send much. */
  #migration: Migration | undefined
  #pathSearch: PathSearch | undefined
  #rebinding: Rebinding | undefined
  readonly #writer: ControlPacketWriter
  #state: FlowState = 'INIT'
  #peerFlowId: FlowId = NO_FLOW_ID
  /** One of them, once the peer is known: the stream while something happens on it, or where it stands meanwhile. */
  #awake: Stream | undefined
  #resting: RestingStream | undefined
  /** Written, ended and set before the set-up was done. */
  #early: Uint8Array[] | undefined
  #earlyEnd = false
  #keepAliveMs = 0
  #noDelay = true
  /** Our SYN, or SYN-ACK. */
  #syn: Outstanding | undefined
  #fin: Outstanding | undefined
  #finAcknowledged = false
  #finReceived = false
  #finRepeats = 0
  #thirdAckDue: ((nowMs: number) => number) | undefined
  /** The program has let go: what still comes in is not wanted. */
  #orphaned = false
  /** Unacknowledged when it was last looked whether they become fewer. */
  #orphanedBytes = 0
  #suspended = false
  #probe: { readonly challenge: Uint8Array; repeats: number } | undefined
  #lastHeardAt: number
  /** When the peer was last asked for something new: its silence before does not count against it. */
  #askedAt: number
  /** What the last SYN was answered with, where that was a refusal. */
  #nack: { readonly reason: number; readonly remote: Endpoint } | undefined
  #released = false

  constructor(options: FlowOptions, context: FlowContext<Flow>, nowMs: number) {
    this.role = options.role
    this.flowId = options.flowId
    this.service = options.service
    this.serviceName = options.serviceName
    this.#context = context
    this.#paths = new PathSet(options.newCongestion)
    this.#lastHeardAt = this.#askedAt = nowMs
    this.#channel = new ControlChannel(readU32(context.randomBytes(4), 0))
    this.#setup = new Setup(
      n => context.randomBytes(n),
      { firstRepeatMs: context.profile.policy.initialRtoMs, timeoutMs: options.timeoutMs },
      nowMs,
    )
    this.#writer = this.#newWriter()
  }

  // ---- what the program sees ------------------------------------------------------------------------------

  get state(): FlowState {
    return this.#state
  }

  get peerFlowId(): FlowId {
    return this.#peerFlowId
  }

  get migrationState(): MigrationState {
    return this.#migration?.state ?? 'INITIAL'
  }

  get activePath(): Path | undefined {
    return this.#paths.active
  }

  /** Bytes that can be read now. */
  get readableBytes(): number {
    return this.#awake?.readableBytes ?? 0
  }

  /** Bytes written that the peer has not acknowledged. */
  get bufferedBytes(): number {
    return this.#awake?.bufferedBytes ?? (this.#early ?? []).reduce((sum, chunk) => sum + chunk.length, 0)
  }

  /** Bytes written that have never left. */
  get unsentBytes(): number {
    return this.#awake?.unsentBytes ?? this.bufferedBytes
  }

  /** Whether the send buffer is below its high-water mark. */
  get writable(): boolean {
    return this.#awake?.writable ?? this.bufferedBytes < this.#context.limits.sendBufferBytes
  }

  /** Whether every byte that the peer sent, to its end of stream, has come. */
  get endReceived(): boolean {
    return this.#awake?.receivedAll ?? false
  }

  /** Queues `chunk`, which must not be changed any more. Throws EPIPE after `end`. */
  write(chunk: Uint8Array): void {
    if (this.#ended || this.#state === 'CLOSED') throw new ServalError('EPIPE', { syscall: 'write' })
    const stream = this.#stream
    if (stream) stream.write(chunk)
    else if (this.#early) this.#early.push(chunk)
    else this.#early = [chunk]
    this.#context.wake(this)
  }

  /** The next bytes in order, or undefined. The caller owns them. */
  read(): Uint8Array | undefined {
    const chunk = this.#awake?.read()
    if (chunk !== undefined) this.#context.wake(this)
    return chunk
  }

  /** No more will be written: the peer sees the end of the stream behind the last byte. */
  end(nowMs: number): void {
    if (this.#ended || this.#state === 'CLOSED') return
    this.#input('end', nowMs)
  }

  /** Lets go of the flow: what was written still goes out, what comes in is answered with a reset. */
  close(nowMs: number): void {
    if (this.#orphaned || this.#state === 'CLOSED') return
    this.#orphaned = true
    if (this.readableBytes > 0 || this.#state === 'REQUEST') return this.reset(nowMs)
    this.end(nowMs)
    this.#armOrphan(nowMs)
    this.#context.rearm(this)
  }

  /** Ends the flow at once; the peer's program sees ECONNRESET. */
  reset(nowMs: number): void {
    if (this.#state !== 'CLOSED') this.#input('abort', nowMs)
  }

  /** Probes an idle peer every `intervalMs`; 0 stops. */
  setKeepAlive(intervalMs: number, nowMs: number): void {
    this.#keepAliveMs = intervalMs
    this.#held?.setKeepAlive(intervalMs, nowMs)
    this.#context.rearm(this)
  }

  /** Whether small writes are sent at once; they are, by default. */
  setNoDelay(noDelay: boolean): void {
    this.#noDelay = noDelay
    this.#held?.setNoDelay(noDelay)
  }

  info(): FlowInfo {
    return flowInfo(this, this.#paths.all, this.#held?.stats)
  }

  /** What the peer makes this flow keep. */
  get queues(): readonly QueueSize[] {
    return [
      { name: 'owed control packets', size: this.#outbox.size, limit: OUTBOX_LIMIT },
      { name: 'control packets ahead', size: this.#channel.aheadCount, limit: AHEAD_LIMIT },
      {
        name: 'outstanding control packets',
        size: this.#channel.outstanding.length,
        limit: OUTSTANDING_LIMIT,
      },
      { name: 'candidates', size: this.#migration?.candidates.length ?? 0, limit: CANDIDATE_LIMIT },
      { name: 'former paths', size: this.#paths.formerCount, limit: FORMER_PATHS_LIMIT },
      { name: 'bytes to read', size: this.readableBytes, limit: this.#context.limits.receiveBufferBytes },
    ]
  }

  /** Whether something of this flow still has to reach the peer, so that the process should not end. */
  get unfinished(): boolean {
    return this.#state !== 'CLOSED' && this.#state !== 'TIMEWAIT'
  }

  // ---- what the SAL calls ---------------------------------------------------------------------------------

  /** Client: begins the set-up. */
  connect(nowMs: number): void {
    if (this.#setup) this.#timers.arm('deadline', this.#setup.deadlineAt)
    this.#input('connect', nowMs)
  }

  /** Client: the service could not be resolved before, and may be now. */
  resolved(nowMs: number): void {
    if (this.#state !== 'REQUEST' || this.#timers.armed('setup')) return
    this.#sendSyn(nowMs)
    this.#context.wake(this)
    this.#context.rearm(this)
  }

  /** Client: the set-up has failed for good. */
  fail(error: ServalError, nowMs: number): void {
    if (this.#state === 'CLOSED') return
    this.error = error
    this.#enter('CLOSED')
    this.#close(nowMs)
  }

  /** Server: a SYN for one of this host's listeners came; the answer goes to `replyTo`. */
  respond(syn: Arrival, replyTo: Endpoint, nowMs: number): void {
    const { control } = syn.packet
    const share = syn.packet.extension('key')?.share
    const setup = this.#setup
    if (control === undefined || share === undefined || setup === undefined) return
    const keys = this.#meet(syn.packet.srcFlowId, setup, share)
    this.#channel.start(control.verno)
    const path = this.#paths.open(syn.local, replyTo)
    path.credit.receivedBytes = arrivalBytes(syn)
    this.#paths.adopt(path)
    this.#openStream(keys, nowMs)
    this.#timers.arm('deadline', setup.deadlineAt)
    this.#input('SYN', nowMs)
  }

  /** Server: a copy of the SYN; it may have come another way. */
  repeatSyn(bytes: number, nowMs: number): void {
    if (this.#paths.active) this.#paths.active.credit.receivedBytes += bytes
    this.#input('SYN', nowMs)
  }

  /** Whether untagged data from there is believed: the address is proven, and set-up is over. */
  believes(srcFlowId: FlowId, remote: Endpoint): boolean {
    return srcFlowId === this.#peerFlowId && this.#state !== 'RESPOND' && this.#paths.proves(remote)
  }

  /** HOT. A data segment that `believes` let pass; `fields` has been parsed from `buffer`. */
  handleData(fields: SegmentFields, buffer: Uint8Array, nowMs: number): void {
    const path = this.#paths.active
    if (path === undefined) return
    this.#heard(nowMs)
    if (this.#resting?.handleSegment(fields, nowMs)) return
    this.#stream?.handleSegment(fields, buffer, path.transport, nowMs)
  }

  /** HOT. A received buffer has been handled: time to decide on acknowledging, and to tell the program. */
  handleBatchEnd(nowMs: number): void {
    this.#awake?.handleBatchEnd(nowMs)
    this.#afterInput(nowMs)
  }

  /** Plain data of this flow's, from an address that the peer has not proven. */
  handleUnproven(arrival: Arrival, nowMs: number): void {
    this.#rebind.handleUnproven(arrival.local, arrival.remote, arrivalBytes(arrival), nowMs)
    this.#context.wake(this)
    this.#context.rearm(this)
  }

  /** A packet for this flow that is more than plain data. */
  handlePacket(arrival: Arrival, nowMs: number): void {
    if (this.#state === 'REQUEST') this.#handleAnswer(arrival, nowMs)
    else if (arrival.packet.srcFlowId !== this.#peerFlowId) this.#handleStranger(arrival, nowMs)
    else this.#handleControl(arrival, nowMs)
    this.#awake?.handleBatchEnd(nowMs)
    this.#afterInput(nowMs)
  }

  /** The peer's process has ended. */
  peerGone(nowMs: number): void {
    this.#input('RST', nowMs)
  }

  /** A new address of this host's has come, or one of it has been chosen, for this flow. */
  move(local: Local, nowMs: number): void {
    if (!this.#movable) return
    this.#askedAt = nowMs
    this.#migrating.move(local, nowMs)
    this.#context.wake(this)
    this.#context.rearm(this)
  }

  /** Whether the flow waits for an address, or for one from which its peer can be reached. */
  get waitsForAddress(): boolean {
    return this.migrationState.startsWith('NOADDRESS')
  }

  /** `local` has gone; `other` is the best of what is left. */
  localLost(local: Local, other: Local | undefined, nowMs: number): void {
    if (!this.#movable) return
    if (this.#paths.active?.local === local) this.#pause()
    if (!this.#leavesFrom(local)) return
    if (other) this.move(other, nowMs)
    else this.#migrating.lost(nowMs)
    this.#context.rearm(this)
  }

  /** The system has refused a packet from `local`, to `remote` if that is known, as too long. */
  handleTooLong(localId: number, remote: Endpoint | undefined): void {
    const path = this.#paths.active
    if (path?.local.id !== localId || (remote && !sameEndpoint(path.remote, remote))) return
    this.#searching.handleRefused(path, this.#awake)
    this.#context.wake(this)
  }

  /** The interface of `local` has changed. */
  localChanged(local: Local): void {
    const path = this.#paths.active
    if (path?.local !== local) return
    this.#searching.handleInterface(path, this.#awake)
    this.#context.wake(this)
  }

  get nextTimeoutAt(): number {
    const held = this.#held
    return held === undefined || this.#suspended || this.#state === 'CLOSED'
      ? this.#timers.nextAt
      : Math.min(this.#timers.nextAt, held.nextTimeoutAt)
  }

  handleTimeout(nowMs: number): void {
    for (let timer = this.#timers.takeExpired(nowMs); timer; timer = this.#timers.takeExpired(nowMs)) {
      this.#handleTimer(timer, nowMs)
    }
    const isDue =
      !this.#suspended && this.#state !== 'CLOSED' && (this.#held?.nextTimeoutAt ?? NEVER) <= nowMs
    const stream = isDue ? this.#stream : undefined
    if (stream) {
      stream.handleTimeout(nowMs)
      if (this.#paths.active) this.#searching.handleTimeout(this.#paths.active, stream)
    }
    this.#afterInput(nowMs)
  }

  /** HOT. Writes what is to be sent next; false when there is nothing. */
  pollTransmit(batch: TransmitBatch, nowMs: number): boolean {
    for (let due = this.#outbox.take(); due; due = this.#outbox.take()) {
      // FIN is about to say as much.
      if (due.kind === 'ACK' && due.echo === undefined && this.#finLeavesNow(due.path)) continue
      if (this.#emitControl(due, batch, nowMs)) return true
    }
    if (this.#released) return false
    const path = this.#paths.active
    const stream = this.#awake
    if (this.#state === 'CLOSED') return this.#release()
    if (!path || !this.#mayStream) return false
    if (!stream) return this.#emitAtRest(path, batch)
    if (this.#fin && this.#finLeavesNow(path)) {
      const due: Due = { kind: 'FIN', path, entry: this.#fin }
      if (this.#emitControl(due, batch, nowMs)) return true
    }
    if (path.local.isHeld || !stream.emitBatch(batch, this.#writer.dataPrefix, path.transport, nowMs))
      return false
    batch.setRoute(path.local.id, path.remote)
    this.#searching.handleData(path, batch, stream, nowMs)
    return true
  }

  /**
   * Keeps of the stream only where it stands, if nothing has happened on it for a while. `ended`: it will not come to that
   * any more.
   */
  rest(nowMs: number): 'resting' | 'awake' | 'ended' {
    if (this.#ended || this.#finReceived || this.#state === 'CLOSED') return 'ended'
    if (this.#suspended || this.migrationState !== 'INITIAL') return 'awake'
    this.#resting ??= this.#awake?.rest(nowMs)
    if (this.#resting === undefined) return 'awake'
    this.#awake = undefined
    return 'resting'
  }

  // ---- input ----------------------------------------------------------------------------------------------

  /** REQUEST: SYN-ACK or NACK, from whichever instance or router. */
  #handleAnswer(arrival: Arrival, nowMs: number): void {
    const { packet, local, remote } = arrival
    const { control } = packet
    const setup = this.#setup
    if (setup === undefined || control === undefined || control.ackno !== this.#channel.verno)
      return this.#context.count('unexpected')
    if (control.flags & controlFlags.NACK) {
      if (!setup.isControlNonce(control.nonce)) return this.#context.count('nackForged')
      this.#nack = { reason: packet.extension('reason')?.code ?? reasonCodes.REFUSED, remote }
      return this.#input('NACK', nowMs)
    }
    const offered = packet.extension('key')
    if ((control.flags & SYN_ACK) !== SYN_ACK || offered?.mode !== keyModes.PLAIN)
      return this.#context.count('unexpected')
    const keys = this.#meet(packet.srcFlowId, setup, offered.share)
    if (!this.#writer.verifies(arrival)) {
      this.#peerFlowId = NO_FLOW_ID
      return this.#context.count('badTag')
    }
    this.#channel.start(control.verno)
    this.#channel.acknowledge(control.ackno)
    this.#lastHeardAt = nowMs
    const path = this.#paths.open(local, remote)
    this.#prove(path, setup.roundTrip(nowMs))
    this.#paths.adopt(path)
    this.#openStream(keys, nowMs)
    this.#handleSegment(arrival, nowMs)
    this.#input('SYN_ACK', nowMs)
  }

  /** A packet for our flowID that is not our peer's: an instance that lost the race for our SYN is told so. */
  #handleStranger(arrival: Arrival, nowMs: number): void {
    const { packet, local, remote } = arrival
    const offered = packet.extension('key')
    const isSynAck = this.role === 'client' && ((packet.control?.flags ?? 0) & SYN_ACK) === SYN_ACK
    if (!isSynAck || offered?.mode !== keyModes.PLAIN) return this.#context.answerUnknown(arrival, nowMs)
    const writer = this.#newWriter()
    writer.meet(
      packet.srcFlowId,
      derivePlainKeys(unpacked(this.#lateNonce, new Uint8Array(this.#lateNonce.length)), offered.share),
    )
    if (!writer.verifies(arrival)) return this.#context.count('badTag')
    const path = this.#paths.open(local, remote)
    path.proven = true
    this.#outbox.put({ kind: 'RST', path, reason: reasonCodes.LOST_RACE, writer })
  }

  #handleControl(arrival: Arrival, nowMs: number): void {
    const { packet, local } = arrival
    const { control } = packet
    if (control === undefined) return this.#context.count('unexpected')
    const has = (flag: number) => (control.flags & flag) !== 0
    if (has(controlFlags.RST) && packet.tag === undefined) return this.#handleStatelessReset(arrival, nowMs)
    if (!this.#writer.verifies(arrival)) return this.#context.count('badTag')
    if (has(controlFlags.RST)) return this.#input('RST', nowMs)
    if (has(controlFlags.ACK) && !this.#handleAckno(control.ackno)) return this.#context.count('badAckno')
    if (has(controlFlags.SYN)) return this.#input('SYN_ACK', nowMs)
    if (this.#state === 'RESPOND') this.#establish(nowMs)

    const isRsynAck = has(controlFlags.RSYN) && has(controlFlags.ACK)
    if (!isRsynAck) this.#heard(nowMs)
    if (has(controlFlags.ACK) && !isRsynAck && !packet.extension('challenge')?.echo)
      this.#migration?.handleAck(control.ackno, local.id, nowMs)
    if (isRsynAck) this.#handleRsynAck(arrival, nowMs)
    else if (has(controlFlags.RSYN)) this.#handleRsyn(arrival, control.verno, nowMs)
    else if (has(controlFlags.FIN)) this.#handleFin(arrival, control.verno, nowMs)
    else this.#handleAck(arrival, nowMs)
    this.#handleSegment(arrival, nowMs)
  }

  #handleAckno(ackno: number): boolean {
    const covered = this.#channel.acknowledge(ackno)
    if (covered?.some(entry => entry.kind === 'FIN')) {
      this.#finAcknowledged = true
      this.#timers.disarm('fin')
    }
    return covered !== undefined
  }

  #handleRsynAck(arrival: Arrival, nowMs: number): void {
    const { packet, local, remote } = arrival
    const challenge = packet.extension('challenge')
    if (challenge === undefined || challenge.echo) return this.#context.count('unexpected')
    this.#migrating.handleRsynAck(challenge.value, local, remote, arrivalBytes(arrival), nowMs)
  }

  #handleRsyn(arrival: Arrival, verno: number, nowMs: number): void {
    if (!this.#movable) return this.#context.count('unexpected')
    const taken = this.#channel.accept(verno, { kind: 'RSYN' }, delivered => this.#deliver(delivered))
    if (taken === 'tooFar') return this.#context.count('controlTooFar')
    this.#migrating.handleRsyn(verno, arrival.local, arrival.remote, arrivalBytes(arrival), nowMs)
  }

  #handleFin(arrival: Arrival, verno: number, nowMs: number): void {
    const { packet, local, remote } = arrival
    // It may be the only thing that a peer behind a NAT has to say, and wants an answer where it is now.
    if (!this.#paths.proves(remote)) this.#rebind.handleUnproven(local, remote, arrivalBytes(arrival), nowMs)
    const finalOffset = packet.extension('end')?.finalOffset
    if (finalOffset === undefined) return this.#context.count('unexpected')
    const taken = this.#channel.accept(verno, { kind: 'FIN', finalOffset }, delivered =>
      this.#deliver(delivered),
    )
    if (taken === 'tooFar') return this.#context.count('controlTooFar')
    if (this.#paths.active) this.#outbox.put({ kind: 'ACK', path: this.#paths.active })
    if (this.#state === 'TIMEWAIT') this.#linger(nowMs)
  }

  #deliver(delivered: PeerControl): void {
    if (delivered.kind !== 'FIN' || this.#finReceived) return
    if (this.#stream?.handleFinalOffset(delivered.finalOffset) === 'conflict')
      this.#context.count('finConflict')
    else this.#finReceived = true
  }

  /** Third ACK, the ACK that ends a migration, challenges and their echoes. */
  #handleAck(arrival: Arrival, nowMs: number): void {
    const { packet, local, remote } = arrival
    // Third ACK: it is repeated until something is heard.
    if (packet.service !== undefined) this.#held?.acknowledgeNow()
    // Done: our last ACK has come.
    if (this.#state === 'TIMEWAIT' && packet.extension('reason')?.code === reasonCodes.CLOSED)
      return this.#input('lingered', nowMs)
    const challenge = packet.extension('challenge')
    if (challenge === undefined) return
    if (!challenge.echo) {
      // From an address that is not proven yet, too: a mover may ask before its move is done.
      const path = this.#paths.find(local.id, remote) ?? this.#paths.open(local, remote)
      path.credit.receivedBytes += arrivalBytes(arrival)
      this.#outbox.put({ kind: 'ACK', path, echo: challenge.value })
    } else if (!this.#migration?.handleEcho(challenge.value, local.id, remote, nowMs)) {
      if (this.#probe && sameBytes(this.#probe.challenge, challenge.value)) this.#endProbe()
      else if (this.#rebinding?.handleEcho(challenge.value, local.id, remote, nowMs)) return
      else if (!this.#pathSearch?.handleEcho(challenge.value)) this.#context.count('echoUnknown')
    }
  }

  /**
   * Whoever tags a packet has our nonce, and that went only to the address that SYN-ACK went to. So it is proven by
   * whatever comes first, third ACK or not; and no other address is, wherever the packet came from.
   */
  #establish(nowMs: number): void {
    if (this.#paths.active) this.#prove(this.#paths.active, this.#setup?.roundTrip(nowMs))
    this.#input('ACK', nowMs)
  }

  /** The segment behind a control packet's extensions. */
  #handleSegment({ packet }: Arrival, nowMs: number): void {
    const path = this.#paths.active
    if (!path || packet.transport.length === 0 || this.#state === 'RESPOND') return
    const fields = this.#context.segmentFields
    const error = nativeSegment.parseInto(fields, packet.transport, 0, packet.transport.length)
    if (error !== undefined) return this.#context.count(error.code)
    if (this.#resting?.handleSegment(fields, nowMs)) return
    const stream = this.#stream
    if (stream === undefined) return
    const { badAcknowledgements } = stream.stats
    stream.handleSegment(fields, packet.transport, path.transport, nowMs)
    if (stream.stats.badAcknowledgements > badAcknowledgements) this.#handleLie(nowMs)
  }

  /** The peer itself, for the packet is tagged, acknowledges what was never sent: nothing that it says can be relied on. */
  #handleLie(nowMs: number): void {
    if (this.#state === 'CLOSED') return
    this.error = new ServalError('ECONNRESET', { syscall: 'read', reason: 'impossible acknowledgement' })
    this.#input('abort', nowMs)
  }

  /** Something of the peer's, and not what could be sent before it knew of us. */
  #heard(nowMs: number): void {
    this.#lastHeardAt = nowMs
    if (this.#thirdAckDue !== undefined) {
      this.#thirdAckDue = undefined
      this.#timers.disarm('setup')
    }
  }

  /** What the stream has to say, and what follows from it. */
  #afterInput(nowMs: number): void {
    const stream = this.#awake
    if (stream !== undefined) this.#heed(stream, stream.takeSignals(), nowMs)
    if (this.#state === 'CONNECTED' && this.#earlyEnd) {
      this.#earlyEnd = false
      this.#input('end', nowMs)
    }
    this.#context.wake(this)
    this.#context.rearm(this)
  }

  #heed(stream: Stream, signals: number, nowMs: number): void {
    let bits = 0
    if (signals & StreamSignal.readable) bits |= FlowSignal.readable
    if (signals & StreamSignal.writable) bits |= FlowSignal.writable
    if (signals & StreamSignal.allAcknowledged) bits |= FlowSignal.drained
    if (bits !== 0) this.#signal(bits)
    if (signals & StreamSignal.badAck) this.#context.count('badAck')
    if (this.#orphaned && stream.readableBytes > 0) return this.reset(nowMs)
    if (this.#finReceived && stream.receivedAll && !this.#peerEnded) this.#input('FIN', nowMs)
    if (this.#finAcknowledged && stream.acknowledgedAll && this.#awaitsFinAck) this.#input('FIN_ACKED', nowMs)
    if (signals & StreamSignal.dead) this.#input('gaveUp', nowMs)
  }

  // ---- the connection table -------------------------------------------------------------------------------

  #input(input: ConnectionInput, nowMs: number): void {
    const cell = connectionTable[this.#state][input]
    if (cell === 'ignored') return this.#context.count(`connection:${this.#state}:${input}`)
    if (cell === 'illegal') {
      throw new ServalError('ERR_SOCKET_CLOSED', { state: this.#state, call: input })
    }
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
      case 'sendFin':
        this.#stream?.end()
        this.#fin ??= this.#channel.queue('FIN')
        return
      case 'sendRst':
        if (this.#paths.active)
          this.#outbox.put({ kind: 'RST', path: this.#paths.active, reason: reasonCodes.CLOSED })
        return
      case 'accept':
        this.#timers.disarm('setup')
        this.#endSetup()
        return this.#context.accepted(this)
      case 'connected':
        this.#endSetup()
        return this.#signal(FlowSignal.connected)
      case 'end':
        this.#held?.acknowledgeNow()
        return this.#signal(FlowSignal.end)
      case 'defer':
        this.#earlyEnd = true
        return
      case 'tryAnother':
        return this.#tryAnother(nowMs)
      case 'linger':
        return this.#linger(nowMs)
      case 'close':
        return this.#close(nowMs)
      case 'sendDone':
        if (this.#paths.active) this.#outbox.put({ kind: 'DONE', path: this.#paths.active })
        return
      case 'closeResetIfLost':
        if (this.#acknowledgedAll) return this.#close(nowMs)
        return this.#run('closeReset', nowMs)
      case 'closeReset':
        this.error = new ServalError('ECONNRESET', { syscall: 'read' })
        return this.#close(nowMs)
      case 'closeTimedOutIfLost':
        if (this.#acknowledgedAll) return this.#close(nowMs)
        return this.#run('closeTimedOut', nowMs)
      case 'closeTimedOut':
        this.error = this.#context.timeoutError(this, nowMs)
        return this.#close(nowMs)
    }
  }

  #sendSyn(nowMs: number): void {
    const target: SynTarget = this.#context.nextInstance(this, nowMs)
    if (target instanceof ServalError) return this.fail(target, nowMs)
    if (target === 'waiting') {
      this.#timers.disarm('setup')
      return
    }
    const setup = this.#setup
    if (setup === undefined) return
    this.#nack = undefined
    const again = setup.sent(nowMs)
    this.#syn ??= this.#channel.queue('SYN')
    const path = this.#paths.open(target.local, target.remote)
    path.proven = true
    this.#outbox.put({ kind: 'SYN', path, entry: this.#syn, setup })
    this.#timers.arm('setup', again)
  }

  #sendSynAck(nowMs: number): void {
    const path = this.#paths.active
    const setup = this.#setup
    if (path === undefined || setup === undefined) return
    this.#syn ??= this.#channel.queue('SYN')
    this.#outbox.put({ kind: 'SYN_ACK', path, entry: this.#syn, setup })
    this.#timers.arm('setup', setup.sent(nowMs))
  }

  #sendThirdAck(nowMs: number): void {
    const path = this.#paths.active
    if (path === undefined) return
    if (this.#thirdAckDue === undefined) {
      this.#thirdAckDue = repeatsFrom(path.transport.rtt.rtoMs)
      this.#askedAt = nowMs
    }
    this.#outbox.put({ kind: 'THIRD_ACK', path })
    this.#timers.arm('setup', this.#thirdAckDue(nowMs))
  }

  #tryAnother(nowMs: number): void {
    const nack = this.#nack
    if (nack === undefined) return
    const { error, retry } = this.#context.refusal(this, nack.reason, nack.remote, nowMs)
    const againAt = this.#setup?.refused(retry, nowMs)
    if (againAt === undefined) this.fail(error, nowMs)
    else this.#timers.arm('setup', againAt)
  }

  #linger(nowMs: number): void {
    const { initialRtoMs, timeWaitMs, timeWaitPtos } = this.#context.profile.policy
    const ptoMs = this.#paths.active?.transport.rtt.ptoMs ?? initialRtoMs
    this.#timers.arm('linger', nowMs + Math.max(timeWaitMs, timeWaitPtos * ptoMs))
  }

  #close(_nowMs: number): void {
    this.#timers.disarmAll()
    this.#outbox.clear(due => LAST_WORDS.has(due.kind))
    this.#early = undefined
    this.#signal(FlowSignal.closed)
    this.#context.wake(this)
    this.#context.rearm(this)
  }

  // ---- time -----------------------------------------------------------------------------------------------

  #handleTimer(timer: FlowTimer, nowMs: number): void {
    switch (timer) {
      case 'setup':
        if (this.#state === 'REQUEST') this.#sendSyn(nowMs)
        else if (this.#state === 'RESPOND') this.#sendSynAck(nowMs)
        else if (this.#isDead(nowMs)) this.#input('gaveUp', nowMs)
        else this.#sendThirdAck(nowMs)
        return
      case 'deadline':
        if (this.#nack === undefined) return this.#input('gaveUp', nowMs)
        return this.fail(
          this.#context.refusal(this, this.#nack.reason, this.#nack.remote, nowMs).error,
          nowMs,
        )
      case 'fin':
        return this.#repeatFin(nowMs)
      case 'rsyn':
        if (this.#isDead(nowMs)) return this.#input('gaveUp', nowMs)
        return this.#migrating.handleRsynDue(nowMs)
      case 'candidates':
        return this.#migrating.handleCandidatesDue(nowMs)
      case 'probe':
        return this.#repeatProbe(nowMs)
      case 'rebinding':
        return this.#rebind.handleDue(nowMs)
      case 'linger':
        return this.#input('lingered', nowMs)
      case 'orphan':
        return this.#orphanProgresses ? this.#armOrphan(nowMs) : this.reset(nowMs)
    }
  }

  /** What was written may take its time; but it must come on, and then the peer must end. */
  #armOrphan(nowMs: number): void {
    this.#orphanedBytes = this.bufferedBytes
    this.#timers.arm('orphan', nowMs + this.#context.profile.policy.finWait2Ms)
  }

  /** When all is acknowledged there is nothing left to do but to end, and a minute for that. */
  get #orphanProgresses(): boolean {
    const takenBytes = this.#orphanedBytes - this.bufferedBytes
    return takenBytes > 0 && (this.bufferedBytes === 0 || takenBytes >= this.#context.limits.minProgressBytes)
  }

  #repeatFin(nowMs: number): void {
    const path = this.#paths.active
    if (this.#fin === undefined || path === undefined || this.#finAcknowledged) return
    if (this.#isDead(nowMs)) return this.#input('gaveUp', nowMs)
    if (!this.#suspended) this.#outbox.put({ kind: 'FIN', path, entry: this.#fin })
    this.#armFin(path, nowMs)
  }

  #armFin(path: Path, nowMs: number): void {
    this.#timers.arm('fin', nowMs + path.transport.rtt.rtoMs * 2 ** Math.min(this.#finRepeats++, 6))
  }

  /** The peer owes an answer and has been silent for too long since it was asked. */
  #isDead(nowMs: number): boolean {
    const silentMs = nowMs - Math.max(this.#lastHeardAt, this.#askedAt)
    return !this.waitsForAddress && silentMs >= this.#context.limits.deadPeerMs
  }

  /**
   * Somebody says, unproven, that the peer knows nothing of this flow. It is asked, tagged, with a CHALLENGE; the flow ends
   * only when the answer is such a reset again that echoes it, for then whoever is at the peer's address has no keys.
   * Silence proves nothing: the peer may be on the move. So forged resets end no flow, however many there are.
   */
  #handleStatelessReset({ packet }: Arrival, nowMs: number): void {
    const echo = packet.extension('challenge')
    if (this.#probe !== undefined && echo?.echo && sameBytes(echo.value, this.#probe.challenge)) {
      return this.#input('RST', nowMs)
    }
    this.#context.count('rstUntagged')
    if (this.#probe !== undefined || !this.#movable || this.migrationState !== 'INITIAL') return
    this.#probe = { challenge: this.#context.randomBytes(8), repeats: 0 }
    this.#repeatProbe(nowMs)
  }

  #repeatProbe(nowMs: number): void {
    const path = this.#paths.active
    const probe = this.#probe
    if (probe === undefined || path === undefined) return
    if (this.#suspended || probe.repeats >= PROBE_LIMIT) return this.#endProbe()
    this.#outbox.put({ kind: 'PROBE', path, challenge: probe.challenge })
    this.#timers.arm('probe', nowMs + path.transport.rtt.ptoMs * 2 ** probe.repeats++)
  }

  #endProbe(): void {
    this.#probe = undefined
    this.#timers.disarm('probe')
  }

  // ---- output ---------------------------------------------------------------------------------------------

  #emitControl(due: Due, batch: TransmitBatch, nowMs: number): boolean {
    const { path } = due
    if (this.#suspended && path === this.#paths.active) return false
    const writer = due.kind === 'RST' && due.writer ? due.writer : this.#writer
    const length = writer.write(due, batch.buffer, this.#held, nowMs)
    if (!path.admits(length)) {
      this.#context.count('amplificationLimit')
      return false
    }
    path.credit.sentBytes += length
    if (due.kind === 'RSYN_ACK') {
      path.challenges++
      path.challengedAt = nowMs
    } else if (due.kind === 'FIN') {
      if (due.entry.transmissions === 0) this.#askedAt = nowMs
      if (!this.#timers.armed('fin')) this.#armFin(path, nowMs)
      this.#context.rearm(this)
    }
    if ('entry' in due) {
      due.entry.transmissions++
      due.entry.sentAt = nowMs
    }
    batch.setPacket(length)
    batch.setRoute(path.local.id, path.remote)
    return true
  }

  #emitAtRest(path: Path, batch: TransmitBatch): boolean {
    if (!this.#resting?.emitBatch(batch, this.#writer.dataPrefix)) return false
    batch.setRoute(path.local.id, path.remote)
    return true
  }

  /** FIN goes out with the last of the data, or right behind it. */
  #finLeavesNow(path: Path): boolean {
    return (
      this.#fin?.transmissions === 0 &&
      this.#mayStream &&
      path === this.#paths.active &&
      this.#awake !== undefined &&
      this.#awake.unsentBytes <= path.transport.mss - CONTROL_OVERHEAD_BYTES
    )
  }

  /** The last packet is out: the SAL may forget the flow. */
  #release(): false {
    this.#released = true
    this.#context.release(this)
    return false
  }

  // ---- parts ----------------------------------------------------------------------------------------------

  #newWriter(): ControlPacketWriter {
    return new ControlPacketWriter({
      role: this.role,
      flowId: this.flowId,
      service: this.service,
      channel: this.#channel,
      profile: this.#context.profile,
    })
  }

  /** The peer and its share of the keys are known. */
  #meet(peerFlowId: FlowId, setup: Setup, share: Uint8Array): FlowKeys {
    const keys = setup.deriveKeys(this.role, share)
    this.#peerFlowId = peerFlowId
    this.#writer.meet(peerFlowId, keys)
    return keys
  }

  /** No more is needed of it, but by instances that lost the race: those hear so when they answer late. */
  #endSetup(): void {
    if (this.role === 'client') this.#lateNonce = packed(this.#setup?.nonce ?? NO_BYTES)
    this.#timers.disarm('deadline')
    this.#setup = this.#syn = this.#nack = undefined
  }

  get #migrating(): Migration {
    const context = this.#context
    this.#migration ??= new Migration({
      channel: this.#channel,
      outbox: this.#outbox,
      timers: this.#timers,
      paths: this.#paths,
      randomBytes: n => context.randomBytes(n),
      adopt: (path, now) => this.#adopt(path, now),
      suspend: () => this.#suspend(),
      signal: bits => this.#signal(bits),
      count: counter => context.count(counter),
      anotherLocal: (local, remote) => context.anotherLocal(local, remote),
    })
    return this.#migration
  }

  get #rebind(): Rebinding {
    this.#rebinding ??= new Rebinding({
      outbox: this.#outbox,
      timers: this.#timers,
      paths: this.#paths,
      randomBytes: n => this.#context.randomBytes(n),
      mayRebind: () => this.#movable && !this.#suspended && this.migrationState === 'INITIAL',
      rebound: (path, now) => {
        this.#adopt(path, now)
        this.#signal(FlowSignal.moved)
      },
      count: counter => this.#context.count(counter),
    })
    return this.#rebinding
  }

  get #searching(): PathSearch {
    this.#pathSearch ??= new PathSearch(this.#outbox, n => this.#context.randomBytes(n))
    return this.#pathSearch
  }

  #prove(path: Path, roundTripMs: number | undefined): void {
    path.proven = true
    if (roundTripMs !== undefined) path.transport.rtt.sample(roundTripMs)
  }

  #openStream(keys: FlowKeys, nowMs: number): void {
    const client = this.role === 'client'
    this.#resting = openStream({
      ...this.#context.limits,
      sendIsn: client ? keys.clientIsn : keys.serverIsn,
      receiveIsn: client ? keys.serverIsn : keys.clientIsn,
      nowMs,
    })
    this.#resting.noDelay = this.#noDelay
    this.#resting.setKeepAlive(this.#keepAliveMs, nowMs)
    for (const chunk of this.#early ?? []) this.#stream?.write(chunk)
    this.#early = undefined
  }

  /** For whoever has something for it to do: that ends its rest. */
  get #stream(): Stream | undefined {
    return this.#awake ?? this.#wakeStream()
  }

  #wakeStream(): Stream | undefined {
    const resting = this.#resting
    const path = this.#paths.active?.transport
    if (resting === undefined || path === undefined || this.#state === 'CLOSED') return undefined
    this.#resting = undefined
    this.#awake = new Stream({ ...this.#context.limits, path }, resting)
    if (this.#suspended) this.#awake.suspend()
    this.#context.awake(this)
    return this.#awake
  }

  /** For whoever asks for no more than it can tell in its sleep. */
  get #held(): Stream | RestingStream | undefined {
    return this.#awake ?? this.#resting
  }

  get #acknowledgedAll(): boolean {
    return this.#awake ? this.#awake.acknowledgedAll : this.#resting !== undefined
  }

  #adopt(path: Path, nowMs: number): void {
    this.#paths.adopt(path)
    this.#askedAt = nowMs
    if (this.#suspended) {
      this.#suspended = false
      this.#stream?.resume(path.transport, nowMs)
    } else this.#awake?.switchPath(path.transport, nowMs)
    if (this.#fin && this.#fin.transmissions > 0 && !this.#finAcknowledged) {
      this.#finRepeats = 0
      this.#outbox.put({ kind: 'FIN', path, entry: this.#fin })
    }
  }

  /** Nothing can be sent until a new path is adopted. */
  #pause(): void {
    if (this.#suspended) return
    this.#suspended = true
    this.#awake?.suspend()
  }

  #suspend(): void {
    this.#pause()
    this.#signal(FlowSignal.stalled)
  }

  #signal(bits: number): void {
    this.#context.signal(this, bits)
  }

  /** Whether packets leave from `local`, or will once a move is done. */
  #leavesFrom(local: Local): boolean {
    return (this.#migration?.ownPath ?? this.#paths.active)?.local === local
  }

  get #mayStream(): boolean {
    return (
      !this.#suspended && this.#state !== 'RESPOND' && this.#state !== 'REQUEST' && this.#state !== 'INIT'
    )
  }

  get #movable(): boolean {
    return MOVABLE.has(this.#state)
  }

  get #ended(): boolean {
    return this.#earlyEnd || this.#fin !== undefined
  }

  get #awaitsFinAck(): boolean {
    return this.#state === 'FINWAIT1' || this.#state === 'CLOSING' || this.#state === 'LASTACK'
  }

  get #peerEnded(): boolean {
    return (
      this.#state === 'CLOSED' ||
      this.#state === 'CLOSEWAIT' ||
      this.#state === 'LASTACK' ||
      this.#state === 'CLOSING' ||
      this.#state === 'TIMEWAIT'
    )
  }
}

const MOVABLE: ReadonlySet<FlowState> = new Set([
  'CONNECTED',
  'FINWAIT1',
  'FINWAIT2',
  'CLOSING',
  'CLOSEWAIT',
  'LASTACK',
  'TIMEWAIT',
])

/** What a closed flow still says. By the third ACK the server's program hears of a flow that is reset at once. */
const LAST_WORDS: ReadonlySet<Due['kind']> = new Set(['THIRD_ACK', 'RST', 'DONE'])

const NO_BYTES = new Uint8Array(0)

const NEVER = Number.POSITIVE_INFINITY

const SYN_ACK = controlFlags.SYN | controlFlags.ACK

/** How often a peer that may have lost its state is asked. */
const PROBE_LIMIT = 3
