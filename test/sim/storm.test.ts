/**
 * Everything that can go wrong on a link at once, both ways. What was read is compared with what was written, by hash.
 * SERVAL_TEST_FULL sends 1 GiB each way; that is hours of virtual time, for a window never grows at such losses.
 */
import { describe, expect, it } from 'vitest'
import { wireErrors } from '../../src/wire/wire-error.ts'
import type { LinkOptions } from '../support/simulator/link.ts'
import { SERVICE } from '../support/simulator/scenes.ts'
import type { SimFlow } from '../support/simulator/sim-flow.ts'
import type { HostOptions, SimHost } from '../support/simulator/sim-host.ts'
import { simulate, type World } from '../support/simulator/world.ts'

const FULL = process.env.SERVAL_TEST_FULL !== undefined
const MIB = 1 << 20
const STORM: Partial<LinkOptions> = {
  delayMs: 15,
  loss: 0.3,
  reorder: 0.1,
  duplicate: 0.05,
  corrupt: 0.02,
}
/** Of virtual time. At such losses a path carries some 40 kB/s each way. */
const LIMIT_MS_A_MIB = 120_000

interface Exchange {
  readonly world: World
  readonly client: SimHost
  readonly server: SimHost
  readonly flow: SimFlow
  readonly served: SimFlow
}

interface StormOptions {
  readonly link?: Partial<LinkOptions>
  readonly host?: HostOptions
  readonly seed?: number
}

/** Two ends that are connected, and then are to send `bytes` each, through a storm. */
function exchange(bytes: number, { link = {}, host = {}, seed = 1 }: StormOptions = {}): Exchange {
  const world = simulate(seed, { hashes: true })
  const net = world.link('storm', { ...STORM, ...link })
  const server = world.host('server', net, host)
  const client = world.host('client', net, host).knows(SERVICE, server)
  const accepted: SimFlow[] = []
  server.listen(SERVICE, flow => accepted.push(flow))
  const flow = client.connect(SERVICE, { timeoutMs: 60_000 })
  expect(world.runUntil(() => flow.isConnected && accepted.length > 0, 60_000)).toBe(true)
  const served = accepted[0]!
  for (const end of [flow, served]) end.send(bytes).end()
  return { world, client, server, flow, served }
}

function expectSame({ flow, served }: Exchange, bytes: number): void {
  expect([flow.error, served.error]).toEqual([undefined, undefined])
  expect([flow.receivedBytes, served.receivedBytes]).toEqual([bytes, bytes])
  expect([flow.receivedHash, served.receivedHash]).toEqual([served.sentHash, flow.sentHash])
}

/** Runs a whole exchange. */
function survive(bytes: number, options: StormOptions = {}): Exchange {
  const ends = exchange(bytes, options)
  const { world, flow, served } = ends
  expect(world.runUntil(() => flow.isClosed && served.isClosed, (bytes / MIB) * LIMIT_MS_A_MIB)).toBe(true)
  expectSame(ends, bytes)
  return ends
}

describe('30 % loss, 10 % reordering, 5 % duplication and 2 % corruption, both ways', () => {
  const mebibytes = FULL ? 1024 : 8

  it(`leave ${mebibytes} MiB each way as they were`, () => {
    survive(mebibytes * MIB)
  })

  it('leave 2 MiB each way as they were where the kernel merges what it receives', () => {
    survive(2 * MIB, { host: { mergeMs: 1 }, seed: 2 })
  })

  it('leave 2 MiB each way as they were where the UDP checksum finds half of what was changed in SAL headers', () => {
    const { client, server } = survive(2 * MIB, { link: { escape: 0.5, escapeIn: 'header' }, seed: 3 })
    for (const { sal } of [client, server])
      expect(sal.counters[wireErrors.badChecksum.code]).toBeGreaterThan(0)
  })
})

describe('corruption anywhere that the UDP checksum does not find', () => {
  const seeds = FULL ? 1000 : 20

  it(`breaks nothing but the streams, with ${seeds} seeds`, () => {
    for (let seed = 1; seed <= seeds; seed++) {
      const link = { loss: 0.05, corrupt: 0.1, escape: 1 }
      const { world, client, server, flow, served } = exchange(MIB / 8, { link, seed })
      flow.takesAnything = served.takesAnything = true
      world.runUntil(() => flow.isClosed && served.isClosed, 60_000)
      for (const end of [flow, served]) end.reset()
      world.settle(() => client.sal.flows.size + server.sal.flows.size === 0, 600_000)
    }
  })
})
