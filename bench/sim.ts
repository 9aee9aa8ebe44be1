/**
 * In the simulator: what our congestion controls make of loss, and how they share, beside textbook senders written apart
 * from the stack (test/support/simulator/twin). Each row is one figure, the mean of its seeds; the same on every machine.
 */
import { scenarios } from './sim/scenarios.ts'
import { type Outcome, outcomeOf, type RunOptions, type SimulatedBenchmark } from './support/benchmark.ts'
import { watchCpu } from './support/environment.ts'
import { type Simulation, simulateAll } from './support/simulations.ts'
import { mean } from './support/statistics.ts'

/** A row is a scenario; how many seeds it is the mean of. The longest come first, so that none is left to the end. */
const seeds: Readonly<Record<string, number>> = {
  'serval@jain': 3,
  'serval-bbr@jain': 1,
  'serval-bbr@1%': 2,
  'serval@1%': 30,
  'twin@jain': 3,
  'twin@1%': 30,
  'serval@moves': 1,
  'serval@goodput': 1,
  'serval-bbr@goodput': 1,
  'twin@goodput': 1,
}

/** What the whole may take; with less time there are fewer seeds, and those that have only one are shorter. */
const FULL_SECONDS = 40

export const sim: SimulatedBenchmark = {
  name: 'sim',
  about:
    'simulated: Mbit/s at 1 % loss and through 10 Mbit/s, fairness to a Reno, p99 stall of moves in RTTs',
  run,
}

async function run({ seconds, onRow }: RunOptions): Promise<Outcome> {
  const cpu = watchCpu()
  const share = Math.min(1, seconds / FULL_SECONDS)
  // Every row has its first seed before any has its second.
  const simulations = Object.keys(seeds)
    .flatMap(row => simulationsOf(row, share))
    .sort((a, b) => a.seed - b.seed)
  const atLeast = simulations.filter(({ seed }) => seed === 1).length
  const figures = new Map<string, number[]>(Object.keys(scenarios).map(row => [row, []]))
  await simulateAll(simulations, { seconds, atLeast }, ({ scenario }, figure) => {
    figures.get(scenario)!.push(figure)
    onRow?.(
      1,
      `${scenario}, ${[...figures.values()].flat().length} of ${simulations.length} simulations done`,
    )
  })
  const rows = [...figures.keys()].map(name => ({ name, isPeer: name.startsWith('twin') }))
  const values = new Map([...figures].map(([name, list]) => [name, [{ value: mean(list) }]]))
  return { ...outcomeOf(rows, values), cpu: cpu(), rounds: 1 }
}

function simulationsOf(scenario: string, share: number): Simulation[] {
  const wanted = seeds[scenario]! * share
  const count = Math.max(1, Math.round(wanted))
  // One simulation cannot be made fewer, but shorter.
  const length = Math.min(1, wanted / count)
  return Array.from({ length: count }, (_, index) => ({ scenario, seed: index + 1, share: length }))
}
