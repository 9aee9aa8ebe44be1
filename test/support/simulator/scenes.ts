/** Small worlds that scenarios begin with: two hosts, or three, on links of 10 ms without faults, every packet traced. */
import type { DialectKind } from '../../../src/sal/dialect.ts'
import type { Link } from './link.ts'
import type { SimFlow } from './sim-flow.ts'
import type { HostOptions, SimHost } from './sim-host.ts'
import { simulate, type World } from './world.ts'

export const SERVICE = 'echo.example'

export interface Pair {
  readonly world: World
  readonly net: Link
  readonly client: SimHost
  readonly server: SimHost
  /** What the server has accepted. */
  readonly accepted: SimFlow[]
}

export interface Connection extends Pair {
  readonly flow: SimFlow
  readonly served: SimFlow
}

export interface PairOptions {
  readonly seed?: number
  /** Default: native. */
  readonly dialect?: DialectKind
  readonly client?: HostOptions
  readonly server?: HostOptions
}

/** A server that listens, and a client that knows where. */
export function pair(options: PairOptions = {}): Pair {
  const world = simulate(options.seed ?? 1, { trace: true, dialect: options.dialect })
  const net = world.link('net', { delayMs: 10 })
  const server = world.host('server', net, options.server)
  const client = world.host('client', net, options.client).knows(SERVICE, server)
  const accepted: SimFlow[] = []
  server.listen(SERVICE, flow => accepted.push(flow))
  return { world, net, client, server, accepted }
}

/** The same, connected; the exchange begins behind the set-up. */
export function connection(options: PairOptions = {}): Connection {
  const scene = pair(options)
  const flow = scene.client.connect(SERVICE)
  scene.world.run(100)
  const served = scene.accepted[0]
  if (served === undefined) throw new Error(`not connected: ${scene.world.exchange().join(', ')}`)
  scene.world.exchange()
  return { ...scene, flow, served }
}
