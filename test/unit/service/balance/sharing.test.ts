import { describe, expect, it } from 'vitest'
import { EJECTION } from '../../../../src/service/balance/outlier-ejection.ts'
import { BALANCE_NAMES, Sharing, type SharingPolicy } from '../../../../src/service/balance/sharing.ts'
import { candidates, endpointOf, tally } from '../../../support/candidates.ts'
import { choice } from '../../../support/choice.ts'
import { Random, replay, testSeed } from '../../../support/random.ts'

const again = replay('test/unit/service/balance/sharing.test.ts')
const random = new Random(testSeed)
const failed = { type: 'failed', afterMs: 1 } as const
const answered = { type: 'answered', afterMs: 1 } as const

const sharingOf = (policy: SharingPolicy, size: number, nowMs = 0, previous?: Sharing) =>
  new Sharing(policy, candidates(...new Array<number>(size).fill(1)), nowMs, previous && [previous])
const picks = (sharing: Sharing, size: number, nowMs: number, times = 4_000) =>
  tally(size, times, () =>
    sharing.pick(choice(random.fraction(), { nowMs, affinity: () => random.below(2 ** 32) })),
  )
const fail = (sharing: Sharing, index: number, nowMs: number, times = 1) => {
  for (let i = 0; i < times; i++) sharing.observe(endpointOf(index), failed, nowMs)
}

describe('sharing', () => {
  it.each(BALANCE_NAMES)('by %s reaches each of three, and the only one', balance => {
    for (const count of picks(sharingOf({ balance }, 3), 3, 0)) {
      expect(count, again).toBeGreaterThan(4_000 / 3 - 200)
    }
    expect(picks(sharingOf({ balance }, 1), 1, 0, 10)).toEqual([10])
  })

  it('knows nothing of who is not among the targets', () => {
    expect(sharingOf({}, 3).observe(endpointOf(3), answered, 0)).toBe(false)
    expect(sharingOf({}, 3).observe(endpointOf(2), answered, 0)).toBe(true)
  })
})

describe('slow start', () => {
  it('lets a newcomer take its share bit by bit', () => {
    const policy = { slowStartMs: 10_000 }
    const two = sharingOf(policy, 2)
    const three = sharingOf(policy, 3, 100_000, two)
    const share = (nowMs: number) => picks(three, 3, nowMs)[2]! / 4_000
    // A tenth of a weight beside two, a half, a whole; five standard deviations are at most 0.04.
    for (const [age, expected] of [
      [0, 0.1 / 2.1],
      [500, 0.1 / 2.1],
      [5_000, 0.5 / 2.5],
      [10_000, 1 / 3],
    ] as const) {
      expect(Math.abs(share(100_000 + age) - expected), again).toBeLessThan(0.04)
    }
  })

  it('starts all of a new set alike', () => {
    for (const count of picks(sharingOf({ slowStartMs: 10_000 }, 4), 4, 1)) {
      expect(Math.abs(count - 1_000), again).toBeLessThan(140)
    }
  })
})

describe('outlier ejection', () => {
  it('leaves out who fails so many times in a row, for a while, longer the second time', () => {
    const sharing = sharingOf({ ejectAfter: 3 }, 10)
    fail(sharing, 4, 0, 2)
    sharing.observe(endpointOf(4), answered, 0)
    fail(sharing, 4, 0, 2)
    expect(picks(sharing, 10, 0)[4]).toBeGreaterThan(0)
    fail(sharing, 4, 0)
    expect(picks(sharing, 10, EJECTION.baseMs - 1)[4]).toBe(0)
    expect(picks(sharing, 10, EJECTION.baseMs)[4]).toBeGreaterThan(0)
    fail(sharing, 4, EJECTION.baseMs, 3)
    expect(picks(sharing, 10, 3 * EJECTION.baseMs - 1)[4]).toBe(0)
    expect(picks(sharing, 10, 3 * EJECTION.baseMs)[4]).toBeGreaterThan(0)
  })

  it.each([
    [5, 1],
    [10, 1],
    [20, 2],
    [39, 3],
  ])('leaves out of %i at most %i, though all fail', (size, most) => {
    const sharing = sharingOf({ ejectAfter: 1 }, size)
    for (let i = 0; i < size; i++) fail(sharing, i, 0, 5)
    expect(picks(sharing, size, 1, 200 * size).filter(count => count === 0)).toHaveLength(most)
  })

  it('uses all where fewer than half would be left', () => {
    const one = sharingOf({ ejectAfter: 1 }, 1)
    fail(one, 0, 0)
    expect(picks(one, 1, 1, 10)).toEqual([10])
    // Of two, half is left: enough.
    const two = sharingOf({ ejectAfter: 1 }, 2)
    fail(two, 0, 0)
    expect(picks(two, 2, 1, 10)).toEqual([0, 10])
    // Targets that go take those along that were not out.
    const rest = new Sharing({ ejectAfter: 1 }, candidates(1), 1, [two])
    expect(picks(rest, 1, 1, 10)).toEqual([10])
  })

  it('remembers who is out when targets change', () => {
    const sharing = sharingOf({ ejectAfter: 1 }, 10)
    fail(sharing, 0, 0)
    expect(picks(sharingOf({ ejectAfter: 1 }, 11, 1, sharing), 11, 1)[0]).toBe(0)
  })
})
