import { describe, expect, it } from 'vitest'
import {
  DATA_PREFIX_BYTES,
  emitDataPrefix,
  emitShim,
  INITIAL_HOPS,
  PacketWalk,
  packetsIn,
  SHIM_BYTES,
  setHops,
  setLength,
} from '../../../src/wire/encapsulation.ts'
import { nativeProfile } from '../../../src/wire/native-profile.ts'
import { emitPacket, parsePacket, SalPacket } from '../../../src/wire/packet.ts'

/** Packets of these lengths, shim included, back to back. */
function batch(...lengths: number[]): Uint8Array {
  const buffer = new Uint8Array(lengths.reduce((sum, length) => sum + length, 0))
  let at = 0
  for (const length of lengths) {
    emitDataPrefix(buffer, at, 1, 2, length)
    at += length
  }
  return buffer
}

function walked(buffer: Uint8Array, start = 0, end = buffer.length): { ranges: number[][]; error?: string } {
  const walk = new PacketWalk()
  walk.reset(buffer, start, end)
  const ranges: number[][] = []
  while (walk.next()) ranges.push([walk.packetStart, walk.packetEnd])
  return walk.error === undefined ? { ranges } : { ranges, error: walk.error.code }
}

describe('a buffer of packets', () => {
  it('says how many they are, as far as the first can tell', () => {
    expect(packetsIn(batch(20), 20)).toBe(1)
    expect(packetsIn(batch(30, 30, 30, 20), 110)).toBe(4)
    expect(packetsIn(new Uint8Array(160), 160)).toBe(10)
  })

  it('is walked packet by packet', () => {
    expect(walked(batch(20, 20, 20))).toEqual({
      ranges: [
        [4, 20],
        [24, 40],
        [44, 60],
      ],
    })
    expect(walked(new Uint8Array(0))).toEqual({ ranges: [] })
  })

  it('may end with a shorter one', () => {
    expect(walked(batch(30, 30, 20)).ranges).toEqual([
      [4, 30],
      [34, 60],
      [64, 80],
    ])
  })

  it('is dropped behind a shorter one', () => {
    expect(walked(batch(30, 20, 30))).toEqual({
      ranges: [
        [4, 30],
        [34, 50],
      ],
      error: 'after-short',
    })
  })

  it('is dropped from a longer one on', () => {
    expect(walked(batch(20, 30))).toEqual({ ranges: [[4, 20]], error: 'unequal-length' })
  })

  it('is dropped from a length on that is too small, or points behind the end', () => {
    const buffer = batch(20, 20)
    setLength(buffer, 20, 15)
    expect(walked(buffer)).toEqual({ ranges: [[4, 20]], error: 'bad-length' })
    expect(walked(batch(20, 20), 0, 39)).toEqual({ ranges: [[4, 20]], error: 'truncated' })
    expect(walked(batch(20, 20), 0, 23)).toEqual({ ranges: [[4, 20]], error: 'truncated' })
  })

  it('is walked again after a reset', () => {
    const walk = new PacketWalk()
    walk.reset(batch(30, 20), 0, 25)
    expect(walk.next()).toBe(false)
    expect(walk.error?.code).toBe('truncated')
    expect(walk.next()).toBe(false)
    walk.reset(batch(20), 0, 20)
    expect(walk.error).toBeUndefined()
    expect(walk.next()).toBe(true)
  })

  it('tells version and hops of each packet', () => {
    const buffer = batch(20, 20)
    buffer[20] = 9
    setHops(buffer, 20, 3)
    const walk = new PacketWalk()
    walk.reset(buffer, 0, buffer.length)
    walk.next()
    expect([walk.version, walk.hops]).toEqual([1, INITIAL_HOPS])
    walk.next()
    expect([walk.version, walk.hops]).toEqual([9, 3])
  })
})

describe('the prefix of data', () => {
  it('is the shim and header of a packet without extensions, whatever the flowIDs', () => {
    for (const [srcFlowId, dstFlowId] of [
      [1, 2],
      [0xffffffff, 0xffffffff],
      [0xfce9, 0],
      [0x80000000, 0x12345678],
    ] as const) {
      const expected = new Uint8Array(40).fill(0xa5)
      emitShim(expected, 4, 30)
      emitPacket(
        new SalPacket({ srcFlowId, dstFlowId, protocol: 6, extensions: [] }),
        expected,
        4 + SHIM_BYTES,
        nativeProfile,
      )
      const buffer = new Uint8Array(40).fill(0xa5)
      emitDataPrefix(buffer, 4, srcFlowId, dstFlowId, 30)
      expect(buffer).toEqual(expected)
      expect(parsePacket(buffer, 8, 4 + DATA_PREFIX_BYTES, nativeProfile)).toMatchObject({
        srcFlowId,
        dstFlowId,
      })
    }
  })

  it('may be kept and given another length', () => {
    const kept = batch(100)
    setLength(kept, 0, 50)
    const fresh = batch(50)
    expect(kept.subarray(0, 16)).toEqual(fresh.subarray(0, 16))
  })
})
