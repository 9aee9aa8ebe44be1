import { describe, expect, it } from 'vitest'
import { SHIM_BYTES } from '../../../src/wire/encapsulation.ts'
import { emitVersionHint, parseVersionHint, versionHintLength } from '../../../src/wire/version-hint.ts'
import { wireErrors } from '../../../src/wire/wire-error.ts'

const HINT = { dstFlowId: 0x0a0b0c0d, versions: [1, 2] }
const BYTES = Uint8Array.from(
  Buffer.from('00200014' + '00000000' + '0a0b0c0d' + '0306e6e1' + '02010200', 'hex'),
)

describe('a version hint', () => {
  it('is written over whatever was in the buffer', () => {
    const buffer = new Uint8Array(30).fill(0xa5)
    expect(emitVersionHint(HINT, buffer, 5)).toBe(20)
    expect(versionHintLength(HINT)).toBe(20)
    expect(buffer.subarray(5, 25)).toEqual(BYTES)
    expect(buffer[25]).toBe(0xa5)
  })

  it('is read back', () => {
    expect(parseVersionHint(BYTES, SHIM_BYTES, BYTES.length)).toEqual(HINT)
  })

  it('has a list: without one, or with a short one, it is an error', () => {
    expect(parseVersionHint(BYTES, SHIM_BYTES, 10)).toBe(wireErrors.truncated)
    expect(parseVersionHint(BYTES, SHIM_BYTES, 16)).toBe(wireErrors.truncated)
    expect(parseVersionHint(BYTES, SHIM_BYTES, 18)).toBe(wireErrors.badLength)
    const flipped = BYTES.slice()
    flipped[9]! ^= 1
    expect(parseVersionHint(flipped, SHIM_BYTES, flipped.length)).toBe(wireErrors.badChecksum)
  })

  it('needs room', () => {
    expect(() => emitVersionHint(HINT, new Uint8Array(19), 0)).toThrow(RangeError)
  })
})
