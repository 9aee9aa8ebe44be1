/**
 * A hundred seeds of flows that end, let go and reset at any time, while their hosts move: whatever they do, nobody gets
 * a wrong byte, whoever did not break off gets all, and in the end nothing is left of them. Two thousand with
 * SERVAL_TEST_FULL; SERVAL_SEED replays one of them and prints every packet.
 */
import { describe, expect, it } from 'vitest'
import { replay } from '../support/random.ts'
import { RandomLives } from './random-lives.ts'

const FILE = 'test/sim/lives.test.ts'
const TESTS = 10
const SEEDS_A_TEST = process.env.SERVAL_TEST_FULL ? 200 : 10

describe('flows leave nothing behind', () => {
  if (process.env.SERVAL_SEED !== undefined) {
    const seed = Number(process.env.SERVAL_SEED)
    it(`in the lives of seed ${seed}`, () => {
      const lives = new RandomLives(seed, { trace: true })
      try {
        expect(failureOf(lives)).toBeUndefined()
      } finally {
        process.stdout.write([...lives.world.tracer!.lines(), ...lives.story, ''].join('\n'))
      }
    })
  } else {
    for (let test = 0; test < TESTS; test++) {
      const first = test * SEEDS_A_TEST
      const last = first + SEEDS_A_TEST - 1
      it(`in the lives of seeds ${first} to ${last}`, () => {
        for (let seed = first; seed <= last; seed++)
          expect(failureOf(new RandomLives(seed)), replay(FILE, seed)).toBeUndefined()
      })
    }
  }
})

/** What went wrong, and what had been done before it. */
function failureOf(lives: RandomLives): string | undefined {
  try {
    lives.run()
    return undefined
  } catch (error) {
    return [String(error), ...lives.story].join('\n')
  }
}
