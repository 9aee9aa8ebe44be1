/**
 * What this process serves and wants the controller to know: the desired state is here, the controller's is
 * rebuilt from it after every reconnect.
 */
import type { Ack, NamedPrefix, Register, Unregister } from './messages.ts'
import { type SomeShare, together } from './shares.ts'

/** Of one listener: streams and datagrams, unless it says which. */
export interface Registration extends NamedPrefix, SomeShare {}

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
  /** The same by prefix, of which the controller hears as one. */
  readonly #byPrefix = new Map<string, Map<number, Registration>>()
  /** Requests on this connection that have no Ack yet, by xid. */
  readonly #unanswered = new Map<number, { registrationId: number; wanted: boolean }>()
  #lastId = 0
  #lastXid = 0

  get isEmpty(): boolean {
    return this.#desired.size === 0
  }

  /** Wants it from now on; the number names it in `withdraw` and in outcomes. */
  add(registration: Registration): number {
    const key = registration.prefix.toString()
    const same = this.#byPrefix.get(key) ?? new Map<number, Registration>()
    this.#byPrefix.set(key, same.set(++this.#lastId, registration))
    this.#desired.set(this.#lastId, registration)
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
    const registration = this.#desired.get(registrationId)!
    return this.#register(this.#expectAck(registrationId, true), registration)
  }

  /**
   * Wants it no more. What to say, where a controller may know of it: where another registration is for the same prefix, as a
   * stream's and a datagram's listener may be, what that one takes.
   */
  withdraw(registrationId: number): Unregister | Register {
    const registration = this.#desired.get(registrationId)!
    this.#forget(registrationId)
    const xid = this.#expectAck(registrationId, false)
    const { name, prefix } = registration
    if (!this.#byPrefix.has(prefix.toString())) return { type: 'unregister', xid, service: { name, prefix } }
    return this.#register(xid, registration)
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
    this.#forget(registrationId)
    return { type: 'refused', registrationId, code, message }
  }

  /** The connection is gone, and with it every registration: the withdrawals that were under way are done. */
  handleDisconnected(): RegistrationOutcome[] {
    const withdrawn = [...this.#unanswered.values()].filter(request => !request.wanted)
    this.#unanswered.clear()
    return withdrawn.map(({ registrationId }) => ({ type: 'unregistered', registrationId }))
  }

  #register(xid: number, { name, prefix }: NamedPrefix): Register {
    const same = this.#byPrefix.get(prefix.toString())!
    return { type: 'register', xid, service: { name, prefix }, ...together([...same.values()]) }
  }

  #forget(registrationId: number): void {
    const key = this.#desired.get(registrationId)!.prefix.toString()
    this.#desired.delete(registrationId)
    const same = this.#byPrefix.get(key)!
    same.delete(registrationId)
    if (same.size === 0) this.#byPrefix.delete(key)
  }

  #expectAck(registrationId: number, wanted: boolean): number {
    this.#lastXid = (this.#lastXid + 1) >>> 0
    this.#unanswered.set(this.#lastXid, { registrationId, wanted })
    return this.#lastXid
  }
}
