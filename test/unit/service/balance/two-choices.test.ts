import { describe, expect, it } from 'vitest'
import { LeastLoaded } from '../../../../src/service/balance/least-loaded.ts'
import { LOAD_TTL_MS } from '../../../../src/service/balance/observed.ts'
import { PeakEwma } from '../../../../src/service/balance/peak-ewma.ts'
import { DECAY_MS } from '../../../../src/service/balance/peak-latency.ts'
import { betterOfTwo } from '../../../../src/service/balance/two-choices.ts'
import { candidates, tally, weightsOf } from '../../../support/candidates.ts'
import { choice } from '../../../support/choice.ts'
import { Random, replay, testSeed } from '../../../support/random.ts'

const random = new Random(testSeed)
const again = replay('test/unit/service/balance/two-choices.test.ts')

describe('two choices', () => {
  it('compare two different ones, and take the only one there is', () => {
    const seen = new Set<string>()
    for (let i = 0; i < 2_000; i++) {
      betterOfTwo([1, 1, 0, 1], random.fraction(), (a, b) => {
        seen.add([a, b].sort().join())
        return false
      })
    }
    expect([...seen].sort(), again).toEqual(['0,1', '0,3', '1,3'])
    expect(betterOfTwo([0, 1, 0], 0.99, () => true)).toBe(1)
  })

  it('leave the fullest of 100 bins with a few balls more than the mean, where one choice leaves many', () => {
    const fullest = (choices: (loads: number[]) => number) => {
      const loads = new Array<number>(100).fill(0)
      for (let i = 0; i < 10_000; i++) loads[choices(loads)]!++
      return Math.max(...loads) - 100
    }
    const weights = new Array<number>(100).fill(1)
    const two = fullest(loads => betterOfTwo(weights, random.fraction(), (a, b) => loads[a]! < loads[b]!))
    const one = fullest(() => betterOfTwo(weights, random.fraction(), () => false))
    // log log n / log 2 is 2.2; with one choice sqrt(2 * 100 * ln 100) is 30.
    expect(two, again).toBeLessThan(6)
    expect(one, again).toBeGreaterThan(12)
  })
})

describe('least loaded of two', () => {
  it('gives the most loaded nothing, as it never wins, while reports are fresh', () => {
    const targets = candidates(1, 1, 1)
    for (const [i, load] of [0.2, 0.9, 0.5].entries()) {
      targets[i]!.observed.handle({ type: 'load', flows: 0, load }, 0)
    }
    const balancer = new LeastLoaded(targets)
    const counts = (nowMs: number) =>
      tally(3, 6_000, () => balancer.pick(weightsOf(targets), choice(random.fraction(), { nowMs })))
    const [idle, full, half] = counts(LOAD_TTL_MS - 1)
    expect(full, again).toBe(0)
    // The idle one wins two of three pairs.
    expect(Math.abs(idle! - 4_000), again).toBeLessThan(190)
    expect(half, again).toBe(6_000 - idle!)
    // Old reports say nothing: shares are those of the weights, within five standard deviations.
    for (const count of counts(LOAD_TTL_MS)) expect(Math.abs(count - 2_000), again).toBeLessThan(190)
  })

  it('gives a silent target its share where the others report', () => {
    const targets = candidates(1, 1)
    targets[0]!.observed.handle({ type: 'load', flows: 0, load: 0.9 }, 0)
    const balancer = new LeastLoaded(targets)
    const [, silent] = tally(2, 4_000, () => balancer.pick([1, 1], choice(random.fraction())))
    expect(Math.abs(silent! - 2_000), again).toBeLessThan(160)
  })
})

describe('least loaded of two whose programs say no load', () => {
  const winner = (...targets: readonly { flows: number; load?: number; weight?: number }[]) => {
    const all = candidates(...targets.map(({ weight = 1 }) => weight))
    for (const [i, { flows, load }] of targets.entries()) {
      all[i]!.observed.handle({ type: 'load', flows, load }, 0)
    }
    const balancer = new LeastLoaded(all)
    const picks = Array.from({ length: 50 }, () => balancer.pick(weightsOf(all), choice(random.fraction())))
    return [...new Set(picks)].sort()
  }

  it('takes the one with fewer flows', () => {
    expect(winner({ flows: 12 }, { flows: 3 }), again).toEqual([1])
  })

  it('counts the flows by weight', () => {
    expect(winner({ flows: 12, weight: 8 }, { flows: 3 }), again).toEqual([0])
  })

  it('counts flows too where only one says a load', () => {
    expect(winner({ flows: 12, load: 0.1 }, { flows: 3 }), again).toEqual([1])
  })

  it('believes what both say, and not their flows', () => {
    expect(winner({ flows: 12, load: 0.1 }, { flows: 3, load: 0.2 }), again).toEqual([0])
  })

  it('takes either where they have the same', () => {
    expect(winner({ flows: 3 }, { flows: 3 }), again).toEqual([0, 1])
  })
})

describe('peak EWMA', () => {
  const answered = (afterMs: number) => ({ type: 'answered', afterMs }) as const

  it('believes a rise at once and a fall with time', () => {
    const [target] = candidates(1)
    const { latency } = target!.observed
    target!.observed.handle(answered(10), 0)
    target!.observed.handle(answered(100), 0)
    expect(latency.cost(0)).toBe(100)
    target!.observed.handle(answered(10), DECAY_MS)
    expect(latency.cost(DECAY_MS)).toBeCloseTo(10 + 90 / Math.E)
  })

  it('counts what is not answered yet', () => {
    const [target] = candidates(1)
    target!.observed.handle(answered(10), 0)
    target!.observed.handle({ type: 'asked' }, 0)
    target!.observed.handle({ type: 'asked' }, 0)
    expect(target!.observed.latency.cost(0)).toBe(30)
    target!.observed.handle({ type: 'failed', afterMs: 10 }, 0)
    expect(target!.observed.latency.cost(0)).toBe(20)
  })

  it('asks one that never answered first, and no other way until it has', () => {
    const targets = candidates(1, 1)
    targets[0]!.observed.handle(answered(10), 0)
    const balancer = new PeakEwma(targets)
    const picks = () =>
      new Set(Array.from({ length: 50 }, () => balancer.pick([1, 1], choice(random.fraction()))))
    expect(picks()).toEqual(new Set([1]))
    targets[1]!.observed.handle({ type: 'asked' }, 0)
    expect(picks()).toEqual(new Set([0]))
  })

  it('takes nearly all from a target that is ten times as slow', () => {
    const targets = candidates(1, 1, 1)
    const balancer = new PeakEwma(targets)
    const counts = [0, 0, 0]
    for (let i = 0; i < 3_000; i++) {
      const picked = balancer.pick([1, 1, 1], choice(random.fraction(), { nowMs: i }))
      counts[picked]!++
      targets[picked]!.observed.handle({ type: 'asked' }, i)
      targets[picked]!.observed.handle(answered(picked === 0 ? 50 : 5), i)
    }
    expect(counts[0], again).toBeLessThan(30)
  })
})
