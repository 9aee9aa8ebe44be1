// @ts-check
/**
 * Content that never repeats, the same for whoever generates it: the key stream of AES-128 in counter mode. Bytes that were
 * lost, doubled or swapped anywhere in it change the hash, as in any file.
 */
import { createCipheriv, createHash } from 'node:crypto'

const CHUNK_BYTES = 64 * 1024

/** @param {number} totalBytes @returns {Generator<Buffer, void, undefined>} Its first bytes, in chunks. */
export function* keystream(totalBytes) {
  const cipher = createCipheriv('aes-128-ctr', Buffer.alloc(16), Buffer.alloc(16))
  const zeros = Buffer.alloc(CHUNK_BYTES)
  for (let left = totalBytes; left > 0; left -= CHUNK_BYTES) {
    yield cipher.update(left < CHUNK_BYTES ? zeros.subarray(0, left) : zeros)
  }
}

/** @param {number} totalBytes @returns {string} SHA-256 of its first bytes, in hexadecimal. */
export function keystreamHash(totalBytes) {
  const hash = createHash('sha256')
  for (const chunk of keystream(totalBytes)) hash.update(chunk)
  return hash.digest('hex')
}
