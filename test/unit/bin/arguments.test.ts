import { describe, expect, it } from 'vitest'
import { integerWithin, parseByteCount, parseService, secondsWithin } from '../../../src/bin/arguments.ts'

describe('times on the command line', () => {
  const parse = secondsWithin({ min: 0, max: 3600 })

  it.each([
    ['30', 30],
    ['0.5', 0.5],
    ['500ms', 0.5],
    ['2m', 120],
    ['0', 0],
  ])('reads %s as %d seconds', (text, seconds) => {
    expect(parse(text)).toBe(seconds)
  })

  it.each(['', 'x', '-1', '1h', '3601', '1e3', 'Infinity', '٣'])(
    'refuses "%s" and says what is accepted',
    text => {
      expect(() => parse(text)).toThrow('A time from 0 to 3600 seconds is accepted, as in 30, 0.5 or 500ms.')
    },
  )
})

describe('numbers on the command line', () => {
  const parse = integerWithin({ min: 1, max: 128 })

  it('reads a whole number within its range', () => {
    expect([parse('1'), parse('128')]).toEqual([1, 128])
  })

  it.each(['0', '129', '1.5', '', '0x10', '-3'])('refuses "%s"', text => {
    expect(() => parse(text)).toThrow('A whole number from 1 to 128 is accepted.')
  })
})

describe('amounts on the command line', () => {
  it.each([
    ['1', 1],
    ['1000000', 1e6],
    ['64k', 64_000],
    ['1.5G', 1.5e9],
    ['1Gi', 2 ** 30],
    ['2MiB', 2 ** 21],
    ['10MB', 1e7],
  ])('reads %s as %d bytes', (text, bytes) => {
    expect(parseByteCount(text)).toBe(bytes)
  })

  it.each(['0', '', 'k', '1X', '-1', '9999999T'])('refuses "%s"', text => {
    expect(() => parseByteCount(text)).toThrow('A number of bytes is accepted')
  })
})

describe('services on the command line', () => {
  it('gives the canonical name', () => {
    expect(parseService('Web.Example')).toBe('web.example')
  })

  it('refuses what is no name, and says why', () => {
    expect(() => parseService('a b')).toThrow('"a b" is not a service name')
  })
})
