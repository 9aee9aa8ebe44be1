/** Datagrams that programs send without a flow, and what they are told of them. */
import { AsyncResource } from 'node:async_hooks'
import type { ServalError } from '../errors.ts'
import type { OutgoingDatagram } from '../sal/datagrams.ts'
import type { Sal } from '../sal/sal.ts'
import type { Endpoint } from '../wire/endpoint.ts'
import { nowMs } from './clock.ts'
import { nameOfTarget, type ServiceTarget } from './names.ts'
import type { StackListener } from './stack-listener.ts'

export interface Message {
  /** Whose service it is from. */
  readonly from: StackListener
  readonly payload: Uint8Array
  readonly to: ServiceTarget
  /** Where that is, if it is known, as for an answer; else it is resolved. */
  readonly remote?: Endpoint | undefined
}

/** Undefined: it has left, as far as can be known. */
export type OnSent = (error: ServalError | undefined) => void

export class Messages {
  readonly #sal: Sal
  /** Those that wait for their service to be resolved. */
  readonly #waiting = new Map<OutgoingDatagram, OnSent>()

  constructor(sal: Sal) {
    this.#sal = sal
  }

  /** `onSent` is called at once or later, once. Throws ESERVICENAME, ERR_SOCKET_BAD_PORT. */
  send({ from, payload, to, remote }: Message, onSent: OnSent): void {
    const { id, text } = nameOfTarget(to)
    const datagram = { from: from.source, payload, serviceId: id, name: text, remote }
    const outcome = this.#sal.send(datagram, nowMs())
    if (outcome === 'waiting') this.#waiting.set(datagram, AsyncResource.bind(onSent))
    else onSent(outcome === 'sent' ? undefined : outcome)
  }

  /** One that waited has been sent, or failed. */
  handleSent(datagram: OutgoingDatagram, error: ServalError | undefined): void {
    const onSent = this.#waiting.get(datagram)
    this.#waiting.delete(datagram)
    onSent?.(error)
  }
}
