/** Keys of mode `plain`, against values that another HMAC made. */
import { describe, expect, it } from 'vitest'
import { derivePlainKeys } from '../../../src/security/keys.ts'

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
const bytes = (from: number) => Uint8Array.from({ length: 16 }, (_, i) => from + i)

describe('keys of mode plain', () => {
  it('follow from both nonces', () => {
    const keys = derivePlainKeys(bytes(0), bytes(16))
    expect(hex(keys.tagKey)).toBe('46abb176bf1f5af3abca2892841805e6d51100a2a3b5c4bf44fb33325b3647e3')
    expect(keys.clientIsn).toBe(108_724_459_888_552)
    expect(keys.serverIsn).toBe(8_258_879_694_799)
  })

  it('are others where a nonce is, or where the two are exchanged', () => {
    const keys = [
      derivePlainKeys(bytes(0), bytes(16)),
      derivePlainKeys(bytes(16), bytes(0)),
      derivePlainKeys(bytes(1), bytes(16)),
      derivePlainKeys(bytes(0), bytes(17)),
    ]
    expect(new Set(keys.map(({ tagKey }) => hex(tagKey))).size).toBe(4)
    expect(new Set(keys.map(({ clientIsn }) => clientIsn)).size).toBe(4)
  })
})
