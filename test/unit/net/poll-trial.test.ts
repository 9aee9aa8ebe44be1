import { describe, expect, it } from 'vitest'
import { PollTrial } from '../../../src/net/poll-trial.ts'

/** The limit of polling, ms: what takes longer counts no more. */
const LIMIT_MS = 0.2
const MINUTE_MS = 60_000

interface Datagram {
  readonly gapMs: number
  readonly packets?: number
}

/** The next that comes so long after the one before, at an instant; where a peer waits for us, sooner for polling. */
type Peer = (now: number, isPolling: boolean) => Datagram

const waiting: Peer = (_, isPolling) => ({ gapMs: isPolling ? 0.025 : 0.1 })
const byClock = (gapMs: number) => () => ({ gapMs })
/** One, then the other, each for so long. */
const alternately =
  (ms: number, one: Peer, other: Peer): Peer =>
  (now, isPolling) =>
    (Math.floor(now / ms) % 2 === 0 ? one : other)(now, isPolling)

/** A Poisson process; the same every time. */
function byChance(meanMs: number): Peer {
  let seed = 1
  const random = () => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
    return (seed + 0.5) / 2 ** 32
  }
  return () => ({ gapMs: -meanMs * Math.log(random()) })
}

/** Datagrams one after the other for so long; shares of the time: of a processor that polling took, and in which it was done. */
function run(peer: Peer, ms: number, trial = new PollTrial(), from = 0) {
  let isPolling = false
  let spunMs = 0
  let polledMs = 0
  let now = from
  while (now < from + ms) {
    const { gapMs, packets = 1 } = peer(now, isPolling)
    now += gapMs
    if (isPolling) {
      polledMs += gapMs
      spunMs += Math.min(gapMs, LIMIT_MS)
    }
    isPolling = trial.handleGap(Math.min(gapMs, LIMIT_MS), packets, now)
  }
  return { trial, now, isPolling, polled: polledMs / ms, spun: spunMs / ms }
}

describe('a trial of busy polling', () => {
  it('has the loop poll where packets come sooner for it, nearly always', () => {
    expect(run(waiting, MINUTE_MS).polled).toBeGreaterThan(0.97)
  })

  it.each([0.03, 0.1, 0.19, 0.2, 0.5, 5])('costs no more than it says where one comes every %d ms', gapMs => {
    const { spun } = run(byClock(gapMs), 10 * MINUTE_MS)
    expect(spun).toBeLessThan(1 / 60)
  })

  it.each([
    ['by chance, every 30 us', byChance(0.03)],
    ['by chance, every 100 us', byChance(0.1)],
    ['by chance, every 400 us', byChance(0.4)],
    ['faster and slower each 10 ms', alternately(10, byClock(0.1), byClock(0.19))],
    ['faster and slower each 50 ms', alternately(50, byClock(0.1), byClock(0.19))],
    ['often and rarely each 100 ms', alternately(100, byClock(0.15), byClock(1))],
    ['by chance, faster and slower each 20 ms', alternately(20, byChance(0.06), byChance(0.15))],
    ['faster and slower each 300 ms', alternately(300, byClock(0.1), byClock(0.19))],
  ])('costs little in vain where they come %s', (_, peer) => {
    expect(run(peer, 5 * MINUTE_MS).spun).toBeLessThan(0.06)
  })

  it('counts packets: that the kernel has made one datagram of those that came while the loop slept is no gain', () => {
    const merged: Peer = (_, isPolling) => (isPolling ? { gapMs: 0.03 } : { gapMs: 0.09, packets: 3 })
    expect(run(merged, 5 * MINUTE_MS).spun).toBeLessThan(0.02)
  })

  it('has patience with a kernel that takes a while to give each program a processor', () => {
    const crowded: Peer = (_, isPolling) => ({ gapMs: isPolling ? 0.15 : 0.1 })
    const { isPolling } = run((now, is) => (now < 20 ? crowded : waiting)(now, is), 100)
    expect(isPolling).toBe(true)
  })

  it('tries again soon where code was not compiled yet', () => {
    const { isPolling } = run((now, is) => (now < 400 ? byClock(LIMIT_MS) : waiting)(now, is), 1500)
    expect(isPolling).toBe(true)
  })

  it('outlives a hiccup', () => {
    const hiccup: Peer = (now, is) => (now % 100 < 2 ? byClock(0.2) : waiting)(now, is)
    expect(run(hiccup, MINUTE_MS).polled).toBeGreaterThan(0.9)
  })

  it('goes on with most of what is gained where it is gained most of the time', () => {
    const mostly: Peer = (now, is) => (now % 2000 < 1500 ? waiting : byClock(0.19))(now, is)
    expect(run(mostly, MINUTE_MS).polled).toBeGreaterThan(0.5)
  })

  it('notices when peers wait no more', () => {
    const { isPolling, trial, now } = run(waiting, 1000)
    expect(isPolling).toBe(true)
    expect(run(byClock(0.1), MINUTE_MS, trial, now).spun).toBeLessThan(0.03)
  })

  it('measures anew, so that what was slow once is no excuse for ever', () => {
    const { isPolling, trial, now } = run((_, is) => ({ gapMs: is ? 0.1 : 0.2 }), 1000)
    expect(isPolling).toBe(true)
    expect(run(byClock(0.1), MINUTE_MS, trial, now).spun).toBeLessThan(0.03)
  })
})
