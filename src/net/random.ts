/** Random bytes for flowIDs and nonces: many a connection, few at a time, so the generator is asked for a page at once. */
import { randomFillSync } from 'node:crypto'

const page = new Uint8Array(4096)
let at = page.length

/** `n` bytes of the system's CSPRNG, that nobody else was given. */
export function randomBytes(n: number): Uint8Array {
  if (n > page.length) return randomFillSync(new Uint8Array(n))
  if (at + n > page.length) {
    randomFillSync(page)
    at = 0
  }
  const bytes = page.slice(at, at + n)
  // What was given out is nobody else's, and so not to be found here either.
  page.fill(0, at, at + n)
  at += n
  return bytes
}
