/**
 * A service router of the 2014 profile: SYNs and unconnected datagrams, and whatever else names a service, are resolved
 * and sent on with the client's address as their source (src/wire/README.md, A14). It keeps no state of flows.
 *
 * Loops are known by the source extension, which lists the addresses that a packet was sent to; unlike the prototype a
 * packet whose TTL is used up is dropped too. Nobody is answered: that is for whoever a packet reaches. What a program of
 * this host serves needs no forwarding: each raw socket of a host gets every packet for it.
 */
import type { ServiceId } from '../id/service-id.ts'
import { affinityOf } from '../service/balance/affinity.ts'
import { uniformFrom } from '../service/balance/uniform.ts'
import { countDrop, resolveAll } from '../service/resolve.ts'
import { ServiceTable } from '../service/service-table.ts'
import type { ServiceTarget } from '../service/target.ts'
import type { Endpoint } from '../wire/endpoint.ts'
import { source } from '../wire/extensions/addresses-2014.ts'
import { IPV4_HEADER_BYTES } from '../wire/ipv4.ts'
import { emitPacket, packetLength, parsePacket, SalPacket } from '../wire/packet.ts'
import { profile2014 } from '../wire/profile-2014.ts'
import {
  emitForwardedEnvelope,
  finishRawPacket,
  MAX_RAW_PACKET_BYTES,
  parseRawPacket,
  type RawPacket,
} from '../wire/raw-ip.ts'
import { MAX_HEADER_BYTES } from '../wire/sal-header.ts'
import type { TransmitBatch } from '../wire/transmit-batch.ts'
import { WireError } from '../wire/wire-error.ts'
import type { AllowList } from './allow-list.ts'
import type { RouterLocal } from './exits.ts'
import type { RouterEvent } from './router.ts'

export interface Router2014Options {
  readonly randomBytes: (n: number) => Uint8Array
  readonly allowed: AllowList
  /** From which of this host's addresses, by its id, a neighbour is reached, whatever the host's way to others. */
  exitTowards(remote: Endpoint): number | undefined
}

interface Packet {
  readonly bytes: Uint8Array
  readonly localId: number
  readonly remote: Endpoint
}

/** Packets that wait to leave; the oldest gives way. */
const OUTPUT_LIMIT = 4096
/** A3.4: the client, the first router, and one for each further router. */
const MAX_ADDRESSES = 20

const profile = profile2014

export class Router2014 {
  readonly table: ServiceTable
  readonly counters = {
    packets: 0,
    forwarded: 0,
    malformed: 0,
    notAllowed: 0,
    misdirected: 0,
    broadcast: 0,
    loop: 0,
    hopLimit: 0,
    tooLong: 0,
    noService: 0,
    droppedByRule: 0,
    noLocal: 0,
    ownHost: 0,
    queueFull: 0,
  }
  readonly isUrgent = false
  readonly nextTimeoutAt = Number.POSITIVE_INFINITY
  readonly #uniform: () => number
  readonly #allowed: AllowList
  readonly #exitTowards: Router2014Options['exitTowards']
  readonly #locals = new Map<number, RouterLocal>()
  readonly #output: Packet[] = []

  constructor({ randomBytes, allowed, exitTowards }: Router2014Options) {
    this.table = new ServiceTable(new DataView(randomBytes(4).slice().buffer).getInt32(0))
    this.#uniform = uniformFrom(randomBytes)
    this.#allowed = allowed
    this.#exitTowards = exitTowards
  }

  addLocal(local: RouterLocal): void {
    this.#locals.set(local.id, local)
  }

  removeLocal(localId: number): void {
    this.#locals.delete(localId)
  }

  handleDatagram(buffer: Uint8Array, length: number, localId: number, remote: Endpoint, nowMs: number): void {
    this.counters.packets++
    const raw = parseRawPacket(buffer, length)
    const packet = raw instanceof WireError ? raw : parsePacket(buffer, raw.start, raw.end, profile)
    if (raw instanceof WireError || packet instanceof WireError) this.counters.malformed++
    else if (!this.#allowed.admits(remote.address)) this.counters.notAllowed++
    else if (packet.service === undefined) this.counters.misdirected++
    else if (!this.#isOwn(raw.destination)) this.counters.broadcast++
    else this.#route(raw, packet, packet.service, buffer.slice(0, IPV4_HEADER_BYTES), localId, nowMs)
  }

  handleTimeout(): void {}

  pollEvent(): RouterEvent | undefined {
    return undefined
  }

  pollTransmit(batch: TransmitBatch): boolean {
    const packet = this.#output.shift()
    if (packet === undefined) return false
    batch.buffer.set(packet.bytes)
    batch.setPacket(packet.bytes.length)
    batch.setRoute(packet.localId, packet.remote)
    return true
  }

  hold(): void {}

  #route(
    raw: RawPacket,
    packet: SalPacket,
    serviceId: ServiceId,
    header: Uint8Array,
    localId: number,
    nowMs: number,
  ): void {
    const before = packet.extension('source')?.addresses
    if (before?.includes(raw.destination) || (before?.length ?? 0) >= MAX_ADDRESSES) this.counters.loop++
    else if (header[TTL]! <= 1) this.counters.hopLimit++
    else {
      const choice = {
        uniform: this.#uniform(),
        nowMs,
        affinity: () => affinityOf(raw.source, serviceId),
        isNear: () => false,
      }
      const bytes = raw.end - raw.start
      const targets = resolveAll(this.table, serviceId, packet.protocol, bytes, choice, 'remote')
      if (targets.length === 0) this.counters.noService++
      // A14, step 2: the address that it was sent to, behind the client's where this is the first router.
      const after = before ? [...before, raw.destination] : [raw.source, raw.destination]
      for (const target of targets) this.#follow(target, withSource(packet, after), header, localId)
    }
  }

  #follow(target: ServiceTarget, packet: SalPacket, header: Uint8Array, localId: number): void {
    if (target.type !== 'FORWARD') {
      if (target.type === 'DROP') this.counters.droppedByRule++
      else this.counters.noService++
      return
    }
    const { endpoint } = target
    if (this.#isOwn(endpoint.address)) this.counters.ownHost++
    else if (endpoint.address.includes(':')) this.counters.noLocal++
    else if (!this.#send(packet, header, endpoint, localId)) this.counters.tooLong++
    else {
      this.counters.forwarded++
      return
    }
    if (packet.service) countDrop(this.table, packet.service, target)
  }

  /** False where it has become too long. */
  #send(packet: SalPacket, header: Uint8Array, remote: Endpoint, cameTo: number): boolean {
    const salBytes = packetLength(packet, profile)
    const end = IPV4_HEADER_BYTES + salBytes
    if (end > MAX_RAW_PACKET_BYTES || salBytes - packet.transport.length > MAX_HEADER_BYTES) return false
    const bytes = new Uint8Array(end)
    emitForwardedEnvelope(bytes, end, header, remote.address)
    emitPacket(packet, bytes, IPV4_HEADER_BYTES, profile)
    finishRawPacket(bytes, 0, end)
    // A14, step 5: out of the device that the rule leads to.
    this.#put({ bytes, localId: this.#exitTowards(remote) ?? cameTo, remote })
    return true
  }

  #put(packet: Packet): void {
    this.#output.push(packet)
    if (this.#output.length <= OUTPUT_LIMIT) return
    this.#output.shift()
    this.counters.queueFull++
  }

  #isOwn(address: string): boolean {
    return [...this.#locals.values()].some(({ endpoint }) => endpoint.address === address)
  }
}

/** A new source extension goes behind all others, where an old one is. */
function withSource(packet: SalPacket, addresses: readonly string[]): SalPacket {
  const others = packet.extensions.filter(({ kind }) => kind !== 'source')
  const { srcFlowId, dstFlowId, protocol, transport } = packet
  return new SalPacket({
    srcFlowId,
    dstFlowId,
    protocol,
    extensions: [...others, source(addresses)],
    transport,
  })
}

const TTL = 8
