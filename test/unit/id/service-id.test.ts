import { describe, expect, it } from 'vitest'
import { ServalError } from '../../../src/errors.ts'
import { ServiceId } from '../../../src/id/service-id.ts'

const hex = '00004001000000000000000000000000000000000000000000000000000000ff'

describe('ServiceId', () => {
  it('reads x- and 0x, in either case, and prints x- in lower case', () => {
    expect(ServiceId.parse(`x-${hex}`).toString()).toBe(`x-${hex}`)
    expect(ServiceId.parse(`0X${hex.toUpperCase()}`).toString()).toBe(`x-${hex}`)
  })

  it('prints its levels apart for people', () => {
    expect(ServiceId.parse(`x-${hex}`).format()).toBe('x-00004001.00000000.00000000.00000000…')
  })

  it('refuses what is no raw ID, naming it and the accepted form', () => {
    for (const text of ['', 'x-', `x-${hex}0`, `x-${hex.slice(1)}`, hex, `x-${hex.slice(1)}g`]) {
      expect(() => ServiceId.parse(text)).toThrow(
        expect.objectContaining({ code: 'ESERVICENAME', value: text }),
      )
    }
    expect(() => ServiceId.parse('x-12')).toThrow(
      '"x-12" is not a service name: a raw ID is x- and 64 hex digits',
    )
  })

  it('does not change with the bytes that it was made from or gave away', () => {
    const bytes = new Uint8Array(40).fill(7)
    const id = ServiceId.fromBytes(bytes, 8)
    bytes.fill(9)
    id.toBytes().fill(9)
    expect(id.toString()).toBe(`x-${'07'.repeat(32)}`)
    expect(id.byteAt(31)).toBe(7)
  })

  it('is made of 32 bytes that are there', () => {
    expect(() => ServiceId.fromBytes(new Uint8Array(31))).toThrow(RangeError)
    expect(() => ServiceId.fromBytes(new Uint8Array(32), 1)).toThrow(RangeError)
    expect(() => ServiceId.fromBytes(new Uint8Array(32), -1)).toThrow(RangeError)
  })

  it('is equal by value', () => {
    const id = ServiceId.parse(`x-${hex}`)
    expect(id.equals(ServiceId.parse(`0x${hex}`))).toBe(true)
    expect(id.equals(ServiceId.zero)).toBe(false)
    expect(ServiceId.zero.equals(ServiceId.fromBytes(new Uint8Array(32)))).toBe(true)
  })

  it('copies itself into a buffer', () => {
    const buffer = new Uint8Array(34).fill(0xa5)
    ServiceId.zero.copyTo(buffer, 1)
    expect(Array.from(buffer)).toEqual([0xa5, ...new Array(32).fill(0), 0xa5])
    expect(() => ServiceId.zero.copyTo(buffer, 3)).toThrow(RangeError)
  })

  it('fails with errors of this package', () => {
    expect(() => ServiceId.parse('nonsense')).toThrow(ServalError)
  })
})
