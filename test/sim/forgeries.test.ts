/**
 * M2 and M3: whoever knows the flowIDs of a flow, and has seen and kept what it said, but has no keys, neither moves nor
 * holds up nor ends it, however often he tries. Two thousand tries of each kind; a million with SERVAL_TEST_FULL.
 */
import { describe, expect, it } from 'vitest'
import { SHIM_BYTES } from '../../src/wire/encapsulation.ts'
import { controlFlags } from '../../src/wire/extensions/control.ts'
import { end } from '../../src/wire/extensions/end.ts'
import { reason, reasonCodes } from '../../src/wire/extensions/reason.ts'
import { peekHeaderBytes } from '../../src/wire/sal-header.ts'
import { Random, replay, testSeed } from '../support/random.ts'
import { summarize } from '../support/simulator/describe-packet.ts'
import { flip, forgeControl } from '../support/simulator/forge.ts'
import type { Port } from '../support/simulator/network.ts'
import { SERVICE } from '../support/simulator/scenes.ts'
import type { SimFlow } from '../support/simulator/sim-flow.ts'
import type { SimHost } from '../support/simulator/sim-host.ts'
import { simulate, type World } from '../support/simulator/world.ts'

const TRIES = process.env.SERVAL_TEST_FULL ? 1_000_000 : 2000
/** So many come between two looks whether the flow lives. */
const TRIES_A_LOOK = 1000
const HINT = replay('test/sim/forgeries.test.ts')
const MINUTES = 60_000

interface Scene {
  readonly world: World
  readonly random: Random
  readonly client: SimHost
  readonly server: SimHost
  readonly flow: SimFlow
  readonly served: SimFlow
  /** What the client said when it moved, which was some time ago. */
  readonly rsyns: readonly Uint8Array[]
  /** The same of a move that did not come to its end: the server has seen none of it. */
  readonly unseen: Uint8Array
  /** Where nobody belongs to the flow. */
  readonly strangers: readonly Port[]
}

/** A flow whose client has moved four times; its enemy has a copy of each RSYN. */
function scene(): Scene {
  const world = simulate(1)
  const random = new Random(testSeed)
  const net = world.link('net', { delayMs: 5 })
  const server = world.host('server', net)
  const client = world.host('client', net).knows(SERVICE, server)
  server.listen(SERVICE)
  const flow = client.connect(SERVICE)
  world.run(100)
  const rsyns: Uint8Array[] = []
  let unseen = new Uint8Array(0)
  let isCut = false
  world.network.interceptors.push(({ from, bytes }) => {
    if (from.node !== client || summarize(bytes) !== 'RSYN') return false
    if (!isCut) rsyns.push(bytes.slice())
    else if (unseen.length === 0) unseen = bytes.slice()
    return isCut
  })
  const move = () => {
    const old = client.attached
    client.migrate(flow, client.attach(net))
    for (const port of old) client.detach(port)
  }
  for (let i = 0; i < 4; i++) {
    move()
    world.run(1000)
  }
  // The RSYN that the server has not seen is what the client repeats until it has: so one copy of it is kept back, and the
  // move goes on with its repetition.
  isCut = true
  move()
  world.run(1)
  isCut = false
  world.run(5000)
  world.network.interceptors.length = 0
  const strangers = Array.from({ length: 200 }, (_, i) => world.bystander(`stranger${i}`, net).port)
  return { world, random, client, server, flow, served: server.flows[0]!, rsyns, unseen, strangers }
}

/** Puts what `make` makes before the server, from the client's address and from others, while data goes on both ways. */
function attack(it: Scene, make: (it: Scene, n: number) => Uint8Array, elsewhere = 0.5): void {
  const { world, random, client, server, flow, served, strangers } = it
  const to = server.attached[0]!.endpoint
  const path = served.flow.activePath
  const moves = [flow.moves, served.moves]
  for (let n = 0; n < TRIES; n++) {
    const from = random.chance(elsewhere) ? random.pick(strangers) : client.attached[0]!
    world.inject({ bytes: make(it, n), from, to }, 5 * random.fraction())
    if (n % TRIES_A_LOOK !== TRIES_A_LOOK - 1) continue
    const [up, down] = [served.receivedBytes + 10_000, flow.receivedBytes + 10_000]
    for (const one of [flow, served]) one.send(10_000)
    world.run(100)
    expect([served.receivedBytes, flow.receivedBytes], HINT).toEqual([up, down])
    expect([flow.state, served.state], HINT).toEqual(['CONNECTED', 'CONNECTED'])
    expect(served.flow.activePath === path, HINT).toBe(true)
  }
  expect([flow.moves, served.moves], HINT).toEqual(moves)
  // Nor does it keep the client from where it wants to go, even while it goes on.
  const away = client.attach(client.attached[0]!.link)
  client.migrate(flow, away)
  for (let ms = 0; ms < 1000; ms += 5)
    world.inject({ bytes: make(it, TRIES + ms), from: random.pick(strangers), to }, ms)
  world.run(5000)
  expect(served.flow.activePath?.remote, HINT).toEqual(away.endpoint)
  for (const one of [flow, served]) expect(one.flow.migrationState, HINT).toBe('INITIAL')
  expect([flow.error, served.error], HINT).toEqual([undefined, undefined])
  expect(flow.sentBytes, HINT).toBe(served.receivedBytes)
}

const { RSYN, RST, FIN, ACK } = controlFlags

/** Any bit behind the flowIDs and before the checksum of the SAL header, which is put right. */
function flipped(bytes: Uint8Array, random: Random): Uint8Array {
  return flip(bytes, 12 + random.below(peekHeaderBytes(bytes, SHIM_BYTES) - 12))
}

describe(`${TRIES.toLocaleString('en')} RSYNs`, () => {
  it('that are forged move nothing', { timeout: 30 * MINUTES }, () => {
    attack(scene(), ({ flow, random }) => {
      const verno = random.chance(0.5) ? random.uint32() : random.below(64)
      return forgeControl(flow, random.chance(0.5) ? RSYN : RSYN | ACK, { verno, tagged: random.chance(0.8) })
    })
  })

  it('that are copies of the last one move nothing', { timeout: 30 * MINUTES }, () => {
    attack(scene(), ({ rsyns }) => rsyns.at(-1)!)
  })

  it('that are copies of older ones move nothing', { timeout: 30 * MINUTES }, () => {
    attack(scene(), ({ rsyns, random }) => random.pick(rsyns.slice(0, -1)))
  })

  it('that are late, since the move took place without them, move nothing', { timeout: 30 * MINUTES }, () => {
    attack(scene(), ({ unseen }) => unseen)
  })

  it('of which a bit was changed move nothing', { timeout: 30 * MINUTES }, () => {
    attack(scene(), ({ rsyns, unseen, random }) => flipped(random.pick([...rsyns, unseen]), random))
  })
})

describe(`${TRIES.toLocaleString('en')} forged`, () => {
  it.each([
    ['RSTs', RST | ACK],
    ['RSTs without a TAG', RST],
    ['FINs', FIN | ACK],
  ])('%s end nothing', { timeout: 30 * MINUTES }, (_, flags) => {
    attack(scene(), ({ flow, served, random }) =>
      forgeControl(flow, flags, {
        verno: random.chance(0.5) ? random.uint32() : random.below(64),
        tagged: flags !== RST,
        extensions:
          flags & FIN
            ? [end(random.pick([0, served.receivedBytes, random.uint32()]))]
            : [reason(reasonCodes.CLOSED)],
      }),
    )
  })
})
