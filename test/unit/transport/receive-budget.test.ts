import { describe, expect, it } from 'vitest'
import { LEAST_WINDOW_BYTES, ReceiveBudget } from '../../../src/transport/receive-budget.ts'
import { Random, replay, testSeed } from '../../support/random.ts'

const MIB = 1 << 20
const quiet = () => undefined

describe('the memory that all flows share', () => {
  it('is no hindrance while there is enough', () => {
    const budget = new ReceiveBudget(1024 * MIB, quiet)
    expect(budget.firstWindowBytes(256 << 10)).toBe(256 << 10)
    expect(budget.windowBytes(16 * MIB, 256 << 10)).toBe(16 * MIB)
  })

  it('lets a window grow by what is left, and keep what it has', () => {
    const budget = new ReceiveBudget(2 * MIB, quiet)
    budget.promise(1.5 * MIB)
    expect(budget.windowBytes(4 * MIB, MIB)).toBe(1.5 * MIB)
    budget.promise(0.5 * MIB)
    expect(budget.windowBytes(4 * MIB, MIB)).toBe(MIB)
    budget.release(0.25 * MIB)
    expect(budget.windowBytes(4 * MIB, MIB)).toBe(1.25 * MIB)
  })

  it('gives those who come late less, and never too little', () => {
    const budget = new ReceiveBudget(64 * MIB, quiet)
    const windows = Array.from({ length: 2000 }, () => {
      const bytes = budget.windowBytes(budget.firstWindowBytes(256 << 10), 0)
      budget.promise(bytes)
      return bytes
    })
    expect(windows[0]).toBe(256 << 10)
    expect([...windows].sort((a, b) => b - a)).toEqual(windows)
    expect(windows.at(-1)).toBe(LEAST_WINDOW_BYTES)
  })

  it('is never exceeded by more than the least window of each, whatever flows do', () => {
    const random = new Random(testSeed)
    const budget = new ReceiveBudget(8 * MIB, quiet)
    const flows = new Map<number, number>()
    for (let i = 0; i < 10_000; i++) {
      const flow = random.below(500)
      const promised = flows.get(flow) ?? 0
      if (random.chance(0.5)) {
        const more = Math.max(0, budget.windowBytes(random.below(4 * MIB), promised) - promised)
        budget.promise(more)
        flows.set(flow, promised + more)
      } else if (random.chance(0.9)) {
        const read = random.below(promised + 1)
        budget.release(read)
        flows.set(flow, promised - read)
      } else {
        budget.release(promised)
        flows.delete(flow)
      }
      const limit = budget.limitBytes + flows.size * LEAST_WINDOW_BYTES
      expect(budget.promisedBytes, replay('test/unit/transport/receive-budget.test.ts')).toBeLessThanOrEqual(
        limit,
      )
    }
    expect([...flows.values()].reduce((sum, bytes) => sum + bytes)).toBe(budget.promisedBytes)
  })

  it('counts a datagram as it comes, drops one where nothing is left, and tells of it', () => {
    let drops = 0
    const budget = new ReceiveBudget(MIB, () => drops++)
    budget.promise(MIB)
    expect(budget.admits(1000, LEAST_WINDOW_BYTES - 1000)).toBe(true)
    expect(budget.admits(1000, LEAST_WINDOW_BYTES - 999)).toBe(false)
    expect([budget.promisedBytes, drops]).toEqual([MIB + 1000, 1])
    budget.release(2000)
    expect(budget.admits(1000, 10 * MIB)).toBe(true)
  })
})
