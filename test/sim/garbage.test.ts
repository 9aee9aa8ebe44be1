/**
 * R1: what anybody can put on the wire, against live ends of the native profile: packets of all kinds, changed at random,
 * most with checksums that hold, from the peer's address or any other. Ends survive it within their caps, no call takes
 * long, and nothing is left behind. Twenty thousand packets; a million with SERVAL_TEST_FULL (garbage-2014.test.ts has the
 * other profile).
 */
import { describe, expect, it } from 'vitest'
import { emitShim, SHIM_BYTES } from '../../src/wire/encapsulation.ts'
import { BASE_HEADER_BYTES, fillSalChecksum, peekHeaderBytes } from '../../src/wire/sal-header.ts'
import { TransmitBatch } from '../../src/wire/transmit-batch.ts'
import { keptBytes, LongestCall } from '../support/memory.ts'
import { Random, replay, testSeed } from '../support/random.ts'
import { summarize } from '../support/simulator/describe-packet.ts'
import { SERVICE } from '../support/simulator/scenes.ts'
import type { SimHost } from '../support/simulator/sim-host.ts'
import { simulate } from '../support/simulator/world.ts'

const FULL = process.env.SERVAL_TEST_FULL !== undefined
const PACKETS = FULL ? 1_000_000 : 20_000
/** Then the ends are made anew: changed data may end a stream for good. */
const PACKETS_A_LIFE = 2000
/** Looked at where there are so many that what else the process does is little. */
const MOST_CALL_MS = 100
const MOST_GROWTH_BYTES = 1 << 20
const HINT = replay('test/sim/garbage.test.ts')
/** What one packet may be answered with, the data that it acknowledges included. */
const MOST_ANSWERS = 5000

/** Ends in the midst of everything at once: streams that run, stand still and move; datagrams; set-ups of both sides. */
function busyHosts(random: Random) {
  const world = simulate(random.uint32(), { trace: true })
  const net = world.link('net', { delayMs: 5, loss: 0.05, reorder: 0.05 })
  const [server, client] = [world.host('server', net), world.host('client', net)]
  for (const service of [SERVICE, 'still.example', 'game.example']) client.knows(service, server)
  server.listen(SERVICE, flow => flow.send(300_000))
  server.listen('still.example', flow => flow.pause())
  server.bind('game.example')
  const flows = [client.connect(SERVICE), client.connect('still.example')]
  for (const flow of flows) flow.send(300_000)
  const datagrams = client.connectDatagrams('game.example')
  world.run(40)
  datagrams.send('one', 'two')
  world.run(40)
  const old = client.attached[0]!
  const fresh = client.attach(net)
  for (const flow of flows) client.migrate(flow, fresh)
  world.run(60)
  client.detach(old)
  client.connect(SERVICE)
  world.run(6)
  // A reset or an end that came to its turn would leave nobody to try the others on.
  const packets = world
    .tracer!.packets.map(({ bytes }) => bytes)
    .filter(bytes => !/RST|FIN/.test(summarize(bytes)))
  return { world, hosts: [server, client] as const, packets }
}

/** Gives a host one packet and takes what it has to say. */
class Victim {
  readonly #host: SimHost
  readonly #longest: LongestCall
  readonly #batch = new TransmitBatch()

  constructor(host: SimHost, longest: LongestCall) {
    this.#host = host
    this.#longest = longest
  }

  hit(bytes: Uint8Array, remote: { address: string; port: number }, nowMs: number): void {
    const { sal } = this.#host
    const localId = this.#host.attached[0]!.id
    this.#longest.time(() => {
      sal.handleTimeout(nowMs)
      sal.handleDatagram(bytes, bytes.length, localId, remote, nowMs)
      while (sal.pollEvent() !== undefined);
    })
    for (let answers = 0; sal.pollTransmit(this.#batch, nowMs); answers++)
      if (answers > MOST_ANSWERS) throw new Error(`sends without end; ${HINT}`)
  }

  checkQueues(): void {
    const { sal, flows } = this.#host
    for (const { name, size, limit } of [...sal.queues, ...flows.flatMap(({ flow }) => flow.queues)])
      expect(size, `${name}; ${HINT}`).toBeLessThanOrEqual(limit)
  }
}

/** Some bytes behind the shim differ, mostly of the header, or the end is missing, or it is two in one. */
function changed(packets: readonly Uint8Array[], random: Random): Uint8Array {
  const original = random.pick(packets)
  const bytes = random.chance(0.1) ? twoInOne(original, random.pick(packets)) : original.slice()
  if (random.chance(0.05)) return bytes.subarray(0, random.below(bytes.length + 1)).slice()
  const headerEnd = SHIM_BYTES + peekHeaderBytes(bytes, SHIM_BYTES)
  for (let left = random.below(5); left > 0; left--) {
    const most = random.chance(0.7) ? headerEnd : bytes.length
    bytes[SHIM_BYTES + random.below(most - SHIM_BYTES)] = random.uint32() & 0xff
  }
  const stated = SHIM_BYTES + peekHeaderBytes(bytes, SHIM_BYTES)
  const isWhole = stated === headerEnd && stated >= SHIM_BYTES + BASE_HEADER_BYTES
  if (isWhole && random.chance(0.8)) fillSalChecksum(bytes, SHIM_BYTES)
  return bytes
}

function twoInOne(one: Uint8Array, other: Uint8Array): Uint8Array {
  const both = new Uint8Array(one.length + other.length)
  both.set(one)
  both.set(other, one.length)
  if (one.length < 2 ** 16) emitShim(both, 0, one.length)
  return both
}

function play(packets: number, random: Random, longest: LongestCall): void {
  for (let done = 0; done < packets; done += PACKETS_A_LIFE) {
    const life = busyHosts(random)
    const victims = life.hosts.map(host => new Victim(host, longest))
    const startMs = life.world.nowMs
    for (let i = 0; i < PACKETS_A_LIFE; i++) {
      const [to, peer] = random.pick([
        [0, 1],
        [1, 0],
      ] as const)
      const home = life.hosts[peer].attached[0]!.endpoint
      const remote = random.chance(0.7)
        ? home
        : { address: `10.9.9.${random.below(250)}`, port: 1 + random.below(9) }
      victims[to]!.hit(changed(life.packets, random), remote, startMs + i)
    }
    for (const victim of victims) victim.checkQueues()
  }
}

describe('garbage', () => {
  it(`of ${PACKETS.toLocaleString('en')} packets is survived, takes no call long, and leaves nothing`, {
    timeout: 3_600_000,
  }, () => {
    const random = new Random(testSeed)
    // What is compiled and kept once is none of it.
    play(PACKETS / 5, random, new LongestCall())
    const before = keptBytes()
    const longest = new LongestCall()
    play((4 * PACKETS) / 5, random, longest)
    if (FULL) expect(longest.ms, HINT).toBeLessThan(MOST_CALL_MS)
    if (FULL) expect(keptBytes() - before, HINT).toBeLessThan(MOST_GROWTH_BYTES)
  })

  it('that leaves something behind, or takes long, is seen (self-test)', () => {
    const kept: Uint8Array[] = []
    const before = keptBytes()
    // Far more than what comes and goes in a process besides.
    for (let i = 0; i < 2000; i++) kept.push(new Uint8Array(16_000))
    expect(keptBytes() - before).toBeGreaterThan(16 * MOST_GROWTH_BYTES)
    expect(kept).toHaveLength(2000)
    const longest = new LongestCall()
    longest.time(() => {
      const untilMs = performance.now() + MOST_CALL_MS + 20
      const until = process.cpuUsage().user + 1000 * MOST_CALL_MS + 20_000
      while (performance.now() < untilMs || process.cpuUsage().user < until);
    })
    expect(longest.ms).toBeGreaterThan(MOST_CALL_MS)
  })
})
