/** Two streams on a bad link and virtual time: whatever the link does, the bytes arrive, each once. */
import { describe, expect, it } from 'vitest'
import { StreamSignal } from '../../src/transport/stream-signals.ts'
import { Random, replay, testSeed } from '../support/random.ts'
import { type LabEnd, type LabLink, StreamLab } from '../support/transport/stream-lab.ts'

const again = replay('test/property/transport-stream.test.ts')
const seeds = process.env.SERVAL_TEST_FULL ? 400 : 40

const links: readonly [string, LabLink][] = [
  ['good', { delayMs: 5 }],
  ['good, datagrams merged', { delayMs: 5, merge: true }],
  ['losing 2 %', { delayMs: 5, lossRate: 0.02 }],
  ['losing 10 % of merged datagrams', { delayMs: 1, lossRate: 0.1, merge: true }],
  ['reordering a third', { delayMs: 5, reorderRate: 0.3, reorderMs: 12 }],
  ['doubling a fifth', { delayMs: 5, duplicateRate: 0.2, reorderRate: 0.2, reorderMs: 5 }],
  ['slow, with a short queue', { delayMs: 10, bytesPerMs: 1_000, queueBytes: 12_000 }],
  [
    'losing 30 %, reordering, doubling',
    { delayMs: 10, lossRate: 0.3, reorderRate: 0.1, reorderMs: 20, duplicateRate: 0.05 },
  ],
]

describe('two streams, over a link that is', () => {
  it.each(links)('%s, deliver every byte once, each way', (_name, link) => {
    for (let seed = testSeed; seed < testSeed + seeds / 4; seed++) {
      const random = new Random(seed)
      const lab = new StreamLab({ link, random })
      const bytes = 30_000 + random.below(100_000)
      lab.a.write(bytes)
      lab.a.stream.end()
      lab.b.write(random.below(20_000))
      lab.b.stream.end()
      settle(lab)
    }
  })

  it('anything, with readers that pause, writers that dribble, small buffers and moves', () => {
    for (let seed = testSeed; seed < testSeed + seeds; seed++) {
      const random = new Random(seed)
      const lab = new StreamLab({
        link: random.pick(links)[1],
        random,
        mss: random.pick([100, 536, 1_000, 1_436]),
        stream: {
          receiveBufferBytes: random.pick([300, 5_000, 100_000, 4_000_000]),
          burstBytes: random.pick([1_000, 50_000, 1_000_000]),
          sendBufferBytes: random.pick([1_000, 20_000]),
          // Where a window is one segment and a third is lost, doubled time-outs may well take two minutes.
          deadPeerMs: 86_400_000,
        },
      })
      for (const end of [lab.a, lab.b]) if (random.chance(0.3)) end.stream.setNoDelay(false)
      let left = 1_500
      lab.run(() => {
        if (--left > 0) for (const end of [lab.a, lab.b]) meddle(end, random, lab.nowMs)
        return left <= 0
      }, 3_600_000)
      for (const end of [lab.a, lab.b]) {
        end.reading = true
        end.settle()
        end.stream.end()
      }
      settle(lab)
    }
  })

  it('corrupting is found out: the check of the bytes works', () => {
    const lab = new StreamLab({ link: { delayMs: 1, corruptRate: 0.1 }, random: new Random(testSeed) })
    lab.a.write(100_000)
    lab.run()
    expect(lab.b.wrongAt, again).toBeGreaterThanOrEqual(0)
  })
})

/** What a program, or the flow above, may do at any moment. */
function meddle(end: LabEnd, random: Random, nowMs: number): void {
  const { stream } = end
  if (random.chance(0.3) && stream.writable) end.write(1 + random.below(random.pick([20, 3_000])))
  if (random.chance(0.05)) end.reading = !end.reading
  if (end.reading) end.settle()
  if (random.chance(0.003)) stream.switchPath(end.freshPath(), nowMs)
  if (random.chance(0.002)) {
    stream.suspend()
    stream.resume(end.freshPath(), nowMs)
  }
}

/** Lets both streams come to their ends, and holds them to what they promise. */
function settle(lab: StreamLab): void {
  const ends = [lab.a, lab.b] as const
  for (const [end, peer] of [ends, [lab.b, lab.a] as const]) end.stream.handleFinalOffset(peer.writtenBytes)
  lab.run(() => ends.every(end => end.stream.acknowledgedAll && end.stream.receivedAll), 36_000_000)
  for (const [end, peer] of [ends, [lab.b, lab.a] as const]) {
    end.settle()
    expect([end.receivedBytes, end.wrongAt], `${again}, at ${lab.nowMs} ms`).toEqual([peer.writtenBytes, -1])
    expect(end.stream.acknowledgedAll, again).toBe(true)
    expect(end.stream.path.bytesInFlight, again).toBe(0)
    expect(end.signals & (StreamSignal.dead | StreamSignal.badAck), again).toBe(0)
    expect(end.signals & StreamSignal.end, again).toBe(StreamSignal.end)
  }
}
