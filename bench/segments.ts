/**
 * The hot path alone, without system calls: batches of 44 segments of a path with an MTU of 1500, which one end writes and
 * the other puts together again.
 *
 *   gathered    headers are written, payload stays where the program's bytes are (src/transport/emit.ts)
 *   copied      payload too, as for a link that does not gather
 *   merged      what the kernel has merged is joined and read (src/wire/segment-run.ts, src/transport/receiver.ts)
 *   single      the same segments, a datagram each
 *   copy        peer: the payload of a batch, copied once; what has copied it can cost no less
 */
import type { Benchmark, Row } from './support/benchmark.ts'

export const segments: Benchmark = {
  name: 'segments',
  about: 'batches of 44 segments, written and put together again without a system call; ns a segment',
  secondsPerRow: 2,
  rounds: 5,
  rows: [
    row('serval@gathered', 'gathered'),
    row('serval@copied', 'copied'),
    row('serval@merged', 'merged'),
    row('serval@single', 'single'),
    row('copy', 'copy', true),
  ],
  comparisons: ['gathered', 'copied', 'merged', 'single'].map(part => [`serval@${part}`, 'copy'] as const),
}

function row(name: string, part: string, isPeer = false): Row {
  return {
    name,
    isPeer,
    measure: async (place, seconds) => {
      const program = place.start('left', 'segments', [part, `${seconds}`])
      const { event: _, ...figures } = await program.event('done')
      await program.stop('SIGKILL')
      return figures
    },
  }
}
