import { describe, expect, it } from 'vitest'
import { base32Decode, base32Encode } from '../../../src/id/base32.ts'
import { formatFlowId, randomFlowId } from '../../../src/id/flow-id.ts'
import { serialAdd, serialDiff, serialLt } from '../../../src/id/serial.ts'

describe('serial numbers (RFC 1982)', () => {
  it('go round at 2^32', () => {
    expect(serialAdd(0xffffffff, 1)).toBe(0)
    expect(serialAdd(0, -1)).toBe(0xffffffff)
    expect(serialDiff(2, 0xffffffff)).toBe(3)
    expect(serialDiff(0xffffffff, 2)).toBe(-3)
  })

  it('are ordered across the end', () => {
    expect(serialLt(0xfffffffe, 1)).toBe(true)
    expect(serialLt(1, 0xfffffffe)).toBe(false)
    expect(serialLt(7, 7)).toBe(false)
    expect(serialLt(0, 0x7fffffff)).toBe(true)
    expect(serialLt(0, 0x80000001)).toBe(false)
  })
})

describe('a random flowID', () => {
  const sequence = (...numbers: number[]) => {
    const bytes = numbers.map(n => Uint8Array.of(n >>> 24, n >>> 16, n >>> 8, n))
    return () => bytes.shift()!
  }

  it('is uint32, never zero, never one that is taken', () => {
    expect(randomFlowId(sequence(0xfffffffe))).toBe(0xfffffffe)
    expect(randomFlowId(sequence(0, 5))).toBe(5)
    expect(randomFlowId(sequence(5, 6, 7), flowId => flowId < 7)).toBe(7)
  })

  it('prints as eight hex digits', () => {
    expect(formatFlowId(0x2af)).toBe('000002af')
  })
})

describe('base32', () => {
  it('is that of RFC 4648 section 10, in lower case and without padding', () => {
    for (const [text, encoded] of [
      ['', ''],
      ['f', 'my'],
      ['fo', 'mzxq'],
      ['foo', 'mzxw6'],
      ['foob', 'mzxw6yq'],
      ['fooba', 'mzxw6ytb'],
      ['foobar', 'mzxw6ytboi'],
    ]) {
      const bytes = new TextEncoder().encode(text)
      expect(base32Encode(bytes)).toBe(encoded)
      expect(base32Decode(encoded!)).toEqual(bytes)
    }
  })

  it('has one spelling for each value', () => {
    for (const text of ['m', 'mz1q', 'MY', 'mzx', 'mz', 'my======'])
      expect(base32Decode(text), text).toBeUndefined()
  })
})
