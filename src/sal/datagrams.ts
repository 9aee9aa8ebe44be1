/**
 * Unconnected datagrams (NSDI 2012 section 3.1, `sendto`): each is resolved by itself, carries the serviceID that it is
 * for and the one that it is from, and belongs to no flow. Nothing answers one, so nobody can be made to flood another.
 *
 *   program -- send --> service table --> FORWARD: to one, or to all; own listener; DELAY: held --> packets
 *   packet --> service table (this stack's listeners) --> the listener's inbox --> program
 *
 * A source that is a port of its host says which (src/wire/README.md, "Datagram"): a receiver that finds the same name for
 * the address that the packet came from knows where that service is, and can answer it without asking anybody.
 */
import { ServalError } from '../errors.ts'
import type { Arrival } from '../flow/arrival.ts'
import { fillBatch } from '../flow/datagram-batch.ts'
import { DatagramQueue } from '../flow/datagram-queue.ts'
import { tooLong } from '../flow/flow-datagrams.ts'
import { type Local, mtuOf } from '../flow/path.ts'
import type { QueueSize } from '../flow/queue-size.ts'
import { addressBytes } from '../id/address.ts'
import { type FlowId, NO_FLOW_ID } from '../id/flow-id.ts'
import { SERVICE_ID_BITS, type ServiceId } from '../id/service-id.ts'
import { ServicePrefix } from '../id/service-prefix.ts'
import type { Choice } from '../service/balance/balancer.ts'
import { DEFAULT_DELAY_LIMITS, DelayQueue, type Held } from '../service/delay-queue.ts'
import { countDrop, peekEntry, peekType, resolve, resolveAll } from '../service/resolve.ts'
import type { ServiceTable } from '../service/service-table.ts'
import type { ServiceTarget } from '../service/target.ts'
import { emitDatagram, parseDatagram } from '../wire/datagram.ts'
import { type Endpoint, sameEndpoint } from '../wire/endpoint.ts'
import { MAX_ROUTE_BYTES } from '../wire/extensions/route.ts'
import { service } from '../wire/extensions/service.ts'
import { emitPacket, packetLength, SalPacket } from '../wire/packet.ts'
import type { Profile } from '../wire/profile.ts'
import { protocols } from '../wire/sal-header.ts'
import type { TransmitBatch } from '../wire/transmit-batch.ts'
import type { PseudoHeader } from '../wire/transport-checksum.ts'
import { UDP_HEADER_BYTES } from '../wire/udp-header.ts'
import { WireError } from '../wire/wire-error.ts'
import type { Listener } from './listener.ts'
import type { Locals } from './locals.ts'
import { PortIds } from './port-ids.ts'
import type { Ask } from './resolver.ts'

/** What a program sends to a service. */
export interface OutgoingDatagram {
  /** Whose service it is from. */
  readonly from: Listener
  /** Must not be changed until it has been sent. */
  readonly payload: Uint8Array
  readonly serviceId: ServiceId
  /** As the program wrote it. */
  readonly name?: string | undefined
  /** Where the service is known to be, as for an answer; default: the service table is asked. */
  readonly remote?: Endpoint | undefined
}

export type DatagramEvent =
  /** The inbox of a listener is no longer empty. */
  | { readonly type: 'messages'; readonly listener: Listener }
  /** One that had to wait has been sent, or failed. */
  | { readonly type: 'sent'; readonly datagram: OutgoingDatagram; readonly error: ServalError | undefined }

export interface DatagramSurroundings {
  readonly profile: Profile
  readonly table: ServiceTable
  readonly locals: Locals
  listener(id: number): Listener | undefined
  /** A flowID that no flow has. */
  unusedFlowId(): FlowId
  choice(serviceId: ServiceId, nowMs: number): Choice
  /** A DELAY rule holds the first datagram to a service. */
  readonly ask: Ask
  tell(event: DatagramEvent): void
  count(counter: string): void
}

/** A packet that is ready to leave. */
interface Packet {
  readonly payload: Uint8Array
  readonly local: Local
  readonly remote: Endpoint
}

export class Datagrams {
  readonly #to: DatagramSurroundings
  readonly #waiting = new DelayQueue<OutgoingDatagram>()
  readonly #output = new Map<Local, DatagramQueue<Packet>>()
  readonly #portIds = new PortIds()
  /** The source flowID of each listener's: it tells two senders of one host apart. */
  readonly #flowIds = new WeakMap<Listener, FlowId>()

  constructor(surroundings: DatagramSurroundings) {
    this.#to = surroundings
  }

  get queues(): readonly QueueSize[] {
    const output = [...this.#output.values()].map(({ size, limits }) => {
      return { name: 'datagrams to send', size, limit: limits.items }
    })
    return [
      { name: 'datagrams to resolve', size: this.#waiting.size, limit: DEFAULT_DELAY_LIMITS.items },
      ...output,
    ]
  }

  get nextTimeoutAt(): number {
    return this.#waiting.nextTimeoutAt
  }

  /**
   * Sends a datagram, or holds it until it is known who serves the service: the outcome is then told. Returns why it
   * cannot be sent: EMSGSIZE, ENOSERVICE, EHOSTUNREACH.
   */
  send(datagram: OutgoingDatagram, nowMs: number): 'sent' | 'waiting' | ServalError {
    const { remote, serviceId } = datagram
    if (remote !== undefined) return this.#sendTo(datagram, remote, 0) ?? 'sent'
    const { table, choice } = this.#to
    const bytes = datagram.payload.length
    const all = resolveAll(table, serviceId, protocols.DATAGRAM, bytes, choice(serviceId, nowMs))
    const targets = all.filter(target => !this.#isOwnTwice(target, all))
    if (targets.some(({ type }) => type === 'DELAY')) return this.#wait(datagram, nowMs)
    // To all of a group: it is sent if any of them can be reached.
    const errors = targets.map(target => this.#follow(datagram, target))
    if (errors.includes(undefined)) return 'sent'
    const asked = 'the service table of this stack'
    return errors[0] ?? new ServalError('ENOSERVICE', { service: nameOf(datagram), asked, syscall: 'send' })
  }

  /** Rules under `prefix` have come. */
  resolved(prefix: ServicePrefix, nowMs: number): void {
    const goes = ({ serviceId }: Held<OutgoingDatagram>) =>
      peekType(this.#to.table, serviceId, protocols.DATAGRAM) !== 'DELAY'
    for (const { item } of this.#waiting.release(prefix, goes)) {
      const outcome = this.send(item, nowMs)
      if (outcome !== 'waiting') this.#tell(item, outcome === 'sent' ? undefined : outcome)
    }
  }

  /** Nobody could say who serves it. */
  unresolved(serviceId: ServiceId, error: ServalError): void {
    for (const { item } of this.#waiting.release(new ServicePrefix(serviceId, SERVICE_ID_BITS)))
      this.#tell(item, error)
  }

  handleTimeout(nowMs: number): void {
    for (const { item } of this.#waiting.handleTimeout(nowMs)) {
      this.#tell(item, new ServalError('ETIMEDOUT', { service: nameOf(item), syscall: 'send' }))
    }
  }

  /** A packet without a flow came; an answer would go to `replyTo`. What nobody takes is counted, and answered by nothing. */
  handle({ packet }: Arrival, replyTo: Endpoint, nowMs: number): void {
    const { profile, table, choice, count, tell } = this.#to
    const [serviceId, source] = packet.services
    if (serviceId === undefined || packet.mustUnderstand !== undefined) return count('datagramNotUnderstood')
    const { transport } = packet
    // One over addresses has been verified where they are known as they were on the wire (raw-ip.ts).
    const over = profile.addressedChecksums ? 'nothing' : 'itself'
    const datagram = parseDatagram(transport, 0, transport.length, over)
    if (datagram instanceof WireError) return count(`datagram:${datagram.code}`)
    const target = resolve(
      table,
      serviceId,
      protocols.DATAGRAM,
      transport.length,
      choice(serviceId, nowMs),
      'local',
    )
    if (target?.type === 'DROP') return count('datagramDropped')
    const listener = target?.type === 'DEMUX' ? this.#to.listener(target.listenerId) : undefined
    if (listener === undefined) return count('datagramNoService')
    const { srcPort, payload } = datagram
    const isPort =
      source !== undefined && this.#portIds.find(srcPort, replyTo.address)?.equals(source) === true
    // The link's buffer is used again.
    const incoming = { payload: new Uint8Array(payload), source, port: isPort ? srcPort : 0, remote: replyTo }
    for (const _ of listener.inbox.put(incoming)) count('datagramInboxFull')
    if (listener.inbox.size === 1) tell({ type: 'messages', listener })
  }

  /** HOT. Fills `batch` with packets to one remote; false when there is none that may leave. */
  pollTransmit(batch: TransmitBatch): boolean {
    for (const [local, queue] of this.#output) {
      const first = local.isHeld ? undefined : fillBatch(queue, batch, 0, writePacket, areTogether)
      if (first === undefined) continue
      batch.setRoute(local.id, first.remote)
      return true
    }
    return false
  }

  /** An address of this host's has gone, and with it what was to leave from there. */
  removeLocal(local: Local): void {
    this.#output.delete(local)
  }

  // ---- sending --------------------------------------------------------------------------------------------

  #wait(datagram: OutgoingDatagram, nowMs: number): 'waiting' {
    const { serviceId, name, payload } = datagram
    const isFirst = !this.#waiting.isWaiting(serviceId)
    const evicted = this.#waiting.hold(serviceId, datagram, payload.length, nowMs)
    const reason = 'too many datagrams wait for their services to be resolved'
    for (const { item } of evicted) this.#tell(item, unreachable(item, reason))
    if (isFirst) this.#to.ask(serviceId, name, protocols.DATAGRAM)
    return 'waiting'
  }

  /** A group may have this stack as a member by its listener, and as others see it: one is enough. */
  #isOwnTwice(target: ServiceTarget, all: readonly ServiceTarget[]): boolean {
    if (all.length === 1 || target.type !== 'FORWARD' || all[0]?.type !== 'DEMUX') return false
    return this.#to.locals.all.some(({ endpoint }) => sameEndpoint(endpoint, target.endpoint))
  }

  /** Undefined: it is on its way. */
  #follow(datagram: OutgoingDatagram, target: ServiceTarget): ServalError | undefined {
    const { table, locals } = this.#to
    if (target.type === 'DROP') return unreachable(datagram, target.reason ?? 'dropped by a rule')
    const remote = target.type === 'FORWARD' ? target.endpoint : locals.ownEndpoint
    const isInstance = target.type === 'DEMUX' || this.#isExact(datagram.serviceId)
    const error =
      remote === undefined
        ? unreachable(datagram, 'this host has no address')
        : this.#sendTo(datagram, remote, isInstance ? 0 : MAX_ROUTE_BYTES)
    if (error !== undefined) countDrop(table, datagram.serviceId, target)
    return error
  }

  /** Behind a whole serviceID stand instances; behind prefixes routers, which add to the packet. */
  #isExact(serviceId: ServiceId): boolean {
    return peekEntry(this.#to.table, serviceId, protocols.DATAGRAM)?.bits === SERVICE_ID_BITS
  }

  #sendTo(datagram: OutgoingDatagram, remote: Endpoint, routeBytes: number): ServalError | undefined {
    const { profile, locals } = this.#to
    const local = locals.best(remote)
    if (local === undefined) {
      return unreachable(
        datagram,
        `this host has no address from which ${profile.formatPlace(remote)} can be reached`,
      )
    }
    const { id, port } = this.#sourceOf(datagram.from, local)
    const { payload } = datagram
    const extensions = [service(datagram.serviceId), service(id)]
    const header = new SalPacket({
      srcFlowId: this.#flowIdOf(datagram.from),
      dstFlowId: NO_FLOW_ID,
      protocol: protocols.DATAGRAM,
      extensions,
    })
    const { envelope } = profile
    const headerBytes = envelope.bytes + packetLength(header, profile)
    const packetBytes = envelope.packetBytes ?? mtuOf(local, remote).packetBytes
    const limit = Math.min(packetBytes, local.mtu) - routeBytes - headerBytes - UDP_HEADER_BYTES
    if (payload.length > limit) return tooLong(nameOf(datagram), payload.length, limit)
    const packet = new Uint8Array(headerBytes + UDP_HEADER_BYTES + payload.length)
    envelope.emit(packet, 0, packet.length, local.endpoint.address, remote.address)
    emitPacket(header, packet, envelope.bytes, profile)
    const over = this.#pseudoHeader(local.endpoint, remote) ?? 'itself'
    emitDatagram({ srcPort: port, payload }, over, packet, headerBytes)
    this.#put({ payload: packet, local, remote })
    return undefined
  }

  #put(packet: Packet): void {
    const queue = this.#output.get(packet.local) ?? new DatagramQueue<Packet>()
    this.#output.set(packet.local, queue)
    for (const _ of queue.put(packet)) this.#to.count('datagramQueueFull')
  }

  /** A listener of a port is called by the address that a packet leaves from, where it is served there. */
  #sourceOf(from: Listener, local: Local): { readonly id: ServiceId; readonly port: number } {
    const port = from.port ?? 0
    const id = this.#portIds.find(port, local.endpoint.address)
    const target =
      id && this.#to.table.find(new ServicePrefix(id, SERVICE_ID_BITS))?.listener(protocols.DATAGRAM)
    return id && target?.listenerId === from.id ? { id, port } : { id: from.serviceId, port: 0 }
  }

  #flowIdOf(from: Listener): FlowId {
    const flowId = this.#flowIds.get(from) ?? this.#to.unusedFlowId()
    this.#flowIds.set(from, flowId)
    return flowId
  }

  #tell(datagram: OutgoingDatagram, error: ServalError | undefined): void {
    this.#to.tell({ type: 'sent', datagram, error })
  }

  #pseudoHeader(source: Endpoint, destination: Endpoint): PseudoHeader | undefined {
    if (!this.#to.profile.addressedChecksums) return undefined
    const [from, to] = [addressBytes(source.address), addressBytes(destination.address)]
    return from && to && { source: from, destination: to }
  }
}

function writePacket({ payload }: Packet, buffer: Uint8Array, offset: number): void {
  buffer.set(payload, offset)
}

function areTogether(a: Packet, b: Packet): boolean {
  return sameEndpoint(a.remote, b.remote)
}

function nameOf({ name, serviceId }: OutgoingDatagram): string {
  return name ?? serviceId.toString()
}

function unreachable(datagram: OutgoingDatagram, reason: string): ServalError {
  return new ServalError('EHOSTUNREACH', { syscall: 'send', service: nameOf(datagram), reason })
}
