/** The heap of deadlines and the ring of ready flows, against twins that look at everything every time. */
import { describe, expect, it } from 'vitest'
import { DeadlineHeap, ReadyRing, type Scheduled } from '../../../src/sal/schedule.ts'
import { Random, replay, testSeed } from '../../support/random.ts'

class Item implements Scheduled {
  readonly name: number
  nextTimeoutAt = Number.POSITIVE_INFINITY
  scheduledAt = Number.POSITIVE_INFINITY
  ready = false

  constructor(name: number) {
    this.name = name
  }
}

const FILE = 'test/unit/sal/schedule.test.ts'

describe('the heap of deadlines', () => {
  it('gives each item when its time has come, and not before', () => {
    const heap = new DeadlineHeap<Item>()
    const items = [30, 10, 20].map((at, name) => Object.assign(new Item(name), { nextTimeoutAt: at }))
    for (const item of items) heap.rearm(item)
    expect(heap.nextAt).toBe(10)
    expect(heap.takeDue(9)).toBeUndefined()
    expect(heap.takeDue(25)?.name).toBe(1)
    expect(heap.takeDue(25)?.name).toBe(2)
    expect(heap.takeDue(25)).toBeUndefined()
    expect(heap.nextAt).toBe(30)
  })

  it('gives a deadline that has moved later no sooner, and one that has moved earlier no later', () => {
    const heap = new DeadlineHeap<Item>()
    const item = Object.assign(new Item(0), { nextTimeoutAt: 10 })
    heap.rearm(item)
    item.nextTimeoutAt = 50
    heap.rearm(item)
    expect(heap.takeDue(10)).toBeUndefined()
    item.nextTimeoutAt = 20
    heap.rearm(item)
    expect(heap.takeDue(20)).toBe(item)
    expect(heap.takeDue(1000)).toBeUndefined()
  })

  it('forgets', () => {
    const heap = new DeadlineHeap<Item>()
    const item = Object.assign(new Item(0), { nextTimeoutAt: 10 })
    heap.rearm(item)
    heap.forget(item)
    expect(heap.takeDue(100)).toBeUndefined()
    expect(heap.size).toBe(0)
  })

  it('does as a twin that sorts, through any changes', () => {
    const random = new Random(testSeed)
    const heap = new DeadlineHeap<Item>()
    const items = Array.from({ length: 50 }, (_, name) => new Item(name))
    const forgotten = new Set<Item>()
    let nowMs = 0
    for (let step = 0; step < 5000; step++) {
      const item = random.pick(items)
      if (random.chance(0.05)) {
        heap.forget(item)
        forgotten.add(item)
      } else {
        item.nextTimeoutAt = random.chance(0.1) ? Number.POSITIVE_INFINITY : nowMs + random.below(100)
        forgotten.delete(item)
        heap.rearm(item)
      }
      if (!random.chance(0.3)) continue
      nowMs += random.below(30)
      const due = items.filter(other => !forgotten.has(other) && other.nextTimeoutAt <= nowMs)
      const taken: Item[] = []
      for (let next = heap.takeDue(nowMs); next; next = heap.takeDue(nowMs)) {
        taken.push(next)
        next.nextTimeoutAt = Number.POSITIVE_INFINITY
      }
      const names = (of: Item[]) => of.map(({ name }) => name).sort((a, b) => a - b)
      expect(names(taken), replay(FILE)).toEqual(names(due))
      const earliest = Math.min(...items.filter(i => !forgotten.has(i)).map(i => i.nextTimeoutAt))
      expect(heap.nextAt, replay(FILE)).toBeLessThanOrEqual(earliest)
    }
  })

  it('does not grow with deadlines that only move later', () => {
    const heap = new DeadlineHeap<Item>()
    const item = new Item(0)
    for (let at = 1; at < 10_000; at++) {
      item.nextTimeoutAt = at
      heap.rearm(item)
    }
    expect(heap.size).toBe(1)
  })
})

describe('the ring', () => {
  it('lets items take turns, and lets go of those that have nothing to send', () => {
    const ring = new ReadyRing<Item>()
    const [a, b] = [new Item(0), new Item(1)]
    for (const item of [a, b, a]) ring.add(item)
    const turns: number[] = []
    for (let turn = 0; turn < 5; turn++) {
      turns.push(ring.first!.name)
      ring.rotate(ring.first === a || turn < 2)
    }
    expect(turns).toEqual([0, 1, 0, 1, 0])
    ring.rotate(false)
    expect([ring.first, ring.empty, a.ready, b.ready]).toEqual([undefined, true, false, false])
  })

  it('does as a twin that is an array, through any changes', () => {
    const random = new Random(testSeed)
    const ring = new ReadyRing<Item>()
    const items = Array.from({ length: 200 }, (_, name) => new Item(name))
    let twin: Item[] = []
    for (let step = 0; step < 20_000; step++) {
      if (random.chance(0.5)) {
        const item = random.pick(items)
        ring.add(item)
        if (!twin.includes(item)) twin.push(item)
      } else {
        const stays = random.chance(0.5)
        const [first, ...rest] = twin
        ring.rotate(stays)
        twin = stays && first ? [...rest, first] : rest
      }
      expect(ring.first, replay(FILE)).toBe(twin[0])
      expect(ring.empty).toBe(twin.length === 0)
    }
  })
})
