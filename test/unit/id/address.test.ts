import { isIP } from 'node:net'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { addressBytes, addressText, canonicalAddress } from '../../../src/id/address.ts'
import { holds } from '../../support/property.ts'

describe('an IP address', () => {
  it('has one spelling (RFC 5952)', () => {
    for (const [text, canonical] of [
      ['10.0.0.1', '10.0.0.1'],
      ['::', '::'],
      ['::1', '::1'],
      ['1::', '1::'],
      ['2001:DB8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
      ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
      ['2001:0db8::0001', '2001:db8::1'],
      ['::ffff:10.0.0.1', '::ffff:10.0.0.1'],
      ['::ffff:a00:1', '::ffff:10.0.0.1'],
      ['64:ff9b::10.0.0.1', '64:ff9b::a00:1'],
      ['fe80::1%eth0', 'fe80::1%eth0'],
    ]) {
      expect(canonicalAddress(text!), text).toBe(canonical)
    }
  })

  it('is told from what is none', () => {
    for (const text of [
      '',
      '10.0.0',
      '10.0.0.0.1',
      '10.0.0.256',
      '10.0.0.01',
      '10.0.0.-1',
      ':',
      ':::',
      '1:2:3:4:5:6:7',
      '1:2:3:4:5:6:7:8:9',
      '1::2::3',
      '1:2:3:4:5:6:7::8',
      '12345::',
      '::10.0.0.1:1',
      'g::',
      'localhost',
      '1.2.3.4::',
    ]) {
      expect(addressBytes(text), text).toBeUndefined()
      expect(isIP(text), text).toBe(0)
    }
  })

  it('comes out of its bytes as it went in, in the words of Node', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ minLength: 4, maxLength: 4 }),
      fc.uint8Array({ minLength: 16, maxLength: 16 }),
      fc
        .array(fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xffff })), { minLength: 8, maxLength: 8 })
        .map(groups => Uint8Array.from(groups.flatMap(group => [group >> 8, group & 0xff]))),
    )
    holds('test/unit/id/address.test.ts', bytes, address => {
      const text = addressText(address)
      expect(addressBytes(text)).toEqual(address)
      expect(isIP(text)).toBe(address.length === 4 ? 4 : 6)
      if (address.length === 16) {
        const url = new URL(`http://[${text}]/`).hostname.slice(1, -1)
        expect(addressBytes(url)).toEqual(address)
      }
    })
  })

  it('has 4 or 16 bytes', () => {
    expect(() => addressText(new Uint8Array(5))).toThrow(RangeError)
  })
})
