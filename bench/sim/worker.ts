/** A thread that simulates one scenario after the other, as it is told. */
import { parentPort } from 'node:worker_threads'
import type { Simulation } from '../support/simulations.ts'
import { scenarios } from './scenarios.ts'

parentPort?.on('message', ({ scenario, seed, share }: Simulation) => {
  parentPort?.postMessage(scenarios[scenario]!(seed, share))
})
