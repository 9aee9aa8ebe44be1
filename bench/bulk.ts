/** One flow, one way, every byte compared: Gbit/s. And turnms: how long either end kept its event loop at most, ms. */
import type { Benchmark } from './support/benchmark.ts'
import { bulkRow } from './support/bulk-row.ts'

export const bulk: Benchmark = {
  name: 'bulk',
  about: 'one flow, one way, Gbit/s; gbit: every byte compared with what was sent, unverified: not compared',
  secondsPerRow: 1,
  warmUpSeconds: 2,
  rounds: 9,
  rows: [
    bulkRow('serval:plain', { transport: 'serval' }),
    // The kernel cuts and merges nothing; a system call still takes many datagrams.
    bulkRow('serval:plain-dgram', { transport: 'serval', env: { SERVAL_OFFLOAD: '0' } }),
    // No native code at all: a call of node:dgram for each datagram.
    bulkRow('serval:plain-js', { transport: 'serval', env: { SERVAL_OFFLOAD: 'dgram' } }),
    bulkRow('node:net', { transport: 'net', isPeer: true }),
    bulkRow('node:tls', { transport: 'tls', isPeer: true }),
    bulkRow('udx-native', { transport: 'udx', isPeer: true }),
    bulkRow('udp-gso', { transport: 'udp', isPeer: true }),
  ],
}
