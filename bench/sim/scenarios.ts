/**
 * What `bench sim` runs: small worlds of test/support/simulator, each a function of a seed, in which flows of ours and
 * connections by the book take the same links.
 */
import type { CongestionName } from '../../src/transport/congestion/congestion.ts'
import type { Link } from '../../test/support/simulator/link.ts'
import type { SimFlow } from '../../test/support/simulator/sim-flow.ts'
import type { SimHost } from '../../test/support/simulator/sim-host.ts'
import { startTwin, type Twin } from '../../test/support/simulator/twin/twin.ts'
import { CubicWindow, RenoWindow, type TwinWindow } from '../../test/support/simulator/twin/window.ts'
import { simulate, type World } from '../../test/support/simulator/world.ts'
import { jainIndex, quantile } from '../support/statistics.ts'

/** Returns the scenario's figure. `share`, 0 to 1: how much of its full length it may take. */
export type Scenario = (seed: number, share: number) => number

/** Who sends: a flow of ours, or a twin. */
export type Kind = CongestionName | 'twin'

const SERVICE = 'sink.example'

/** More than any of these can send. */
const ENDLESS_BYTES = 2 ** 40

/** Mbit/s through 1 Gbit/s, 20 ms there and back, one packet in a hundred lost. */
function lossy(kind: Kind, ms: number): Scenario {
  return (seed, share) => {
    const world = simulate(seed)
    const link = world.link('net', { delayMs: 10, kbitPerSecond: 1_000_000, loss: 0.01 })
    return megabitPerSecond(world, startOn(world, link, link, kind), ms * share)
  }
}

/** Mbit/s through the link of the QUIC interop runner: 10 Mbit/s, 30 ms there and back, a queue of 25 packets: 10 s. */
function goodput(kind: Kind): Scenario {
  return (seed, share) => {
    const world = simulate(seed)
    const link = world.link('net', { delayMs: 15, kbitPerSecond: 10_000, queueBytes: 25 * 1_500 })
    return megabitPerSecond(world, startOn(world, link, link, kind), 10_000 * share)
  }
}

/**
 * Jain's index of two of `kind` and a textbook Reno that share 50 Mbit/s, 40 ms there and back, and a queue of one
 * bandwidth-delay product: 120 s. They begin within the first.
 */
function fairness(kind: Kind): Scenario {
  return (seed, share) => {
    const world = simulate(seed)
    const near = world.link('near', { delayMs: 0 })
    const far = world.link('far', { delayMs: 20, kbitPerSecond: 50_000, queueBytes: (50_000 * 40) / 8 })
    const flows: { readonly receivedBytes: number }[] = []
    for (const each of [kind, kind, 'reno'] as const) {
      world.after(1_000 * share * world.random.fraction(), () => flows.push(startOn(world, near, far, each)))
    }
    world.run(120_000 * share)
    return jainIndex(flows.map(flow => flow.receivedBytes))
  }
}

/**
 * A download over 20 ms there and back, whose client moves to a fresh address every 500 ms, the old one gone: of the
 * longest silences around each move the one that 99 of 100 do not reach, in round trips.
 */
const moves: Scenario = (seed, share) => {
  const world = simulate(seed)
  const link = world.link('net', { delayMs: 10, kbitPerSecond: 100_000, queueBytes: 250_000 })
  const server = world.host('server', link)
  const client = world.host('client', link).knows(SERVICE, server)
  server.listen(SERVICE, flow => flow.send(ENDLESS_BYTES))
  const download = client.connect(SERVICE)
  world.run(1_000)
  const stalls: number[] = []
  for (let move = 0; move < 50 * share; move++) stalls.push(stallOfMove(world, client, link, download))
  return quantile(stalls, 0.99) / 20
}

function stallOfMove(world: World, client: SimHost, link: Link, download: SimFlow): number {
  const [old] = client.attached
  client.attach(link)
  if (old) client.detach(old)
  let stallMs = 0
  let lastMs = world.nowMs
  let received = download.receivedBytes
  for (let ms = 0; ms < 500; ms++) {
    world.run(1)
    if (download.receivedBytes === received) continue
    received = download.receivedBytes
    stallMs = Math.max(stallMs, world.nowMs - lastMs)
    lastMs = world.nowMs
  }
  return Math.max(stallMs, world.nowMs - lastMs)
}

function megabitPerSecond(world: World, flow: { readonly receivedBytes: number }, ms: number): number {
  world.run(ms)
  return (8 * flow.receivedBytes) / ms / 1_000
}

/** One sender on `near`, its receiver on `far`; from now on it sends as much as it can. */
function startOn(
  world: World,
  near: Link,
  far: Link,
  kind: Kind | 'reno',
): { readonly receivedBytes: number } {
  if (kind === 'twin') return twinOn(world, near, far, new CubicWindow())
  if (kind === 'reno') return twinOn(world, near, far, new RenoWindow())
  const name = `${world.hosts.length}.${SERVICE}`
  const receiver = world.host(`receiver ${name}`, far)
  const received: SimFlow[] = []
  receiver.listen(name, flow => received.push(flow))
  const sender = world.host(`sender ${name}`, near, { congestion: kind }).knows(name, receiver)
  sender.connect(name).send(ENDLESS_BYTES)
  return {
    get receivedBytes() {
      return received[0]?.receivedBytes ?? 0
    },
  }
}

function twinOn({ queue }: World, near: Link, far: Link, window: TwinWindow): Twin {
  if (near === far) {
    // Each end of one link has the way out to itself.
    const [forth, back] = ['forth', 'back'].map(pipe => [{ link: near, pipe }])
    return startTwin({ queue, window, forth: forth!, back: back! })
  }
  const forth = [
    { link: near, pipe: 'up' },
    { link: far, pipe: 'down' },
  ]
  const back = [
    { link: far, pipe: 'up' },
    { link: near, pipe: 'down' },
  ]
  return startTwin({ queue, window, forth, back })
}

/** By the row whose figure they are. BBR fills a lossy path, which is a lot to simulate: it gets less time there. */
export const scenarios: Readonly<Record<string, Scenario>> = {
  'serval@1%': lossy('cubic', 10_000),
  'serval-bbr@1%': lossy('bbr', 2_000),
  'twin@1%': lossy('twin', 10_000),
  'serval@jain': fairness('cubic'),
  'serval-bbr@jain': fairness('bbr'),
  'twin@jain': fairness('twin'),
  'serval@goodput': goodput('cubic'),
  'serval-bbr@goodput': goodput('bbr'),
  'twin@goodput': goodput('twin'),
  'serval@moves': moves,
}
