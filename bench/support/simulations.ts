/** Simulations, which need nothing but time: shared among workers, one a processor, and begun all at once. */
import { once } from 'node:events'
import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'

export interface Simulation {
  /** A key of bench/sim/scenarios.ts. */
  readonly scenario: string
  readonly seed: number
  /** 0 to 1: how much of its full length it takes. */
  readonly share: number
}

const WORKER = new URL('../sim/worker.js', import.meta.url)

/** They end in whatever order. None but the first `atLeast` are begun after `seconds`. */
export async function simulateAll(
  simulations: readonly Simulation[],
  { seconds, atLeast }: { readonly seconds: number; readonly atLeast: number },
  onDone: (simulation: Simulation, figure: number) => void,
): Promise<void> {
  const startedAt = performance.now()
  let next = 0
  const goesOn = () =>
    next < simulations.length && (next < atLeast || performance.now() - startedAt < 1_000 * seconds)
  const work = async () => {
    const worker = new Worker(WORKER)
    try {
      while (goesOn()) {
        const simulation = simulations[next++]!
        worker.postMessage(simulation)
        const [figure] = await once(worker, 'message')
        onDone(simulation, figure as number)
      }
    } finally {
      await worker.terminate()
    }
  }
  const workers = Math.min(availableParallelism(), simulations.length)
  await Promise.all(Array.from({ length: workers }, work))
}
