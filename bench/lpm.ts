/**
 * The service table from 10^3 to 10^6 rules: half of them whole serviceIDs, the others of 32, 64, 96 and random lengths, each
 * to one of 10,000 instances; looked up are random ones that hit.
 *
 *   lookups   a second of CPU time: a target found and counted, as a router does for the packets that it received together, 32
 *   alone     the same, one by one: each waits for its own memory
 *   inserts   a second of CPU time, one rule after the other into an empty table
 *   pausems   CPU time of the 256 inserts in a row that took longest: what a packet may have to wait for
 *   bytes     a rule, of heap and arrays together, counters in use
 */
import { afresh, type Benchmark, type Row } from './support/benchmark.ts'

const SIZES = ['1e3', '1e4', '1e5', '1e6']

export const lpm: Benchmark = {
  name: 'lpm',
  about: 'the service table: lookups and inserts a second of CPU time, bytes a rule',
  secondsPerRow: 0.5,
  rounds: 3,
  rows: [
    ...SIZES.map(size => row('serval', size, false)),
    row('map', '1e3', true),
    row('map', '1e6', true),
    row('linear', '1e3', true),
  ],
}

function row(table: string, size: string, isPeer: boolean): Row {
  return {
    name: `${table}@${size}`,
    isPeer,
    open: afresh(async (place, seconds) => {
      const program = place.start('left', 'lpm', [table, `${Number(size)}`, `${seconds}`])
      const { event: _, ...figures } = await program.event('done')
      await program.stop('SIGKILL')
      return figures
    }),
  }
}
