/**
 * The opening of a flow: sends SYN or SYN-ACK until it is answered, believes one answer, and makes of it the keys, the
 * first path and the stream. setup.ts has the numbers of the exchange. It is let go of when the flow is CONNECTED; then
 * the client keeps its nonce, for instances that answer late.
 */
import { ServalError } from '../errors.ts'
import type { FlowId } from '../id/flow-id.ts'
import { derivePlainKeys, type FlowKeys } from '../security/keys.ts'
import type { Endpoint } from '../wire/endpoint.ts'
import { type ControlExtension, controlFlags, KNOWN_CONTROL_FLAGS } from '../wire/extensions/control.ts'
import { keyModes } from '../wire/extensions/key.ts'
import { readableDetail, reasonCodes } from '../wire/extensions/reason.ts'
import { type Arrival, arrivalBytes } from './arrival.ts'
import type { Outstanding } from './control-channel.ts'
import type { Nack } from './flow-context.ts'
import type { FlowParts } from './flow-parts.ts'
import type { FlowTransport } from './flow-transport.ts'
import { Setup } from './setup.ts'

export class Opening<F> {
  readonly #parts: FlowParts<F>
  readonly #transport: FlowTransport
  readonly #setup: Setup
  /** Our SYN, or SYN-ACK. */
  #syn: Outstanding | undefined
  /** What the last SYN was answered with, where that was a refusal. */
  #nack: Nack | undefined

  /** `timeoutMs`: how long it may take. */
  constructor(parts: FlowParts<F>, transport: FlowTransport, timeoutMs: number, nowMs: number) {
    const { context } = parts
    this.#parts = parts
    this.#transport = transport
    const firstRepeatMs = context.profile.policy.initialRtoMs
    this.#setup = new Setup(n => context.randomBytes(n), { firstRepeatMs, timeoutMs }, nowMs)
  }

  get nonce(): Uint8Array {
    return this.#setup.nonce
  }

  startDeadline(): void {
    this.#parts.timers.arm('deadline', this.#setup.deadlineAt)
  }

  // ---- client ---------------------------------------------------------------------------------------------

  /** SYN, to where the service is now; an error if it is nowhere. */
  sendSyn(nowMs: number): ServalError | undefined {
    const { context, flow, paths, channel, outbox, timers } = this.#parts
    const target = context.nextInstance(flow, nowMs)
    if (target instanceof ServalError) return target
    if (target === 'waiting') {
      timers.disarm('setup')
      return undefined
    }
    this.#nack = undefined
    this.#setup.attempt = target.attempt
    const again = this.#setup.sent(nowMs, target.patienceMs)
    this.#syn ??= channel.queue('SYN')
    const path = paths.open(target.local, target.remote)
    path.proven = true
    outbox.put({ kind: 'SYN', path, entry: this.#syn, setup: this.#setup })
    timers.arm('setup', again)
    return undefined
  }

  /** SYN-ACK or NACK, from whichever instance or router; undefined: neither. */
  handleAnswer(arrival: Arrival, nowMs: number): 'SYN_ACK' | 'NACK' | undefined {
    const { channel } = this.#parts
    const { packet, remote } = arrival
    const { control } = packet
    if (control === undefined || control.ackno !== channel.verno) return this.#dropped('unexpected')
    if (control.flags & controlFlags.NACK) {
      if (!this.#setup.isControlNonce(control.nonce)) return this.#dropped('nackForged')
      const reason = packet.extension('reason')
      this.#nack = { reason: reason?.code ?? reasonCodes.REFUSED, detail: readableDetail(reason), remote }
      this.#parts.context.refused(this.#parts.flow, this.#nack, nowMs)
      return 'NACK'
    }
    const asked = packet.extension('cookie')
    if (asked !== undefined && (control.flags & KNOWN_CONTROL_FLAGS) === 0) {
      if (!this.#setup.isControlNonce(control.nonce)) return this.#dropped('cookieForged')
      this.#sendSynWith(asked.opaque, arrival, nowMs)
      return undefined
    }
    const share = synAckShare(arrival)
    if (share === undefined) return this.#dropped('unexpected')
    return this.#believe(arrival, control, share, nowMs)
  }

  /** After a NACK; an error if no other instance is worth a SYN. */
  tryAnother(nowMs: number): ServalError | undefined {
    const { context, flow, timers } = this.#parts
    if (this.#nack === undefined) return undefined
    const { error, retry } = context.refusal(flow, this.#nack, nowMs)
    if (retry === 'as planned') return undefined
    const againAt = this.#setup.refused(retry, nowMs)
    if (againAt === undefined) return error
    timers.arm('setup', againAt)
    return undefined
  }

  /** The deadline has passed: what was said last, if it was a refusal. */
  lastRefusal(nowMs: number): ServalError | undefined {
    const { context, flow } = this.#parts
    return this.#nack && context.refusal(flow, this.#nack, nowMs).error
  }

  // ---- server ---------------------------------------------------------------------------------------------

  /** A SYN came, and is answered to `replyTo`; false if it is none. */
  handleSyn(syn: Arrival, replyTo: Endpoint, nowMs: number): boolean {
    const { channel, paths } = this.#parts
    const { control, srcFlowId } = syn.packet
    const share = syn.packet.extension('key')?.share
    if (control === undefined || share === undefined) return false
    const keys = this.#meet(srcFlowId, share)
    this.#setup.attempt = control.reserved
    channel.start(control.verno)
    const path = paths.open(syn.local, replyTo)
    path.credit.receivedBytes = arrivalBytes(syn)
    paths.adopt(path)
    this.#transport.open(keys, nowMs)
    this.startDeadline()
    return true
  }

  sendSynAck(nowMs: number): void {
    const { channel, outbox, paths, timers } = this.#parts
    const path = paths.active
    if (path === undefined) return
    this.#syn ??= channel.queue('SYN')
    outbox.put({ kind: 'SYN_ACK', path, entry: this.#syn, setup: this.#setup })
    timers.arm('setup', this.#setup.sent(nowMs))
  }

  /**
   * Whoever tags a packet has our nonce, and that went only to the address that SYN-ACK went to. So it is proven by
   * whatever comes first, third ACK or not; and no other address is, wherever the packet came from.
   */
  prove(nowMs: number): void {
    const path = this.#parts.paths.active
    if (path === undefined) return
    path.proven = true
    const roundTripMs = this.#setup.roundTrip(nowMs)
    if (roundTripMs !== undefined) path.transport.rtt.sample(roundTripMs)
  }

  // ---- details --------------------------------------------------------------------------------------------

  /** Nothing of the last one was kept by whom it went to: it is sent again as it was, and shows what it was given. */
  #sendSynWith(cookie: Uint8Array, { local, remote }: Arrival, nowMs: number): void {
    if (this.#syn === undefined || !this.#setup.cookieGiven(remote, cookie, nowMs)) return
    const path = this.#parts.paths.open(local, remote)
    path.proven = true
    this.#parts.outbox.put({ kind: 'SYN', path, entry: this.#syn, setup: this.#setup })
  }

  /** The first SYN-ACK with a TAG that holds wins. */
  #believe(
    arrival: Arrival,
    { verno, ackno, reserved: attempt }: ControlExtension,
    share: Uint8Array,
    nowMs: number,
  ): 'SYN_ACK' | undefined {
    const { channel, paths, writer } = this.#parts
    const keys = this.#meet(arrival.packet.srcFlowId, share)
    if (!writer.verifies(arrival)) {
      writer.forget()
      return this.#dropped('badTag')
    }
    channel.start(verno)
    channel.acknowledge(ackno)
    paths.adopt(paths.open(arrival.local, arrival.remote))
    this.prove(nowMs)
    this.#transport.open(keys, nowMs)
    this.#parts.context.answered(this.#parts.flow, arrival.remote, nowMs, attempt)
    return 'SYN_ACK'
  }

  /** The peer and its share of the keys are known. */
  #meet(peerFlowId: FlowId, share: Uint8Array): FlowKeys {
    const { role, writer } = this.#parts
    const keys = this.#setup.deriveKeys(role, share)
    writer.meet(peerFlowId, keys)
    return keys
  }

  #dropped(counter: string): undefined {
    this.#parts.context.count(counter)
    return undefined
  }
}

/**
 * A packet for a client's flowID that is not its peer's: an instance that lost the race for its SYN is told so. `nonce` is
 * what the SYN carried.
 */
export function answerLoser<F>(
  parts: FlowParts<F>,
  nonce: Uint8Array,
  arrival: Arrival,
  nowMs: number,
): void {
  const { role, context, writer, paths, outbox } = parts
  const share = role === 'client' ? synAckShare(arrival) : undefined
  if (share === undefined) return context.answerUnknown(arrival, nowMs)
  const theirs = writer.sibling(arrival.packet.srcFlowId, derivePlainKeys(nonce, share))
  if (!theirs.verifies(arrival)) return context.count('badTag')
  const path = paths.open(arrival.local, arrival.remote)
  path.proven = true
  outbox.put({ kind: 'RST', path, reason: reasonCodes.LOST_RACE, writer: theirs })
  context.answered(parts.flow, arrival.remote, nowMs)
}

/** The server's contribution to the keys, if this is a SYN-ACK. */
function synAckShare({ packet }: Arrival): Uint8Array | undefined {
  const offered = packet.extension('key')
  const isSynAck = ((packet.control?.flags ?? 0) & SYN_ACK) === SYN_ACK
  return isSynAck && offered?.mode === keyModes.PLAIN ? offered.share : undefined
}

const SYN_ACK = controlFlags.SYN | controlFlags.ACK
