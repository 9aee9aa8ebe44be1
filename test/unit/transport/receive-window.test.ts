/** How much a receiver lets come: little for who reads little, and never what slows a fast path down. */
import { describe, expect, it } from 'vitest'
import { ReceiveWindow } from '../../../src/transport/receive-window.ts'
import { Random } from '../../support/random.ts'
import { StreamLab } from '../../support/transport/stream-lab.ts'

const KIB = 1024
const MIB = 1024 * KIB

describe('a receive window', () => {
  it('begins with 256 KiB, or with what there is at most', () => {
    expect(new ReceiveWindow(16 * MIB, 4 * MIB).bytes).toBe(256 * KIB)
    expect(new ReceiveWindow(5_000, 4 * MIB).bytes).toBe(5_000)
    expect(new ReceiveWindow(16 * MIB, 64 * KIB).bytes).toBe(64 * KIB)
  })

  it('becomes eight times what was read in a round trip', () => {
    const window = new ReceiveWindow(16 * MIB, 4 * MIB)
    window.update(0, 10, 100)
    window.update(100 * KIB, 10, 109)
    expect(window.bytes).toBe(256 * KIB)
    window.update(100 * KIB, 10, 110)
    expect(window.bytes).toBe(800 * KIB)
  })

  it('stays as it is while little is read, and when less is read than before', () => {
    const window = new ReceiveWindow(16 * MIB, 4 * MIB)
    for (let round = 0; round < 100; round++) window.update(round * 32 * KIB, 10, round * 10)
    expect(window.bytes).toBe(256 * KIB)
    window.update(100 * 64 * KIB, 10, 1_000)
    const grown = window.bytes
    for (let round = 101; round < 200; round++) window.update(round * 64 * KIB, 10, round * 10)
    expect(window.bytes).toBe(grown)
  })

  it('is at most what the link keeps, where that may come within 20 ms', () => {
    const window = new ReceiveWindow(16 * MIB, 2 * MIB)
    for (let round = 0; round < 10; round++) window.update(round * 8 * MIB, 1, round)
    expect(window.bytes).toBe(2 * MIB)
  })

  it('is more on a long path, up to the limit', () => {
    const window = new ReceiveWindow(16 * MIB, 2 * MIB)
    for (let round = 0; round < 10; round++) window.update(round * 8 * MIB, 100, round * 100)
    expect(window.bytes).toBe(10 * MIB)
    for (let round = 0; round < 10; round++) window.update((10 + round) * 8 * MIB, 200, 2_000 + round * 200)
    expect(window.bytes).toBe(16 * MIB)
  })
})

/** A transfer from a to b whose paths know their round-trip time, as after a set-up. */
function lab(delayMs: number, options: { merge?: boolean; bytesPerMs?: number } = {}): StreamLab {
  const streams = new StreamLab({ link: { delayMs, ...options }, random: new Random(1), mss: 1_436 })
  for (const { stream } of [streams.a, streams.b]) stream.path.rtt.sample(2 * delayMs)
  return streams
}

/** What the receiver lets its peer have beyond what it has read. */
function windowOf({ a, b }: StreamLab): number {
  return a.admittedEdge - b.receivedBytes
}

describe('the window of a reader that keeps up', () => {
  it.each([
    [0.1, false],
    [0.1, true],
    [10, false],
    [10, true],
    [100, true],
  ])('never holds slow start back, over %d ms one way, merged: %s', (delayMs, merge) => {
    const streams = lab(delayMs, { merge })
    const { a } = streams
    a.write(15 * MIB)
    let heldBack = 0
    streams.run(() => {
      a.flush(streams.nowMs)
      const { unsentBytes, path } = a.stream
      const admittedBytes = a.admittedEdge - (a.writtenBytes - unsentBytes)
      const wanting = unsentBytes >= path.mss && path.allowanceBytes >= 2 * path.mss
      if (wanting && admittedBytes < path.mss) heldBack++
      return a.stream.acknowledgedAll
    })
    expect(streams.b.receivedBytes).toBe(15 * MIB)
    expect(heldBack).toBe(0)
  })

  it('grows no further than a path needs that carries 125 bytes a microsecond', () => {
    const streams = lab(1, { merge: true, bytesPerMs: 125_000 })
    streams.a.write(15 * MIB)
    streams.run(() => streams.a.stream.acknowledgedAll)
    const bandwidthDelayProduct = 2 * 125_000
    expect(windowOf(streams)).toBeLessThanOrEqual(10 * bandwidthDelayProduct)
    // Fifteen MiB take 126 ms at that rate: they were not slowed.
    expect(streams.nowMs).toBeLessThan(1.1 * 126 + 30)
  })
})

describe('a reader that', () => {
  it('never reads keeps 256 KiB', () => {
    const streams = lab(10)
    streams.b.reading = false
    streams.a.write(15 * MIB)
    streams.run(() => false, 60_000)
    expect(streams.b.stream.readableBytes).toBe(256 * KIB)
  })

  it('stops after it was fast keeps what it had offered, 16 MiB at most', () => {
    const streams = lab(10)
    streams.a.write(40 * MIB)
    streams.run(() => streams.b.receivedBytes > 4 * MIB)
    streams.b.reading = false
    streams.run(() => false, streams.nowMs + 60_000)
    expect(streams.b.stream.readableBytes).toBe(windowOf(streams))
    expect(streams.b.stream.readableBytes).toBeLessThanOrEqual(16 * MIB)
  })

  it('takes 8 KiB every 10 ms is not offered more than at first', () => {
    const streams = lab(5)
    streams.b.reading = false
    streams.a.write(4 * MIB)
    let due = 0
    for (let nowMs = 0; nowMs < 2_000; nowMs += 10) {
      streams.run(() => false, nowMs)
      due += 8 * KIB
      while (due > 0) {
        const view = streams.b.stream.read()
        if (view === undefined) break
        due -= view.length
      }
      expect(streams.b.stream.readableBytes).toBeLessThanOrEqual(256 * KIB)
    }
  })
})
