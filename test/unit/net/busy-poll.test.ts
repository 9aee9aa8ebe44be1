import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { BusyPoll } from '../../../src/net/busy-poll.ts'

const LIMIT_MS = 0.1
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
  poll.handleDatagram(time)
  for (const gapMs of gapsMs) {
    time += gapMs
    poll.handleDatagram(time)
  }
}

describe('busy polling', () => {
  it('keeps the event loop awake after a datagram that soon followed another, until too long nothing has come', async () => {
    const poll = new BusyPoll(LIMIT_MS)
    datagrams(poll, LIMIT_MS / 2)
    for (let i = 0; i < 5; i++) {
      await turn()
      expect(isAwake(), `turn ${i}`).toBe(true)
    }
    time += LIMIT_MS / 2
    poll.handleDatagram(time)
    time += LIMIT_MS * 0.9
    await turn()
    expect(isAwake(), 'another has come in between').toBe(true)
    time += LIMIT_MS
    await turn()
    expect(isAwake()).toBe(false)
  })

  it('lets it sleep between datagrams that come rarely', () => {
    const poll = new BusyPoll(LIMIT_MS)
    datagrams(poll, 2 * LIMIT_MS, 3 * LIMIT_MS)
    expect(isAwake()).toBe(false)
  })

  it('is not done unless it is asked for', () => {
    datagrams(new BusyPoll(0), 0, 0)
    expect(isAwake()).toBe(false)
  })

  it('does not keep a process that nothing else keeps', () => {
    const poll = new BusyPoll(LIMIT_MS)
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
