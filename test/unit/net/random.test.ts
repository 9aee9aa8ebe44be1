/** The pool of random bytes: nothing is given out twice, at the edges of its pages too. */
import { expect, it } from 'vitest'
import { randomBytes } from '../../../src/net/random.ts'

it('gives out as many bytes as are asked for, and none twice', () => {
  const seen = new Set<string>()
  for (let i = 0; i < 3000; i++) {
    const length = 16 + (i % 9)
    const bytes = randomBytes(length)
    expect(bytes).toHaveLength(length)
    seen.add(Buffer.from(bytes.subarray(0, 16)).toString('hex'))
  }
  expect(seen.size).toBe(3000)
})

it('gives out more than a page', () => {
  const bytes = randomBytes(10_000)
  expect(bytes).toHaveLength(10_000)
  expect(new Set(bytes).size).toBe(256)
})

it('keeps no part of what it gave out', () => {
  const bytes = randomBytes(32)
  const copy = bytes.slice()
  bytes.fill(0)
  expect(randomBytes(32)).not.toEqual(copy)
})
