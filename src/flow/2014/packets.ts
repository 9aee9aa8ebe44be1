/**
 * Writes the packets of a flow in the 2014 profile (src/wire/README.md, A6), IPv4 header first.
 *
 * | packet    | control   | others             | transport    |
 * |-----------|-----------|--------------------|--------------|
 * | SYN       | SYN       | service            | TCP or UDP   |
 * | SYN-ACK   | SYN ACK   | source, if it came | TCP or UDP   |
 * | third ACK | ACK       | service            | TCP or UDP   |
 * | others    | any other | -                  | -            |
 */
import { type FlowId, NO_FLOW_ID } from '../../id/flow-id.ts'
import type { ServiceId } from '../../id/service-id.ts'
import type { Endpoint } from '../../wire/endpoint.ts'
import { source } from '../../wire/extensions/addresses-2014.ts'
import { control } from '../../wire/extensions/control.ts'
import { service } from '../../wire/extensions/service.ts'
import type { Extension } from '../../wire/extensions.ts'
import { IPV4_HEADER_BYTES } from '../../wire/ipv4.ts'
import { emitPacket, SalPacket } from '../../wire/packet.ts'
import type { Profile } from '../../wire/profile.ts'
import {
  emitIpv4Envelope,
  emitRawDataPrefix,
  finishRawPacket,
  RAW_DATA_PREFIX_BYTES,
} from '../../wire/raw-ip.ts'
import type { Protocol } from '../../wire/sal-header.ts'
import type { TransmitBatch } from '../../wire/transmit-batch.ts'
import type { Local, Path } from '../path.ts'
import { sameBytes } from '../setup.ts'

/** A control packet as data. */
export interface ControlPacket {
  readonly flags: number
  readonly verno: number
  readonly ackno: number
  readonly local: Local
  readonly remote: Endpoint
  /** Default: the peer's flow. */
  readonly dstFlowId?: FlowId
  /** Of SYN and third ACK. */
  readonly service?: ServiceId | undefined
  /** Of a SYN-ACK whose SYN came through routers: theirs, and this end's own behind them. */
  readonly source?: readonly string[] | undefined
  /** Writes what stands behind the SAL header; default: nothing. */
  readonly transport?: (buffer: Uint8Array, offset: number) => number
}

export class PacketWriter2014 {
  readonly #flowId: FlowId
  readonly #protocol: Protocol
  readonly #profile: Profile
  readonly #nonce: Uint8Array
  readonly #prefix = new Uint8Array(RAW_DATA_PREFIX_BYTES)
  #prefixPath: Path | undefined
  #peerFlowId: FlowId = NO_FLOW_ID
  #peerNonce: Uint8Array = new Uint8Array(0)

  constructor(flowId: FlowId, protocol: Protocol, nonce: Uint8Array, profile: Profile) {
    this.#flowId = flowId
    this.#protocol = protocol
    this.#nonce = nonce
    this.#profile = profile
  }

  get peerFlowId(): FlowId {
    return this.#peerFlowId
  }

  /** `nonce`: what every control packet of the peer's carries. */
  meet(peerFlowId: FlowId, nonce: Uint8Array): void {
    this.#peerFlowId = peerFlowId
    this.#peerNonce = nonce
  }

  isOwnNonce(nonce: Uint8Array): boolean {
    return sameBytes(nonce, this.#nonce)
  }

  isPeerNonce(nonce: Uint8Array): boolean {
    return sameBytes(nonce, this.#peerNonce)
  }

  /** IPv4 and SAL header in front of data on `path`. */
  dataPrefix(path: Path): Uint8Array {
    if (this.#prefixPath === path) return this.#prefix
    const [from, to] = [path.local.endpoint.address, path.remote.address]
    emitRawDataPrefix(this.#prefix, this.#flowId, this.#peerFlowId, this.#protocol, from, to)
    this.#prefixPath = path
    return this.#prefix
  }

  /** The packet is all of `batch`. */
  write(packet: ControlPacket, batch: TransmitBatch): void {
    const { flags, verno, ackno, local, remote, dstFlowId = this.#peerFlowId, transport } = packet
    const { buffer } = batch
    const extensions: Extension[] = [control(flags, verno, ackno, this.#nonce)]
    if (packet.service) extensions.push(service(packet.service))
    if (packet.source) extensions.push(source(packet.source))
    const header = new SalPacket({
      srcFlowId: this.#flowId,
      dstFlowId,
      protocol: this.#protocol,
      extensions,
    })
    const transportAt = IPV4_HEADER_BYTES + emitPacket(header, buffer, IPV4_HEADER_BYTES, this.#profile)
    const end = transportAt + (transport?.(buffer, transportAt) ?? 0)
    emitIpv4Envelope(buffer, 0, end, local.endpoint.address, remote.address)
    finishRawPacket(buffer, 0, end)
    batch.setPacket(end)
    batch.setRoute(local.id, remote)
  }
}
