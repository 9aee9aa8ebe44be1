import { describe, expect, it } from 'vitest'
import { WindowedMax } from '../../../src/transport/congestion/windowed-max.ts'

describe('the largest of the last steps', () => {
  it('is 0 before anything was seen', () => {
    expect(new WindowedMax(2).max).toBe(0)
  })

  it('is kept for as many steps as it was told to, the running one included', () => {
    const largest = new WindowedMax(3)
    largest.update(5)
    largest.advance()
    largest.update(3)
    largest.advance()
    expect(largest.max).toBe(5)
    largest.advance()
    expect(largest.max).toBe(3)
    largest.advance()
    expect(largest.max).toBe(0)
  })

  it('is no smaller for a smaller one', () => {
    const largest = new WindowedMax(2)
    largest.update(5)
    largest.update(3)
    expect(largest.max).toBe(5)
  })
})
