/** One flow, one way, every byte compared: Gbit/s. */
import type { Benchmark, Row } from './support/benchmark.ts'
import type { Place } from './support/place.ts'

export const bulk: Benchmark = {
  name: 'bulk',
  about: 'one flow, one way, Gbit/s; gbit: every byte compared with what was sent, unverified: not compared',
  secondsPerRow: 2,
  rounds: 5,
  rows: [
    row('serval:plain', { transport: 'serval' }),
    row('serval:plain-dgram', { transport: 'serval', env: { SERVAL_OFFLOAD: '0' } }),
    row('node:net', { transport: 'net', isPeer: true }),
    row('node:tls', { transport: 'tls', isPeer: true }),
    row('udx-native', { transport: 'udx', isPeer: true }),
    row('udp-gso', { transport: 'udp', isPeer: true }),
  ],
}

interface RowOptions {
  readonly transport: 'serval' | 'net' | 'tls' | 'udx' | 'udp'
  readonly isPeer?: boolean
  readonly env?: Readonly<Record<string, string>>
}

function row(name: string, { transport, isPeer = false, env }: RowOptions): Row {
  const program = transport === 'udp' ? 'bulk-udp' : 'bulk-stream'
  const prefix = transport === 'udp' ? [] : [transport]
  return {
    name,
    isPeer,
    measure: async (place: Place, seconds: number) => {
      const { left, right } = place.addresses
      const sink = place.start('right', program, [...prefix, 'sink', right, `${seconds}`], env)
      const { port } = await sink.event('ready')
      const source = place.start(
        'left',
        program,
        [...prefix, 'source', right, `${port}`, `${seconds}`, left[0]],
        {
          ...env,
          SERVAL_ROUTER: `${right}:${port}`,
        },
      )
      try {
        const { gbit, unverified } = await sink.event('done')
        return { gbit, unverified }
      } finally {
        await Promise.all([source.stop('SIGKILL'), sink.stop('SIGKILL')])
      }
    },
  }
}
