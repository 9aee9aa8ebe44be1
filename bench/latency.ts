/** A request of 64 bytes and its reply, one at a time: microseconds. */
import type { Benchmark } from './support/benchmark.ts'
import { echoRow } from './support/echo-row.ts'

export const latency: Benchmark = {
  name: 'latency',
  about: '64-byte request and reply, one at a time, microseconds',
  secondsPerRow: 2,
  rounds: 5,
  rows: [
    echoRow('serval:plain', { transport: 'serval', client: 'latency' }),
    echoRow('node:net', { transport: 'net', client: 'latency', isPeer: true }),
  ],
}
