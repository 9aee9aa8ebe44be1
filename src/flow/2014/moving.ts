/** Runs the moving table of one flow: what its addresses are, and become. */
import type { Endpoint } from '../../wire/endpoint.ts'
import { controlFlags } from '../../wire/extensions/control.ts'
import type { Local, Path } from '../path.ts'
import type { MigrationState } from '../states.ts'
import type { ControlSlot } from './control-slot.ts'
import { type MovingAction, type MovingInput, type MovingState, movingTable } from './moving-table.ts'

/** What moving needs of its flow. */
export interface MovingFlow {
  readonly slot: ControlSlot
  readonly activePath: Path | undefined
  /** Sends what waits in the slot now, and again until it is acknowledged. */
  sendSlot(nowMs: number): void
  /** Sends RSYN-ACK, and again when it is `handleAnswerDue`; `repeats` were in vain. */
  answer(repeats: number, nowMs: number): void
  stopAnswering(): void
  /** Sends one ACK. */
  acknowledge(local: Local, remote: Endpoint): void
  /** `rttMs`: what the exchange has shown of the new path, if anything. */
  adopt(local: Local, remote: Endpoint, rttMs: number | undefined, nowMs: number): void
  suspend(): void
  moved(): void
  count(counter: string): void
}

export class Moving {
  readonly #flow: MovingFlow
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

  constructor(flow: MovingFlow) {
    this.#flow = flow
  }

  get state(): MigrationState {
    return this.#state
  }

  /** Where control packets of a move leave from. */
  get ownLocal(): Local | undefined {
    return this.#ownNext ?? this.#flow.activePath?.local
  }

  /** Where RSYN-ACK goes. */
  get peerEndpoint(): Endpoint | undefined {
    return this.#peerNext ?? this.#flow.activePath?.remote
  }

  move(local: Local, nowMs: number): void {
    this.#ownNext = local
    this.#input('move', nowMs)
  }

  lost(nowMs: number): void {
    this.#input('lost', nowMs)
  }

  /** RSYN of a new number, or of the newest again, from `remote`. */
  handleRsyn(verno: number, remote: Endpoint, nowMs: number): void {
    if (verno !== this.#peerVerno) this.#answers = 0
    this.#peerVerno = verno
    this.#peerNext = remote
    this.#input('RSYN', nowMs)
  }

  /** Whether it is the peer's newest RSYN again. */
  isRepeated(flags: number, verno: number): boolean {
    const isRsyn = (flags & (controlFlags.RSYN | controlFlags.ACK)) === controlFlags.RSYN
    return isRsyn && verno === this.#peerVerno
  }

  /** `isNewest`: it acknowledges the newest RSYN of this end. */
  handleRsynAck(local: Local, remote: Endpoint, isNewest: boolean, nowMs: number): void {
    if (this.isAsking && !isNewest) return this.#flow.count('rsynAckStale')
    if (!this.isAsking) this.#flow.acknowledge(local, remote)
    else this.#input('RSYN_ACK', nowMs)
  }

  /** This end asks the peer to take its new address. */
  get isAsking(): boolean {
    return this.#state === 'RSYN_SENT' || this.#state === 'RSYN_SENT_RECV'
  }

  /** This end has answered the peer, and waits for its ACK. */
  get isAnswering(): boolean {
    return this.#state === 'RSYN_RECV'
  }

  /** An ACK without RSYN. */
  handleAck(nowMs: number): void {
    if (this.#state !== 'INITIAL') this.#input('ACK', nowMs)
  }

  /** RSYN is out and has not been answered by RSYN-ACK, though it may have been acknowledged: a new number is. */
  handleDue(nowMs: number): void {
    if (this.isAsking && this.#flow.slot.flags === 0) this.#flow.slot.put(controlFlags.RSYN)
    this.#flow.sendSlot(nowMs)
  }

  /** No ACK has come for RSYN-ACK. */
  handleAnswerDue(nowMs: number): void {
    this.#answeredAt = nowMs
    this.#flow.answer(this.#answers++, nowMs)
  }

  #input(input: MovingInput, nowMs: number): void {
    const cell = movingTable[this.#state][input]
    if (cell === 'ignored') return
    const [next, ...actions] = cell
    this.#state = next
    for (const action of actions) this.#run(action, nowMs)
  }

  #run(action: MovingAction, nowMs: number): void {
    const flow = this.#flow
    const path = flow.activePath
    switch (action) {
      case 'sendRsyn':
        flow.slot.put(controlFlags.RSYN)
        return flow.sendSlot(nowMs)
      case 'answerRsyn':
        return this.handleAnswerDue(nowMs)
      case 'sendAck':
        return path && flow.acknowledge(path.local, this.#peerNext ?? path.remote)
      case 'adoptOwn': {
        const own = this.#ownNext
        this.#ownNext = undefined
        return own && path && flow.adopt(own, path.remote, flow.slot.roundTripMs(nowMs), nowMs)
      }
      case 'adoptPeer': {
        const peer = this.#peerNext
        this.#peerNext = undefined
        flow.stopAnswering()
        const rttMs = this.#answers === 1 ? nowMs - this.#answeredAt : undefined
        return peer && path && flow.adopt(path.local, peer, rttMs, nowMs)
      }
      case 'moved':
        return flow.moved()
      case 'suspend':
        return flow.suspend()
    }
  }
}
