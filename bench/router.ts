/**
 * SYNs of 100 bytes through a router to another address of the host that they come from, few sources and many:
 *
 *   kpps      the most at which less than 0.1 % is lost, in thousands a second
 *   loss      at that rate
 *   loadbusy  the share of the time that the program which offers had something to do there: near 1 it is the limit
 *   p50us     from the program that sends to the socket where it arrives, at half of that rate; p99us. One packet at a time,
 *             or in bursts where that program cannot offer so many otherwise: `halfbusy` is its share of busy time then
 *   lost      packets, while 10,000 rules are added at nine tenths of that rate
 *   pausems   the longest time without a packet meanwhile
 *   lostbefore, pausebefore: the same just before, with nothing added
 *
 * `mmsg-loop` is C, reads nothing and has one target: what system calls for batches of packets allow at all. A proxy keeps
 * state for each source, so nginx is measured with few.
 */
import { spawnSync } from 'node:child_process'
import type { Program } from '../test/support/lab/program.ts'
import { afresh, type Benchmark, type Row } from './support/benchmark.ts'
import { compilerLack } from './support/c-program.ts'
import type { Place } from './support/place.ts'

const FEW = 8
const MANY = 10_000
const RULES = 10_000

export const router: Benchmark = {
  name: 'router',
  about:
    'SYNs of 100 bytes through a router, one worker: thousands a second at 0.1 % loss, microseconds at half load',
  secondsPerRow: 3,
  rounds: 3,
  rows: [
    row('serval', FEW),
    row('mmsg-loop', FEW),
    { ...row('nginx', FEW), lack: () => compilerLack() ?? nginxLack() },
    row('serval', MANY),
    row('mmsg-loop', MANY),
    rulesRow(),
  ],
}

const PORT = '54325'
const SINK_PORT = '7000'

function row(forwarder: string, sources: number): Row {
  return {
    name: `${forwarder}@${sources}`,
    isPeer: forwarder !== 'serval',
    needsNamespaces: true,
    lack: compilerLack,
    open: afresh((place, seconds) =>
      withLoad(place, forwarder, sources, seconds, async load => {
        const { event: _, ...figures } = await load.event('done')
        return figures
      }),
    ),
  }
}

function rulesRow(): Row {
  return {
    name: 'serval@rules',
    isPeer: false,
    needsNamespaces: true,
    lack: compilerLack,
    open: afresh((place, seconds) =>
      withLoad(place, 'serval', FEW, seconds, async (load, forwarder) => {
        await load.event('done')
        load.say('hold')
        await load.event('holding')
        forwarder.say(`rules ${RULES}`)
        const { event: _, ...figures } = await load.event('held')
        // They are in force by now, or it was no measurement.
        await forwarder.event('ruled')
        return figures
      }),
    ),
  }
}

async function withLoad(
  place: Place,
  kind: string,
  sources: number,
  seconds: number,
  measure: (load: Program, forwarder: Program) => Promise<Readonly<Record<string, number>>>,
): Promise<Readonly<Record<string, number>>> {
  const { left, right } = place.addresses
  const way = [right, PORT, left[0], SINK_PORT]
  const forwarder = place.start('right', 'forwarder', [kind, ...way])
  await forwarder.event('ready')
  const load = place.start('left', 'syn-load', [...way, `${sources}`, `${seconds}`])
  try {
    const figures = await measure(load, forwarder)
    load.say('end')
    await load.exited
    return figures
  } finally {
    await Promise.all([load.stop(), forwarder.stop()])
  }
}

function nginxLack(): string | undefined {
  if (spawnSync('nginx', ['-v']).status !== 0) return 'nginx is not installed'
  const { stdout } = spawnSync('nginx', ['-T'], { encoding: 'utf8' })
  return stdout.includes('ngx_stream_module')
    ? undefined
    : 'nginx lacks its stream module (libnginx-mod-stream)'
}
