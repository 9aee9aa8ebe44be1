import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'
import { generateControl } from './.house/control.js'

await generateControl()

const source = (path: string) => fileURLToPath(new URL(path, import.meta.url))

/** What takes longest begins first, so that in the end no CPU waits for one file alone. */
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files)
    const isLong = ({ project }: TestSpecification) => project.name === 'sim'
    return [...sorted.filter(isLong), ...sorted.filter(file => !isLong(file))]
  }
}

export default defineConfig({
  resolve: {
    // Tests that import the package by name get the sources, the same modules as by path.
    alias: [
      { find: /^serval$/, replacement: source('src/index.ts') },
      { find: /^serval\/(net|http|dgram)$/, replacement: source('src/sockets/$1.ts') },
    ],
  },
  test: {
    maxWorkers: availableParallelism(),
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        // Cores and what stands on them in one process: quick, and as many files at a time as there are CPUs.
        extends: true,
        test: {
          name: 'quick',
          include: ['test/**/*.test.ts'],
          exclude: ['test/{sim,e2e}/**'],
          pool: 'threads',
          // Against what hangs. On a machine that does much besides, a few seconds become a minute.
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
      {
        // Whole deployments on a virtual clock: busy for long, so a process a file, next to the quick ones.
        extends: true,
        test: {
          name: 'sim',
          include: ['test/sim/**/*.test.ts'],
          pool: 'forks',
          testTimeout: process.env.SERVAL_TEST_FULL ? 1_800_000 : 300_000,
          hookTimeout: 60_000,
        },
      },
      {
        // Real processes, real time: when the machine has nothing else to do, and two files at a time, since each
        // mostly waits for its processes.
        extends: true,
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          pool: 'forks',
          maxWorkers: Math.min(2, availableParallelism()),
          sequence: { groupOrder: 1 },
          // Whose machine it is and what else it does is not known here: what fails is tried once more, and
          // .ci/count.js names it.
          retry: 1,
          testTimeout: 300_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
})
