/** Packets that nobody of the stack has made: forged, or changed on their way. */
import { derivePlainKeys, type FlowKeys } from '../../../src/security/keys.ts'
import { computeTag } from '../../../src/security/tag.ts'
import { emitShim, SHIM_BYTES } from '../../../src/wire/encapsulation.ts'
import { control } from '../../../src/wire/extensions/control.ts'
import { tag } from '../../../src/wire/extensions/tag.ts'
import type { Extension } from '../../../src/wire/extensions.ts'
import { nativeProfile } from '../../../src/wire/native-profile.ts'
import { emitPacket, packetLength, SalPacket } from '../../../src/wire/packet.ts'
import { tagInput, writeTag } from '../../../src/wire/packet-tag.ts'
import { fillSalChecksum, protocols } from '../../../src/wire/sal-header.ts'
import { packetOf } from './describe-packet.ts'
import type { Node, Port } from './network.ts'
import type { SimFlow } from './sim-flow.ts'

export interface Forgery {
  readonly srcFlowId: number
  readonly dstFlowId: number
  readonly extensions: readonly Extension[]
  readonly transport?: Uint8Array
}

/** The packet behind its shim. */
export function forge(forgery: Forgery): Uint8Array {
  const packet = new SalPacket({ ...forgery, protocol: protocols.STREAM })
  const bytes = new Uint8Array(SHIM_BYTES + packetLength(packet, nativeProfile))
  emitShim(bytes, 0, bytes.length)
  emitPacket(packet, bytes, SHIM_BYTES, nativeProfile)
  return bytes
}

/** A control packet with the right flowIDs, as if `sender` had sent it: without TAG, or with one that is not its own. */
export function forgeControl(
  sender: SimFlow,
  flags: number,
  options: { verno?: number; ackno?: number; tagged?: boolean; extensions?: readonly Extension[] } = {},
): Uint8Array {
  const { verno = 0, ackno = 0, tagged = false, extensions = [] } = options
  return forge({
    srcFlowId: sender.flow.flowId,
    dstFlowId: sender.flow.peerFlowId,
    extensions: [
      control(flags, verno, ackno),
      ...extensions,
      ...(tagged ? [tag(0, new Uint8Array(16).fill(0xa5))] : []),
    ],
  })
}

/** The keys of a flow in mode `plain`, as anyone has them who has seen its SYN and its SYN-ACK. */
export function keysFrom(syn: Uint8Array, synAck: Uint8Array): FlowKeys {
  const [client, server] = [syn, synAck].map(bytes => packetOf(bytes)!.extension('key')!.share)
  return derivePlainKeys(client!, server!)
}

/** A control packet of `sender`'s that it would never send, with a TAG that holds. */
export function forgeTagged(
  keys: FlowKeys,
  sender: SimFlow,
  extensions: readonly Extension[],
  transport: Uint8Array,
) {
  const bytes = forge({
    srcFlowId: sender.flow.flowId,
    dstFlowId: sender.flow.peerFlowId,
    extensions: [...extensions, tag(0)],
    transport,
  })
  const covered = tagInput(bytes, SHIM_BYTES, bytes.length)
  writeTag(bytes, SHIM_BYTES, computeTag(keys.tagKey, 0, sender.flow.role, covered))
  return bytes
}

/** A copy in which the byte at `offset` of the SAL packet differs, its checksum put right again. */
export function flip(bytes: Uint8Array, offset: number): Uint8Array {
  const copy = bytes.slice()
  const at = SHIM_BYTES + offset
  copy[at] = copy[at]! ^ 0x01
  fillSalChecksum(copy, SHIM_BYTES)
  return copy
}

/** A node without a stack: it keeps what comes. */
export class Bystander implements Node {
  readonly name: string
  readonly received: { readonly bytes: Uint8Array; readonly port: Port }[] = []

  constructor(name: string) {
    this.name = name
  }

  receive(bytes: Uint8Array, port: Port): void {
    this.received.push({ bytes, port })
  }

  get receivedBytes(): number {
    return this.received.reduce((sum, { bytes }) => sum + bytes.length, 0)
  }
}
