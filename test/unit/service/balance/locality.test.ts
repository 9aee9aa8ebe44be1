import { describe, expect, it } from 'vitest'
import { Locality } from '../../../../src/service/balance/locality.ts'
import type { Endpoint } from '../../../../src/wire/endpoint.ts'
import { candidates, tally } from '../../../support/candidates.ts'
import { choice } from '../../../support/choice.ts'
import { Random, replay, testSeed } from '../../../support/random.ts'

const again = replay('test/unit/service/balance/locality.test.ts')

describe('locality', () => {
  const random = new Random(testSeed)
  /** The first two are near. */
  const isNear = ({ address }: Endpoint) => address === '10.0.0.1' || address === '10.0.0.2'
  const picks = (loads: readonly number[], weights = [1, 1, 1, 1]) => {
    const targets = candidates(1, 1, 1, 1)
    for (const [i, load] of loads.entries()) targets[i]!.observed.handle({ type: 'load', flows: 0, load }, 0)
    const balancer = new Locality(targets, 0.8)
    return tally(4, 4_000, () => balancer.pick(weights, choice(random.fraction(), { isNear })))
  }

  it('stays in the subnet up to the mark', () => {
    for (const loads of [[], [0.8, 0.8], [0.1, 1]]) {
      const [a, b, c, d] = picks(loads)
      expect([c, d]).toEqual([0, 0])
      expect(Math.abs(a! - b!), again).toBeLessThan(320)
    }
  })

  it('sends more elsewhere the further the load is above the mark: half in the middle, all when full', () => {
    const [a, b, c, d] = picks([0.9, 0.9])
    // Five standard deviations of a binomial with p = 1/2 and 4,000 are 158.
    expect(Math.abs(a! + b! - 2_000), again).toBeLessThan(158)
    expect(Math.abs(c! - d!), again).toBeLessThan(230)
    expect(picks([1, 1.3]).slice(0, 2)).toEqual([0, 0])
  })

  it('goes wherever there is somebody', () => {
    expect(picks([], [0, 0, 1, 0])).toEqual([0, 0, 4_000, 0])
    expect(picks([1, 1], [0, 1, 0, 0])).toEqual([0, 4_000, 0, 0])
  })
})
