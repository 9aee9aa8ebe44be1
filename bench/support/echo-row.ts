/** A row whose program is peers/echo: `latency` and `connect` differ only in what the client does. */
import type { Row } from './benchmark.ts'

export interface EchoRowOptions {
  readonly transport: 'serval' | 'net' | 'tls'
  readonly client: 'latency' | 'connect'
  readonly isPeer?: boolean
}

export function echoRow(name: string, { transport, client: role, isPeer = false }: EchoRowOptions): Row {
  return {
    name,
    isPeer,
    measure: async (place, seconds) => {
      const { right } = place.addresses
      const server = place.start('right', 'echo', [transport, 'server', right])
      const { port } = await server.event('ready')
      const env = { SERVAL_ROUTER: `${right}:${port}` }
      const client = place.start('left', 'echo', [transport, role, right, `${port}`, `${seconds}`], env)
      try {
        const { event: _, ...figures } = await client.event('done')
        return figures
      } finally {
        await Promise.all([client.stop('SIGKILL'), server.stop('SIGKILL')])
      }
    },
  }
}
