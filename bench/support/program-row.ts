/**
 * A row of two programs: a server, which says `ready` and its port, and a client, which obeys `measure SECONDS` and tells how
 * many times it has done what is measured: `cpuus` is the CPU time of both for one of them.
 */
import { asking, cpuUsOf, figuresOf } from './ask.ts'
import type { Row } from './benchmark.ts'

export interface ProgramRow {
  readonly name: string
  readonly isPeer?: boolean
  /** Of bench/peers. It is started as PROGRAM ...server ADDRESS and PROGRAM ...client ADDRESS PORT. */
  readonly program: string
  readonly server: readonly string[]
  readonly client: readonly string[]
  /** Variables for both. */
  readonly env?: Readonly<Record<string, string>>
}

/** Of the program `echo`, whose client measures `what` over `transport`. */
export function echoRow(
  name: string,
  transport: 'serval' | 'net' | 'tls',
  what: 'connect' | 'latency',
  env: ProgramRow['env'] = {},
): Row {
  return programRow({
    name,
    isPeer: transport !== 'serval',
    program: 'echo',
    server: [transport, 'server'],
    client: [transport, what],
    env,
  })
}

export function programRow({ name, isPeer = false, program, server, client, env = {} }: ProgramRow): Row {
  return {
    name,
    isPeer,
    open: async place => {
      const { right } = place.addresses
      const serving = place.start('right', program, [...server, right], env)
      const { port } = await serving.event('ready')
      // SYNs go to the server's own port, so that no router is in the path.
      const route = { SERVAL_ROUTER: `${right}:${port}` }
      const measuring = place.start('left', program, [...client, right, `${port}`], { ...env, ...route })
      const ask = asking(measuring)
      const ends = [ask, asking(serving)]
      return {
        measure: async seconds => {
          const from = await cpuUsOf(ends)
          const { count, ...figures } = figuresOf(await ask('measure', seconds))
          return { ...figures, cpuus: ((await cpuUsOf(ends)) - from) / count! }
        },
        close: async () => {
          await Promise.all([measuring.stop('SIGKILL'), serving.stop('SIGKILL')])
        },
      }
    },
  }
}
