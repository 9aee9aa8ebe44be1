import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { BusyPoll } from '../../../src/net/busy-poll.ts'

const LIMIT_US = 100
const LIMIT_MS = LIMIT_US / 1000
/** It cannot look by itself. */
const LINK = {}
let time = 0

beforeEach(() => {
  time = 1000
  vi.spyOn(performance, 'now').mockImplementation(() => time)
})
afterEach(() => vi.restoreAllMocks())

const turn = () => new Promise<void>(resolve => setImmediate(resolve))
/** Something is due in the next turn of the event loop, which will not sleep before. */
const isAwake = () => process.getActiveResourcesInfo().includes('Immediate')

/** Datagrams so long after one another, ms. */
function datagrams(poll: BusyPoll, ...gapsMs: readonly number[]): void {
  poll.handleDatagram(time, 1, LINK)
  for (const gapMs of gapsMs) {
    time += gapMs
    poll.handleDatagram(time, 1, LINK)
  }
}

describe('busy polling', () => {
  it('keeps the event loop awake after a datagram that soon followed another, until too long nothing has come', async () => {
    const poll = new BusyPoll(LIMIT_US)
    datagrams(poll, LIMIT_MS / 2)
    for (let i = 0; i < 5; i++) {
      await turn()
      expect(isAwake(), `turn ${i}`).toBe(true)
    }
    time += LIMIT_MS / 2
    poll.handleDatagram(time, 1, LINK)
    time += LIMIT_MS * 0.9
    await turn()
    expect(isAwake(), 'another has come in between').toBe(true)
    time += LIMIT_MS
    await turn()
    expect(isAwake()).toBe(false)
  })

  it('lets it sleep between datagrams that come rarely', () => {
    const poll = new BusyPoll(LIMIT_US)
    datagrams(poll, 2 * LIMIT_MS, 3 * LIMIT_MS)
    expect(isAwake()).toBe(false)
  })

  it('is not done unless it is asked for', () => {
    datagrams(new BusyPoll(0), 0, 0)
    expect(isAwake()).toBe(false)
  })

  it('looks at the link of the newest datagram itself, until something has come', async () => {
    const poll = new BusyPoll(LIMIT_US)
    let looks = 0
    const link = {
      look() {
        if (++looks !== 3) return
        time += LIMIT_MS / 10
        poll.handleDatagram(time, 1, link)
      },
    }
    poll.handleDatagram(time, 1, LINK)
    poll.handleDatagram(time, 1, link)
    await turn()
    expect(looks).toBe(3)
    await turn()
    expect(looks).toBeGreaterThan(3)
    time += 2 * LIMIT_MS
    await turn()
    looks = 0
    await turn()
    expect(looks).toBe(0)
    poll.close()
  })

  it('is tried where nothing is said, and goes on where datagrams come sooner for it', () => {
    const poll = new BusyPoll('auto')
    const exchange = (asleepMs: number, pollingMs: number) => {
      time += isAwake() ? pollingMs : asleepMs
      poll.handleDatagram(time, 1, LINK)
    }
    const awakeShare = (asleepMs: number, pollingMs: number) => {
      let awake = 0
      for (let i = 0; i < 20_000; i++) {
        if (isAwake()) awake++
        exchange(asleepMs, pollingMs)
      }
      return awake / 20_000
    }
    expect(awakeShare(0.1, 0.02)).toBeGreaterThan(0.95)
    expect(awakeShare(0.1, 0.1)).toBeLessThan(0.1)
    poll.close()
  })

  it('does not keep a process that nothing else keeps', () => {
    const poll = new BusyPoll(LIMIT_US)
    datagrams(poll, 0)
    poll.hold(false)
    expect(isAwake()).toBe(false)
    datagrams(poll, 0)
    expect(isAwake()).toBe(false)
    poll.hold(true)
    datagrams(poll, 0)
    expect(isAwake()).toBe(true)
    poll.close()
    expect(isAwake()).toBe(false)
  })
})
