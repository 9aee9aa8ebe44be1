/** Flows that pause, so that their streams rest and wake at random moments, on links that lose, repeat and reorder. */
import { expect, it } from 'vitest'
import { Random, replay, testSeed } from '../support/random.ts'
import { connection } from '../support/simulator/scenes.ts'

const again = replay('test/property/rest.test.ts')
const ROUNDS = 30
const STEPS = 20

it('a stream delivers the same bytes, however often it rests', () => {
  let rests = 0
  for (let round = 0; round < ROUNDS; round++) {
    const random = new Random(testSeed + round)
    const scene = connection({ seed: testSeed + round })
    const { world, net, client, flow, served } = scene
    const sent = new Map([
      [flow, 0],
      [served, 0],
    ])
    net.set({
      loss: random.pick([0, 0.02]),
      reorder: random.pick([0, 0.05]),
      duplicate: random.pick([0, 0.02]),
    })
    for (let step = 0; step < STEPS; step++) {
      for (const [end, bytes] of sent) {
        if (end.flow.rest(world.nowMs) === 'resting') rests++
        if (random.chance(0.4)) continue
        const more = random.below(random.pick([10, 3_000, 200_000]))
        end.send(more)
        sent.set(end, bytes + more)
      }
      if (random.chance(0.1)) client.migrate(flow, client.attach(net))
      world.run(random.below(random.pick([50, 4_000])))
    }
    world.settle(() => flow.isDrained && served.isDrained, 60_000)
    world.run(100)
    expect(served.receivedBytes, again).toBe(sent.get(flow))
    expect(flow.receivedBytes, again).toBe(sent.get(served))
  }
  expect(rests, again).toBeGreaterThan(ROUNDS)
})
