import { describe, expect, it } from 'vitest'
import { Leases } from '../../../controller/leases.ts'

const OPTIONS = { leaseMs: 100, holdMs: 1000 }

function leases(count: number): Leases<number> {
  const leases = new Leases<number>(OPTIONS)
  for (let key = 0; key < count; key++) leases.renew(key, 0)
  return leases
}

describe('leases', () => {
  it('expire exactly when they are over, each once', () => {
    const few = leases(1)
    expect(few.nextExpiryAt()).toBe(100)
    expect(few.takeExpired(99)).toEqual([])
    expect(few.takeExpired(100)).toEqual([0])
    expect(few.takeExpired(101)).toEqual([])
    expect(few.nextExpiryAt()).toBe(Number.POSITIVE_INFINITY)
  })

  it('are renewed by a word, and end with a leave', () => {
    const few = leases(3)
    few.renew(0, 60)
    few.remove(1)
    expect(few.heardAt(0)).toBe(60)
    expect(few.heardAt(1)).toBeUndefined()
    expect(few.takeExpired(100)).toEqual([2])
    expect(few.nextExpiryAt()).toBe(160)
    expect(few.takeExpired(160)).toEqual([0])
  })

  it('do not expire at a deadline that rounding has moved', () => {
    const few = leases(0)
    few.renew(0, 0.1 + 0.2)
    const at = few.nextExpiryAt()
    expect(few.takeExpired(at)).toEqual([0])
  })

  it('are all renewed where it was this process that stood still', () => {
    const few = leases(3)
    expect(few.takeExpired(5000)).toEqual([])
    expect(few.nextExpiryAt()).toBe(5100)
  })

  it.each([
    [9, 9, 'expire'],
    [10, 1, 'expire'],
    [10, 2, 'hold'],
    [20, 3, 'expire'],
    [20, 4, 'hold'],
  ])('of %i, of which %i are silent, %s', (count, silent, outcome) => {
    const many = leases(count)
    for (let key = silent; key < count; key++) many.renew(key, 50)
    expect(many.takeExpired(100)).toHaveLength(outcome === 'hold' ? 0 : silent)
    expect(many.isHolding).toBe(outcome === 'hold')
  })

  it('are held no longer than allowed, and looked at again now and then', () => {
    const many = leases(10)
    let nowMs = 0
    let looks = 0
    const expired: number[] = []
    while (nowMs < 2000) {
      nowMs = Math.max(nowMs, many.nextExpiryAt())
      for (let key = 2; key < 10; key++) many.renew(key, nowMs)
      expired.push(...many.takeExpired(nowMs))
      looks++
      if (expired.length > 0) break
    }
    expect(expired).toEqual([0, 1])
    expect(nowMs).toBeGreaterThanOrEqual(1100)
    expect(nowMs).toBeLessThan(1200)
    expect(looks).toBeLessThan(50)
  })

  it('go on as soon as those that were silent speak again', () => {
    const many = leases(10)
    for (let key = 2; key < 10; key++) many.renew(key, 50)
    expect(many.takeExpired(100)).toEqual([])
    many.renew(0, 110)
    for (let key = 2; key < 10; key++) many.renew(key, 120)
    expect(many.takeExpired(134)).toEqual([1])
    expect(many.isHolding).toBe(false)
  })
})
