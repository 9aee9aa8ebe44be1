import { describe, expect, it } from 'vitest'
import { RoundRobin } from '../../../../src/service/balance/round-robin.ts'
import { candidates, tally, weightsOf } from '../../../support/candidates.ts'
import { choice } from '../../../support/choice.ts'

describe('smooth weighted round robin', () => {
  it('spreads the turns of a heavy target: 5, 1, 1 is a a b a c a a', () => {
    const targets = candidates(5, 1, 1)
    const balancer = new RoundRobin(targets)
    const turns = Array.from({ length: 14 }, () => 'abc'[balancer.pick(weightsOf(targets), choice())])
    expect(turns.join('')).toBe('aabacaaaabacaa')
  })

  it('gives each exactly its share over a period', () => {
    const targets = candidates(3, 2, 7, 0.5)
    const balancer = new RoundRobin(targets)
    expect(tally(4, 25, () => balancer.pick(weightsOf(targets), choice()))).toEqual([6, 4, 14, 1])
  })

  it('leaves out who has no weight at the moment', () => {
    const balancer = new RoundRobin(candidates(1, 1, 1))
    expect(tally(3, 10, () => balancer.pick([1, 0, 1], choice()))).toEqual([5, 0, 5])
  })
})
