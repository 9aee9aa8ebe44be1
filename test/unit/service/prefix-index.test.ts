import { describe, expect, it } from 'vitest'
import { NO_SLOT, PrefixIndex } from '../../../src/service/prefix-index.ts'
import { KEY_WORDS } from '../../../src/service/slots.ts'
import { Random, replay, testSeed } from '../../support/random.ts'

/** Eight words; those not given are 0. */
const key = (...words: number[]) => Int32Array.from({ length: KEY_WORDS }, (_, i) => words[i] ?? 0)
/** As the index prints it. */
const text = (index: PrefixIndex, slot: number) =>
  slot === NO_SLOT ? undefined : `${index.slots.prefix(slot)}`

describe('a prefix index', () => {
  it('answers NO_SLOT where nothing matches', () => {
    const index = new PrefixIndex()
    expect(index.longestMatch(key())).toBe(NO_SLOT)
    const slot = index.insert(key(0x80000000), 1)
    expect(index.longestMatch(key(0x7fffffff))).toBe(NO_SLOT)
    expect(index.longestMatch(key(0xffffffff))).toBe(slot)
    expect(index.find(key(), 0)).toBe(NO_SLOT)
    expect(index.find(key(0x80000000), 2)).toBe(NO_SLOT)
  })

  it('needs no node for prefixes that differ in their first word, and one for each word that two share', () => {
    const index = new PrefixIndex()
    index.insert(key(1, 1, 1, 1), 256)
    index.insert(key(2, 1, 1, 1), 256)
    expect(index.nodes).toBe(1)
    const slot = index.insert(key(1, 1, 1, 2), 256)
    expect(index.nodes).toBe(4)
    index.remove(slot)
    expect(index.nodes).toBe(1)
    expect(index.longestMatch(key(1, 1, 1, 1))).toBe(index.find(key(1, 1, 1, 1), 256))
  })

  it('gives a prefix the slot it has, and a new one a slot that was left', () => {
    const index = new PrefixIndex()
    const slot = index.insert(key(1), 256)
    expect(index.insert(key(1), 256)).toBe(slot)
    index.remove(slot)
    expect([index.size, index.insert(key(2), 96), index.slots.limit]).toEqual([0, slot, slot + 1])
  })

  it('falls back through lengths within a word, and through words', () => {
    const index = new PrefixIndex()
    for (const bits of [0, 3, 32, 33, 40, 63, 64, 256])
      index.insert(key(-1, -1, -1, -1, -1, -1, -1, -1), bits)
    const bitsFound = (sought: Int32Array, maxBits?: number) =>
      index.slots.bits(index.longestMatch(sought, maxBits))
    expect(bitsFound(key(-1, -1, -1, -1, -1, -1, -1, -1))).toBe(256)
    expect(bitsFound(key(-1, -1, -1, -1, -1, -1, -1, -2))).toBe(64)
    expect(bitsFound(key(-1, -2))).toBe(63)
    expect(bitsFound(key(-1, 0xff800000))).toBe(40)
    expect(bitsFound(key(-1, 0xff000000))).toBe(40)
    expect(bitsFound(key(-1, 0xfe000000))).toBe(33)
    expect(bitsFound(key(-1, 0))).toBe(32)
    expect(bitsFound(key(-2, -1))).toBe(3)
    expect(bitsFound(key(0, -1))).toBe(0)
    expect([255, 63, 62, 32, 31, 2].map(max => bitsFound(key(-1, -1, -1), max))).toEqual([
      64, 63, 40, 32, 3, 0,
    ])
    expect(index.longestMatch(key(-1), -1)).toBe(NO_SLOT)
  })

  it('forgets a length only with the last prefix of it', () => {
    const index = new PrefixIndex()
    const [one, two] = [index.insert(key(0x10000000), 4), index.insert(key(0x20000000), 4)]
    index.remove(one)
    expect(index.longestMatch(key(0x2fffffff))).toBe(two)
    expect(index.longestMatch(key(0x1fffffff))).toBe(NO_SLOT)
    index.remove(two)
    expect(index.longestMatch(key(0x2fffffff))).toBe(NO_SLOT)
  })

  it('keeps its answers while half of it goes and comes again, and no node for what is gone', () => {
    const random = new Random(testSeed)
    const index = new PrefixIndex(random.below(2 ** 32))
    // Few different words, so that paths are shared, fork and end on each other.
    const prefixes = new Map<string, { key: Int32Array; bits: number }>()
    for (let i = 0; i < 3_000; i++) {
      const words = Array.from({ length: KEY_WORDS }, () => (random.chance(0.7) ? 0 : random.below(8) << 29))
      const bits = random.below(257)
      const slot = index.insert(key(...words), bits)
      prefixes.set(text(index, slot)!, { key: key(...words), bits })
    }
    expect(index.size).toBe(prefixes.size)
    for (let round = 0; round < 3; round++) {
      const gone = [...prefixes.values()].filter(() => random.chance(0.5))
      for (const { key, bits } of gone) index.remove(index.find(key, bits))
      for (const { key, bits } of gone) expect(index.find(key, bits)).toBe(NO_SLOT)
      for (const { key, bits } of gone) index.insert(key, bits)
      for (const [name, { key, bits }] of prefixes) {
        expect(text(index, index.find(key, bits)), replay('test/unit/service/prefix-index.test.ts')).toBe(
          name,
        )
      }
    }
    for (const { key, bits } of prefixes.values()) index.remove(index.find(key, bits))
    expect([index.size, index.nodes]).toEqual([0, 1])
  })

  it('does not take a shorter prefix whose edge has the same hash', () => {
    const index = new PrefixIndex()
    // Of `#hash`: for this word as a whole and for its first bit the same number goes into the finalizer.
    const word = 0x80000000 | (Math.imul(32, 0x9e3779b1) ^ Math.imul(1, 0x9e3779b1))
    index.insert(key(word), 1)
    const slot = index.insert(key(word), 256)
    expect(index.longestMatch(key(word))).toBe(slot)
  })

  it('takes at most 80 bytes for each of many random prefixes', () => {
    const random = new Random(testSeed)
    const index = new PrefixIndex()
    for (let i = 0; i < 20_000; i++) {
      index.insert(key(...Array.from({ length: KEY_WORDS }, () => random.below(2 ** 32))), 256)
    }
    expect(index.byteLength / index.size).toBeLessThan(80)
  })
})
