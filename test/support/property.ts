/** Properties of random values, replayable: a failure names the seed and the command that repeats it. */
import fc from 'fast-check'
import { replay, testSeed } from './random.ts'

/** Checks that `predicate` throws for no value. `file` is the test's, for the replay command. */
export function holds<T>(
  file: string,
  arbitrary: fc.Arbitrary<T>,
  predicate: (value: T) => void,
  numRuns = 300,
): void {
  const property = fc.property(arbitrary, value => {
    predicate(value)
  })
  try {
    fc.assert(property, { seed: testSeed | 0, numRuns })
  } catch (error) {
    throw new Error(`${(error as Error).message}\n${replay(file)}`, { cause: error })
  }
}
