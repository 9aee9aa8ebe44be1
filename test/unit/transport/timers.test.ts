import { describe, expect, it } from 'vitest'
import { streamTimers, TimerTable } from '../../../src/transport/timers.ts'

describe('the timer table', () => {
  it('is next due at its minimum', () => {
    const timers = new TimerTable()
    expect(timers.nextAt).toBe(Number.POSITIVE_INFINITY)
    timers.arm(streamTimers.persist, 30)
    timers.arm(streamTimers.retransmit, 20)
    timers.arm(streamTimers.deadPeer, 90)
    expect(timers.nextAt).toBe(20)
    timers.disarm(streamTimers.retransmit)
    expect([timers.nextAt, timers.armed(streamTimers.retransmit)]).toEqual([30, false])
  })

  it('gives out each timer whose time has come once, and disarmed', () => {
    const timers = new TimerTable()
    timers.arm(streamTimers.acknowledge, 10)
    timers.arm(streamTimers.keepAlive, 11)
    expect(timers.takeExpired(9.9)).toBeUndefined()
    expect(timers.takeExpired(10)).toBe(streamTimers.acknowledge)
    expect(timers.takeExpired(10)).toBeUndefined()
    expect(timers.takeExpired(11)).toBe(streamTimers.keepAlive)
    expect(timers.nextAt).toBe(Number.POSITIVE_INFINITY)
  })

  it('can arm every timer by its name', () => {
    for (const timer of Object.values(streamTimers)) {
      const timers = new TimerTable()
      timers.arm(timer, 5)
      expect(timers.takeExpired(5)).toBe(timer)
    }
  })
})
