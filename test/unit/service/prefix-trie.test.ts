import { describe, expect, it } from 'vitest'
import { PrefixTrie } from '../../../src/service/prefix-trie.ts'
import { Random, replay, testSeed } from '../../support/random.ts'

const key = (...bytes: number[]) => Uint8Array.from({ length: 32 }, (_, i) => bytes[i] ?? 0)

describe('a prefix trie', () => {
  it('answers -1 where nothing matches', () => {
    const trie = new PrefixTrie()
    expect(trie.longestMatch(key())).toBe(-1)
    trie.insert(key(0x80), 1, 7)
    expect(trie.longestMatch(key(0x7f))).toBe(-1)
    expect(trie.longestMatch(key(0xff))).toBe(7)
    expect(trie.valueOf(key(), 0)).toBe(-1)
    expect(trie.valueOf(key(0x80), 2)).toBe(-1)
  })

  it('parts prefixes at the first bit that differs', () => {
    const trie = new PrefixTrie()
    trie.insert(key(0b1010_0000), 8, 1)
    trie.insert(key(0b1010_0001), 8, 2)
    expect(trie.nodes).toBe(4)
    expect([trie.longestMatch(key(0b1010_0000, 9)), trie.longestMatch(key(0b1010_0001, 9))]).toEqual([1, 2])
    trie.insert(key(0b1010_0000), 7, 3)
    expect(trie.nodes).toBe(4)
    expect(trie.longestMatch(key(0b1010_0001), 7)).toBe(3)
  })

  it('takes a value in the place of another, and the value 0', () => {
    const trie = new PrefixTrie()
    trie.insert(key(1), 256, 5)
    trie.insert(key(1), 256, 0)
    expect([trie.size, trie.longestMatch(key(1))]).toEqual([1, 0])
  })

  it('forgets only what it has', () => {
    const trie = new PrefixTrie()
    trie.insert(key(1), 256, 5)
    trie.insert(key(1, 1), 256, 6)
    expect(trie.remove(key(1), 255)).toBe(false)
    expect(trie.remove(key(1), 15)).toBe(false)
    expect(trie.remove(key(2), 256)).toBe(false)
    expect(trie.remove(key(), 0)).toBe(false)
    expect(trie.remove(key(1), 256)).toBe(true)
    expect(trie.remove(key(1), 256)).toBe(false)
    expect([trie.size, trie.longestMatch(key(1, 1))]).toEqual([1, 6])
  })

  it('keeps fewer than two nodes for each prefix, and none for those that are gone', () => {
    const random = new Random(testSeed)
    const trie = new PrefixTrie()
    for (let round = 0; round < 3; round++) {
      const prefixes = Array.from({ length: 2_000 }, () => ({
        key: key(...random.bytes(random.below(5))),
        bits: random.below(40),
      }))
      for (const [i, { key, bits }] of prefixes.entries()) {
        trie.insert(key, bits, i)
        if (random.chance(0.3)) {
          const gone = prefixes[random.below(i + 1)]!
          trie.remove(gone.key, gone.bits)
        }
        expect(trie.nodes, replay('test/unit/service/prefix-trie.test.ts')).toBeLessThanOrEqual(
          2 * trie.size + 1,
        )
      }
      for (const { key, bits } of prefixes) trie.remove(key, bits)
      expect([trie.size, trie.nodes]).toEqual([0, 1])
    }
  })
})
