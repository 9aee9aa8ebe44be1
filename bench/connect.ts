/** Connections one after the other, each with one byte echoed: how many a second. The name is resolved already. */
import type { Benchmark } from './support/benchmark.ts'
import { echoRow } from './support/program-row.ts'

export const connect: Benchmark = {
  name: 'connect',
  about:
    'connect, one byte echoed, close, one after the other, three quarters of the time to warm up; connections a second',
  secondsPerRow: 6,
  rounds: 7,
  rows: [
    echoRow('serval:plain', 'serval', 'connect'),
    echoRow('node:net', 'net', 'connect'),
    echoRow('node:tls', 'tls', 'connect'),
  ],
}
