// A router under packets that nobody sane sends: it never throws, and never pays out more than it was given.
import { describe, expect, it } from 'vitest'
import { serviceIdOf } from '../../../src/id/name.ts'
import { OUTPUT_LIMITS } from '../../../src/router/output-queue.ts'
import type { Router } from '../../../src/router/router.ts'
import { emitShim, SHIM_BYTES } from '../../../src/wire/encapsulation.ts'
import { service } from '../../../src/wire/extensions/service.ts'
import { fillSalChecksum, protocols } from '../../../src/wire/sal-header.ts'
import { Random, replay, testSeed } from '../../support/random.ts'
import { arrive, packetBytes, routerWith, sentBy, syn } from '../../support/router-trace.ts'

const ATTACKER = '10.0.0.66:666'
const PACKETS = 10_000

/** A SYN or datagram, some bytes of it changed, its sums mended more often than not. */
function mutant(random: Random): Uint8Array {
  const mac = random.bytes(8)
  const route = [{ address: random.pick(['10.0.0.1', 'fd00::1']), port: 40, mac }]
  const bytes = random.chance(0.7)
    ? syn({ to: random.pick(['web.example', 'api.example', 'other.test']), route, hops: random.below(3) })
    : packetBytes({
        srcFlowId: random.uint32(),
        dstFlowId: 0,
        protocol: protocols.DATAGRAM,
        extensions: [service(serviceIdOf('web.example'))],
        transport: random.bytes(random.below(64)),
      })
  for (let changes = random.below(4); changes > 0; changes--)
    bytes[random.below(bytes.length)] = random.uint32()
  const kept = random.chance(0.8) ? bytes : bytes.slice(0, random.below(bytes.length))
  if (kept.length >= 20 && random.chance(0.8)) {
    if (random.chance(0.9)) emitShim(kept, 0, kept.length, random.below(4))
    fillSalChecksum(kept, SHIM_BYTES)
  }
  return kept
}

describe('a router under mutated packets', () => {
  const rules = ['web.example FORWARD 10.0.0.9:7', 'api.example DELAY', 'other.test DROP why not']

  function attack(router: Router, each: (given: Uint8Array) => void): void {
    const random = new Random(testSeed)
    for (let i = 0; i < PACKETS; i++) {
      const given = mutant(random)
      try {
        arrive(router, given, ATTACKER, i / 100)
        router.handleTimeout(i / 100)
      } catch (error) {
        throw new Error(replay('test/unit/router/router-abuse.test.ts'), { cause: error })
      }
      each(given)
    }
  }

  it('never throws, and accounts for each of them', () => {
    const router = routerWith(rules)
    attack(router, () => {
      while (router.pollEvent() !== undefined);
      sentBy(router)
    })
    const { packets, malformed, unknownVersion, misdirected, hopLimit, loop, routeFull } = router.counters
    const { forwarded, delayed, droppedByRule, noService, tooLong } = router.counters
    const fates = [unknownVersion, misdirected, hopLimit, loop, routeFull, forwarded, delayed, droppedByRule]
    const accounted = fates.reduce((sum, count) => sum + count, noService + tooLong)
    // A buffer that is no packet at all counts as malformed, but not as a packet.
    expect(packets - accounted).toBeGreaterThanOrEqual(0)
    expect(packets - accounted).toBeLessThanOrEqual(malformed)
    for (const count of [
      malformed,
      unknownVersion,
      misdirected,
      hopLimit,
      forwarded,
      delayed,
      droppedByRule,
    ]) {
      expect(count, replay('test/unit/router/router-abuse.test.ts')).toBeGreaterThan(0)
    }
  })

  it('never answers with more than it was given', () => {
    const router = routerWith(['api.example DELAY', 'other.test DROP why not'], {
      answers: { perSecond: 1e9 },
    })
    attack(router, given => {
      for (const { to, bytes } of sentBy(router)) {
        expect(to).toBe(ATTACKER)
        // What was held is answered later, so a packet's own size is the bound only where it is a SYN's.
        expect(bytes.length).toBeLessThanOrEqual(Math.max(given.length, syn().length))
      }
    })
    expect(router.counters.nacks).toBeGreaterThan(0)
  })

  it('keeps what waits to be sent within its caps when nobody fetches it', () => {
    const router = routerWith(rules)
    attack(router, () => {})
    const sent = sentBy(router)
    expect(sent).toHaveLength(OUTPUT_LIMITS.packets)
    expect(router.counters.outputFull).toBeGreaterThan(0)
  })
})
