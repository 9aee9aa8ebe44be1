import { describe, expect, it } from 'vitest'
import { PollTrial } from '../../../src/net/poll-trial.ts'

/** The limit of polling, ms: what takes longer counts no more. */
const LIMIT_MS = 0.2

interface Peer {
  /** Until the next datagram, ms: where the loop sleeps, and where it does not. */
  readonly asleepMs: number
  readonly pollingMs: number
}

/** Where a peer waits for us its answer comes sooner. */
const WAITING: Peer = { asleepMs: 0.1, pollingMs: 0.025 }
const BY_ITS_CLOCK: Peer = { asleepMs: 0.1, pollingMs: 0.1 }

/** Datagrams one after the other for so long; the share of them that was polled for, and of the time that polling took. */
function run(trial: PollTrial, ms: number, peerAt: (ms: number) => Peer, from = 0) {
  let polling = false
  let datagrams = 0
  let polled = 0
  let spunMs = 0
  let now = from
  while (now < from + ms) {
    const peer = peerAt(now - from)
    const gapMs = polling ? peer.pollingMs : peer.asleepMs
    now += gapMs
    datagrams++
    if (polling) {
      polled++
      spunMs += Math.min(gapMs, LIMIT_MS)
    }
    polling = trial.handleGap(Math.min(gapMs, LIMIT_MS), now)
  }
  return { polled: polled / datagrams, spun: spunMs / ms, polling, now }
}

describe('a trial of busy polling', () => {
  it('has the loop poll where datagrams come sooner for it, nearly always', () => {
    const { polled } = run(new PollTrial(), 10_000, () => WAITING)
    expect(polled).toBeGreaterThan(0.99)
  })

  it('has it sleep where they come by a clock of their own, but for a trial now and then', () => {
    const { spun } = run(new PollTrial(), 60_000, () => BY_ITS_CLOCK)
    expect(spun).toBeGreaterThan(0)
    expect(spun).toBeLessThan(0.015)
  })

  it('never costs more than a sixtieth of a processor in vain, however long they take', () => {
    for (const asleepMs of [0.05, 0.19, 0.2, 0.5]) {
      const { spun } = run(new PollTrial(), 60_000, () => ({ asleepMs, pollingMs: asleepMs }))
      expect(spun, `${asleepMs} ms`).toBeLessThan(1 / 60)
    }
  })

  it('has patience with a kernel that takes a while to give each program a processor', () => {
    const trial = new PollTrial()
    const crowded: Peer = { asleepMs: 0.1, pollingMs: 0.15 }
    const { polling } = run(trial, 100, ms => (ms < 20 ? crowded : WAITING))
    expect(polling).toBe(true)
  })

  it('tries again soon where code was not compiled yet, and later and later', () => {
    const trial = new PollTrial()
    const slow: Peer = { asleepMs: LIMIT_MS, pollingMs: LIMIT_MS }
    const { polling } = run(trial, 1000, ms => (ms < 400 ? slow : WAITING))
    expect(polling).toBe(true)
  })

  it('notices when peers wait no more', () => {
    const trial = new PollTrial()
    const busy = run(trial, 1000, () => WAITING)
    expect(busy.polling).toBe(true)
    const { spun } = run(trial, 20_000, () => BY_ITS_CLOCK, busy.now)
    expect(spun).toBeLessThan(0.02)
  })

  it('measures anew, so that what was slow once is no excuse for ever', () => {
    const trial = new PollTrial()
    const slow = run(trial, 1000, () => ({ asleepMs: 0.2, pollingMs: 0.1 }))
    expect(slow.polling).toBe(true)
    const { spun } = run(trial, 60_000, () => BY_ITS_CLOCK, slow.now)
    expect(spun).toBeLessThan(0.05)
  })
})
