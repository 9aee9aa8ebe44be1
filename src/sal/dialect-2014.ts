/**
 * The 2014 profile: the original's packets behind IPv4 headers, on raw sockets (src/wire/README.md, A7, A8, A12).
 *
 *   handleDatagram --> flow table --> Flow2014        by destination flowID
 *                 \--> service table --> Listener     SYN; unconnected datagram
 *                 \--> RST                            what is for a service and nobody takes; a SYN is met with silence
 */

import { Flow2014, type Flow2014Options } from '../flow/2014/flow-2014.ts'
import { LastWords } from '../flow/2014/last-words.ts'
import type { Arrival } from '../flow/arrival.ts'
import type { QueueSize } from '../flow/queue-size.ts'
import { serialAdd } from '../id/serial.ts'
import { AnswerLimit } from '../service/answer-limit.ts'
import type { Endpoint } from '../wire/endpoint.ts'
import { control, controlFlags, KNOWN_CONTROL_FLAGS } from '../wire/extensions/control.ts'
import { IPV4_HEADER_BYTES } from '../wire/ipv4.ts'
import { emitPacket, parsePacket, SalPacket } from '../wire/packet.ts'
import { profile2014 } from '../wire/profile-2014.ts'
import { emitIpv4Envelope, parseRawPacket, RAW_PORT } from '../wire/raw-ip.ts'
import { protocols } from '../wire/sal-header.ts'
import type { TransmitBatch } from '../wire/transmit-batch.ts'
import { WireError } from '../wire/wire-error.ts'
import { ANSWERS_LIMIT } from './answers.ts'
import type { Dialect, DialectHost, DialectKind } from './dialect.ts'
import { FlowTable } from './flow-table.ts'
import { HalfOpen } from './listener.ts'

const { SYN, ACK, RST, FIN } = controlFlags

export const dialect2014: DialectKind = { profile: profile2014, open: host => new Dialect2014(host) }

class Dialect2014 implements Dialect {
  readonly flows = new FlowTable<Flow2014>()
  readonly halfOpen = new HalfOpen<Flow2014>()
  isUrgent = false
  readonly #host: DialectHost
  readonly #context: DialectHost['context']
  readonly #lastWords: LastWords
  readonly #answers: ((batch: TransmitBatch) => void)[] = []
  readonly #limit: AnswerLimit

  constructor(host: DialectHost) {
    this.#host = host
    const { context, profile } = host
    this.#lastWords = new LastWords(profile.policy.timeWaitMs)
    this.#context = { ...context, release: flow => this.#release(flow as Flow2014) }
    this.#limit = new AnswerLimit(n => host.randomBytes(n))
  }

  get queues(): readonly QueueSize[] {
    return [{ name: 'answers', size: this.#answers.length, limit: ANSWERS_LIMIT }, this.#lastWords.queue]
  }

  newClient(options: Omit<Flow2014Options, 'role' | 'flowId'>, nowMs: number): Flow2014 {
    return this.#newFlow({ ...options, role: 'client' }, nowMs)
  }

  handleDatagram(
    buffer: Uint8Array,
    length: number,
    localId: number,
    _remote: Endpoint,
    nowMs: number,
  ): void {
    const raw = parseRawPacket(buffer, length)
    if (raw instanceof WireError) return this.#host.count(raw.code)
    const packet = parsePacket(buffer, raw.start, raw.end, this.#host.profile)
    const local = this.#host.local(localId)
    if (packet instanceof WireError) return this.#host.count(packet.code)
    if (local === undefined) return this.#host.count('localGone')
    const { source, destination, start, end } = raw
    const arrival = { packet, buffer, start, end, local, remote: { address: source, port: RAW_PORT } }
    const news = this.#host.newsCount
    this.#handlePacket(arrival, destination !== local.endpoint.address, nowMs)
    if (packet.control !== undefined && this.#host.newsCount === news) this.isUrgent = true
  }

  /** RST where nobody takes what is for a service (A12), ACK of the FIN of a flow that is gone. */
  pollTransmit(batch: TransmitBatch): boolean {
    const write = this.#answers.shift()
    write?.(batch)
    return write !== undefined
  }

  /** Routers of 2014 are silent, whether they are there or not. */
  askRouter(): void {}

  routerHeard(): void {}

  isRouterAlive(): boolean {
    return true
  }

  /** A14: whoever sends a SYN on is believed; the SYN-ACK is no longer than what it answers. */
  trustRouters(): void {}

  #handlePacket(arrival: Arrival, isBroadcast: boolean, nowMs: number): void {
    const { packet } = arrival
    if (packet.control && (packet.control.flags & KNOWN_CONTROL_FLAGS) === SYN)
      return this.#handleSyn(arrival, nowMs)
    const flow = this.flows.lookup(packet.dstFlowId)
    if (flow !== undefined) return flow.handlePacket(arrival, nowMs)
    const last = this.#lastWords.repeat(arrival, nowMs)
    if (last !== undefined) return this.#answer(batch => last.writer.write(last.packet, batch))
    // A7: without a service it could only be guessed who is meant.
    if (packet.service === undefined) return this.#host.count('unknownFlow')
    const isDatagram = packet.control === undefined && packet.protocol === protocols.DATAGRAM
    const isTaken = this.#host.takes(packet.service, packet.protocol)
    if (isDatagram && isTaken) return this.#host.handleUnconnected(arrival, clientOf(arrival), nowMs)
    this.#host.count(isDatagram ? 'datagramNoService' : 'unknownFlow')
    // An ACK for a listener belongs to a request that is forgotten.
    if (isTaken && ((packet.control?.flags ?? 0) & KNOWN_CONTROL_FLAGS) === ACK) return
    if (!isBroadcast) this.#refuse(arrival, nowMs)
  }

  #handleSyn(arrival: Arrival, nowMs: number): void {
    const { packet, start, end } = arrival
    const { service, control: syn } = packet
    if (service === undefined || syn === undefined) return this.#host.count('unexpected')
    const replyTo = clientOf(arrival)
    const known = this.halfOpen.find(packet.srcFlowId, syn.nonce, replyTo)
    if (known !== undefined) return known.repeatSyn(nowMs)
    const { protocol } = packet
    if (protocol !== protocols.STREAM && protocol !== protocols.DATAGRAM)
      return this.#host.count('unexpected')
    const listener = this.#host.listenerFor(service, protocol, end - start, nowMs)
    if (listener === undefined) return this.#host.count('synNoService')
    if (listener.halfOpen >= listener.backlog) return this.#host.count('backlogFull')
    const { halfOpenMs } = this.#host.profile.policy
    const flow = this.#newFlow(
      {
        role: 'server',
        protocol,
        service,
        serviceName: listener.name,
        timeoutMs: halfOpenMs,
        newCongestion: this.#host.congestionOf(listener),
      },
      nowMs,
    )
    this.halfOpen.insert(packet.srcFlowId, syn.nonce, replyTo, flow, listener, nowMs)
    const source = packet.extension('source')?.addresses
    if (flow.respond({ arrival, replyTo, source }, nowMs)) return
    this.#host.count('unexpected')
    flow.reset(nowMs)
  }

  /** A stack that shares its host's addresses with others cannot know what they take. */
  #refuse(arrival: Arrival, nowMs: number): void {
    const flags = arrival.packet.control?.flags ?? 0
    if ((flags & RST) !== 0) return
    // It costs a look at the system's sockets: not more often than there may be answers.
    if (!this.#limit.admits(arrival.remote.address, nowMs)) this.#host.count('answerLimited')
    else if (this.#host.speaksForHost()) this.#answer(batch => this.#writeReset(arrival, batch))
  }

  #answer(write: (batch: TransmitBatch) => void): void {
    if (this.#answers.length >= ANSWERS_LIMIT) this.#host.count('answerLimited')
    else this.#answers.push(write)
  }

  #writeReset({ packet, local, remote }: Arrival, batch: TransmitBatch): void {
    const reset = resetFor(packet)
    const end = IPV4_HEADER_BYTES + emitPacket(reset, batch.buffer, IPV4_HEADER_BYTES, this.#host.profile)
    emitIpv4Envelope(batch.buffer, 0, end, local.endpoint.address, remote.address)
    batch.setPacket(end)
    batch.setRoute(local.id, remote)
  }

  #release(flow: Flow2014): void {
    if (flow.lastWord !== undefined) this.#lastWords.keep(flow.lastWord)
    this.#host.context.release(flow)
  }

  #newFlow(options: Omit<Flow2014Options, 'flowId'>, nowMs: number): Flow2014 {
    const flowId = this.flows.unusedId(n => this.#host.randomBytes(n))
    const flow = new Flow2014({ ...options, flowId }, this.#context, nowMs)
    this.flows.insert(flow)
    return flow
  }
}

/** A14: routers leave the source as it is and say first whose it was. */
function clientOf({ packet, remote }: Arrival): Endpoint {
  const client = packet.extension('source')?.addresses[0]
  return client === undefined ? remote : { address: client, port: RAW_PORT }
}

/** Numbers of an answer to a packet that nobody expects, as TCP's (RFC 9293 section 3.10.7.1). */
function resetFor({ srcFlowId, dstFlowId, protocol, control: theirs }: SalPacket): SalPacket {
  const flags = theirs?.flags ?? 0
  const nonce = theirs?.nonce
  const length = ((flags & SYN) === 0 ? 0 : 1) + ((flags & FIN) === 0 ? 0 : 1)
  const reset =
    (flags & ACK) !== 0
      ? control(RST, theirs?.ackno ?? 0, 0, nonce)
      : control(RST | ACK, 0, theirs ? serialAdd(theirs.verno, length) : 0, nonce)
  return new SalPacket({ srcFlowId: dstFlowId, dstFlowId: srcFlowId, protocol, extensions: [reset] })
}
