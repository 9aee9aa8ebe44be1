import { describe, expect, it } from 'vitest'
import { Edges, hashAt, home, linkAt, NOTHING, next } from '../../../src/service/edges.ts'
import { Random, replay, testSeed } from '../../support/random.ts'

/** What the edges of a hash lead to. */
function linksOf(edges: Edges, hash: number): number[] {
  const segment = edges.segment(hash)
  const links: number[] = []
  for (let at = home(segment, hash); linkAt(segment, at) !== NOTHING; at = next(segment, at)) {
    if (hashAt(segment, at) === hash) links.push(linkAt(segment, at))
  }
  return links.sort((a, b) => a - b)
}

describe('edges', () => {
  it('are found while segments are split, by hashes that differ in any bits', () => {
    const random = new Random(testSeed)
    const edges = new Edges()
    const hashes = Array.from({ length: 150_000 }, () => random.below(2 ** 32) | 0)
    for (const [i, hash] of hashes.entries()) edges.add(hash, i + 1)
    const wrong = hashes.filter((hash, i) => !linksOf(edges, hash).includes(i + 1))
    expect(wrong, replay('test/unit/service/edges.test.ts')).toEqual([])
    expect(edges.byteLength).toBeLessThan(8 * hashes.length * 3)
  })

  it('of one hash stand side by side, however many there are', () => {
    const edges = new Edges()
    const links = Array.from({ length: 1000 }, (_, i) => i + 1)
    for (const link of links) edges.add(0x12345678, link)
    expect(linksOf(edges, 0x12345678)).toEqual(links)
    for (const link of links.slice(10)) edges.remove(0x12345678, link)
    expect(linksOf(edges, 0x12345678)).toEqual(links.slice(0, 10))
    edges.relink(0x12345678, 3, -3)
    expect(linksOf(edges, 0x12345678)).toEqual([-3, 1, 2, 4, 5, 6, 7, 8, 9, 10])
  })

  it('are guessed by their hash alone', () => {
    const edges = new Edges()
    edges.add(-8, 5)
    edges.add(8, -6)
    expect([edges.guess(-8), edges.guess(8), edges.guess(16)]).toEqual([5, -6, NOTHING])
  })
})
