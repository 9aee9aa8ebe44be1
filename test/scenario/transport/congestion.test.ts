/** What a stream makes of a bottleneck with each congestion control: 10 Mbit/s, 40 ms there and back. */
import { describe, expect, it } from 'vitest'
import { congestionNames } from '../../../src/transport/congestion/congestion.ts'
import { Random } from '../../support/random.ts'
import { type LabLink, StreamLab } from '../../support/transport/stream-lab.ts'

const BYTES_PER_MS = 1_250
const BDP_BYTES = 40 * BYTES_PER_MS
const PATH: LabLink = { delayMs: 20, bytesPerMs: BYTES_PER_MS, queueBytes: BDP_BYTES }

/** Sends without end for `ms`; the lab is then as it was left. */
function send(congestion: (typeof congestionNames)[number], link: LabLink, ms: number): StreamLab {
  const lab = new StreamLab({ link, random: new Random(1), congestion })
  const refill = () => {
    while (lab.a.stream.writable) lab.a.write(65_536)
    return false
  }
  lab.run(refill, ms)
  expect(lab.b.wrongAt).toBe(-1)
  return lab
}

describe.each(congestionNames)('%s under a stream', congestion => {
  it('fills the path', () => {
    const lab = send(congestion, PATH, 5_000)
    expect(lab.b.receivedBytes).toBeGreaterThan(0.9 * 5_000 * BYTES_PER_MS)
  })

  it('fills it where datagrams come merged, and one acknowledgement stands for a batch', () => {
    const lab = send(congestion, { ...PATH, merge: true, queueBytes: 4 * BDP_BYTES }, 5_000)
    expect(lab.b.receivedBytes).toBeGreaterThan(0.85 * 5_000 * BYTES_PER_MS)
  })

  it('goes on at the rate of the path after a pause', () => {
    const lab = send(congestion, PATH, 3_000)
    lab.run(() => lab.a.stream.acknowledgedAll)
    const { receivedBytes } = lab.b
    const from = lab.nowMs + 5_000
    lab.nowMs = from
    lab.a.write(2_500_000)
    lab.run(() => lab.a.stream.acknowledgedAll)
    expect(lab.b.receivedBytes - receivedBytes).toBe(2_500_000)
    expect(lab.nowMs - from).toBeLessThan(2_600)
  })
})

describe('the two of them', () => {
  it('differ where one packet in a hundred is lost by chance: bbr has most of the path still', () => {
    const link = { ...PATH, lossRate: 0.01 }
    const [cubic, bbr] = congestionNames.map(name => send(name, link, 10_000).b.receivedBytes)
    expect(bbr).toBeGreaterThan(0.7 * 10_000 * BYTES_PER_MS)
    expect(cubic).toBeLessThan(bbr! / 2)
  })
})

describe('hystart++', () => {
  it.each([false, true])('ends slow start before a long queue is full (merged: %s)', merge => {
    const lab = send('cubic', { ...PATH, merge, queueBytes: 8 * BDP_BYTES }, 3_000)
    expect(lab.a.stream.stats.lossEpisodes).toBe(0)
    expect(lab.a.stream.path.congestion.windowBytes).toBeLessThan(8 * BDP_BYTES)
    expect(lab.b.receivedBytes).toBeGreaterThan(0.85 * 3_000 * BYTES_PER_MS)
  })
})
