/** The named timers of a flow, and the waits of set-up. */
import { describe, expect, it } from 'vitest'
import { Setup } from '../../../src/flow/setup.ts'
import { FlowTimers, flowTimers } from '../../../src/flow/timers.ts'
import { Random } from '../../support/random.ts'

describe('the timers of a flow', () => {
  it('have no deadline until one is armed, and the earliest then', () => {
    const timers = new FlowTimers()
    expect(timers.nextAt).toBe(Number.POSITIVE_INFINITY)
    timers.arm('fin', 30)
    timers.arm('rsyn', 20)
    expect(timers.nextAt).toBe(20)
    timers.arm('rsyn', 40)
    expect(timers.nextAt).toBe(30)
    timers.disarm('fin')
    expect(timers.nextAt).toBe(40)
    timers.disarmAll()
    expect(timers.nextAt).toBe(Number.POSITIVE_INFINITY)
  })

  it('expire once each, and not before their time', () => {
    const timers = new FlowTimers()
    for (const [i, timer] of flowTimers.entries()) timers.arm(timer, 10 * i)
    expect(timers.takeExpired(-1)).toBeUndefined()
    const expired: string[] = []
    for (let timer = timers.takeExpired(30); timer; timer = timers.takeExpired(30)) expired.push(timer)
    expect(expired).toEqual(flowTimers.slice(0, 4))
    expect(timers.armed(flowTimers[0])).toBe(false)
    expect(timers.nextAt).toBe(40)
  })
})

describe('set-up', () => {
  const setup = () => new Setup(new Random(1).bytes, { firstRepeatMs: 1000, timeoutMs: 10_000 }, 0)

  it('repeats after 1, 2, 4 seconds, and not beyond its deadline', () => {
    const made = setup()
    expect([0, 1000, 3000, 7000].map(at => made.sent(at))).toEqual([1000, 3000, 7000, 10_000])
  })

  it('measures a round trip only of what was sent once', () => {
    const made = setup()
    made.sent(5)
    expect(made.roundTrip(25)).toBe(20)
    made.sent(1005)
    expect(made.roundTrip(1025)).toBeUndefined()
  })

  it('asks elsewhere three times more after refusals, ever later', () => {
    const made = setup()
    const spread = 1 + made.nonce[0]! / 256
    const again = [0, 0, 0, 0].map(at => made.refused('elsewhere', at))
    expect(again).toEqual([50 * spread, 100 * spread, 200 * spread, undefined])
  })

  it('asks for ever where the refusal will pass, not much less than once in three seconds', () => {
    const made = setup()
    const waits = Array.from({ length: 20 }, () => made.refused('later', 0)!)
    expect(waits[0]).toBeLessThan(100)
    expect(Math.max(...waits)).toBeLessThan(3200)
    expect(waits.at(-1)).toBe(waits.at(-2))
  })

  it('does not ask again after a refusal that is final', () => {
    expect(setup().refused('never', 0)).toBeUndefined()
  })

  it('counts repeats anew after a refusal', () => {
    const made = setup()
    made.sent(0)
    made.sent(1000)
    made.refused('later', 1100)
    expect(made.sent(1200)).toBe(2200)
    expect(made.roundTrip(1300)).toBeUndefined()
  })

  it('knows the nonce again by which a NACK shows that it answers', () => {
    const made = setup()
    expect(made.isControlNonce(made.controlNonce.slice())).toBe(true)
    expect(made.isControlNonce(new Uint8Array(8))).toBe(false)
  })
})
