/** A request of 64 bytes and its reply, one at a time: microseconds. */
import type { Benchmark, Row } from './support/benchmark.ts'
import { programRow } from './support/program-row.ts'

export const latency: Benchmark = {
  name: 'latency',
  about: '64-byte request and reply, one at a time, three quarters of the time to warm up; microseconds',
  secondsPerRow: 6,
  rounds: 7,
  rows: [
    streamRow('serval:plain', 'serval'),
    streamRow('node:net', 'net'),
    programRow({
      name: 'node:dgram',
      isPeer: true,
      program: 'echo-datagram',
      server: ['server'],
      client: ['latency'],
    }),
  ],
}

function streamRow(name: string, transport: 'serval' | 'net'): Row {
  const isPeer = transport !== 'serval'
  return programRow({
    name,
    isPeer,
    program: 'echo',
    server: [transport, 'server'],
    client: [transport, 'latency'],
  })
}
