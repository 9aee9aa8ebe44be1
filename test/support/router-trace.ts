/**
 * Router tests as packet traces: packets are made from a few words, and what a router sends is one line each,
 *
 *     10.0.0.9:7 < SYN 0a>0 hops 31 web.example via 10.0.0.1:40
 */
import { formatFlowId } from '../../src/id/flow-id.ts'
import { serviceIdOf } from '../../src/id/name.ts'
import { Router, type RouterOptions } from '../../src/router/router.ts'
import { parseRule } from '../../src/service/rule-text.ts'
import { emitShim, PacketWalk, SHIM_BYTES } from '../../src/wire/encapsulation.ts'
import { type Endpoint, formatEndpoint, parseEndpoint } from '../../src/wire/endpoint.ts'
import { control, controlFlags, formatControlFlags } from '../../src/wire/extensions/control.ts'
import { key, keyModes } from '../../src/wire/extensions/key.ts'
import { formatReason } from '../../src/wire/extensions/reason.ts'
import { type RouteEntry, route } from '../../src/wire/extensions/route.ts'
import { service } from '../../src/wire/extensions/service.ts'
import type { Extension } from '../../src/wire/extensions.ts'
import { nativeProfile } from '../../src/wire/native-profile.ts'
import {
  emitPacket,
  packetLength,
  parsePacket,
  SalPacket,
  type SalPacketFields,
} from '../../src/wire/packet.ts'
import { protocols } from '../../src/wire/sal-header.ts'
import { TransmitBatch } from '../../src/wire/transmit-batch.ts'
import { WireError } from '../../src/wire/wire-error.ts'
import { Random } from './random.ts'

const native = nativeProfile
/** Names that traces know again. */
const NAMES = ['web.example', 'api.example', 'client.example', 'other.test']
const nameOf = new Map(NAMES.map(name => [serviceIdOf(name).toString(), name]))

export const NONCE = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)
export const VERNO = 0xffff_ffff

let routers = 0

/** A router with rules given as text, and secrets of its own. */
export function routerWith(rules: readonly string[], options: Partial<RouterOptions> = {}): Router {
  const random = new Random(++routers)
  const router = new Router({ randomBytes: random.bytes, ...options })
  for (const rule of rules) addRule(router, rule, 0)
  return router
}

export function addRule(router: Router, text: string, nowMs: number): void {
  const { prefix, pattern, rule } = parseRule(text)
  router.insert(prefix, rule, { source: 'user', name: pattern }, nowMs)
}

interface SynFields {
  readonly to?: string
  readonly flowId?: number
  readonly hops?: number
  readonly route?: readonly RouteEntry[]
  readonly more?: readonly Extension[]
}

/** A SYN as a client in mode plain makes it: control, service, KEY. */
export function syn({
  to = 'web.example',
  flowId = 0x0a,
  hops,
  route: entries,
  more = [],
}: SynFields = {}): Uint8Array {
  return packetBytes(
    {
      srcFlowId: flowId,
      dstFlowId: 0,
      protocol: protocols.STREAM,
      extensions: [
        control(controlFlags.SYN, VERNO, 0, NONCE),
        service(serviceIdOf(to)),
        key(keyModes.PLAIN, new Uint8Array(16).fill(7)),
        ...(entries === undefined ? [] : [route(entries)]),
        ...more,
      ],
    },
    hops,
  )
}

export function packetBytes(fields: SalPacketFields, hops?: number): Uint8Array {
  const packet = new SalPacket(fields)
  const bytes = new Uint8Array(SHIM_BYTES + packetLength(packet, native))
  emitShim(bytes, 0, bytes.length, hops)
  emitPacket(packet, bytes, SHIM_BYTES, native)
  return bytes
}

export function arrive(router: Router, bytes: Uint8Array, from: string, nowMs = 0, localId = 1): void {
  router.handleDatagram(bytes, bytes.length, localId, parseEndpoint(from)!, nowMs)
}

export interface Sent {
  readonly bytes: Uint8Array
  readonly to: string
  readonly localId: number
}

const batch = new TransmitBatch()

/** All that the router has to send. */
export function sentBy(router: Router): Sent[] {
  const sent: Sent[] = []
  while (router.pollTransmit(batch)) {
    if (batch.packets !== 1 || batch.segmentBytes !== batch.length) throw new Error('not a batch of one')
    const bytes = batch.buffer.slice(0, batch.length)
    sent.push({ bytes, to: formatEndpoint(batch.remote), localId: batch.localId })
  }
  return sent
}

/** All that the router has to send, a line each. */
export function traceOf(router: Router): string[] {
  return sentBy(router).map(({ bytes, to }) => `${to} < ${describe(bytes)}`)
}

export function parse(bytes: Uint8Array): SalPacket {
  const packet = parsePacket(bytes, SHIM_BYTES, bytes.length, native)
  if (packet instanceof WireError) throw new Error(String(packet))
  return packet
}

/** The entries of a packet's ROUTE. */
export function routeOf(bytes: Uint8Array): readonly RouteEntry[] {
  return parse(bytes).extension('route')?.entries ?? []
}

function describe(bytes: Uint8Array): string {
  const walk = new PacketWalk()
  walk.reset(bytes, 0, bytes.length)
  if (!walk.next() || walk.packetEnd !== bytes.length) throw new Error('not one packet')
  const packet = parse(bytes)
  const flowId = (id: number) => formatFlowId(id).replace(/^0{1,7}/, '')
  const words = [
    packet.control === undefined ? 'datagram' : formatControlFlags(packet.control.flags),
    `${flowId(packet.srcFlowId)}>${flowId(packet.dstFlowId)}`,
    `hops ${walk.hops}`,
    ...packet.services.map(id => nameOf.get(id.toString()) ?? id.format()),
  ]
  const entries = packet.extension('route')?.entries.map((entry: Endpoint) => formatEndpoint(entry))
  if (entries !== undefined) words.push(`via ${entries.join(' ')}`)
  const why = packet.extension('reason')
  if (why !== undefined) words.push(formatReason(why.code), ...(why.detail === '' ? [] : [why.detail]))
  return words.join(' ')
}
