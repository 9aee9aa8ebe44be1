/**
 * Random deployments, one a seed: in ten tests, so that it shows how far they are. SERVAL_SEED replays one of them and
 * prints every packet; SERVAL_SEEDS beside it runs so many from that one on.
 */
import { expect, it } from 'vitest'
import { replay } from '../support/random.ts'
import type { World, WorldOptions } from '../support/simulator/world.ts'

export interface RandomDeployment {
  readonly world: World
  /** What was done, for people. */
  readonly story: readonly string[]
  /** Throws if anything is not as it must be. */
  run(): void
}

interface Seeds {
  /** The test's own, for the replay command. */
  readonly file: string
  /** From 0 on. */
  readonly count: number
  /** What the tests are called: `the moves of`. */
  readonly what: string
  readonly make: (seed: number, options?: WorldOptions) => RandomDeployment
}

const TESTS = 10

export function runSeeds({ file, count, what, make }: Seeds): void {
  const first = Number(process.env.SERVAL_SEED ?? 0)
  if (process.env.SERVAL_SEED !== undefined && process.env.SERVAL_SEEDS === undefined) {
    it(`${what} seed ${first}`, () => runTraced(make(first, { trace: true })))
    return
  }
  const seeds = Number(process.env.SERVAL_SEEDS ?? count)
  for (let test = 0; test < TESTS; test++) {
    const begin = first + Math.floor((test * seeds) / TESTS)
    const end = first + Math.floor(((test + 1) * seeds) / TESTS)
    it(`${what} seeds ${begin} to ${end - 1}`, () => {
      for (let seed = begin; seed < end; seed++)
        expect(failureOf(make(seed)), replay(file, seed)).toBeUndefined()
    })
  }
}

function runTraced(deployment: RandomDeployment): void {
  try {
    expect(failureOf(deployment)).toBeUndefined()
  } finally {
    const { world, story } = deployment
    process.stdout.write([...world.tracer!.lines(), ...story, ''].join('\n'))
  }
}

/** What went wrong, and what had been done before it. */
function failureOf(deployment: RandomDeployment): string | undefined {
  try {
    deployment.run()
    return undefined
  } catch (error) {
    return [String(error), ...deployment.story].join('\n')
  }
}
