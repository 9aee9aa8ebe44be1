import { describe, expect, it } from 'vitest'
import type { Endpoint } from '../../../src/wire/endpoint.ts'
import { TransmitBatch } from '../../../src/wire/transmit-batch.ts'

const REMOTE: Endpoint = { address: '10.0.0.9', port: 9 }

/** A batch of one packet, all of whose bytes are `byte`. */
function packet(length: number, byte = 1, localId = 1, remote = REMOTE): TransmitBatch {
  const batch = new TransmitBatch()
  batch.buffer.fill(byte, 0, length)
  batch.setPacket(length)
  batch.setRoute(localId, remote)
  return batch
}

describe('a batch takes over the packets of others', () => {
  it('of the same length, and a shorter one as the last', () => {
    const batch = packet(100, 1)
    expect([batch.append(packet(100, 2)), batch.append(packet(40, 3)), batch.append(packet(40, 4))]).toEqual([
      true,
      true,
      false,
    ])
    expect([batch.packets, batch.segmentBytes, batch.length]).toEqual([3, 100, 240])
    const bytes = [...batch.buffer.subarray(0, 240)]
    expect(bytes).toEqual([...Array(100).fill(1), ...Array(100).fill(2), ...Array(40).fill(3)])
  })

  it('but no longer one, whose end the kernel would cut off', () => {
    const batch = packet(100)
    expect(batch.append(packet(101))).toBe(false)
    expect([batch.packets, batch.length]).toEqual([1, 100])
  })

  it('only of those that go from and to the same address', () => {
    const batch = packet(100)
    expect(batch.append(packet(100, 1, 2))).toBe(false)
    expect(batch.append(packet(100, 1, 1, { address: '10.0.0.9', port: 10 }))).toBe(false)
    expect(batch.append(packet(100, 1, 1, { address: '10.0.0.8', port: 9 }))).toBe(false)
    expect(batch.append(packet(100, 1, 1, { ...REMOTE }))).toBe(true)
  })

  it('only where each is a batch of one, and not where it is empty or its payload lies elsewhere', () => {
    const several = packet(100)
    several.setPackets(2, 50, 100)
    expect(packet(100).append(several)).toBe(false)
    expect(new TransmitBatch().append(packet(100))).toBe(false)
    const gathered = packet(100)
    gathered.headerBytes = 20
    expect(gathered.append(packet(100))).toBe(false)
  })

  it.each([
    [100, 64],
    [1_500, 43],
  ])('of %i bytes no more than the kernel cuts in one go', (length, most) => {
    const batch = packet(length)
    while (batch.append(packet(length))) expect(batch.packets).toBeLessThanOrEqual(most)
    expect(batch.packets).toBe(most)
    expect(batch.length).toBeLessThanOrEqual(65_507)
  })
})
