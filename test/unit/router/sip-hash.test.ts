import { expect, it } from 'vitest'
import { sipHash } from '../../../src/router/sip-hash.ts'

/**
 * The reference's messages are 0, 1, 2 ... and its key 00 01 .. 0f; a message of n bytes ends in a word with n in its highest
 * byte, which the caller puts in here. `vectors_sip64` of its source, for 0, 7 (one word) and 8, 15 (two words) bytes.
 */
it.each([
  [0, '310e0edd47db6f72'],
  [7, '37d1018bf50002ab'],
  [8, '6224939a79f5f593'],
  [15, 'e545be4961ca29a1'],
])('SipHash-2-4 of %i bytes is that of its reference', (length, expected) => {
  const words = new Int32Array(length < 8 ? 2 : 4)
  const bytes = new Uint8Array(words.buffer)
  for (let i = 0; i < length; i++) bytes[i] = i
  bytes[bytes.length - 1] = length
  const key = new Int32Array(Uint8Array.from({ length: 16 }, (_, i) => i).buffer)
  const digest = new Int32Array(2)
  sipHash(key, words, words.length, digest)
  expect(Buffer.from(digest.buffer).toString('hex')).toBe(expected)
})
