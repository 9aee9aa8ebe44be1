import { describe, expect, it } from 'vitest'
import { Records } from '../../../src/service/records.ts'

describe('records', () => {
  it('keep what is in them while there are more and more', () => {
    const records = new Records(1)
    for (let i = 0; i < 200_000; i++) {
      const number = records.take()
      expect(number === i).toBe(true)
      records.chunk(number)[records.at(number) + 1] = i
    }
    const wrong = Array.from({ length: 200_000 }, (_, i) => i).filter(
      i => records.chunk(i)[records.at(i) + 1] !== i,
    )
    expect(wrong).toEqual([])
    expect(records.byteLength).toBeLessThan(8 * 200_000 * 1.5)
  })

  it('are taken again when they are free, the last one first, as empty as new ones', () => {
    const records = new Records(2)
    const [a, b, c] = [records.take(), records.take(), records.take()]
    for (const number of [a, b, c]) records.chunk(number).fill(7, records.at(number), records.at(number) + 4)
    records.release(a)
    records.release(c)
    expect([records.size, records.limit]).toEqual([1, 3])
    expect([records.take(), records.take(), records.take()]).toEqual([c, a, 3])
    expect([...records.chunk(a).subarray(records.at(a), records.at(a) + 4)]).toEqual([0, 0, 0, 0])
    expect([...records.chunk(b).subarray(records.at(b), records.at(b) + 4)]).toEqual([7, 7, 7, 7])
  })

  it('hold doubles where they hold words', () => {
    const records = new Records(4)
    const number = records.take()
    records.doubles(number)[records.at(number) / 2 + 7] = 0.5
    expect(records.chunk(number)[records.at(number) + 15]).not.toBe(0)
  })
})
