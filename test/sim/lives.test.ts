/**
 * A hundred seeds of flows that end, let go and reset at any time, while their hosts move: whatever they do, nobody gets
 * a wrong byte, whoever did not break off gets all, and in the end nothing is left of them. Two thousand with
 * SERVAL_TEST_FULL.
 */
import { describe } from 'vitest'
import { RandomLives } from './random-lives.ts'
import { runSeeds } from './seeds.ts'

describe('flows leave nothing behind', () => {
  runSeeds({
    file: 'test/sim/lives.test.ts',
    count: process.env.SERVAL_TEST_FULL ? 2000 : 100,
    what: 'in the lives of',
    make: (seed, options) => new RandomLives(seed, options),
  })
})
