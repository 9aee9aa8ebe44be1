/** HMAC-SHA256 against the vectors of RFC 4231, and against node's own. */
import { createHmac } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { hmacSha256 } from '../../../src/security/hmac.ts'

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
const ascii = (text: string) => new TextEncoder().encode(text)

describe('HMAC-SHA256', () => {
  it('has the values of RFC 4231', () => {
    expect(hex(hmacSha256(new Uint8Array(20).fill(0x0b), ascii('Hi There')))).toBe(
      'b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7',
    )
    expect(hex(hmacSha256(ascii('Jefe'), ascii('what do ya want '), ascii('for nothing?')))).toBe(
      '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
    )
    expect(hex(hmacSha256(new Uint8Array(20).fill(0xaa), new Uint8Array(50).fill(0xdd)))).toBe(
      '773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe',
    )
  })

  it("is node's for messages and keys of every length about a block's, and for long ones after short ones", () => {
    const lengths = [0, 1, 55, 56, 63, 64, 65, 119, 120, 9000, 100_000, 3]
    for (const length of lengths) {
      const message = Uint8Array.from({ length }, (_, i) => i)
      const key = Uint8Array.from({ length: Math.min(length, 64) }, (_, i) => 255 - i)
      expect(hex(hmacSha256(key, message)), `${length} bytes`).toBe(
        createHmac('sha256', key).update(message).digest('hex'),
      )
    }
  })

  it('takes no key that would have to be hashed first', () => {
    expect(() => hmacSha256(new Uint8Array(65))).toThrow(RangeError)
  })
})
