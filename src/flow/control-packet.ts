/**
 * Writes a flow's control packets, newest numbers and TAG included, and checks the peer's TAG.
 *
 * | packet     | control  | others                         | segment, or datagram      | TAG |
 * |------------|----------|--------------------------------|---------------------------|-----|
 * | SYN        | SYN      | service KEY                    | -                         | -   |
 * | SYN-ACK    | SYN ACK  | KEY                            | window                    | yes |
 * | third ACK  | ACK      | service                        | window, first data        | yes |
 * | FIN        | FIN ACK  | END                            | acknowledgement, last data| yes |
 * | RSYN       | RSYN     | -                              | -                         | yes |
 * | RSYN-ACK   | RSYN ACK | CHALLENGE                      | -                         | yes |
 * | ACK        | ACK      | CHALLENGE echo, where one is due | acknowledgement         | yes |
 * | done       | ACK      | REASON                         | -                         | yes |
 * | probe      | ACK      | CHALLENGE                      | -                         | yes |
 * | size probe | ACK      | CHALLENGE                      | PROBE, padding            | yes |
 * | RST        | RST ACK  | REASON                         | -                         | yes |
 *
 * ACK says that ackno counts. RSYN goes without it, since RSYN with it is RSYN-ACK.
 */
import { type FlowId, NO_FLOW_ID } from '../id/flow-id.ts'
import type { ServiceId } from '../id/service-id.ts'
import type { Direction, FlowKeys } from '../security/keys.ts'
import { computeTag, verifyTag } from '../security/tag.ts'
import { emitDatagram } from '../wire/datagram.ts'
import { DATA_PREFIX_BYTES, emitDataPrefix, emitShim, SHIM_BYTES } from '../wire/encapsulation.ts'
import { challenge, challengeEcho } from '../wire/extensions/challenge.ts'
import { control, controlFlags } from '../wire/extensions/control.ts'
import { cookie } from '../wire/extensions/cookie.ts'
import { end } from '../wire/extensions/end.ts'
import { key, keyModes } from '../wire/extensions/key.ts'
import { reason, reasonCodes } from '../wire/extensions/reason.ts'
import { service } from '../wire/extensions/service.ts'
import { tag } from '../wire/extensions/tag.ts'
import { type Extension, extensionsLength } from '../wire/extensions.ts'
import { emitPacket, SalPacket } from '../wire/packet.ts'
import { tagInput, writeTag } from '../wire/packet-tag.ts'
import type { Profile } from '../wire/profile.ts'
import { type Protocol, protocols } from '../wire/sal-header.ts'
import { emitSegmentHeader, segmentFlags } from '../wire/segment.ts'
import type { Arrival } from './arrival.ts'
import type { ControlChannel } from './control-channel.ts'
import type { Due, PacketWriter, SegmentSource } from './outbox.ts'
import { packed, unpacked } from './packed-bytes.ts'

const { SYN, RSYN, ACK, RST, FIN } = controlFlags

/** The epoch of a flow that was never handed over. */
const EPOCH = 0
/** What FIN's and the third ACK's extensions take from a packet's payload, at most: service (36), control (20), TAG (20). */
export const CONTROL_OVERHEAD_BYTES = 76

/** What the writer reads of its flow. */
export interface ControlSource {
  readonly role: Direction
  readonly flowId: FlowId
  readonly service: ServiceId
  readonly channel: ControlChannel<unknown>
  readonly profile: Profile
  readonly protocol: Protocol
}

export class ControlPacketWriter implements PacketWriter {
  readonly #role: Direction
  readonly #flowId: FlowId
  readonly #service: ServiceId
  readonly #channel: ControlChannel<unknown>
  readonly #profile: Profile
  readonly #protocol: Protocol
  #peerFlowId: FlowId = NO_FLOW_ID
  /** Packed; empty: the peer is not known yet. */
  #tagKey = ''

  constructor({ role, flowId, service, channel, profile, protocol }: ControlSource) {
    this.#role = role
    this.#flowId = flowId
    this.#service = service
    this.#channel = channel
    this.#profile = profile
    this.#protocol = protocol
  }

  /** The peer is known: from now on packets go to its flowID, with TAG. */
  meet(peerFlowId: FlowId, { tagKey }: FlowKeys): void {
    this.#peerFlowId = peerFlowId
    this.#tagKey = packed(tagKey)
  }

  /** Whoever that was, it was not the peer. */
  forget(): void {
    this.#peerFlowId = NO_FLOW_ID
    this.#tagKey = ''
  }

  /** Writes for the same flow to another peer than its own. */
  sibling(peerFlowId: FlowId, keys: FlowKeys): ControlPacketWriter {
    const writer = new ControlPacketWriter({
      role: this.#role,
      flowId: this.#flowId,
      service: this.#service,
      channel: this.#channel,
      profile: this.#profile,
      protocol: this.#protocol,
    })
    writer.meet(peerFlowId, keys)
    return writer
  }

  /** `NO_FLOW_ID`: not known yet. */
  get peerFlowId(): FlowId {
    return this.#peerFlowId
  }

  /** Shim and SAL header in front of plain data, valid until the next flow's; the length is the emitter's. */
  get dataPrefix(): Uint8Array {
    emitDataPrefix(dataPrefix, 0, this.#flowId, this.#peerFlowId, DATA_PREFIX_BYTES, this.#protocol)
    return dataPrefix
  }

  /** Writes the packet that is due at the start of `buffer`, shim first; returns its length. */
  write(due: Due, buffer: Uint8Array, stream: SegmentSource | undefined, nowMs: number): number {
    const tagged = due.kind !== 'SYN'
    const extensions = this.#extensions(due, stream)
    if (tagged) extensions.push(tag(EPOCH))
    const packet = new SalPacket({
      srcFlowId: this.#flowId,
      dstFlowId: this.#peerFlowId,
      protocol: this.#protocol,
      extensions,
      transport:
        due.kind === 'SIZE_PROBE'
          ? this.#padding(due.bytes, extensions)
          : this.#transport(due, stream, nowMs),
    })
    const length = SHIM_BYTES + emitPacket(packet, buffer, SHIM_BYTES, this.#profile)
    emitShim(buffer, 0, length)
    if (tagged && this.#tagKey !== '') {
      const covered = coveredBytes(buffer, SHIM_BYTES, length)
      writeTag(buffer, SHIM_BYTES, computeTag(this.#keyBytes(), EPOCH, this.#role, covered))
    }
    return length
  }

  /** Whether the packet's TAG is the peer's. */
  verifies({ packet, buffer, start, end: stop }: Arrival): boolean {
    const { tag: theirs } = packet
    if (theirs === undefined || theirs.epoch !== EPOCH || this.#tagKey === '') return false
    const peer: Direction = this.#role === 'client' ? 'server' : 'client'
    return verifyTag(this.#keyBytes(), EPOCH, peer, coveredBytes(buffer, start, stop), theirs.value)
  }

  #keyBytes(): Uint8Array {
    return unpacked(this.#tagKey, keyBytes)
  }

  #extensions(due: Due, stream: SegmentSource | undefined): Extension[] {
    const channel = this.#channel
    const ack = channel.peerKnown ? ACK : 0
    const number = (flags: number, verno = channel.verno) => control(flags | ack, verno, channel.ackno)
    switch (due.kind) {
      case 'SYN': {
        const shown = due.setup.cookieFor(due.path.remote)
        return [
          control(SYN, due.entry.verno, 0, due.setup.controlNonce, due.setup.attempt),
          service(this.#service),
          key(keyModes.PLAIN, due.setup.nonce),
          ...(shown ? [cookie(shown)] : []),
        ]
      }
      case 'SYN_ACK':
        return [
          control(SYN | ack, due.entry.verno, channel.ackno, undefined, due.setup.attempt),
          key(keyModes.PLAIN, due.setup.nonce),
        ]
      case 'THIRD_ACK':
        return [number(ACK), service(this.#service)]
      case 'FIN':
        return [number(FIN, due.entry.verno), end(stream?.finalOffset ?? 0)]
      case 'RSYN':
        return [control(RSYN, due.entry.verno, channel.ackno)]
      case 'RSYN_ACK':
        return [number(RSYN), ...(due.path.challenge ? [challenge(due.path.challenge)] : [])]
      case 'ACK':
        return [number(ACK), ...(due.echo ? [challengeEcho(due.echo)] : [])]
      case 'DONE':
        return [number(ACK), reason(reasonCodes.CLOSED)]
      case 'PROBE':
      case 'SIZE_PROBE':
        return [number(ACK), challenge(due.challenge)]
      case 'RST':
        return [number(RST), reason(due.reason)]
    }
  }

  /** The segment that rides along: the newest acknowledgement and, in third ACK and FIN, data. */
  #transport(due: Due, stream: SegmentSource | undefined, nowMs: number): Uint8Array | undefined {
    if (stream === undefined) return undefined
    switch (due.kind) {
      case 'SYN_ACK':
      case 'ACK':
        return this.#segmentOf(stream, 0, nowMs)
      case 'THIRD_ACK':
      case 'FIN':
        return this.#segmentOf(stream, Math.max(0, due.path.transport.mss - CONTROL_OVERHEAD_BYTES), nowMs)
      default:
        return undefined
    }
  }

  /** What brings a packet with these extensions to `packetBytes`. It acknowledges nothing: it may well be lost. */
  #padding(packetBytes: number, extensions: readonly Extension[]): Uint8Array {
    const { extensions: rules } = this.#profile
    const rider = new Uint8Array(packetBytes - DATA_PREFIX_BYTES - extensionsLength(extensions, rules))
    if (this.#protocol === protocols.STREAM) emitSegmentHeader(rider, 0, 0, 0, 0, segmentFlags.PROBE)
    else emitDatagram(NO_DATAGRAM, 'nothing', rider, 0)
    return rider
  }

  #segmentOf(stream: SegmentSource, maxPayloadBytes: number, nowMs: number): Uint8Array {
    const segment = scratch(maxPayloadBytes + 512)
    return segment.subarray(0, stream.emitSegment(segment, 0, nowMs, maxPayloadBytes))
  }
}

/** What TAG covers; valid until the next packet. */
function coveredBytes(buffer: Uint8Array, start: number, stop: number): Uint8Array {
  return tagInput(buffer, start, stop, scratch(stop - start))
}

/** Behind an empty one there is padding. */
const NO_DATAGRAM = { srcPort: 0, payload: new Uint8Array(0) }

/** Both of the flow whose turn it is. */
const keyBytes = new Uint8Array(32)
const dataPrefix = new Uint8Array(DATA_PREFIX_BYTES)

/** Bytes for one packet, of all flows: each is finished before the next is begun. */
let spare = new Uint8Array(2048)

function scratch(bytes: number): Uint8Array {
  if (spare.length < bytes) spare = new Uint8Array(bytes)
  return spare
}
