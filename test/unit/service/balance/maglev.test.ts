import { describe, expect, it } from 'vitest'
import { serviceIdOf } from '../../../../src/id/name.ts'
import { affinityOf } from '../../../../src/service/balance/affinity.ts'
import type { Candidate } from '../../../../src/service/balance/balancer.ts'
import { Maglev, PLACES } from '../../../../src/service/balance/maglev.ts'
import { candidates, weightsOf } from '../../../support/candidates.ts'
import { choice } from '../../../support/choice.ts'
import { Random, replay, testSeed } from '../../../support/random.ts'

const again = replay('test/unit/service/balance/maglev.test.ts')

/** The target of each place, by its address. */
function assignment(targets: readonly Candidate[], weights = weightsOf(targets)): string[] {
  const balancer = new Maglev(targets)
  return Array.from({ length: PLACES }, (_, place) => {
    return targets[balancer.pick(weights, choice(0, { affinity: () => place }))]!.endpoint.address
  })
}

function shares(addresses: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>()
  for (const address of addresses) counts.set(address, (counts.get(address) ?? 0) + 1)
  return counts
}

describe('Maglev hashing', () => {
  const hundred = candidates(...new Array<number>(100).fill(1))
  const before = assignment(hundred)

  it('gives each of 100 targets the same, to less than 1 %', () => {
    const counts = [...shares(before).values()]
    expect(counts).toHaveLength(100)
    const mean = PLACES / 100
    expect((Math.max(...counts) - mean) / mean).toBeLessThan(0.01)
    expect((mean - Math.min(...counts)) / mean).toBeLessThan(0.01)
  })

  it('moves at most 1 % of what others had, when one of 100 leaves', () => {
    const random = new Random(testSeed)
    const left = random.below(100)
    const leaver = hundred[left]!.endpoint.address
    const after = assignment(hundred.filter((_, i) => i !== left))
    const moved = before.filter((address, place) => address !== leaver && address !== after[place]).length
    expect(after).not.toContain(leaver)
    expect(moved / PLACES, again).toBeLessThan(0.01)
  })

  it('does not depend on the order in which targets are named', () => {
    const random = new Random(testSeed)
    const shuffled = hundred
      .map(target => ({ target, at: random.fraction() }))
      .sort((a, b) => a.at - b.at)
      .map(({ target }) => target)
    expect(assignment(shuffled).join() === before.join(), again).toBe(true)
  })

  it('shares by weight', () => {
    const counts = shares(assignment(candidates(1, 2, 0.5)))
    expect(counts.get('10.0.0.2')! / counts.get('10.0.0.1')!).toBeCloseTo(2, 2)
    expect(counts.get('10.0.0.3')! / counts.get('10.0.0.1')!).toBeCloseTo(0.5, 2)
  })

  it('steps over who is left out at the moment, and moves nobody else', () => {
    const targets = candidates(1, 1, 1, 1)
    const all = assignment(targets)
    const without = assignment(targets, [1, 0, 1, 1])
    expect(without).not.toContain('10.0.0.2')
    expect(all.filter((address, place) => address !== '10.0.0.2' && address !== without[place])).toEqual([])
  })

  it('meets targets evenly by clients of one service, and by services of one client', () => {
    const balancer = new Maglev(hundred)
    const weights = weightsOf(hundred)
    const web = serviceIdOf('web.example')
    const spread = (affinity: (i: number) => number) => {
      const counts = new Array<number>(100).fill(0)
      for (let i = 0; i < 20_000; i++) {
        counts[balancer.pick(weights, choice(0, { affinity: () => affinity(i) }))]!++
      }
      return Math.max(...counts) - Math.min(...counts)
    }
    // Means of 200: six standard deviations to either side are 85.
    expect(spread(i => affinityOf(`10.${i >> 8}.${i & 255}.1`, web))).toBeLessThan(170)
    expect(spread(i => affinityOf('10.0.0.1', serviceIdOf(`n${i}.example`)))).toBeLessThan(170)
  })
})
