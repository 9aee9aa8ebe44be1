/**
 * The link of the QUIC interop runner, with a server of files on one side and a client on the other: 15 ms one way,
 * 10 Mbit/s, a queue of 25 packets.
 */
import { expect } from 'vitest'
import type { Link, LinkOptions } from '../support/simulator/link.ts'
import { SERVICE } from '../support/simulator/scenes.ts'
import type { SimFlow } from '../support/simulator/sim-flow.ts'
import type { SimHost } from '../support/simulator/sim-host.ts'
import { simulate, type World } from '../support/simulator/world.ts'

export const MIB = 1 << 20
const PACKET_BYTES = 1500
const INTEROP: Partial<LinkOptions> = { delayMs: 15, kbitPerSecond: 10_000, queueBytes: 25 * PACKET_BYTES }
/** How long ends may take to part once all is transferred. */
const PARTING_MS = 60_000

export interface Files {
  readonly world: World
  readonly link: Link
  readonly client: SimHost
  readonly server: SimHost
}

export interface FilesOptions {
  /** What is otherwise on the link. */
  readonly link?: Partial<LinkOptions>
  readonly seed?: number
  readonly trace?: boolean
  /** Half-open flows of the server at once. */
  readonly backlog?: number
}

/** A server whose n-th flow is answered with `sizes[n]` bytes and the end; the last size stands for all that follow. */
export function serve(sizes: readonly number[], options: FilesOptions = {}): Files {
  const world = simulate(options.seed ?? 1, { hashes: true, trace: options.trace ?? false })
  const link = world.link('interop', { ...INTEROP, ...options.link })
  const server = world.host('server', link)
  const client = world.host('client', link).knows(SERVICE, server)
  let served = 0
  const answer = (flow: SimFlow) => flow.send(sizes[Math.min(served++, sizes.length - 1)]!).end()
  server.listen(SERVICE, answer, options.backlog)
  return { world, link, client, server }
}

/**
 * Runs until the client has all of `flows` and both ends have forgotten them; compares what was read with what was
 * written. Returns the milliseconds until the last byte was there, which are at most `limitMs`.
 */
export function download(files: Files, flows: readonly SimFlow[], limitMs: number): number {
  const { world, client, server } = files
  const startedAt = world.nowMs
  expect(
    world.runUntil(() => flows.every(flow => flow.isEnded), limitMs),
    `all is there within ${limitMs} ms`,
  ).toBe(true)
  const tookMs = world.nowMs - startedAt
  for (const flow of flows) flow.end()
  world.settle(() => client.sal.flows.size + server.sal.flows.size === 0, PARTING_MS)
  for (const flow of flows) expectSame(files, flow)
  return tookMs
}

/** Both ends have closed without an error, and what the client read has the hash of what the server wrote. */
function expectSame({ server }: Files, flow: SimFlow): void {
  const [served, ...others] = server.flows.filter(({ clientFlowId }) => clientFlowId === flow.clientFlowId)
  expect(others, 'one flow is accepted once').toEqual([])
  expect([flow.error, served?.error]).toEqual([undefined, undefined])
  expect(flow.receivedBytes).toBe(served!.sentBytes)
  expect(flow.receivedHash).toBe(served!.sentHash)
}
