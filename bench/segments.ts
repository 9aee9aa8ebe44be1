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
import { asking, figuresOf } from './support/ask.ts'
import type { Benchmark, Row } from './support/benchmark.ts'

export const segments: Benchmark = {
  name: 'segments',
  about: 'batches of 44 segments, written and put together again without a system call; ns a segment',
  secondsPerRow: 0.5,
  warmUpSeconds: 1.5,
  rounds: 9,
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
    open: async place => {
      const program = place.start('left', 'segments', [part])
      const ask = asking(program)
      return {
        measure: async seconds => figuresOf(await ask('measure', seconds)),
        close: async () => {
          await program.stop('SIGKILL')
        },
      }
    },
  }
}
