/** A row of two programs: a server, which says `ready` and its port, and a client, which says `done` and the figures. */
import type { Row } from './benchmark.ts'

export interface ProgramRow {
  readonly name: string
  readonly isPeer?: boolean
  /** Of bench/peers. It is started as PROGRAM ...server ADDRESS and PROGRAM ...client ADDRESS PORT SECONDS. */
  readonly program: string
  readonly server: readonly string[]
  readonly client: readonly string[]
}

/** Of the program `echo`, whose client measures `what` over `transport`. */
export function echoRow(name: string, transport: 'serval' | 'net' | 'tls', what: 'connect' | 'latency'): Row {
  return programRow({
    name,
    isPeer: transport !== 'serval',
    program: 'echo',
    server: [transport, 'server'],
    client: [transport, what],
  })
}

export function programRow({ name, isPeer = false, program, server, client }: ProgramRow): Row {
  return {
    name,
    isPeer,
    measure: async (place, seconds) => {
      const { right } = place.addresses
      const serving = place.start('right', program, [...server, right])
      const { port } = await serving.event('ready')
      // SYNs go to the server's own port, so that no router is in the path.
      const env = { SERVAL_ROUTER: `${right}:${port}` }
      const asking = place.start('left', program, [...client, right, `${port}`, `${seconds}`], env)
      try {
        const { event: _, ...figures } = await asking.event('done')
        return figures
      } finally {
        await Promise.all([asking.stop('SIGKILL'), serving.stop('SIGKILL')])
      }
    },
  }
}
