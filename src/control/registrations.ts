/**
 * What this process serves and wants the controller to know: the desired state is here, the controller's is
 * rebuilt from it after every reconnect.
 */
import type { Ack, NamedPrefix, Register, Unregister } from './messages.ts'

export interface Registration extends NamedPrefix {
  /** Share of what its priority's set serves, >= 0. */
  readonly weight: number
  /** The highest one with a live instance serves. */
  readonly priority: number
}

/** What an Ack says about a registration. */
export type RegistrationOutcome =
  | { readonly type: 'registered'; readonly registrationId: number }
  | {
      readonly type: 'refused'
      readonly registrationId: number
      readonly code: string
      readonly message: string
    }
  | { readonly type: 'unregistered'; readonly registrationId: number }

export class Registrations {
  readonly #desired = new Map<number, Registration>()
  /** Requests on this connection that have no Ack yet, by xid. */
  readonly #unanswered = new Map<number, { registrationId: number; wanted: boolean }>()
  #lastId = 0
  #lastXid = 0

  get isEmpty(): boolean {
    return this.#desired.size === 0
  }

  /** Wants it from now on; the number names it in `withdraw` and in outcomes. */
  add(registration: Registration): number {
    this.#desired.set(++this.#lastId, registration)
    return this.#lastId
  }

  /** False once it was withdrawn or refused. */
  has(registrationId: number): boolean {
    return this.#desired.has(registrationId)
  }

  /** A connection is up: everything is asked for anew. */
  requestAll(): Register[] {
    this.#unanswered.clear()
    return [...this.#desired.keys()].map(id => this.request(id))
  }

  request(registrationId: number): Register {
    const { name, prefix, weight, priority } = this.#desired.get(registrationId)!
    const xid = this.#expectAck(registrationId, true)
    return { type: 'register', xid, service: { name, prefix }, weight, priority }
  }

  /**
   * Wants it no more. What to say, where a controller may know of it; undefined if another registration is
   * for the same prefix (as a stream's and a datagram's listener may be), so that it stays.
   */
  withdraw(registrationId: number): Unregister | undefined {
    const { name, prefix } = this.#desired.get(registrationId)!
    this.#desired.delete(registrationId)
    for (const other of this.#desired.values()) if (other.prefix.equals(prefix)) return undefined
    const xid = this.#expectAck(registrationId, false)
    return { type: 'unregister', xid, service: { name, prefix } }
  }

  /** undefined: the Ack is of an earlier wish, or answers nothing. A refused registration is given up. */
  handleAck({ xid, code, message }: Ack): RegistrationOutcome | undefined {
    const request = this.#unanswered.get(xid)
    this.#unanswered.delete(xid)
    if (request === undefined) return undefined
    const { registrationId, wanted } = request
    // Whatever the controller thinks of a withdrawal, nothing is left to withdraw.
    if (!wanted) return { type: 'unregistered', registrationId }
    if (!this.#desired.has(registrationId)) return undefined
    if (code === '') return { type: 'registered', registrationId }
    this.#desired.delete(registrationId)
    return { type: 'refused', registrationId, code, message }
  }

  /** The connection is gone, and with it every registration: the withdrawals that were under way are done. */
  handleDisconnected(): RegistrationOutcome[] {
    const withdrawn = [...this.#unanswered.values()].filter(request => !request.wanted)
    this.#unanswered.clear()
    return withdrawn.map(({ registrationId }) => ({ type: 'unregistered', registrationId }))
  }

  #expectAck(registrationId: number, wanted: boolean): number {
    this.#lastXid = (this.#lastXid + 1) >>> 0
    this.#unanswered.set(this.#lastXid, { registrationId, wanted })
    return this.#lastXid
  }
}
