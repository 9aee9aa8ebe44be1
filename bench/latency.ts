/** A request of 64 bytes and its reply, one at a time: microseconds; `cpuus`: CPU time of both ends for one. */
import type { Benchmark } from './support/benchmark.ts'
import { echoRow, programRow } from './support/program-row.ts'

export const latency: Benchmark = {
  name: 'latency',
  about: '64-byte request and reply, one at a time; microseconds',
  secondsPerRow: 1,
  warmUpSeconds: 3,
  rounds: 15,
  rows: [
    echoRow('serval:plain', 'serval', 'latency'),
    echoRow('serval:asleep', 'serval', 'latency', { SERVAL_BUSY_POLL: '0' }),
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
