import { describe, expect, it } from 'vitest'
import { type Resting, Rests } from '../../../src/sal/rests.ts'

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
})
