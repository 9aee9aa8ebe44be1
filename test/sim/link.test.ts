/** The simulated link does what it is told to: what the storms and the interop cases rest on. */
import { describe, expect, it } from 'vitest'
import { Random } from '../support/random.ts'
import { type Fate, Link, type LinkOptions } from '../support/simulator/link.ts'

const PACKETS = 20_000

/** What becomes of packets of 1,500 bytes, one every `everyMs`. */
function fatesOf(options: Partial<LinkOptions>, everyMs = 1, packets = PACKETS): Fate[] {
  const link = new Link('link', new Random(1), options)
  return Array.from({ length: packets }, (_, n) => link.carry('up', 1500, n * everyMs))
}

function shareOf(fates: readonly Fate[], is: (fate: Fate, n: number) => boolean): number {
  return fates.filter(is).length / fates.length
}

describe('a simulated link', () => {
  it('loses as many as it is told', () => {
    expect(shareOf(fatesOf({ loss: 0.3 }), fate => fate === 'lost')).toBeCloseTo(0.3, 2)
  })

  it('loses 30 % in bursts of up to three where the interop cases say so', () => {
    const fates = fatesOf({ loss: 0.21, burst: { begins: 0.06, most: 3 } })
    expect(shareOf(fates, fate => fate === 'lost')).toBeCloseTo(0.3, 2)
  })

  it('holds as many back as it is told, so that later ones overtake them', () => {
    const fates = fatesOf({ reorder: 0.1, reorderMs: 50 }, 1)
    const late = shareOf(fates, (fate, n) => Number(fate) > n + 1)
    expect(late).toBeCloseTo(0.1, 2)
    const overtaken = fates.slice(1).filter((fate, n) => Number(fate) < Number(fates[n]!))
    expect(overtaken.length).toBeGreaterThan(0.05 * PACKETS)
  })

  it('duplicates, corrupts and lets through as many as it is told', () => {
    const link = new Link('link', new Random(1), { duplicate: 0.05, corrupt: 0.02, escape: 0.5 })
    const share = (is: () => boolean) => Array.from({ length: PACKETS }, is).filter(Boolean).length / PACKETS
    expect(share(() => link.duplicates())).toBeCloseTo(0.05, 2)
    expect(share(() => link.corrupts())).toBeCloseTo(0.02, 2)
    expect(share(() => link.escapes())).toBeCloseTo(0.5, 1)
  })

  it('carries its rate and no more, and holds as many as its queue does', () => {
    const everyMs = 0.6
    const fates = fatesOf({ kbitPerSecond: 10_000, queueBytes: 25 * 1500, delayMs: 15 }, everyMs)
    const arrivals = fates.filter(fate => typeof fate === 'number')
    const lastAt = arrivals.at(-1)!
    expect((8 * 1500 * arrivals.length) / (lastAt - 15)).toBeCloseTo(10_000, -1)
    const longestMs = Math.max(...fates.map((fate, n) => (typeof fate === 'number' ? fate - n * everyMs : 0)))
    expect(longestMs).toBeLessThanOrEqual(15 + 25 * 1.2)
    expect(longestMs).toBeGreaterThan(15 + 24 * 1.2)
  })

  it('carries nothing that is too long, and nothing while it is down', () => {
    const link = new Link('link', new Random(1), { mtu: 1499 })
    expect(link.carry('up', 1500, 0)).toBe('tooLong')
    link.set({ down: true })
    expect(link.carry('up', 1499, 0)).toBe('down')
    link.heal()
    expect(link.carry('up', 1499, 0)).toBe(1)
  })
})
