import { describe, expect, it } from 'vitest'
import { RecentTimes } from '../../../../src/service/balance/recent-times.ts'

describe('the recent times of a target', () => {
  it('say nothing as long as they are few', () => {
    const times = new RecentTimes()
    for (let i = 0; i < 7; i++) times.add(i)
    expect(times.quantile(0.5)).toBeUndefined()
    times.add(7)
    expect(times.quantile(0.5)).toBe(3)
  })

  it('are the newest 64, whatever their order, equal ones among them', () => {
    const times = new RecentTimes()
    const all: number[] = []
    for (let i = 0; i < 300; i++) {
      all.push(((i * 37) % 101) + Math.floor(i / 10))
      times.add(all.at(-1)!)
      if (all.length < 8) continue
      const newest = all.slice(-64).sort((a, b) => a - b)
      for (const at of [0.01, 0.5, 0.95]) {
        expect(times.quantile(at), `${at} of ${i}`).toBe(newest[Math.ceil(at * newest.length) - 1])
      }
    }
  })
})
