/**
 * The opening of a flow in the 2014 profile (src/wire/README.md, A8): SYN, SYN-ACK and third ACK, of either end. An
 * original repeats neither its SYN-ACK nor its third ACK. Ours does repeat the third, for where that is lost the server
 * knows of no connection and the client of no failure.
 */
import { ServalError } from '../../errors.ts'
import { serialAdd } from '../../id/serial.ts'
import type { ServiceId } from '../../id/service-id.ts'
import type { Endpoint } from '../../wire/endpoint.ts'
import { type ControlExtension, controlFlags } from '../../wire/extensions/control.ts'
import { reasonCodes } from '../../wire/extensions/reason.ts'
import { RAW_PORT } from '../../wire/raw-ip.ts'
import type { Arrival } from '../arrival.ts'
import { HEDGE_LIMIT } from '../setup.ts'
import { transportOf } from './carriage.ts'
import type { Parts2014 } from './parts.ts'
import { mssFrom } from './path-2014.ts'

const { SYN, ACK, RST } = controlFlags
const SYN_ACK = SYN | ACK

/** A SYN that is for one of this host's listeners. */
export interface Syn2014 {
  readonly arrival: Arrival
  /** The client: the source of the packet, or what the first router said it was. */
  readonly replyTo: Endpoint
  /** What the SYN-ACK repeats, this end's own address behind; undefined: it came directly. */
  readonly source: readonly string[] | undefined
}

export interface OpeningOptions {
  readonly service: ServiceId
  readonly serviceName?: string | undefined
  /** How long it may take, ms. */
  readonly timeoutMs: number
}

export class Opening2014<F> {
  readonly #parts: Parts2014<F>
  readonly #options: OpeningOptions
  readonly #deadlineAt: number
  /** What this end answers. */
  #syn: Syn2014 | undefined
  /** Client: when the SYN is repeated; since it was last, how many more were asked, and how many have not refused. */
  #repeatAt = Number.NEGATIVE_INFINITY
  #hedges = 0
  #unanswered = 0
  /** Client: what the SYN was acknowledged with. */
  #synAckno: number | undefined
  /** Client: when the set-up was done, and when the third ACK left last. */
  #openedAt = 0
  #thirdAckAt = 0

  constructor(parts: Parts2014<F>, options: OpeningOptions, nowMs: number) {
    this.#parts = parts
    this.#options = options
    this.#deadlineAt = nowMs + options.timeoutMs
  }

  startDeadline(): void {
    this.#parts.timers.arm('deadline', this.#deadlineAt)
  }

  // ---- client ---------------------------------------------------------------------------------------------

  /** SYN, to where the service is now; an error if it is nowhere. */
  sendSyn(nowMs: number): ServalError | undefined {
    const { context, flow, slot, timers, path, outbox, carriage } = this.#parts
    const target = context.nextInstance(flow, nowMs)
    if (target instanceof ServalError) return target
    if (target === 'waiting') {
      timers.disarm('setup')
      return undefined
    }
    const { local, remote, patienceMs } = target
    if (slot.flags === 0) slot.put(SYN)
    // What goes to others meanwhile is the same transmission: the round trip that is measured is too long at most.
    const isRepeat = nowMs >= this.#repeatAt
    if (isRepeat) {
      this.#repeatAt = nowMs + path.backedOffMs(slot.sends)
      this.#unanswered = 0
      slot.handleSent(nowMs)
    }
    this.#unanswered++
    timers.arm('setup', Math.min(this.#repeatAt, this.#hedgeAt(isRepeat, patienceMs, nowMs)))
    outbox.put(() => ({
      flags: SYN,
      verno: slot.slotVerno,
      ackno: 0,
      local,
      remote,
      service: this.#options.service,
      transport: (buffer, offset) => carriage.emitSyn(buffer, offset, mssFrom(local)),
    }))
    return undefined
  }

  /** Whether it is the answer to our SYN; then the peer is known, and set-up is over. */
  handleSynAck(arrival: Arrival, { flags, verno, ackno, nonce }: ControlExtension, nowMs: number): boolean {
    const { context, flow, slot, writer, path, carriage } = this.#parts
    const { packet, local, remote } = arrival
    // A8: both flags, and the SYN is what is acknowledged.
    const isSynAck = (flags & SYN_ACK) === SYN_ACK && packet.protocol === carriage.protocol
    if (!isSynAck) return this.#dropped('unexpected')
    if (!slot.acknowledge(ackno)) return this.#dropped('badAckno')
    if (!carriage.handleSynAck(transportOf(arrival))) return this.#dropped('unexpected')
    writer.meet(packet.srcFlowId, nonce)
    slot.start(verno)
    this.#synAckno = ackno
    this.#openedAt = nowMs
    carriage.open(path.open(local, serverOf(arrival), slot.roundTripMs(nowMs)), nowMs)
    context.answered(flow, remote, nowMs)
    return true
  }

  /**
   * RST in place of a SYN-ACK; an error if nobody else is asked. Its nonce is that of the SYN (A12), or nobody has seen the
   * SYN: then it is none.
   */
  handleRefusal({ nonce }: ControlExtension, remote: Endpoint, nowMs: number): ServalError | undefined {
    const { context, flow, writer, timers } = this.#parts
    if (!writer.isOwnNonce(nonce)) {
      context.count('badNonce')
      return undefined
    }
    const nack = { reason: reasonCodes.REFUSED, detail: '', remote }
    context.refused(flow, nack, nowMs)
    const { error, retry } = context.refusal(flow, nack, nowMs)
    this.#unanswered--
    if (retry === 'at once') timers.arm('setup', nowMs)
    else if (this.#unanswered <= 0) return error
    return undefined
  }

  /**
   * Another instance that was asked too answers later than the one that the flow is with: it is told, or would wait for a
   * third ACK (A12: it takes an RST with the nonce of the SYN). Nobody can have one sent who has not seen the SYN.
   */
  handleLoser(arrival: Arrival, { flags, verno, ackno }: ControlExtension, nowMs: number): void {
    const { context, flow, outbox } = this.#parts
    const { packet, local, remote } = arrival
    const isSynAck = (flags & SYN_ACK) === SYN_ACK && ackno === this.#synAckno
    if (!isSynAck) return context.count('badNonce')
    const numbers = { verno: ackno, ackno: serialAdd(verno, 1), dstFlowId: packet.srcFlowId }
    outbox.put(() => ({ flags: RST | ACK, ...numbers, local, remote: serverOf(arrival) }))
    context.answered(flow, remote, nowMs)
  }

  /** Once, and again until the server is heard, but no longer than it remembers the SYN: an idle one says nothing. */
  sendThirdAck(nowMs: number): void {
    const { slot, path, outbox, carriage } = this.#parts
    const { current } = path
    if (current === undefined) return
    this.#thirdAckAt = nowMs
    this.#armThirdAck(nowMs + current.transport.rtt.rtoMs)
    outbox.put(() => ({
      flags: ACK,
      verno: slot.verno,
      ackno: slot.ackno,
      local: current.local,
      remote: current.remote,
      service: this.#options.service,
      transport: (buffer, offset) => carriage.emitThirdAck(buffer, offset, nowMs),
    }))
  }

  /** Silence is a sign early where an answer is due. */
  repeatThirdAck(nowMs: number): void {
    const idleUntil = this.#thirdAckAt + IDLE_THIRD_ACK_MS
    if (this.#parts.carriage.bufferedBytes === 0 && nowMs < idleUntil) this.#armThirdAck(idleUntil)
    else this.sendThirdAck(nowMs)
  }

  /** When another instance is asked too. */
  #hedgeAt(isRepeat: boolean, patienceMs: number | undefined, nowMs: number): number {
    if (patienceMs === undefined) return Number.POSITIVE_INFINITY
    if (patienceMs === 0) return nowMs
    this.#hedges = isRepeat ? 0 : this.#hedges + 1
    return this.#hedges < HEDGE_LIMIT ? nowMs + patienceMs : Number.POSITIVE_INFINITY
  }

  #armThirdAck(at: number): void {
    const { context, timers } = this.#parts
    if (at < this.#openedAt + context.profile.policy.halfOpenMs) timers.arm('setup', at)
  }

  // ---- server ---------------------------------------------------------------------------------------------

  /** False where the SYN cannot be answered. */
  handleSyn(syn: Syn2014): boolean {
    const { slot, writer, path, carriage } = this.#parts
    const { packet, local } = syn.arrival
    const { control } = packet
    if (control === undefined || !carriage.handleSyn(transportOf(syn.arrival))) return false
    this.#syn = syn
    writer.meet(packet.srcFlowId, control.nonce)
    slot.start(control.verno)
    path.open(local, syn.replyTo)
    this.startDeadline()
    return true
  }

  /** Never by timer, once for each SYN. */
  sendSynAck(nowMs: number): void {
    const { slot, path, outbox, carriage } = this.#parts
    const { current } = path
    if (current === undefined) return
    const { local, remote } = current
    if (slot.flags === 0) slot.put(SYN)
    slot.handleSent(nowMs)
    outbox.put(() => ({
      flags: SYN_ACK,
      verno: slot.slotVerno,
      ackno: slot.ackno,
      local,
      remote,
      source: this.#syn?.source && [...this.#syn.source, local.endpoint.address],
      transport: (buffer, offset) => carriage.emitSynAck(buffer, offset, mssFrom(local)),
    }))
  }

  /** Whether it is one: nonce and both numbers are right. The client's address is where it comes from. */
  handleThirdAck(arrival: Arrival, { flags, verno, ackno }: ControlExtension, nowMs: number): boolean {
    const { slot, path, carriage } = this.#parts
    const isThirdAck = flags === ACK && verno === slot.ackno && ackno === slot.verno
    if (!isThirdAck) return this.#dropped('unexpected')
    slot.acknowledge(ackno)
    this.#syn = undefined
    carriage.open(path.open(arrival.local, arrival.remote, slot.roundTripMs(nowMs)), nowMs)
    return true
  }

  #dropped(counter: string): false {
    this.#parts.context.count(counter)
    return false
  }
}

/** A14: a SYN that routers sent on is answered with their addresses and, as the last one, the server's. */
function serverOf({ packet, remote }: Arrival): Endpoint {
  const server = packet.extension('source')?.addresses.at(-1)
  return server === undefined ? remote : { address: server, port: RAW_PORT }
}

/** RFC 6298 (2.1): before anything is known. */
const IDLE_THIRD_ACK_MS = 1_000
