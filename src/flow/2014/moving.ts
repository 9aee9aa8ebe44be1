/**
 * Runs the moving table of one flow: what its addresses are, and become. So it knows, too, where the one control packet goes
 * that waits for its acknowledgement, FIN among them.
 */
import type { Endpoint } from '../../wire/endpoint.ts'
import { controlFlags } from '../../wire/extensions/control.ts'
import type { Local } from '../path.ts'
import type { MigrationState } from '../states.ts'
import { type MovingAction, type MovingInput, type MovingState, movingTable } from './moving-table.ts'
import type { ControlPacket } from './packets.ts'
import type { Parts2014 } from './parts.ts'

const { RSYN, ACK, FIN } = controlFlags
const RSYN_ACK = RSYN | ACK

/** What the flow is told. */
export interface MovingEvents {
  /** The peer has something new to answer. */
  asked(nowMs: number): void
  moved(): void
  /** There is no address to send from. */
  stalled(): void
}

export class Moving<F> {
  readonly #parts: Parts2014<F>
  readonly #events: MovingEvents
  #state: MovingState = 'INITIAL'
  /** This end's new address, until the peer has answered. */
  #ownNext: Local | undefined
  /** The peer's. */
  #peerNext: Endpoint | undefined
  /** Of the peer's newest RSYN: it is answered again as it was. */
  #peerVerno: number | undefined
  /** How often that was answered, and when last. */
  #answers = 0
  #answeredAt = 0

  constructor(parts: Parts2014<F>, events: MovingEvents) {
    this.#parts = parts
    this.#events = events
  }

  get state(): MigrationState {
    return this.#state
  }

  /** Where control packets of a move leave from. */
  get ownLocal(): Local | undefined {
    return this.#ownNext ?? this.#parts.path.current?.local
  }

  // ---- this end moves -------------------------------------------------------------------------------------

  move(local: Local, nowMs: number): void {
    this.#events.asked(nowMs)
    this.#ownNext = local
    this.#input('move', nowMs)
  }

  /** Its last address has gone. */
  lost(nowMs: number): void {
    this.#input('lost', nowMs)
  }

  /** Nothing can leave by the path in use. */
  suspend(): void {
    this.#parts.path.suspend()
    this.#parts.carriage.suspend()
  }

  /** RSYN-ACK from `remote`. `isNewest`: it acknowledges the newest RSYN of this end. */
  handleRsynAck(local: Local, remote: Endpoint, isNewest: boolean, nowMs: number): void {
    if (!this.#isAsking) this.#parts.outbox.putNumberless(ACK, { local, remote })
    else if (isNewest) this.#input('RSYN_ACK', nowMs)
    else this.#parts.context.count('rsynAckStale')
  }

  // ---- the peer moves -------------------------------------------------------------------------------------

  /** RSYN of a new number, or of the newest again, from `remote`. */
  handleRsyn(verno: number, remote: Endpoint, nowMs: number): void {
    if (verno !== this.#peerVerno) this.#answers = 0
    this.#peerVerno = verno
    this.#peerNext = remote
    this.#input('RSYN', nowMs)
  }

  /** Whether it is the peer's newest RSYN again. */
  isRepeated(flags: number, verno: number): boolean {
    return (flags & RSYN_ACK) === RSYN && verno === this.#peerVerno
  }

  /** RSYN-ACK, at first and when no ACK has come for it. */
  handleAnswerDue(nowMs: number): void {
    const { timers, path, outbox } = this.#parts
    const [local, remote] = [this.ownLocal, this.#peerEndpoint]
    timers.arm('rsyn', nowMs + path.backedOffMs(this.#answers++))
    this.#answeredAt = nowMs
    if (local && remote) outbox.putNumberless(RSYN_ACK, { local, remote })
  }

  /** An ACK without RSYN. */
  handleAck(nowMs: number): void {
    if (this.#state !== 'INITIAL') this.#input('ACK', nowMs)
  }

  // ---- what waits for its acknowledgement -----------------------------------------------------------------

  /** A11: while RSYN is out FIN carries it on. */
  sendFin(nowMs: number): void {
    this.#parts.slot.put(this.#isAsking ? RSYN | FIN : FIN)
    this.#sendSlot(nowMs)
  }

  /**
   * `flags`, 0 for none, are newly acknowledged by a packet with `by`. An original that has lost two RSYN-ACKs says ACK
   * for ever (A11): RSYN must go once more then, with a new number.
   */
  handleCovered(flags: number, by: number, nowMs: number): void {
    const { timers, path } = this.#parts
    if (flags === 0) return
    if ((flags & RSYN) !== 0 && (by & RSYN) === 0) timers.arm('fin', nowMs + path.rtoMs)
    else timers.disarm('fin')
  }

  /** It has not been acknowledged; or RSYN has, but not answered. */
  handleRepeatDue(nowMs: number): void {
    const { slot } = this.#parts
    if (this.#isAsking && slot.flags === 0) slot.put(RSYN)
    this.#sendSlot(nowMs)
  }

  /** Now, and again until it is acknowledged. */
  #sendSlot(nowMs: number): void {
    const { slot, timers, path, outbox } = this.#parts
    if (slot.flags === 0) return
    if (slot.sends === 0) this.#events.asked(nowMs)
    timers.arm('fin', nowMs + path.backedOffMs(slot.sends))
    slot.handleSent(nowMs)
    outbox.put(() => this.#slotPacket())
  }

  /** RSYN leaves from the new address, FIN alone from the one in use; to a mover it goes as RSYN-ACK does (A11). */
  #slotPacket(): ControlPacket | undefined {
    const { slot, path } = this.#parts
    const { flags, slotVerno: verno, ackno } = slot
    const { current } = path
    if (flags === 0 || current === undefined) return undefined
    if (this.#state === 'RSYN_RECV') {
      const [local = current.local, remote = current.remote] = [this.ownLocal, this.#peerEndpoint]
      return { flags: flags | RSYN_ACK, verno, ackno, local, remote }
    }
    const local = (flags & RSYN) === 0 ? current.local : this.ownLocal
    return local && { flags, verno, ackno, local, remote: current.remote }
  }

  // ---- the table ------------------------------------------------------------------------------------------

  /** This end asks the peer to take its new address. */
  get #isAsking(): boolean {
    return this.#state === 'RSYN_SENT' || this.#state === 'RSYN_SENT_RECV'
  }

  /** Where RSYN-ACK goes. */
  get #peerEndpoint(): Endpoint | undefined {
    return this.#peerNext ?? this.#parts.path.current?.remote
  }

  #input(input: MovingInput, nowMs: number): void {
    const cell = movingTable[this.#state][input]
    if (cell === 'ignored') return
    const [next, ...actions] = cell
    this.#state = next
    for (const action of actions) this.#run(action, nowMs)
  }

  #run(action: MovingAction, nowMs: number): void {
    const { slot, path, outbox } = this.#parts
    const { current } = path
    switch (action) {
      case 'sendRsyn':
        slot.put(RSYN)
        return this.#sendSlot(nowMs)
      case 'answerRsyn':
        return this.handleAnswerDue(nowMs)
      case 'sendAck':
        return (
          current &&
          outbox.putNumberless(ACK, { local: current.local, remote: this.#peerNext ?? current.remote })
        )
      case 'adoptOwn': {
        const own = this.#ownNext
        this.#ownNext = undefined
        return own && current && this.#adopt(own, current.remote, slot.roundTripMs(nowMs), nowMs)
      }
      case 'adoptPeer':
        return this.#adoptPeer(nowMs)
      case 'moved':
        return this.#events.moved()
      case 'suspend':
        this.suspend()
        return this.#events.stalled()
    }
  }

  #adoptPeer(nowMs: number): void {
    const { timers, path } = this.#parts
    const peer = this.#peerNext
    this.#peerNext = undefined
    timers.disarm('rsyn')
    const rttMs = this.#answers === 1 ? nowMs - this.#answeredAt : undefined
    if (peer && path.current) this.#adopt(path.current.local, peer, rttMs, nowMs)
  }

  #adopt(local: Local, remote: Endpoint, rttMs: number | undefined, nowMs: number): void {
    const { path, carriage } = this.#parts
    // A copy of a move that is done.
    if (!path.isSuspended && path.current?.joins(local.id, remote)) return
    this.#events.asked(nowMs)
    carriage.adopt(path.open(local, remote, rttMs), nowMs)
  }
}
