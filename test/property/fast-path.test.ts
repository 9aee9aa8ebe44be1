/**
 * The short way through the router does what its core does: of random packets, whole and broken, what it takes comes out the
 * same byte for byte, to the same target, counted the same; and what it does not take it leaves as it was.
 */
import { expect, it } from 'vitest'
import { addressBytes } from '../../src/id/address.ts'
import { serviceIdOf } from '../../src/id/name.ts'
import { ServicePrefix } from '../../src/id/service-prefix.ts'
import { AllowList } from '../../src/router/allow-list.ts'
import { HEADROOM_BYTES } from '../../src/router/fast-path.ts'
import { RouteMac } from '../../src/router/route-mac.ts'
import { formatEndpoint } from '../../src/wire/endpoint.ts'
import { control, controlFlags } from '../../src/wire/extensions/control.ts'
import { key } from '../../src/wire/extensions/key.ts'
import { MAX_ROUTE_ENTRIES, type RouteEntry, route } from '../../src/wire/extensions/route.ts'
import { service } from '../../src/wire/extensions/service.ts'
import { tag } from '../../src/wire/extensions/tag.ts'
import type { Extension } from '../../src/wire/extensions.ts'
import { fillSalChecksum } from '../../src/wire/sal-header.ts'
import { Random, replay, testSeed } from '../support/random.ts'
import { arrive, packetBytes, routerWith, sentBy } from '../support/router-trace.ts'

const PACKETS = 1500
const SECRET = new Uint8Array(16).fill(9)
const mac = new RouteMac(SECRET)
const RULES = [
  'web.example FORWARD 10.0.0.9:7',
  'api.example FORWARD balance=maglev 10.0.0.7:7, 10.0.0.8:7',
  'turn.example FORWARD balance=round-robin 10.0.0.4:7, 10.0.0.5:7, 10.0.0.6:7',
  'all.example FORWARD to=all 10.0.0.2:7, 10.0.0.3:7',
  'far.example FORWARD [fd00::9]:7',
  'split.example FORWARD 10.0.0.2:7 stream, 10.0.0.3:7 datagram, 10.0.0.4:7',
  'half.example FORWARD 10.0.0.5:7 datagram',
  'many.example FORWARD to=all 10.0.0.2:7, 10.0.0.3:7 stream',
  'wait.example DELAY',
  'shut.example DROP closed',
  '*.wide.example FORWARD 10.0.0.1:7',
]
const NAMES = [
  'web',
  'api',
  'turn',
  'all',
  'far',
  'wait',
  'shut',
  'none',
  'deep.wide',
  'split',
  'half',
  'many',
]
const SERVICES = NAMES.map(name => `${name}.example`)
const SOURCES = ['10.1.0.1', '10.1.0.2', '10.2.0.1', 'fd00::1']
const ATTEMPTS = [0, 0, 1, 1, 1, 2, 3, 255]
const PORTS = [40, 41, 42, 43, 54325]

it('takes packets as the core does, or leaves them to it', () => {
  const random = new Random(testSeed)
  try {
    const taken = run(random)
    // Most of what is whole is of the usual kind: the test would show nothing if hardly anything went the short way.
    expect(taken).toBeGreaterThan(PACKETS / 5)
  } catch (error) {
    throw new Error(`${(error as Error).message}\n${replay('test/property/fast-path.test.ts')}`, {
      cause: error,
    })
  }
})

/** Returns how many packets went the short way. */
function run(random: Random): number {
  const options = { routeSecret: SECRET, allowed: AllowList.parse(['10.1.0.0/16', 'fd00::/8']) }
  const choices = { randomBytes: (n: number) => new Uint8Array(n) }
  const short = routerWith(RULES, { ...options, ...choices })
  const whole = routerWith(RULES, { ...options, ...choices })
  const slot = new Uint8Array(2048)
  const fast = short.newFastPath(slot, () => true)
  let taken = 0
  for (let i = 0; i < PACKETS; i++) {
    const { address, port } = source(random)
    const from = formatEndpoint({ address, port })
    const nowMs = 1000 * i
    const packet = randomPacket(random, nowMs)
    const bytes = addressBytes(address)!
    const start = HEADROOM_BYTES + 32
    slot.fill(0xa5)
    slot.set(bytes)
    slot.set(packet, start)
    const before = slot.slice()
    arrive(whole, packet.slice(), from, nowMs)
    const expected = sentBy(whole)
    const target = fast.forward(start, start + packet.length, 0, bytes.length, port, nowMs)
    if (target === undefined) {
      expect(Buffer.compare(slot, before), 'is left as it was').toBe(0)
      arrive(short, packet.slice(), from, nowMs)
      expect(sentBy(short)).toEqual(expected)
    } else {
      taken++
      const sent = slot.slice(fast.start, fast.end)
      expect([{ bytes: sent, to: formatEndpoint(target.endpoint), localId: 1 }]).toEqual(expected)
    }
    expect(JSON.stringify(short.counters)).toBe(JSON.stringify(whole.counters))
    expect(JSON.stringify(short.table.counters)).toBe(JSON.stringify(whole.table.counters))
  }
  for (const name of SERVICES) {
    const prefix = new ServicePrefix(serviceIdOf(name), 256)
    expect(short.table.find(prefix)?.targets).toEqual(whole.table.find(prefix)?.targets)
  }
  return taken
}

function randomPacket(random: Random, nowMs: number): Uint8Array {
  const isSyn = random.chance(0.6)
  const flags = random.chance(0.95) ? controlFlags.SYN : random.below(256)
  const srcFlowId = random.uint32()
  const count = random.chance(0.4) ? random.below(MAX_ROUTE_ENTRIES + 1) : 0
  const entries: RouteEntry[] = Array.from({ length: count }, () => ({
    ...source(random),
    mac: random.bytes(8),
  }))
  // A loop, or not any more: this router has written it, now or minutes ago.
  if (random.chance(0.1)) entries[0] = mac.entry(source(random), srcFlowId, nowMs - random.below(400_000))
  const extensions: Extension[] = [
    ...(isSyn ? [control(flags, random.uint32(), 0, random.bytes(8), random.pick(ATTEMPTS))] : []),
    service(serviceIdOf(random.pick(SERVICES))),
    ...(isSyn ? [] : [service(serviceIdOf('client.example'))]),
    ...(isSyn && random.chance(0.9) ? [key(0, random.bytes(16))] : []),
    ...(entries.length > 0 ? [route(entries)] : []),
    ...(random.chance(0.05) ? [{ kind: 'unknown', bits: 0, type: 14, body: random.bytes(2) } as const] : []),
    ...(random.chance(0.03) ? [tag(1, random.bytes(16))] : []),
  ]
  const bytes = packetBytes(
    {
      srcFlowId,
      dstFlowId: random.chance(0.97) ? 0 : random.uint32(),
      protocol: isSyn ? 6 : 17,
      extensions,
      transport: isSyn ? undefined : random.bytes(8 + random.below(200)),
    },
    random.chance(0.05) ? 0 : 1 + random.below(255),
  )
  return random.chance(0.85) ? bytes : broken(random, bytes)
}

function source(random: Random) {
  return { address: random.pick(SOURCES), port: random.pick(PORTS) }
}

/** With some bytes changed or cut off, and half of the time a checksum that fits all the same. */
function broken(random: Random, packet: Uint8Array): Uint8Array {
  const bytes = packet.slice(0, random.chance(0.2) ? random.below(packet.length + 1) : packet.length)
  for (let n = random.below(4); n > 0 && bytes.length > 0; n--)
    bytes[random.below(bytes.length)] = random.below(256)
  if (random.chance(0.5) && bytes.length >= 16) {
    bytes[2] = bytes.length >> 8
    bytes[3] = bytes.length
    if (4 + 4 * bytes[12]! <= bytes.length) fillSalChecksum(bytes, 4)
  }
  return bytes
}
