/** The textbook senders that ours are compared with, held to what the books say of them; and the figures made of them. */
import { describe, expect, it } from 'vitest'
import { jainIndex } from '../../bench/support/statistics.ts'
import type { LinkOptions } from '../support/simulator/link.ts'
import { startTwin, TWIN_MSS, type Twin } from '../support/simulator/twin/twin.ts'
import { CubicWindow, RenoWindow, type TwinWindow } from '../support/simulator/twin/window.ts'
import { simulate } from '../support/simulator/world.ts'

/** Never gives way. */
class GreedyWindow implements TwinWindow {
  readonly segments = 300
  grow(): void {}
  reduce(): void {}
  collapse(): void {}
}

/** One connection a window, all of them through one link, for `seconds`. */
function run(link: Partial<LinkOptions>, windows: readonly TwinWindow[], seconds: number, seed = 1): Twin[] {
  const world = simulate(seed)
  const net = world.link('net', link)
  const twins = windows.map(window =>
    startTwin({
      queue: world.queue,
      window,
      forth: [{ link: net, pipe: 'forth' }],
      back: [{ link: net, pipe: 'back' }],
    }),
  )
  world.run(1_000 * seconds)
  return twins
}

function megabitPerSecond({ receivedBytes }: Twin, seconds: number): number {
  return (8 * receivedBytes) / seconds / 1e6
}

/** 50 Mbit/s, 40 ms, and one bandwidth-delay product of queue. */
const SHARED = { delayMs: 20, kbitPerSecond: 50_000, queueBytes: 250_000 }

const kinds: readonly (readonly [string, () => TwinWindow])[] = [
  ['Reno', () => new RenoWindow()],
  ['CUBIC', () => new CubicWindow()],
]

describe.each(kinds)('a textbook %s', (_name, newWindow) => {
  it('has the window that the square-root law gives it at 1 % loss (RFC 9438 section 4.3)', () => {
    // CUBIC is in its Reno-friendly region here, which is made to have the same.
    const segments = Math.sqrt(1.5 / 0.01)
    const expected = (8 * segments * TWIN_MSS) / 0.02 / 1e6
    const rates = [1, 2, 3, 4, 5, 6].map(seed => {
      const [twin] = run({ delayMs: 10, loss: 0.01 }, [newWindow()], 20, seed)
      return megabitPerSecond(twin!, 20)
    })
    const mean = rates.reduce((sum, rate) => sum + rate, 0) / rates.length
    expect(mean / expected).toBeGreaterThan(0.75)
    expect(mean / expected).toBeLessThan(1.25)
  })

  it('fills a link that has a queue, and is fair to its like', () => {
    const twins = run(SHARED, [newWindow(), newWindow()], 60)
    const sum = twins.reduce((total, twin) => total + megabitPerSecond(twin, 60), 0)
    expect(sum).toBeGreaterThan(0.9 * 50 * (TWIN_MSS / 1_500))
    expect(sum).toBeLessThanOrEqual(50 * (TWIN_MSS / 1_500))
    expect(jainIndex(twins.map(({ receivedBytes }) => receivedBytes))).toBeGreaterThan(0.8)
  })

  it('delivers everything in order through a queue of a few packets', () => {
    const [twin] = run({ ...SHARED, queueBytes: 15_000 }, [newWindow()], 20)
    expect(twin!.sender.retransmits).toBeGreaterThan(10)
    expect(megabitPerSecond(twin!, 20)).toBeGreaterThan(20)
  })
})

describe("Jain's index", () => {
  it.each([
    [[5, 5, 5], 1],
    [[7, 0, 0], 1 / 3],
    [[1, 2, 3], 36 / 42],
  ])('of %j is %f', (values, index) => {
    expect(jainIndex(values)).toBeCloseTo(index)
  })

  it('tells of a sender that never gives way to two Renos', () => {
    const shares = (windows: readonly TwinWindow[]) =>
      jainIndex(run(SHARED, windows, 30).map(({ receivedBytes }) => receivedBytes))
    expect(shares([new RenoWindow(), new RenoWindow(), new RenoWindow()])).toBeGreaterThan(0.8)
    expect(shares([new GreedyWindow(), new RenoWindow(), new RenoWindow()])).toBeLessThan(0.6)
  })
})
