/** The same seed is the same run, packet for packet; another seed is another one. */
import { describe, expect, it } from 'vitest'
import { RandomMoves } from './random-moves.ts'

function traceHash(seed: number): string {
  const moves = new RandomMoves(seed, { trace: true })
  moves.run()
  return moves.world.tracer!.hash()
}

describe('two runs', () => {
  it('of one seed have one trace', () => {
    for (let seed = 0; seed < 10; seed++) expect(traceHash(seed), `seed ${seed}`).toBe(traceHash(seed))
  })

  it('of two seeds have two', () => {
    const hashes = Array.from({ length: 10 }, (_, seed) => traceHash(seed))
    expect(new Set(hashes).size).toBe(10)
  })

  it('are the same whether they are traced or not', () => {
    const [plain, traced] = [{}, { trace: true }].map(options => {
      const moves = new RandomMoves(3, options)
      moves.run()
      return { endedAt: moves.world.nowMs, drawn: moves.world.random.uint32() }
    })
    expect(plain).toEqual(traced)
  })
})
