/**
 * `bulk` over a long and bad cable, 20 ms there and back, 1 Gbit/s, the same for every row. Packets are lost in both
 * directions, each by itself. Rows use CUBIC, whichever the machine prefers for its TCP; those that are called so, BBR.
 */
import { afresh, type Benchmark, type Row } from './support/benchmark.ts'
import { bulkRow } from './support/bulk-row.ts'
import { tcpAlgorithms } from './support/environment.ts'
import type { Place } from './support/place.ts'

const SHARES = [0, 0.01]
const LONG = { delayMs: 10, bitsPerSecond: 1e9, queueBytes: 2.5e6 }

export const loss: Benchmark = {
  name: 'loss',
  about: 'one flow, one way, 20 ms RTT, 1 Gbit/s, so many packets lost; Gbit/s, every byte compared',
  secondsPerRow: 2.5,
  rounds: 5,
  // Each time a connection of its own: what it knows of the path would be forgotten, by some, while others are measured.
  rows: SHARES.flatMap(rowsAt).map(row => ({ ...row, open: afresh(measuringOnce(row)) })),
}

function rowsAt(share: number): Row[] {
  const options = { impairment: { ...LONG, loss: share }, verifiedShare: 1 }
  const peers = { 'node:net': 'cubic', 'node:net:bbr': 'bbr' }
  const { available } = tcpAlgorithms()
  return [
    bulkRow(`serval:plain@${100 * share}%`, { transport: 'serval', ...options }),
    bulkRow(`serval:bbr@${100 * share}%`, {
      transport: 'serval',
      env: { SERVAL_CONGESTION: 'bbr' },
      ...options,
    }),
    ...Object.entries(peers)
      .filter(([, tcp]) => available.includes(tcp))
      .map(([name, tcp]) =>
        bulkRow(`${name}@${100 * share}%`, { transport: 'net', isPeer: true, tcp, ...options }),
      ),
  ]
}

function measuringOnce(row: Row) {
  return async (place: Place, seconds: number) => {
    const open = await row.open(place)
    try {
      return await open.measure(seconds)
    } finally {
      await open.close()
    }
  }
}
