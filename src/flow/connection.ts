/**
 * The connection of one flow: its opening and its closing, as the connection table says. connection-table.ts is the rules,
 * connection-machine.ts follows them; opening.ts knows what is to be known at the beginning of a flow's life, closing.ts at
 * its end, and neither exists meanwhile.
 */
import { ServalError } from '../errors.ts'
import type { Endpoint } from '../wire/endpoint.ts'
import { reasonCodes } from '../wire/extensions/reason.ts'
import type { Arrival } from './arrival.ts'
import { Closing } from './closing.ts'
import { ConnectionMachine, resetByPeer } from './connection-machine.ts'
import type { ConnectionAction } from './connection-table.ts'
import type { FlowParts, PeerControl } from './flow-parts.ts'
import type { FlowTransport } from './flow-transport.ts'
import { answerLoser, Opening } from './opening.ts'
import type { Due } from './outbox.ts'
import { packed, unpacked } from './packed-bytes.ts'
import type { Path } from './path.ts'
import { repeatsFrom } from './setup.ts'
import { FlowSignal } from './states.ts'
import type { FlowTimer } from './timers.ts'

export class Connection<F> extends ConnectionMachine<F> {
  readonly #parts: FlowParts<F>
  readonly #transport: FlowTransport
  #opening: Opening<F> | undefined
  /** The client's nonce, once set-up is over, as text: it is the smallest. */
  #lateNonce = ''
  #thirdAckDue: ((nowMs: number) => number) | undefined
  /** The program has ended its stream before the set-up was done. */
  #endsEarly = false
  #closing: Closing<F> | undefined

  /** `timeoutMs`: how long set-up may take. */
  constructor(parts: FlowParts<F>, transport: FlowTransport, timeoutMs: number, nowMs: number) {
    super(parts, nowMs)
    this.#parts = parts
    this.#transport = transport
    this.#opening = new Opening(parts, transport, timeoutMs, nowMs)
  }

  /** Whether there is a peer to send data to. */
  get isOpen(): boolean {
    return this.state !== 'RESPOND' && this.state !== 'REQUEST' && this.state !== 'INIT'
  }

  /** Whether the program has ended its stream. */
  get isEnded(): boolean {
    return this.#endsEarly || this.#closing?.hasFin === true
  }

  /** Whether either stream has been ended. */
  get isClosing(): boolean {
    return this.isEnded || this.#closing?.isReceived === true || this.state === 'CLOSED'
  }

  // ---- the program's side ---------------------------------------------------------------------------------

  end(nowMs: number): void {
    if (!this.isEnded && this.state !== 'CLOSED') this.input('end', nowMs)
  }

  /** What was written still goes out, what comes in is answered with a reset. */
  letGo(nowMs: number): void {
    if (this.#closing?.isOrphaned || this.state === 'CLOSED') return
    const closing = this.#closingNow()
    closing.orphan()
    if (this.#transport.owesReading || !this.isOpen) return this.abort(nowMs)
    this.end(nowMs)
    closing.watchOrphan(nowMs)
    this.#parts.context.rearm(this.#parts.flow)
  }

  abort(nowMs: number): void {
    if (this.state !== 'CLOSED') this.input('abort', nowMs)
  }

  // ---- set-up ---------------------------------------------------------------------------------------------

  connect(nowMs: number): void {
    this.#opening?.startDeadline()
    this.input('connect', nowMs)
  }

  resolved(nowMs: number): void {
    const { timers, context, flow } = this.#parts
    if (this.state !== 'REQUEST' || timers.armed('setup')) return
    this.#sendSyn(nowMs)
    context.wake(flow)
    context.rearm(flow)
  }

  respond(syn: Arrival, replyTo: Endpoint, nowMs: number): void {
    if (this.#opening?.handleSyn(syn, replyTo, nowMs)) this.input('SYN', nowMs)
  }

  /** REQUEST; returns whether the peer is known now. */
  handleAnswer(arrival: Arrival, nowMs: number): boolean {
    const answer = this.#opening?.handleAnswer(arrival, nowMs)
    if (answer === 'NACK') this.input('NACK', nowMs)
    if (answer !== 'SYN_ACK') return false
    this.heard(nowMs)
    return true
  }

  /** RESPOND: something with TAG has come. */
  establish(nowMs: number): void {
    this.#opening?.prove(nowMs)
    this.input('ACK', nowMs)
  }

  /** A packet for our flowID that is not our peer's. */
  handleStranger(arrival: Arrival, nowMs: number): void {
    const nonce = unpacked(this.#lateNonce, new Uint8Array(this.#lateNonce.length))
    answerLoser(this.#parts, nonce, arrival, nowMs)
  }

  // ---- while it lives -------------------------------------------------------------------------------------

  /** HOT. Something of the peer's, and not what could be sent before it knew of us. */
  handleHeard(nowMs: number): void {
    this.heard(nowMs)
    if (this.#thirdAckDue !== undefined) {
      this.#thirdAckDue = undefined
      this.#parts.timers.disarm('setup')
    }
  }

  /** The peer itself, for the packet is tagged, acknowledges what was never sent: nothing that it says can be relied on. */
  handleLie(nowMs: number): void {
    if (this.state === 'CLOSED') return
    this.blame(new ServalError('ECONNRESET', { syscall: 'read', reason: 'impossible acknowledgement' }))
    this.input('abort', nowMs)
  }

  /** A tagged acknowledgement; false if it covers what was never sent. */
  handleAckno(ackno: number): boolean {
    const covered = this.#parts.channel.acknowledge(ackno)
    if (covered !== undefined) this.#closing?.handleCovered(covered)
    return covered !== undefined
  }

  /** The turn of a control packet of the peer's has come. */
  handleDelivered(delivered: PeerControl): void {
    if (delivered.kind === 'FIN') this.#closingNow().handleDelivered(delivered.finalOffset)
  }

  /** The flow has moved to `path`. */
  handleMoved(path: Path, nowMs: number): void {
    this.handleAsked(nowMs)
    this.#closing?.handleMoved(path)
  }

  /** HOT. Our FIN, if it leaves by `path` now. */
  finDueOn(path: Path): Due | undefined {
    return this.#closing?.dueOn(path)
  }

  /** Our FIN leaves by `path`; `isFirst`: for the first time. */
  handleFinSent(path: Path, isFirst: boolean, nowMs: number): void {
    if (isFirst) this.handleAsked(nowMs)
    this.#closing?.handleSent(path, nowMs)
    this.#parts.context.rearm(this.#parts.flow)
  }

  /** Begins the wait of TIMEWAIT, or begins it anew. */
  linger(nowMs: number): void {
    const { context, timers, paths } = this.#parts
    const { initialRtoMs, timeWaitMs, timeWaitPtos } = context.profile.policy
    const ptoMs = paths.active?.transport.rtt.ptoMs ?? initialRtoMs
    timers.arm('linger', nowMs + Math.max(timeWaitMs, timeWaitPtos * ptoMs))
  }

  /** HOT. Input has been handled: the table hears what the streams have come to. */
  handleProgress(nowMs: number): void {
    if (this.#closing !== undefined) this.#heedStreams(this.#closing, nowMs)
    if (this.state === 'CONNECTED' && this.#endsEarly) {
      this.#endsEarly = false
      this.input('end', nowMs)
    }
  }

  /** One of the timers `ConnectionTimer`. `isPeerDead`: it has been silent, and not for want of an address of ours. */
  handleTimer(timer: ConnectionTimer, isPeerDead: boolean, nowMs: number): void {
    switch (timer) {
      case 'setup':
        if (this.state === 'REQUEST') return this.#sendSyn(nowMs)
        if (this.state === 'RESPOND') return this.#opening?.sendSynAck(nowMs)
        return isPeerDead ? this.input('gaveUp', nowMs) : this.#sendThirdAck(nowMs)
      case 'deadline': {
        const refusal = this.#opening?.lastRefusal(nowMs)
        return refusal ? this.fail(refusal) : this.input('gaveUp', nowMs)
      }
      case 'fin':
        return isPeerDead ? this.input('gaveUp', nowMs) : this.#closing?.handleDue(nowMs)
      case 'linger':
        return this.input('lingered', nowMs)
      case 'orphan':
        return this.#closing?.orphanProgresses ? this.#closing.watchOrphan(nowMs) : this.abort(nowMs)
    }
  }

  // ---- the table ------------------------------------------------------------------------------------------

  protected override run(action: ConnectionAction, nowMs: number): void {
    const { context, flow, timers, outbox, paths } = this.#parts
    const path = paths.active
    switch (action) {
      case 'sendSyn':
        return this.#sendSyn(nowMs)
      case 'sendSynAck':
        return this.#opening?.sendSynAck(nowMs)
      case 'sendThirdAck':
        return this.#sendThirdAck(nowMs)
      case 'tryAnother': {
        const error = this.#opening?.tryAnother(nowMs)
        return error && this.fail(error)
      }
      case 'accept':
        timers.disarm('setup')
        this.#endSetup()
        return context.accepted(flow)
      case 'connected':
        this.#endSetup()
        return context.signal(flow, FlowSignal.connected)
      case 'defer':
        this.#endsEarly = true
        return
      case 'sendFin':
        return this.#closingNow().sendFin()
      case 'end':
        this.#transport.acknowledgeNow()
        return context.signal(flow, FlowSignal.end)
      case 'linger':
        return this.linger(nowMs)
      case 'sendDone':
        return path && outbox.put({ kind: 'DONE', path })
      case 'sendRst':
        return path && outbox.put({ kind: 'RST', path, reason: reasonCodes.CLOSED })
      case 'close':
        return this.close(undefined)
      case 'closeReset':
        return this.close(resetByPeer())
      case 'closeTimedOut':
        return this.close(context.timeoutError(flow, nowMs))
      case 'closeResetIfLost':
        return this.close(this.#transport.acknowledgedAll ? undefined : resetByPeer())
      case 'closeTimedOutIfLost':
        return this.close(this.#transport.acknowledgedAll ? undefined : context.timeoutError(flow, nowMs))
    }
  }

  #sendSyn(nowMs: number): void {
    const error = this.#opening?.sendSyn(nowMs)
    if (error) this.fail(error)
  }

  #sendThirdAck(nowMs: number): void {
    const { paths, outbox, timers } = this.#parts
    const path = paths.active
    if (path === undefined) return
    if (this.#thirdAckDue === undefined) {
      this.#thirdAckDue = repeatsFrom(path.transport.rtt.rtoMs)
      this.handleAsked(nowMs)
    }
    outbox.put({ kind: 'THIRD_ACK', path })
    timers.arm('setup', this.#thirdAckDue(nowMs))
  }

  /** No more is needed of it, but by instances that lost the race: those hear so when they answer late. */
  #endSetup(): void {
    if (this.#opening && this.#parts.role === 'client') this.#lateNonce = packed(this.#opening.nonce)
    this.#parts.timers.disarm('deadline')
    this.#opening = undefined
  }

  #closingNow(): Closing<F> {
    this.#closing ??= new Closing(this.#parts, this.#transport)
    return this.#closing
  }

  #heedStreams(closing: Closing<F>, nowMs: number): void {
    const stream = this.#transport
    if (closing.isOrphaned && stream.owesReading) return this.abort(nowMs)
    const hasPeers = closing.isReceived && stream.receivedAll
    this.handleFins(hasPeers, closing.isAcknowledged && stream.acknowledgedAll, nowMs)
  }

  protected override close(error: ServalError | undefined): void {
    this.#parts.outbox.clear(due => LAST_WORDS.has(due.kind))
    this.#transport.close()
    super.close(error)
  }
}

type ConnectionTimer = Extract<FlowTimer, 'setup' | 'deadline' | 'fin' | 'linger' | 'orphan'>

/** What a closed flow still says. By the third ACK the server's program hears of a flow that is reset at once. */
const LAST_WORDS: ReadonlySet<Due['kind']> = new Set(['THIRD_ACK', 'RST', 'DONE'])
