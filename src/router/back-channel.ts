/**
 * What goes back from a router to those who ask: its own answers, NACKs and version hints, and those of servers that it
 * relays along ROUTE. All of it is limited, or bound to what the router has written itself: anybody can claim any source.
 */
import { AnswerLimit, type AnswerRate } from '../service/answer-limit.ts'
import { nackFor } from '../service/nack.ts'
import { WIRE_VERSION } from '../wire/encapsulation.ts'
import type { Endpoint } from '../wire/endpoint.ts'
import { nativeProfile } from '../wire/native-profile.ts'
import type { SalPacket } from '../wire/packet.ts'
import { emitVersionHint, versionHintLength } from '../wire/version-hint.ts'
import type { RouterCounters } from './counters.ts'
import type { Exits } from './exits.ts'
import type { RouteMac } from './route-mac.ts'
import { isAnswer, routeEntriesOf, type Transit } from './transit.ts'

export interface BackChannelParts {
  readonly mac: RouteMac
  readonly exits: Exits
  readonly counters: RouterCounters
  readonly randomBytes: (n: number) => Uint8Array
  readonly rate: Partial<AnswerRate> | undefined
  /** Whether ROUTE of a packet from there is believed. */
  readonly isKnownRouter: (remote: Endpoint) => boolean
}

export class BackChannel {
  readonly #parts: BackChannelParts
  readonly #limit: AnswerLimit

  constructor(parts: BackChannelParts) {
    this.#parts = parts
    this.#limit = new AnswerLimit(parts.randomBytes, parts.rate)
  }

  /** Answers a SYN; an unconnected datagram gets no answer. */
  refuse(transit: Transit, code: number, detail: string, nowMs: number): void {
    const { exits, counters } = this.#parts
    const nack = nackFor(transit.packet, code, detail, exits.endpointOf(transit.localId), nativeProfile)
    if (nack === undefined) return
    const remote = this.#askerOf(transit, nowMs)
    if (!this.#mayAnswer(remote, nowMs)) return
    if (exits.sendPacket(nack, undefined, transit.localId, remote)) counters.nacks++
  }

  /** Tells the sender of `packetBytes`, shim included, of a version that is not known here, which one is. */
  hint(dstFlowId: number, packetBytes: number, localId: number, remote: Endpoint, nowMs: number): void {
    const { exits, counters } = this.#parts
    const hint = { dstFlowId, versions: [WIRE_VERSION] }
    const length = versionHintLength(hint)
    if (length > packetBytes || !this.#mayAnswer(remote, nowMs)) return
    const bytes = new Uint8Array(length)
    emitVersionHint(hint, bytes, 0)
    if (exits.send({ bytes, localId, remote })) counters.versionHints++
  }

  /**
   * An answer on its way back: to where the SYN had come from, as an entry of this router's own says. Nobody else can have
   * written one, so nobody can have packets sent to whom they like.
   */
  relay(packet: SalPacket, hops: number, localId: number, nowMs: number): void {
    const { mac, exits, counters } = this.#parts
    const entries = isAnswer(packet) ? routeEntriesOf(packet) : []
    const own = entries.find(entry => mac.isOwn(entry, packet.dstFlowId, nowMs))
    const towards = own && exits.towards(own, localId)
    if (own === undefined) counters.misdirected++
    else if (hops === 0) counters.hopLimit++
    else if (towards === undefined) counters.noLocal++
    else if (exits.sendPacket(packet, hops - 1, towards, { address: own.address, port: own.port })) {
      counters.relayed++
    }
  }

  /**
   * Where an answer goes: to who sent the packet here, or to the client that the first router saw, if ROUTE can be
   * believed. Anything else would make the router an open reflector.
   */
  #askerOf({ packet, remote }: Transit, nowMs: number): Endpoint {
    const { mac, isKnownRouter } = this.#parts
    const first = routeEntriesOf(packet)[0]
    if (first === undefined) return remote
    if (!isKnownRouter(remote) && !mac.isOwn(first, packet.srcFlowId, nowMs)) return remote
    return { address: first.address, port: first.port }
  }

  #mayAnswer(remote: Endpoint, nowMs: number): boolean {
    const admitted = this.#limit.admits(remote.address, nowMs)
    if (!admitted) this.#parts.counters.answersLimited++
    return admitted
  }
}
