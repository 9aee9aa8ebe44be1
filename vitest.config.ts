import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'
import { generateControl } from './.house/control.js'

await generateControl()

const source = (path: string) => fileURLToPath(new URL(path, import.meta.url))

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
    projects: [
      {
        // Cores and what stands on them in one process: quick, and as many files at a time as there are CPUs.
        extends: true,
        test: {
          name: 'quick',
          include: ['test/**/*.test.ts'],
          exclude: ['test/{sim,e2e}/**'],
          pool: 'threads',
          // Against what hangs: none takes a tenth of it on a machine that has nothing else to do.
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
        // Real processes, real time: alone, one file after another, when the machine has nothing else to do.
        extends: true,
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          pool: 'forks',
          maxWorkers: 1,
          sequence: { groupOrder: 1 },
          // Whose machine it is and what else it does is not known here: what fails is tried once more, and
          // .ci/count.js names it.
          retry: 1,
          testTimeout: 180_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
})
