import { describe, expect, it } from 'vitest'
import { parseServicePattern, serviceIdOf } from '../../../src/id/name.ts'
import { DEFAULT_DELAY_LIMITS, DelayQueue, type Held } from '../../../src/service/delay-queue.ts'

const WEB = serviceIdOf('web.shop.example')
const API = serviceIdOf('api.shop.example')
const OTHER = serviceIdOf('other.example')

const items = (held: Held<string>[]) => held.map(({ item }) => item)

describe('a delay queue', () => {
  it('releases what is under a prefix, oldest first, and keeps the rest', () => {
    const queue = new DelayQueue<string>()
    queue.hold(WEB, 'web 1', 10, 0)
    queue.hold(OTHER, 'other', 10, 1)
    queue.hold(API, 'api', 10, 2)
    queue.hold(WEB, 'web 2', 10, 3)
    expect(items(queue.release(parseServicePattern('*.shop.example')))).toEqual(['web 1', 'api', 'web 2'])
    expect([queue.size, queue.bytes]).toEqual([1, 10])
    expect(items(queue.release(parseServicePattern('web.shop.example')))).toEqual([])
    expect(items(queue.release(parseServicePattern('*')))).toEqual(['other'])
    expect(queue.counters).toEqual({ held: 4, released: 4, evicted: 0, timedOut: 0 })
  })

  it('leaves held what is not to go yet, with its time-out', () => {
    const queue = new DelayQueue<string>({ timeoutMs: 100 })
    queue.hold(WEB, 'stays', 1, 0)
    queue.hold(WEB, 'goes', 1, 10)
    expect(items(queue.release(parseServicePattern('*'), ({ item }) => item === 'goes'))).toEqual(['goes'])
    expect(queue.nextTimeoutAt).toBe(100)
  })

  it('knows what it waits for', () => {
    const queue = new DelayQueue<string>()
    expect(queue.isWaiting(WEB)).toBe(false)
    queue.hold(WEB, 'a', 1, 0)
    queue.hold(WEB, 'b', 1, 0)
    queue.release(parseServicePattern('*'), ({ item }) => item === 'a')
    expect(queue.isWaiting(WEB)).toBe(true)
    queue.release(parseServicePattern('*'))
    expect(queue.isWaiting(WEB)).toBe(false)
  })

  it('hands out each item when its own time is up', () => {
    const queue = new DelayQueue<string>()
    expect(queue.nextTimeoutAt).toBe(Infinity)
    queue.hold(WEB, 'a', 1, 1_000)
    queue.hold(WEB, 'b', 1, 1_500)
    expect(queue.nextTimeoutAt).toBe(6_000)
    expect(queue.handleTimeout(5_999)).toEqual([])
    expect(items(queue.handleTimeout(6_000))).toEqual(['a'])
    expect(queue.nextTimeoutAt).toBe(6_500)
    expect(items(queue.handleTimeout(10_000))).toEqual(['b'])
    expect(queue.nextTimeoutAt).toBe(Infinity)
    expect(queue.counters.timedOut).toBe(2)
  })

  it('drops the oldest when it has too many, and counts it', () => {
    const queue = new DelayQueue<string>({ items: 2 })
    expect(queue.hold(WEB, 'a', 1, 0)).toEqual([])
    expect(queue.hold(API, 'b', 1, 1)).toEqual([])
    expect(items(queue.hold(WEB, 'c', 1, 2))).toEqual(['a'])
    expect(queue.counters).toEqual({ held: 3, released: 0, evicted: 1, timedOut: 0 })
    expect(queue.size).toBe(2)
  })

  it('drops as many of the oldest as its bytes take', () => {
    const queue = new DelayQueue<string>({ bytes: 100 })
    queue.hold(WEB, 'a', 40, 0)
    queue.hold(WEB, 'b', 40, 1)
    expect(items(queue.hold(WEB, 'c', 100, 2))).toEqual(['a', 'b'])
    expect(queue.bytes).toBe(100)
    expect(items(queue.hold(WEB, 'too large', 101, 3))).toEqual(['c', 'too large'])
    expect([queue.size, queue.bytes]).toEqual([0, 0])
    expect(queue.isWaiting(WEB)).toBe(false)
  })

  it('stays within its caps whatever a peer sends: 1,024 items, 1 MiB, 5 s', () => {
    expect(DEFAULT_DELAY_LIMITS).toEqual({ items: 1024, bytes: 1_048_576, timeoutMs: 5_000 })
    const queue = new DelayQueue<number>()
    for (let i = 0; i < 5_000; i++) {
      queue.hold(i % 2 === 0 ? WEB : API, i, (i * 7_919) % 2_048, i / 1_000)
      expect(queue.size).toBeLessThanOrEqual(1_024)
      expect(queue.bytes).toBeLessThanOrEqual(1 << 20)
    }
    expect(queue.counters.evicted).toBe(5_000 - queue.size)
    expect(queue.release(parseServicePattern('*')).at(-1)?.item).toBe(4_999)
    expect([queue.size, queue.bytes]).toEqual([0, 0])
  })
})
