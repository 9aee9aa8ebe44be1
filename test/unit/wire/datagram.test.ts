import { describe, expect, it } from 'vitest'
import { emitDatagram, parseDatagram } from '../../../src/wire/datagram.ts'
import { wireErrors } from '../../../src/wire/wire-error.ts'

const payload = Uint8Array.of(1, 2, 3, 4, 5)
const addresses = { source: Uint8Array.of(10, 0, 0, 1), destination: Uint8Array.of(10, 0, 0, 2) }

describe('a datagram', () => {
  it.each(['nothing', 'itself', addresses] as const)(
    'comes out as it went in, with a checksum over %o',
    over => {
      const buffer = new Uint8Array(20).fill(0xa5)
      expect(emitDatagram({ srcPort: 7000, payload }, over, buffer, 3)).toBe(13)
      const own = typeof over === 'string' ? undefined : over
      expect(parseDatagram(buffer, 3, 16, own)).toEqual({ srcPort: 7000, payload })
      expect([buffer[2], buffer[16]]).toEqual([0xa5, 0xa5])
    },
  )

  it('may be empty, and padded behind its end', () => {
    const buffer = new Uint8Array(100)
    emitDatagram({ srcPort: 0, payload: new Uint8Array(0) }, 'nothing', buffer, 0)
    expect(parseDatagram(buffer, 0, 100)).toEqual({ srcPort: 0, payload: new Uint8Array(0) })
  })

  it('is refused where it was changed, or travels between other addresses', () => {
    const buffer = new Uint8Array(13)
    emitDatagram({ srcPort: 0, payload }, addresses, buffer, 0)
    expect(parseDatagram(buffer, 0, 13)).toBe(wireErrors.badChecksum)
    const elsewhere = { ...addresses, destination: Uint8Array.of(10, 0, 0, 3) }
    expect(parseDatagram(buffer, 0, 13, elsewhere)).toBe(wireErrors.badChecksum)
    buffer[12]! ^= 1
    expect(parseDatagram(buffer, 0, 13, addresses)).toBe(wireErrors.badChecksum)
  })

  it('is refused where it is shorter than its header, or than it says', () => {
    const buffer = new Uint8Array(13)
    emitDatagram({ srcPort: 0, payload }, 'nothing', buffer, 0)
    expect(parseDatagram(buffer, 0, 7)).toBe(wireErrors.truncated)
    expect(parseDatagram(buffer, 0, 12)).toBe(wireErrors.truncated)
  })

  it('is not written where it does not fit', () => {
    expect(() => emitDatagram({ srcPort: 0, payload }, 'nothing', new Uint8Array(12), 0)).toThrow(RangeError)
  })
})
