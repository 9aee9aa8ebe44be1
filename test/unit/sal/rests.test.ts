import { describe, expect, it } from 'vitest'
import { LOOKS_AT_ONCE, type Resting, Rests } from '../../../src/sal/rests.ts'

class Sleeper implements Resting {
  asked: number[] = []
  answer: ReturnType<Resting['rest']> = 'awake'

  rest(nowMs: number) {
    this.asked.push(nowMs)
    return this.answer
  }
}

describe('who may rest', () => {
  it('is asked once a second, for as long as something happens', () => {
    const rests = new Rests<Sleeper>()
    const sleeper = new Sleeper()
    expect(rests.nextTimeoutAt).toBe(Number.POSITIVE_INFINITY)
    rests.add(sleeper)
    for (let nowMs = 0; nowMs <= 3_000; nowMs += 100) rests.handleTimeout(nowMs)
    expect(sleeper.asked).toEqual([0, 1_000, 2_000, 3_000])
    sleeper.answer = 'resting'
    rests.handleTimeout(rests.nextTimeoutAt)
    expect(rests.nextTimeoutAt).toBe(Number.POSITIVE_INFINITY)
  })

  it('is not asked once it has ended, or is removed', () => {
    const rests = new Rests<Sleeper>()
    const [ended, removed] = [new Sleeper(), new Sleeper()]
    ended.answer = 'ended'
    rests.add(ended)
    rests.add(removed)
    rests.remove(removed)
    rests.handleTimeout(0)
    rests.handleTimeout(1_000)
    expect([ended.asked, removed.asked]).toEqual([[0], []])
  })

  it('are asked a few at a time where they are many, each once a second', () => {
    const rests = new Rests<Sleeper>()
    const sleepers = Array.from({ length: 2 * LOOKS_AT_ONCE + 1 }, () => new Sleeper())
    for (const sleeper of sleepers) rests.add(sleeper)
    const asked = () => sleepers.reduce((sum, sleeper) => sum + sleeper.asked.length, 0)
    for (const sum of [LOOKS_AT_ONCE, 2 * LOOKS_AT_ONCE, sleepers.length]) {
      expect(rests.nextTimeoutAt, 'it goes on at once').toBeLessThanOrEqual(5)
      rests.handleTimeout(5)
      expect(asked()).toBe(sum)
    }
    expect(rests.nextTimeoutAt).toBe(1_005)
    rests.handleTimeout(1_005)
    expect(asked()).toBe(sleepers.length + LOOKS_AT_ONCE)
  })

  it('are all asked, though others come to rest in the midst of it', () => {
    const rests = new Rests<Sleeper>()
    const sleepers = Array.from({ length: LOOKS_AT_ONCE + 2 }, () => new Sleeper())
    for (const sleeper of sleepers) rests.add(sleeper)
    for (const sleeper of sleepers) sleeper.answer = 'resting'
    rests.handleTimeout(0)
    const late = new Sleeper()
    rests.add(late)
    rests.remove(sleepers.at(-1)!)
    rests.handleTimeout(0)
    expect([sleepers.at(-2)!.asked, sleepers.at(-1)!.asked, late.asked]).toEqual([[0], [], [0]])
  })
})
