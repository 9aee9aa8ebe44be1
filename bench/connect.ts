/** Connections one after the other, each with one byte echoed: how many a second. The name is resolved already. */
import type { Benchmark } from './support/benchmark.ts'
import { echoRow } from './support/program-row.ts'

export const connect: Benchmark = {
  name: 'connect',
  about: 'connect, one byte echoed, close, one after the other; connections a second',
  secondsPerRow: 1,
  warmUpSeconds: 7,
  rounds: 15,
  rows: [
    echoRow('serval:plain', 'serval', 'connect'),
    echoRow('serval:asleep', 'serval', 'connect', { SERVAL_BUSY_POLL: '0' }),
    echoRow('node:net', 'net', 'connect'),
    echoRow('node:tls', 'tls', 'connect'),
  ],
}
