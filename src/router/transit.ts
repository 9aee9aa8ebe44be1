/** What a router has before it: a SYN or unconnected datagram on its way through, or an answer on its way back. */
import type { ServiceId } from '../id/service-id.ts'
import type { Endpoint } from '../wire/endpoint.ts'
import { controlFlags } from '../wire/extensions/control.ts'
import { type RouteEntry, route } from '../wire/extensions/route.ts'
import { SalPacket } from '../wire/packet.ts'

export interface Transit {
  readonly packet: SalPacket
  readonly serviceId: ServiceId
  readonly hops: number
  /** Shim to end. */
  readonly bytes: number
  readonly localId: number
  readonly remote: Endpoint
}

const ALL_FLAGS = Object.values(controlFlags).reduce((all, flag) => all | flag, 0)
const NO_ENTRIES: readonly RouteEntry[] = []

/** A SYN or an unconnected datagram. TAG belongs to a flow, and nothing may be added behind it. */
export function isUnbound({ dstFlowId, control, tag }: SalPacket): boolean {
  if (dstFlowId !== 0 || tag !== undefined) return false
  return control === undefined || (control.flags & ALL_FLAGS) === controlFlags.SYN
}

/** SYN-ACK, or what else answers a SYN: NACK, and COOKIE, which has no flag. */
export function isAnswer({ dstFlowId, control }: SalPacket): boolean {
  if (dstFlowId === 0 || control === undefined) return false
  const flags = control.flags & ALL_FLAGS
  return flags === (controlFlags.SYN | controlFlags.ACK) || flags === controlFlags.NACK || flags === 0
}

/** Of its ROUTE. */
export function routeEntriesOf(packet: SalPacket): readonly RouteEntry[] {
  return packet.extension('route')?.entries ?? NO_ENTRIES
}

export function withRouteEntry(packet: SalPacket, entry: RouteEntry): SalPacket {
  const known = packet.extension('route')
  const extended = known === undefined ? route([entry]) : { ...known, entries: [...known.entries, entry] }
  const others = packet.extensions.filter(extension => extension !== known)
  return new SalPacket({ ...packet, extensions: [...others, extended] })
}

/** As it may be kept: the datagram's buffer is used again; extensions are copies already. */
export function kept(transit: Transit): Transit {
  const { packet } = transit
  return { ...transit, packet: new SalPacket({ ...packet, transport: packet.transport.slice() }) }
}
