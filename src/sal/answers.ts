/**
 * Answers to packets that belong to no flow: NACK to a SYN that nobody takes, COOKIE to one that is too many, RST to what is
 * for a flow that is not here. They are untagged, hints only; never larger than three times what they answer, and limited
 * for each address that they go to; but for what says how to come again where a SYN-ACK would have gone: as SYN-ACKs these are
 * as many as there are SYNs, and smaller, and a router may ask for many clients.
 */

import type { Arrival } from '../flow/arrival.ts'
import { NO_FLOW_ID } from '../id/flow-id.ts'
import { serialAdd } from '../id/serial.ts'
import { AnswerLimit } from '../service/answer-limit.ts'
import { nackFor } from '../service/nack.ts'
import { emitShim, SHIM_BYTES } from '../wire/encapsulation.ts'
import { type Endpoint, formatEndpoint } from '../wire/endpoint.ts'
import { challengeEcho } from '../wire/extensions/challenge.ts'
import { control, controlFlags } from '../wire/extensions/control.ts'
import { cookie } from '../wire/extensions/cookie.ts'
import { reasonCodes } from '../wire/extensions/reason.ts'
import { emitPacket, SalPacket } from '../wire/packet.ts'
import type { Profile } from '../wire/profile.ts'
import type { TransmitBatch } from '../wire/transmit-batch.ts'

interface Answer {
  readonly packet: SalPacket
  readonly localId: number
  readonly remote: Endpoint
}

/** Answers that may wait to be sent: what a flood can make us keep. */
export const ANSWERS_LIMIT = 256

export class Answers {
  readonly #profile: Profile
  readonly #count: (counter: string) => void
  readonly #queue: Answer[] = []
  readonly #limit: AnswerLimit

  constructor(profile: Profile, randomBytes: (n: number) => Uint8Array, count: (counter: string) => void) {
    this.#profile = profile
    this.#count = count
    this.#limit = new AnswerLimit(randomBytes)
  }

  get size(): number {
    return this.#queue.length
  }

  /** Refuses a SYN; the answer goes to `replyTo`. */
  refuse({ packet, local }: Arrival, replyTo: Endpoint, code: number, detail: string, nowMs: number): void {
    const nack = nackFor(packet, code, detail, local.endpoint, this.#profile)
    if (nack) this.#put({ packet: nack, localId: local.id, remote: replyTo }, nowMs)
  }

  /** Has a client send its SYN again without a router, to `own`. */
  direct({ packet, local }: Arrival, replyTo: Endpoint, own: Endpoint): void {
    const nack = nackFor(packet, reasonCodes.DIRECT, formatEndpoint(own), local.endpoint, this.#profile)
    if (nack) this.#queueUp({ packet: nack, localId: local.id, remote: replyTo })
  }

  /** Has a SYN sent again, with `opaque`, before anything is kept of it. */
  ask({ packet: syn, local, remote }: Arrival, opaque: Uint8Array): void {
    if (syn.control === undefined) return
    const { verno, nonce, reserved: attempt } = syn.control
    const packet = new SalPacket({
      srcFlowId: NO_FLOW_ID,
      dstFlowId: syn.srcFlowId,
      protocol: syn.protocol,
      extensions: [control(0, 0, serialAdd(verno, 1), nonce, attempt), cookie(opaque)],
    })
    this.#queueUp({ packet, localId: local.id, remote })
  }

  /** Says that there is no such flow here. A CHALLENGE is echoed: it shows that the answer is one. */
  reset({ packet: offending, local, remote }: Arrival, nowMs: number): void {
    const asked = offending.extension('challenge')
    const echo = asked && !asked.echo ? [challengeEcho(asked.value)] : []
    const packet = new SalPacket({
      srcFlowId: offending.dstFlowId,
      dstFlowId: offending.srcFlowId,
      protocol: offending.protocol,
      extensions: [control(controlFlags.RST, 0, 0), ...echo],
    })
    this.#put({ packet, localId: local.id, remote }, nowMs)
  }

  pollTransmit(batch: TransmitBatch): boolean {
    const answer = this.#queue.shift()
    if (answer === undefined) return false
    const length = SHIM_BYTES + emitPacket(answer.packet, batch.buffer, SHIM_BYTES, this.#profile)
    emitShim(batch.buffer, 0, length)
    batch.setPacket(length)
    batch.setRoute(answer.localId, answer.remote)
    return true
  }

  #put(answer: Answer, nowMs: number): void {
    if (this.#limit.admits(answer.remote.address, nowMs)) this.#queueUp(answer)
    else this.#count('answerLimited')
  }

  #queueUp(answer: Answer): void {
    if (this.#queue.length < ANSWERS_LIMIT) this.#queue.push(answer)
    else this.#count('answerLimited')
  }
}
