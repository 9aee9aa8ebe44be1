/** A SYN that opens no flow: it asks something of whoever answers it, and is known again by flowID and nonce. */
import { sameBytes } from '../flow/setup.ts'
import type { FlowId } from '../id/flow-id.ts'
import type { ServiceId } from '../id/service-id.ts'
import { plainNonceBytes } from '../security/keys.ts'
import { readU32 } from '../wire/bytes.ts'
import { emitShim, SHIM_BYTES } from '../wire/encapsulation.ts'
import type { Endpoint } from '../wire/endpoint.ts'
import { control, controlFlags } from '../wire/extensions/control.ts'
import { key, keyModes } from '../wire/extensions/key.ts'
import { service } from '../wire/extensions/service.ts'
import type { Extension } from '../wire/extensions.ts'
import { emitPacket, SalPacket } from '../wire/packet.ts'
import type { Profile } from '../wire/profile.ts'
import { type Protocol, protocols } from '../wire/sal-header.ts'
import type { TransmitBatch } from '../wire/transmit-batch.ts'

export interface LoneSyn {
  readonly flowId: FlowId
  /** 8 bytes. */
  readonly nonce: Uint8Array
  readonly serviceId: ServiceId
  /** Of the flow that it would open; default: a stream. */
  readonly protocol?: Protocol | undefined
  readonly localId: number
  readonly remote: Endpoint
  /** How many routers may send it on. Default: as many as any packet. */
  readonly hops?: number
  readonly more?: readonly Extension[]
}

export function emitLoneSyn(
  { flowId, nonce, serviceId, protocol = protocols.STREAM, localId, remote, hops, more = [] }: LoneSyn,
  batch: TransmitBatch,
  profile: Profile,
  randomBytes: (n: number) => Uint8Array,
): void {
  const packet = new SalPacket({
    srcFlowId: flowId,
    dstFlowId: 0,
    protocol,
    extensions: [
      control(controlFlags.SYN, readU32(randomBytes(4), 0), 0, nonce),
      service(serviceId),
      key(keyModes.PLAIN, randomBytes(plainNonceBytes)),
      ...more,
    ],
  })
  const length = SHIM_BYTES + emitPacket(packet, batch.buffer, SHIM_BYTES, profile)
  emitShim(batch.buffer, 0, length, hops)
  batch.setPacket(length)
  batch.setRoute(localId, remote)
}

/** Whether a packet is a NACK to such a SYN. */
export function isNackTo(nonce: Uint8Array, { control: answer }: SalPacket): boolean {
  return answer !== undefined && (answer.flags & controlFlags.NACK) !== 0 && sameBytes(answer.nonce, nonce)
}
