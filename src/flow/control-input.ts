/**
 * Reads the peer's control packets, and hands what they say to the part of the flow that it concerns. Nothing but the
 * answer to our SYN is believed without the peer's TAG; a reset without one is looked into (state-probe.ts).
 */
import { controlFlags } from '../wire/extensions/control.ts'
import { reasonCodes } from '../wire/extensions/reason.ts'
import { type Arrival, arrivalBytes } from './arrival.ts'
import type { Connection } from './connection.ts'
import type { FlowParts, PeerControl } from './flow-parts.ts'
import type { FlowTransport } from './flow-transport.ts'
import type { Mobility } from './mobility.ts'
import { StateProbe } from './state-probe.ts'

export class ControlInput<F> {
  readonly #parts: FlowParts<F>
  readonly #transport: FlowTransport
  readonly #connection: Connection<F>
  readonly #mobility: Mobility<F>
  /** While it is doubted that the peer knows of this flow. */
  #probe: StateProbe<F> | undefined

  constructor(
    parts: FlowParts<F>,
    transport: FlowTransport,
    connection: Connection<F>,
    mobility: Mobility<F>,
  ) {
    this.#parts = parts
    this.#transport = transport
    this.#connection = connection
    this.#mobility = mobility
  }

  /** A packet for this flow that is more than plain data. */
  handlePacket(arrival: Arrival, nowMs: number): void {
    const { srcFlowId } = arrival.packet
    if (this.#connection.state === 'REQUEST') this.#handleAnswer(arrival, nowMs)
    else if (srcFlowId !== this.#parts.writer.peerFlowId) this.#connection.handleStranger(arrival, nowMs)
    else this.#handleControl(arrival, nowMs)
  }

  /** The timer `probe`. */
  handleProbeDue(nowMs: number): void {
    if (this.#transport.isSuspended || !this.#probe?.ask(nowMs)) this.#endProbe()
  }

  #handleAnswer(arrival: Arrival, nowMs: number): void {
    if (!this.#connection.handleAnswer(arrival, nowMs)) return
    this.#handleRider(arrival, nowMs)
    this.#connection.input('SYN_ACK', nowMs)
  }

  #handleControl(arrival: Arrival, nowMs: number): void {
    const { context, writer } = this.#parts
    const { packet, local } = arrival
    const { control } = packet
    if (control === undefined) return context.count('unexpected')
    const has = (flag: number) => (control.flags & flag) !== 0
    if (has(controlFlags.RST) && packet.tag === undefined) return this.#handleStatelessReset(arrival, nowMs)
    if (!writer.verifies(arrival)) return context.count('badTag')
    if (has(controlFlags.RST)) return this.#connection.input('RST', nowMs)
    if (has(controlFlags.ACK) && !this.#connection.handleAckno(control.ackno))
      return context.count('badAckno')
    if (has(controlFlags.SYN)) return this.#connection.input('SYN_ACK', nowMs)
    if (this.#connection.state === 'RESPOND') this.#connection.establish(nowMs)

    const isRsynAck = has(controlFlags.RSYN) && has(controlFlags.ACK)
    if (!isRsynAck) this.#connection.handleHeard(nowMs)
    if (has(controlFlags.ACK) && !isRsynAck && packet.extension('challenge') === undefined)
      this.#mobility.migration?.handleAck(control.ackno, local.id, nowMs)
    if (isRsynAck) this.#handleRsynAck(arrival, nowMs)
    else if (has(controlFlags.RSYN)) this.#handleRsyn(arrival, control.verno, nowMs)
    else if (has(controlFlags.FIN)) this.#handleFin(arrival, control.verno, nowMs)
    else this.#handleAck(arrival, nowMs)
    this.#handleRider(arrival, nowMs)
  }

  #handleRsynAck(arrival: Arrival, nowMs: number): void {
    const { packet, local, remote } = arrival
    const challenge = packet.extension('challenge')
    if (challenge === undefined || challenge.echo) return this.#parts.context.count('unexpected')
    this.#mobility.migrating.handleRsynAck(challenge.value, local, remote, arrivalBytes(arrival), nowMs)
  }

  #handleRsyn(arrival: Arrival, verno: number, nowMs: number): void {
    if (!this.#connection.isMovable) return this.#parts.context.count('unexpected')
    if (!this.#take(verno, { kind: 'RSYN' })) return
    this.#mobility.migrating.handleRsyn(verno, arrival.local, arrival.remote, arrivalBytes(arrival), nowMs)
  }

  #handleFin(arrival: Arrival, verno: number, nowMs: number): void {
    const { context, outbox, paths } = this.#parts
    const { packet, local, remote } = arrival
    // It may be the only thing that a peer behind a NAT has to say, and wants an answer where it is now.
    if (!paths.proves(remote))
      this.#mobility.rebinding.handleUnproven(local, remote, arrivalBytes(arrival), nowMs)
    const finalOffset = packet.extension('end')?.finalOffset
    if (finalOffset === undefined) return context.count('unexpected')
    if (!this.#take(verno, { kind: 'FIN', finalOffset })) return
    if (paths.active) outbox.put({ kind: 'ACK', path: paths.active })
    if (this.#connection.state === 'TIMEWAIT') this.#connection.linger(nowMs)
  }

  /** Numbered `verno`; false if that is too far ahead. */
  #take(verno: number, control: PeerControl): boolean {
    const { channel, context } = this.#parts
    const taken = channel.accept(verno, control, delivered => this.#connection.handleDelivered(delivered))
    if (taken === 'tooFar') context.count('controlTooFar')
    return taken !== 'tooFar'
  }

  /** Third ACK, the ACK that ends a migration, challenges and their echoes. */
  #handleAck(arrival: Arrival, nowMs: number): void {
    const { context, outbox, paths } = this.#parts
    const { packet, local, remote } = arrival
    // Third ACK: it is repeated until something is heard.
    if (packet.service !== undefined) this.#transport.acknowledgeNow()
    // Done: our last ACK has come.
    if (this.#connection.state === 'TIMEWAIT' && packet.extension('reason')?.code === reasonCodes.CLOSED)
      return this.#connection.input('lingered', nowMs)
    const challenge = packet.extension('challenge')
    if (challenge === undefined) return
    if (!challenge.echo) {
      // From an address that is not proven yet, too: a mover may ask before its move is done.
      const path = paths.find(local.id, remote) ?? paths.open(local, remote)
      path.credit.receivedBytes += arrivalBytes(arrival)
      outbox.put({ kind: 'ACK', path, echo: challenge.value })
    } else if (this.#probe?.isAnsweredBy(challenge.value)) this.#endProbe()
    else if (this.#transport.isAnsweredBy(challenge.value, nowMs)) return
    else if (!this.#mobility.handleEcho(challenge.value, local.id, remote, nowMs))
      context.count('echoUnknown')
  }

  /** What rides behind a control packet's extensions. */
  #handleRider({ packet }: Arrival, nowMs: number): void {
    const { context, paths } = this.#parts
    const { transport } = packet
    if (!paths.active || transport.length === 0 || this.#connection.state === 'RESPOND') return
    const outcome = this.#transport.handleRider(transport, paths.active.transport, nowMs)
    if (outcome === 'lie') this.#connection.handleLie(nowMs)
    else if (outcome !== undefined) context.count(outcome.code)
  }

  #handleStatelessReset({ packet }: Arrival, nowMs: number): void {
    const answer = packet.extension('challenge')
    if (answer?.echo && this.#probe?.isAnsweredBy(answer.value)) return this.#connection.input('RST', nowMs)
    this.#parts.context.count('rstUntagged')
    if (this.#probe !== undefined || !this.#connection.isMovable || this.#mobility.state !== 'INITIAL') return
    this.#probe = new StateProbe(this.#parts)
    this.handleProbeDue(nowMs)
  }

  #endProbe(): void {
    this.#probe = undefined
    this.#parts.timers.disarm('probe')
  }
}
