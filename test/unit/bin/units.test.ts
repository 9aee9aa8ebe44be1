import { describe, expect, it } from 'vitest'
import { count, formatBitsPerSecond, formatBytes, formatMs } from '../../../src/bin/units.ts'

describe('quantities for people', () => {
  it.each([
    [0, '0 B'],
    [999, '999 B'],
    [1000, '1.00 kB'],
    [1536, '1.54 kB'],
    [99_960, '100 kB'],
    [999_499, '999 kB'],
    [999_500, '1.00 MB'],
    [4_194_304, '4.19 MB'],
    [5e16, '50.0 PB'],
  ])('writes %d bytes as %s', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text)
  })

  it('counts rates of links in bits', () => {
    expect(formatBitsPerSecond(1.17625e9)).toBe('9.41 Gbit/s')
    expect(formatBitsPerSecond(0)).toBe('0.00 bit/s')
  })

  it.each([
    [0.0421, '0.042 ms'],
    [1, '1.00 ms'],
    [12.34, '12.3 ms'],
    [150, '150 ms'],
    [1250, '1.25 s'],
  ])('writes %d ms as %s', (ms, text) => {
    expect(formatMs(ms)).toBe(text)
  })

  it('counts things', () => {
    expect([0, 1, 2].map(number => count(number, 'move'))).toEqual(['0 moves', '1 move', '2 moves'])
  })
})
