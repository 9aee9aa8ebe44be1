import { describe, expect, it } from 'vitest'
import { ServiceId } from '../../../src/id/service-id.ts'
import { ServicePrefix } from '../../../src/id/service-prefix.ts'

const ones = ServiceId.fromBytes(new Uint8Array(32).fill(0xff))
const hexOf = (start: string) => start.padEnd(64, '0')

describe('ServicePrefix', () => {
  it('clears the bits that do not count', () => {
    for (const [bits, hex] of [
      [0, ''],
      [1, '80'],
      [8, 'ff'],
      [9, 'ff80'],
      [32, 'ffffffff'],
      [255, `${'f'.repeat(63)}e`],
      [256, 'f'.repeat(64)],
    ] as const) {
      expect(new ServicePrefix(ones, bits).id.toString()).toBe(`x-${hexOf(hex)}`)
    }
  })

  it('contains exactly the serviceIDs that share its bits', () => {
    const prefix = ServicePrefix.parse(`x-${hexOf('abcd8')}/17`)
    expect(prefix.contains(ServiceId.parse(`x-${hexOf('abcd8')}`))).toBe(true)
    expect(prefix.contains(ServiceId.parse(`x-${hexOf('abcdf7')}`))).toBe(true)
    expect(prefix.contains(ServiceId.parse(`x-${hexOf('abcd7')}`))).toBe(false)
    expect(prefix.contains(ServiceId.parse(`x-${hexOf('abcc8')}`))).toBe(false)
    expect(ServicePrefix.all.contains(ones)).toBe(true)
    expect(new ServicePrefix(ones, 256).contains(ones)).toBe(true)
    expect(new ServicePrefix(ones, 256).contains(ServiceId.zero)).toBe(false)
  })

  it('covers longer prefixes inside of it, and itself', () => {
    const short = ServicePrefix.parse(`x-${hexOf('ab')}/8`)
    const long = ServicePrefix.parse(`x-${hexOf('abcd')}/16`)
    expect(short.covers(long)).toBe(true)
    expect(short.covers(short)).toBe(true)
    expect(long.covers(short)).toBe(false)
    expect(ServicePrefix.all.covers(short)).toBe(true)
  })

  it('is equal to what is the same after clearing', () => {
    expect(new ServicePrefix(ones, 4).equals(ServicePrefix.parse(`x-${hexOf('f7')}/4`))).toBe(true)
    expect(new ServicePrefix(ones, 4).equals(new ServicePrefix(ones, 5))).toBe(false)
  })

  it('reads and prints /bits, 256 when absent', () => {
    expect(ServicePrefix.parse(`0x${hexOf('ff')}/4`).toString()).toBe(`x-${hexOf('f')}/4`)
    expect(ServicePrefix.parse(`x-${hexOf('ff')}`).toString()).toBe(`x-${hexOf('ff')}`)
    expect(ServicePrefix.parse(`x-${hexOf('ff')}/256`).bits).toBe(256)
    expect(ServicePrefix.all.toString()).toBe(`x-${hexOf('')}/0`)
  })

  it('refuses other bits, naming the value and the accepted form', () => {
    for (const bits of ['257', '-1', '', '1.5', 'x', '8/8']) {
      expect(() => ServicePrefix.parse(`x-${hexOf('')}/${bits}`)).toThrow(
        expect.objectContaining({ code: 'ESERVICENAME', message: expect.stringContaining('/0 to /256') }),
      )
    }
    expect(() => ServicePrefix.parse('x-12/8')).toThrow(expect.objectContaining({ code: 'ESERVICENAME' }))
    for (const bits of [-1, 257, 1.5]) expect(() => new ServicePrefix(ones, bits)).toThrow(RangeError)
  })
})
