/**
 * crosstraffic, of the interop cases: beside a TCP with CUBIC by the book (support/simulator/twin) a flow has from a
 * quarter to three quarters of what both get through, whoever was there first, and together they use the link.
 * SERVAL_TEST_FULL runs ten seeds.
 */
import { describe, expect, it } from 'vitest'
import { SERVICE } from '../support/simulator/scenes.ts'
import { startTwin, type Twin } from '../support/simulator/twin/twin.ts'
import { CubicWindow } from '../support/simulator/twin/window.ts'
import { type Files, MIB, serve } from './interop-link.ts'

const SEEDS = process.env.SERVAL_TEST_FULL ? 10 : 1
const MEASURED_MS = 30_000
/** How long whoever is first has the link alone. */
const HEAD_START_MS = 3000
/** Another start for each seed is another race. */
const START_SPREAD_MS = 300
const ENDLESS_BYTES = 1024 * MIB

/** Both send from the server, through one queue. */
function twinOn({ world, link }: Files): Twin {
  const forth = [{ link, pipe: 'server' }]
  const back = [{ link, pipe: 'client' }]
  return startTwin({ queue: world.queue, window: new CubicWindow(), forth, back })
}

describe('crosstraffic', () => {
  it.each([
    ['a flow that comes to a link full of a TCP’s', ['twin', 'flow']],
    ['a flow to whose link a TCP comes', ['flow', 'twin']],
  ] as const)('%s has a fair share', (_, order) => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      const files = serve([ENDLESS_BYTES], { seed })
      const { world, client } = files
      const senders = { flow: () => client.connect(SERVICE), twin: () => twinOn(files) }
      const first = senders[order[0]]()
      world.run(HEAD_START_MS + START_SPREAD_MS * world.random.fraction())
      const second = senders[order[1]]()
      const before = first.receivedBytes
      world.run(MEASURED_MS)
      const received = { [order[0]]: first.receivedBytes - before, [order[1]]: second.receivedBytes }
      const both = received.flow! + received.twin!
      expect((8 * both) / MEASURED_MS, `kbit/s of seed ${seed}`).toBeGreaterThan(9000)
      expect(received.flow! / both, `share with seed ${seed}`).toBeGreaterThan(0.25)
      expect(received.flow! / both, `share with seed ${seed}`).toBeLessThan(0.75)
    }
  })
})
