/**
 * A thousand seeds of two hosts and a router, a transfer of 1 MiB or more, and one move or several; ten thousand with
 * SERVAL_TEST_FULL. SERVAL_SEED replays one of them and prints every packet.
 */
import { describe, expect, it } from 'vitest'
import { replay } from '../support/random.ts'
import { RandomMoves } from './random-moves.ts'

const FILE = 'test/sim/moves.test.ts'
const TESTS = 10
const SEEDS_A_TEST = process.env.SERVAL_TEST_FULL ? 1000 : 100

describe('a transfer survives', () => {
  if (process.env.SERVAL_SEED !== undefined) {
    const seed = Number(process.env.SERVAL_SEED)
    it(`the moves of seed ${seed}`, () => {
      const moves = new RandomMoves(seed, { trace: true })
      try {
        expect(failureOf(moves)).toBeUndefined()
      } finally {
        process.stdout.write([...moves.world.tracer!.lines(), ...moves.story, ''].join('\n'))
      }
    })
  } else {
    for (let test = 0; test < TESTS; test++) {
      const first = test * SEEDS_A_TEST
      const last = first + SEEDS_A_TEST - 1
      it(`the moves of seeds ${first} to ${last}`, () => {
        for (let seed = first; seed <= last; seed++)
          expect(failureOf(new RandomMoves(seed)), replay(FILE, seed)).toBeUndefined()
      })
    }
  }
})

/** What went wrong, and what had been done before it. */
function failureOf(moves: RandomMoves): string | undefined {
  try {
    moves.run()
    return undefined
  } catch (error) {
    return [String(error), ...moves.story].join('\n')
  }
}
