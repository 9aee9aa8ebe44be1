/** Connections one after the other, each with one byte echoed: how many a second. The name is resolved already. */
import type { Benchmark } from './support/benchmark.ts'
import { echoRow } from './support/echo-row.ts'

export const connect: Benchmark = {
  name: 'connect',
  about: 'connect, one byte echoed, close, one after the other; connections a second',
  secondsPerRow: 2,
  rounds: 5,
  rows: [
    echoRow('serval:plain', { transport: 'serval', client: 'connect' }),
    echoRow('node:net', { transport: 'net', client: 'connect', isPeer: true }),
    echoRow('node:tls', { transport: 'tls', client: 'connect', isPeer: true }),
  ],
}
