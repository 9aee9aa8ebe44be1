/**
 * Reads the packets of a flow's peer in the 2014 profile, and hands what they say to the part of the flow that it concerns.
 * Where the prototype obeys anybody this end asks for the nonce: it is in every control packet that a flow sends.
 */
import type { Endpoint } from '../../wire/endpoint.ts'
import { type ControlExtension, controlFlags, KNOWN_CONTROL_FLAGS } from '../../wire/extensions/control.ts'
import { protocols } from '../../wire/sal-header.ts'
import type { Arrival } from '../arrival.ts'
import { type TransportBytes, transportOf } from './carriage.ts'
import type { Connection2014 } from './connection.ts'
import type { Moving } from './moving.ts'
import type { Parts2014 } from './parts.ts'

const { SYN, RSYN, ACK, RST, FIN } = controlFlags
const RSYN_ACK = RSYN | ACK

export class PacketInput<F> {
  readonly #parts: Parts2014<F>
  readonly #connection: Connection2014<F>
  readonly #moving: Moving<F>

  constructor(parts: Parts2014<F>, connection: Connection2014<F>, moving: Moving<F>) {
    this.#parts = parts
    this.#connection = connection
    this.#moving = moving
  }

  handlePacket(arrival: Arrival, nowMs: number): void {
    const connection = this.#connection
    const control = knownControl(arrival.packet.control)
    if (control === undefined) return this.#handleData(arrival, nowMs)
    const isReset = (control.flags & RST) !== 0
    if (connection.state !== 'REQUEST') this.#handleControl(arrival, control, nowMs)
    else if (isReset) connection.handleRefusal(control, arrival.remote, nowMs)
    else connection.handleSynAck(arrival, control, nowMs)
  }

  #handleControl(arrival: Arrival, control: ControlExtension, nowMs: number): void {
    const { slot, writer } = this.#parts
    const { flags, verno, ackno, nonce } = control
    if ((flags & RST) !== 0) return this.#handleReset(control, nowMs)
    if (arrival.packet.srcFlowId !== writer.peerFlowId)
      return this.#connection.handleStranger(arrival, control, nowMs)
    if (!writer.isPeerNonce(nonce)) return this.#count('badNonce')
    if (this.#moving.isRepeated(flags, verno)) {
      // The prototype says ACK, and with that the mover can wait for ever (A11, two RSYN-ACKs lost).
      return this.#moving.handleRsyn(verno, arrival.remote, nowMs)
    }
    if (!slot.accepts(flags, verno)) return this.#acknowledgeAgain(flags, nowMs)
    if (this.#connection.state === 'RESPOND') return this.#handleThirdAck(arrival, control, nowMs)
    const covered = (flags & ACK) === 0 ? 0 : slot.acknowledge(ackno)
    if (covered === undefined) return this.#count('badAckno')
    this.#connection.closing.handleCovered(covered)
    this.#moving.handleCovered(covered, flags, nowMs)
    this.#connection.handleHeard(nowMs)
    slot.take(flags, verno)
    if ((flags & RSYN_ACK) === RSYN_ACK) {
      const isNewest = (covered & RSYN) !== 0 || ackno === slot.verno
      this.#moving.handleRsynAck(arrival.local, arrival.remote, isNewest, nowMs)
    } else if ((flags & RSYN) !== 0) this.#handleRsyn(verno, arrival.remote, nowMs)
    else if ((flags & ACK) !== 0) this.#moving.handleAck(nowMs)
    if ((flags & FIN) !== 0) this.#handleFin(ackno, nowMs)
    this.#handleBehind(arrival, nowMs)
  }

  /** A8: who is not CONNECTED yet expects that, and no more. */
  #handleThirdAck(arrival: Arrival, control: ControlExtension, nowMs: number): void {
    if (this.#connection.handleThirdAck(arrival, control, nowMs)) this.#handleBehind(arrival, nowMs, false)
  }

  #handleRsyn(verno: number, remote: Endpoint, nowMs: number): void {
    if (this.#connection.isMovable) this.#moving.handleRsyn(verno, remote, nowMs)
    else this.#count('unexpected')
  }

  /** A5: a control packet with an old number is answered by what is expected now. */
  #acknowledgeAgain(flags: number, nowMs: number): void {
    this.#count('controlRepeated')
    if ((flags & SYN) !== 0 && this.#parts.role === 'client') return this.#connection.sendThirdAck(nowMs)
    this.#parts.outbox.acknowledge()
    if (this.#connection.state === 'TIMEWAIT') this.#connection.closing.linger(nowMs)
  }

  #handleFin(ackno: number, nowMs: number): void {
    const { closing, state } = this.#connection
    closing.handleFin(ackno)
    if (state === 'TIMEWAIT') closing.linger(nowMs)
  }

  /**
   * A12. The prototype takes any RST whose number has not been passed. It always carries a nonce: the peer's own, or, where
   * it answers a packet of ours, ours.
   */
  #handleReset({ flags, verno, nonce }: ControlExtension, nowMs: number): void {
    const { slot, writer } = this.#parts
    const isActive = writer.isPeerNonce(nonce) && slot.accepts(flags, verno)
    if (isActive || writer.isOwnNonce(nonce)) this.#connection.input('RST', nowMs)
    else this.#count('badNonce')
  }

  /** The transport part behind a control packet. A third ACK that is repeated asks for a sign of life. */
  #handleBehind(arrival: Arrival, nowMs: number, isRepeat = true): void {
    const { carriage, outbox } = this.#parts
    const { packet } = arrival
    if (packet.transport.length > 0) this.#carry(transportOf(arrival), nowMs)
    if (packet.service === undefined || !isRepeat) return
    if (carriage.protocol === protocols.STREAM) carriage.acknowledgeNow()
    else outbox.acknowledge()
  }

  #handleData(arrival: Arrival, nowMs: number): void {
    const { writer, carriage } = this.#parts
    const { packet } = arrival
    if (packet.srcFlowId !== writer.peerFlowId || packet.protocol !== carriage.protocol)
      return this.#count('unexpected')
    // A client's before its third ACK belongs to nothing yet.
    if (!this.#connection.isOpen) return this.#count('early')
    this.#connection.handleHeard(nowMs)
    this.#carry(transportOf(arrival), nowMs)
  }

  #carry(data: TransportBytes, nowMs: number): void {
    const outcome = this.#parts.carriage.handleData(data, nowMs)
    if (outcome === 'malformed') this.#count('malformed')
    else if (outcome === 'reset') this.#connection.input('RST', nowMs)
  }

  #count(counter: string): void {
    this.#parts.context.count(counter)
  }
}

/** Reserved bits say nothing (A3.1). */
function knownControl(control: ControlExtension | undefined): ControlExtension | undefined {
  return control && { ...control, flags: control.flags & KNOWN_CONTROL_FLAGS }
}
