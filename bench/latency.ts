/** A request of 64 bytes and its reply, one at a time: microseconds. */
import type { Benchmark } from './support/benchmark.ts'
import { echoRow, programRow } from './support/program-row.ts'

export const latency: Benchmark = {
  name: 'latency',
  about: '64-byte request and reply, one at a time, three quarters of the time to warm up; microseconds',
  secondsPerRow: 6,
  rounds: 7,
  rows: [
    echoRow('serval:plain', 'serval', 'latency'),
    echoRow('node:net', 'net', 'latency'),
    programRow({
      name: 'node:dgram',
      isPeer: true,
      program: 'echo-datagram',
      server: ['server'],
      client: ['latency'],
    }),
  ],
}
