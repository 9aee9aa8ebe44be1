/**
 * The network between the nodes: addresses on links. Routing is assumed: a packet leaves by the link of its source
 * address, enters by that of its destination, and takes both links' time and faults (one link, where it is the same).
 */
import { SHIM_BYTES } from '../../../src/wire/encapsulation.ts'
import { type Endpoint, endpointFamily } from '../../../src/wire/endpoint.ts'
import { peekHeaderBytes } from '../../../src/wire/sal-header.ts'
import type { Random } from '../random.ts'
import { isRawIp } from './describe-2014.ts'
import { EndpointMap } from './endpoint-map.ts'
import type { EventQueue } from './event-queue.ts'
import type { Fate, Link } from './link.ts'

/** Whoever has addresses. */
export interface Node {
  readonly name: string
  /** `bytes` is given away. */
  receive(bytes: Uint8Array, port: Port, remote: Endpoint): void
}

/** An address of a node, as a bound UDP socket. */
export interface Port {
  /** Unique in the world. */
  readonly id: number
  readonly node: Node
  readonly endpoint: Endpoint
  readonly link: Link
  /** For people: `client`, and `client/lte` for its second address on. */
  readonly label: string
}

/** A datagram on its way: one SAL packet behind its shim. */
export interface Packet {
  readonly bytes: Uint8Array
  readonly from: Port
  readonly to: Endpoint
  /** Where it seems to come from, if that is not the address of `from`. */
  readonly source?: Endpoint
  /** Nobody's own: put on the wire by the test. */
  readonly isInjected?: boolean
  /** A byte was changed on the way. */
  readonly isCorrupted?: boolean
  /** Others than the receiver see `bytes` as well, so it gets a copy. */
  readonly isShared?: boolean
}

export function sourceOf({ source, from }: Packet): Endpoint {
  return source ?? from.endpoint
}

/** Told of every packet, whose bytes it copies if it keeps them. `fates`: what became of it, and of each copy, as far as that is known yet. */
export interface Watcher {
  handleSent(packet: Packet, fates: readonly PacketFate[]): void
  handleDelivered(packet: Packet, to: Port): void
}

/** IP and UDP headers in front of `bytes`; raw packets have theirs. */
function headerBytesBefore(bytes: Uint8Array, to: Endpoint): number {
  if (isRawIp(bytes)) return 0
  return endpointFamily(to) === 6 ? 48 : 28
}

export type PacketFate = Fate | 'unsent' | 'nowhere' | 'corrupted' | 'intercepted'

/** Looks at a packet before the network does; true: it has been dealt with. */
export type Interceptor = (packet: Packet) => boolean

export class Network {
  readonly #queue: EventQueue
  readonly #random: Random
  readonly #ports = new EndpointMap<Port>()
  readonly watchers: Watcher[] = []
  readonly interceptors: Interceptor[] = []
  /** Ports behind a NAT, by the addresses that stand for them. */
  readonly #outside = new Map<Port, Endpoint>()
  #lastId = 0

  constructor(queue: EventQueue, random: Random) {
    this.#queue = queue
    this.#random = random
  }

  attach(node: Node, endpoint: Endpoint, link: Link, label: string): Port {
    const port = { id: ++this.#lastId, node, endpoint, link, label }
    this.#ports.set(endpoint, port)
    return port
  }

  /** The address goes: it gets nothing any more, and nothing leaves from it. */
  detach(port: Port): void {
    if (this.isAttached(port)) this.#ports.delete(this.#outsideOf(port))
  }

  isAttached(port: Port): boolean {
    return this.find(this.#outsideOf(port)) === port
  }

  /** `outside` stands for `port` from now on, as when a NAT has forgotten what stood for it before. Nobody is told. */
  rebind(port: Port, outside: Endpoint): void {
    this.detach(port)
    this.#outside.set(port, outside)
    this.#ports.set(outside, port)
  }

  find(endpoint: Endpoint): Port | undefined {
    return this.#ports.get(endpoint)
  }

  /** Sends `bytes`, which nobody changes afterwards. */
  send(from: Port, to: Endpoint, bytes: Uint8Array): void {
    const source = this.#outside.get(from)
    const packet = { bytes, from, to, source, isShared: this.interceptors.length > 0 }
    const fates: PacketFate[] = []
    for (const watcher of this.watchers) watcher.handleSent(packet, fates)
    if (!this.isAttached(from)) fates.push('unsent')
    else if (this.interceptors.some(takes => takes(packet))) fates.push('intercepted')
    else this.#cross(packet, fates, from.link, 'up')
  }

  /** Puts a packet on the wire as it is, past the interceptors: a copy, a forgery. */
  inject(packet: Packet, delayMs = 0): void {
    const injected = { ...packet, isInjected: true, isShared: true }
    const fates: PacketFate[] = []
    this.#queue.at(this.#queue.nowMs + delayMs, () => {
      for (const watcher of this.watchers) watcher.handleSent(injected, fates)
      this.#cross(injected, fates, packet.from.link, 'up')
    })
  }

  #cross(packet: Packet, fates: PacketFate[], link: Link, direction: 'up' | 'down'): void {
    if (!link.duplicates()) return this.#crossOnce(packet, fates, link, direction)
    const copied = { ...packet, isShared: true }
    this.#crossOnce(copied, fates, link, direction)
    this.#crossOnce(copied, fates, link, direction)
  }

  #crossOnce(packet: Packet, fates: PacketFate[], link: Link, direction: 'up' | 'down'): void {
    const { bytes, from, to } = packet
    const target = this.find(to)
    const overhead = headerBytesBefore(bytes, to)
    // Both ends on one link: each has the way out to itself.
    const pipe = direction === 'up' && target?.link === link ? from.label : direction
    const fate = link.carry(pipe, bytes.length + overhead, this.#queue.nowMs)
    if (typeof fate !== 'number') {
      fates.push(fate)
      return
    }
    const onward = link.corrupts() ? this.#corrupted(packet, link) : packet
    if (onward === undefined) fates.push('corrupted')
    else if (direction === 'down' || target === undefined || target.link === link) {
      this.#arrive(onward, fates, fate)
    } else {
      // In the order of arrival, so that the next link's queue sees what a queue would.
      this.#queue.at(fate, () => this.#cross(onward, fates, target.link, 'down'))
    }
  }

  #arrive(packet: Packet, fates: PacketFate[], at: number): void {
    if (this.find(packet.to) === undefined) {
      fates.push('nowhere')
      return
    }
    fates.push(at)
    this.#queue.at(at, () => {
      const port = this.find(packet.to)
      if (port === undefined) return
      for (const watcher of this.watchers) watcher.handleDelivered(packet, port)
      port.node.receive(packet.isShared ? packet.bytes.slice() : packet.bytes, port, sourceOf(packet))
    })
  }

  #outsideOf(port: Port): Endpoint {
    return this.#outside.get(port) ?? port.endpoint
  }

  #corrupted(packet: Packet, link: Link): Packet | undefined {
    if (!link.escapes()) return undefined
    const bytes = packet.bytes.slice()
    const part =
      link.options.escapeIn === 'header' ? SHIM_BYTES + peekHeaderBytes(bytes, SHIM_BYTES) : bytes.length
    const at = this.#random.below(part)
    bytes[at] = bytes[at]! ^ (1 + this.#random.below(255))
    return { ...packet, bytes, isCorrupted: true }
  }
}
