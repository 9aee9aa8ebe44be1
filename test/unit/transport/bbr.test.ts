import { describe, expect, it } from 'vitest'
import { Bbr } from '../../../src/transport/congestion/bbr.ts'
import type { BbrPhase } from '../../../src/transport/congestion/bbr-controls.ts'
import { Cubic } from '../../../src/transport/congestion/cubic.ts'
import { Random } from '../../support/random.ts'
import { acknowledgement } from '../../support/transport/acknowledgement.ts'
import { Bottleneck, type BottleneckOptions } from '../../support/transport/bottleneck.ts'

const mss = 1_000
/** 10 Mbit/s, 40 ms, and as much queue as path: 50,000 bytes. */
const path = { bytesPerMs: 1_250, rttMs: 40, queueBytes: 50_000, lossRate: 0 }
const pipeBytes = path.bytesPerMs * path.rttMs

function open(options: Partial<BottleneckOptions> = {}, seed = 1): { bbr: Bbr; net: Bottleneck } {
  const random = new Random(seed)
  const bbr = new Bbr(mss, () => random.fraction())
  return { bbr, net: new Bottleneck(bbr, random, { ...path, ...options }) }
}

/** The phases of the next `ms`, each once in a row. */
function phasesOf(bbr: Bbr, net: Bottleneck, ms: number): BbrPhase[] {
  const seen: BbrPhase[] = [bbr.phase]
  for (let i = 0; i < ms; i++) {
    net.run(1)
    if (bbr.phase !== seen.at(-1)) seen.push(bbr.phase)
  }
  return seen
}

describe('BBR', () => {
  it('finds the rate of the path, drains the queue that this took, and cruises', () => {
    const { bbr, net } = open()
    expect(phasesOf(bbr, net, 600)).toEqual(['startup', 'drain', 'cruise'])
    const rate = net.run(1_000)
    expect(rate).toBeGreaterThan(0.95 * path.bytesPerMs)
    expect(net.queuedBytes).toBeLessThan(0.1 * pipeBytes)
  })

  it('probes for more every two to three seconds, and goes down again when there is none (section 5.3.3)', () => {
    const { bbr, net } = open()
    net.run(600)
    const phases = phasesOf(bbr, net, 3_500)
    expect(phases.slice(0, 5)).toEqual(['cruise', 'refill', 'up', 'down', 'cruise'])
  })

  it('probes at times that differ from flow to flow', () => {
    const probes = [1, 2, 3, 4, 5].map(seed => {
      const { bbr, net } = open({ rttMs: 100 }, seed)
      net.run(1_500)
      while (bbr.phase !== 'refill') net.run(1)
      return net.nowMs
    })
    expect(new Set(probes).size).toBeGreaterThan(3)
  })

  it('drains the path for 200 ms after five seconds without a smaller round trip (section 5.3.4)', () => {
    const { bbr, net } = open()
    while (bbr.phase !== 'probeRtt') net.run(1)
    expect(net.nowMs).toBeGreaterThan(5_000)
    const beganAt = net.nowMs
    net.run(150)
    expect(net.flight.bytes).toBeLessThanOrEqual(pipeBytes / 2 + mss)
    while (bbr.phase === 'probeRtt') net.run(1)
    expect(net.nowMs - beganAt).toBeGreaterThan(200)
    expect(net.nowMs - beganAt).toBeLessThan(400)
    expect(bbr.windowBytes).toBeGreaterThan(pipeBytes)
  })

  it('finds a rate that has doubled', () => {
    const { net } = open()
    net.run(3_000)
    net.options = { ...path, bytesPerMs: 2 * path.bytesPerMs, queueBytes: 100_000 }
    net.run(6_000)
    expect(net.run(2_000)).toBeGreaterThan(1.7 * path.bytesPerMs)
  })

  it('forgets a rate that has halved, and its queue with it', () => {
    const { net } = open()
    net.run(3_000)
    net.options = { ...path, bytesPerMs: path.bytesPerMs / 2 }
    net.run(8_000)
    expect(net.run(2_000)).toBeGreaterThan(0.42 * path.bytesPerMs)
    expect(net.queuedBytes).toBeLessThan(pipeBytes / 4)
  })

  it('keeps most of a path that loses one in a hundred by chance, where CUBIC keeps a fifth', () => {
    const { net } = open({ lossRate: 0.01 })
    const random = new Random(1)
    const cubic = new Bottleneck(new Cubic(mss), random, { ...path, lossRate: 0.01 })
    expect(net.run(20_000)).toBeGreaterThan(0.8 * path.bytesPerMs)
    expect(cubic.run(20_000)).toBeLessThan(0.4 * path.bytesPerMs)
  })

  it('loses little where there is hardly a queue, once it knows', () => {
    const { net } = open({ queueBytes: 5 * mss })
    net.run(3_000)
    const { lostBytes } = net
    const rate = net.run(20_000)
    expect(rate).toBeGreaterThan(0.75 * path.bytesPerMs)
    expect((net.lostBytes - lostBytes) / (20_000 * rate)).toBeLessThan(0.03)
  })

  it('paces by the first round trip until a rate is known (section 5.6.2)', () => {
    const bbr = new Bbr(mss, () => 0.5)
    const rate = { totalDeliveredBytes: mss, deliveredBytes: mss, bytesPerMs: 0 }
    bbr.handleAcknowledgement(acknowledgement({ nowMs: 50, rttMs: 50, deliveredBytes: mss, rate }))
    expect(bbr.pacingBytesPerMs).toBeCloseTo((2.773 * 10 * mss) / 50)
  })

  it('takes no rate from what the program limited, unless it is a higher one (section 5.5.5)', () => {
    // A queue in which nothing was lost, which would bound the rate.
    const { bbr, net } = open({ queueBytes: 500_000 })
    net.run(1_000)
    const paced = bbr.pacingBytesPerMs
    const { totalDeliveredBytes } = net.flight.rate
    const limited = (bytesPerMs: number) =>
      acknowledgement({
        nowMs: net.nowMs,
        deliveredBytes: mss,
        inFlightBytes: mss,
        rate: { bytesPerMs, totalDeliveredBytes, applicationLimited: true },
      })
    bbr.handleAcknowledgement(limited(path.bytesPerMs / 10))
    expect(bbr.pacingBytesPerMs).toBeCloseTo(paced)
    bbr.handleAcknowledgement(limited(path.bytesPerMs * 2))
    expect(bbr.pacingBytesPerMs).toBeGreaterThan(1.9 * paced)
  })

  it('falls to two segments on a time-out, and is back a round trip after the first answer', () => {
    const { bbr, net } = open()
    net.run(1_000)
    const before = bbr.windowBytes
    bbr.handleTimeout(0, true)
    expect(bbr.windowBytes).toBe(2 * mss)
    net.run(3 * path.rttMs)
    expect(bbr.windowBytes).toBeGreaterThan(0.9 * before)
  })

  it('takes a loss back that was none, and what it has made of it (section 5.5.11)', () => {
    const { bbr, net } = open()
    net.run(1_000)
    const before = bbr.windowBytes
    bbr.handleLoss()
    expect(bbr.windowBytes).toBeLessThan(before)
    bbr.undo()
    expect(bbr.windowBytes).toBe(before)
    net.run(200)
    expect(bbr.pacingBytesPerMs).toBeGreaterThan(0.95 * path.bytesPerMs)
  })

  it('begins slowly enough after a pause, and knows the path still', () => {
    const { bbr, net } = open()
    net.run(1_000)
    bbr.handleIdle(4_000, net.nowMs + 4_000)
    expect(bbr.pacingBytesPerMs).toBeLessThanOrEqual(path.bytesPerMs)
    expect(bbr.pacingBytesPerMs).toBeGreaterThan(0.95 * path.bytesPerMs)
  })

  it('keeps its window in bytes when segments become larger or smaller (RFC 8899 section 3, item 7)', () => {
    const bbr = new Bbr(1_136, () => 0.5)
    for (const changed of [1_436, 512]) {
      bbr.setMss(changed)
      expect(bbr.windowBytes).toBe(11_360)
    }
  })
})
