/**
 * A thousand seeds of two hosts and a router, a transfer of 1 MiB or more, and one move or several; ten thousand with
 * SERVAL_TEST_FULL.
 */
import { describe } from 'vitest'
import { RandomMoves } from './random-moves.ts'
import { runSeeds } from './seeds.ts'

describe('a transfer survives', () => {
  runSeeds({
    file: 'test/sim/moves.test.ts',
    count: process.env.SERVAL_TEST_FULL ? 10_000 : 1000,
    what: 'the moves of',
    make: (seed, options) => new RandomMoves(seed, options),
  })
})
