/**
 * What anybody can put on raw IP, against live ends of the 2014 profile: captured packets, changed at random, most of them with
 * checksums that hold. Ends survive it within their limits, no call takes long and nothing is left behind; and who does not know
 * a flow's nonce neither moves nor ends it. Of each sixteen thousand packets; a million with SERVAL_TEST_FULL.
 */
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { control } from '../../src/wire/extensions/control.ts'
import { IPV4_HEADER_BYTES } from '../../src/wire/ipv4.ts'
import { emitPacket, packetLength, SalPacket } from '../../src/wire/packet.ts'
import { profile2014 } from '../../src/wire/profile-2014.ts'
import { emitIpv4Envelope } from '../../src/wire/raw-ip.ts'
import { BASE_HEADER_BYTES } from '../../src/wire/sal-header.ts'
import { TransmitBatch } from '../../src/wire/transmit-batch.ts'
import { keptBytes, LongestCall } from '../support/memory.ts'
import { readCapture, VECTORS } from '../support/pcap.ts'
import { Random, replay as replayWith, testSeed } from '../support/random.ts'
import { type Replay, type ReplayOptions, replay, seal, seen } from '../support/replay-2014.ts'

const FULL = process.env.SERVAL_TEST_FULL !== undefined
/** To each of eight ends. */
const PACKETS = FULL ? 125_000 : 2_000
/** Looked at where there are so many that what else the process does is little. */
const MOST_CALL_MS = 100
const MOST_GROWTH_BYTES = 1 << 20
const HINT = replayWith('test/sim/garbage-2014.test.ts')
/** What one packet may be answered with, data that it acknowledges included. */
const MOST_ANSWERS = 1_000
const NOBODY = { address: '0.0.0.0', port: 0 }

/** Ends in the midst of an exchange, as `what`. */
const scenes: readonly (ReplayOptions & { readonly what: string })[] = [
  { what: 'a client that waits for its SYN-ACK', file: 'a_tcp', own: ['10.77.1.1'], to: 1 },
  { what: 'a client', file: 'a_tcp', own: ['10.77.1.1'], to: 6 },
  { what: 'a server', file: 'a_tcp', own: ['10.77.1.2'], to: 6 },
  { what: 'a server behind routers', file: 'e2_two_routers_at_server', own: ['10.77.8.2'], to: 4 },
  { what: 'an end of datagrams', file: 'c_udp_connected', own: ['10.77.1.2'], to: 5 },
  { what: 'an end that moves', file: 'd_migrate', own: ['10.77.1.1', '10.77.2.1'], to: 29 },
  { what: 'an end whose peer moves', file: 'd_migrate', own: ['10.77.1.2'], to: 29 },
  { what: 'an end that is done', file: 'a_tcp', own: ['10.77.1.1'] },
]

describe('garbage', () => {
  it.each(scenes)('is survived by $what', scene => {
    const random = new Random(testSeed)
    const played = replay(scene)
    const capture = readCapture(join(VECTORS, `${scene.file}.pcap`))
    const captured = capture.map(({ bytes }) => bytes)
    const startMs = capture.at(-1)!.atMs
    const longest = new LongestCall()
    let before = 0
    for (let i = 0; i < PACKETS; i++) {
      // What is compiled and kept once is none of it.
      if (i === PACKETS / 5 && FULL) before = keptBytes()
      const bytes = changed(random.pick(captured), random)
      let answers: Uint8Array[] = []
      longest.time(() => {
        answers = answersTo(bytes, played, startMs + 10 * i)
      })
      for (const answer of answers)
        if (seen(0, answer) === undefined) expect.fail(`an answer that is none; ${HINT}`)
    }
    if (FULL) expect(longest.ms, HINT).toBeLessThan(MOST_CALL_MS)
    if (FULL) expect(keptBytes() - before, HINT).toBeLessThan(MOST_GROWTH_BYTES)
    for (const { name, size, limit } of [...played.sal.queues, ...(played.flow?.queues ?? [])])
      expect(size, `${name}; ${HINT}`).toBeLessThanOrEqual(limit)
    expect(played.sal.flows.size, HINT).toBeLessThan(PACKETS)
  })

  it.each(
    scenes.filter(({ file, to }) => file !== 'e2_two_routers_at_server' && to !== 1 && to !== undefined),
  )('without the nonce moves or ends nothing of $what', scene => {
    const random = new Random(testSeed)
    const played = replay(scene)
    const flow = played.flow!
    const { state, migrationState, activePath } = flow
    const startMs = readCapture(join(VECTORS, `${scene.file}.pcap`))[scene.to! - 1]!.atMs
    for (let i = 0; i < PACKETS; i++) {
      answersTo(forged(played, scene.own[0]!, random), played, startMs)
      expect([flow.state, flow.migrationState], HINT).toEqual([state, migrationState])
      expect(flow.activePath === activePath, HINT).toBe(true)
    }
  })
})

/** What an end sends upon a packet that is its own, whatever that says of its destination. */
function answersTo(bytes: Uint8Array, { sal, flow }: Replay, nowMs: number): Uint8Array[] {
  const batch = new TransmitBatch()
  const sent: Uint8Array[] = []
  sal.handleTimeout(nowMs)
  sal.handleDatagram(bytes, bytes.length, 1, NOBODY, nowMs)
  while (sal.pollEvent() !== undefined);
  while (flow?.read() !== undefined);
  while (sal.pollTransmit(batch, nowMs)) {
    if (sent.length > MOST_ANSWERS) throw new Error(`sends without end; ${HINT}`)
    for (let at = 0; at < batch.length; at += batch.segmentBytes)
      sent.push(batch.buffer.slice(at, Math.min(at + batch.segmentBytes, batch.length)))
  }
  return sent
}

/** Some bytes behind the IPv4 header differ, or the end is missing; where its length is what it was the checksums may hold. */
function changed(original: Uint8Array, random: Random): Uint8Array {
  if (random.chance(0.1)) return original.slice(0, random.below(original.length + 1))
  const bytes = original.slice()
  const headerEnd = IPV4_HEADER_BYTES + 4 * bytes[IPV4_HEADER_BYTES + 8]!
  for (let left = 1 + random.below(4); left > 0; left--) {
    const end = random.chance(0.7) ? Math.min(headerEnd, bytes.length) : bytes.length
    bytes[IPV4_HEADER_BYTES + random.below(end - IPV4_HEADER_BYTES)] = random.uint32() & 0xff
  }
  // Else what would be summed is not there.
  const stated = IPV4_HEADER_BYTES + 4 * bytes[IPV4_HEADER_BYTES + 8]!
  const isWhole = stated === headerEnd && stated >= IPV4_HEADER_BYTES + BASE_HEADER_BYTES
  if (isWhole && random.chance(0.8)) seal(bytes)
  return bytes
}

/** A control packet with the right flowIDs and any numbers, from the peer or from anywhere else. */
function forged({ flow }: Replay, own: string, random: Random): Uint8Array {
  const near = random.chance(0.5) ? 4 : 2 ** 32
  const packet = new SalPacket({
    srcFlowId: flow!.peerFlowId,
    dstFlowId: flow!.flowId,
    protocol: flow!.protocol,
    extensions: [control(4 * random.below(64), random.below(near), random.below(near), random.bytes(8))],
  })
  const bytes = new Uint8Array(IPV4_HEADER_BYTES + packetLength(packet, profile2014))
  emitPacket(packet, bytes, IPV4_HEADER_BYTES, profile2014)
  const from = random.chance(0.5) ? flow!.activePath!.remote.address : `10.9.9.${1 + random.below(250)}`
  emitIpv4Envelope(bytes, 0, bytes.length, from, own)
  return bytes
}
