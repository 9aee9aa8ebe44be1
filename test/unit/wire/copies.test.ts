import { describe, expect, it } from 'vitest'
import { ownBytes } from '../../../src/transport/read-queue.ts'
import { SHIM_BYTES } from '../../../src/wire/encapsulation.ts'
import { nativeProfile } from '../../../src/wire/native-profile.ts'
import { parsePacket } from '../../../src/wire/packet.ts'
import { WireError } from '../../../src/wire/wire-error.ts'
import { nativeVectors } from '../../support/native-vectors.ts'

describe('what is kept of a received packet', () => {
  it.each(nativeVectors().map(({ name }) => name))('does not change with the buffer: %s', name => {
    const { bytes } = nativeVectors().find(vector => vector.name === name)!
    // What dgram gives: a Buffer, whose slice is a view.
    const buffer = Buffer.from(bytes)
    const packet = parsePacket(buffer, SHIM_BYTES, buffer.length, nativeProfile)
    if (packet instanceof WireError) throw new Error(packet.message)
    const before = structuredClone(packet.extensions)
    buffer.fill(0xff)
    expect(structuredClone(packet.extensions)).toEqual(before)
  })

  it('keeps no large buffer alive for a few bytes of it', () => {
    expect(ownBytes(Buffer.alloc(65_536).subarray(0, 100)).buffer.byteLength).toBe(100)
  })
})
