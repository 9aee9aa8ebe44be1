import { describe, expect, it } from 'vitest'
import { TransportPath } from '../../../src/transport/path.ts'
import type { Stream } from '../../../src/transport/stream.ts'
import { DATA_PREFIX_BYTES, emitDataPrefix, PacketWalk } from '../../../src/wire/encapsulation.ts'
import { parseSegment, type Segment, SegmentFields, segmentFlags } from '../../../src/wire/segment.ts'
import { TransmitBatch } from '../../../src/wire/transmit-batch.ts'
import { WireError } from '../../../src/wire/wire-error.ts'
import { delivered } from '../../support/transport/acknowledgement.ts'
import { newStream } from '../../support/transport/new-stream.ts'
import { firstWrong, pattern } from '../../support/transport/pattern.ts'

const sendIsn = 2 ** 48 - 30_000

/** A stream whose peer admits `windowBytes`, and whose congestion window admits `bytes`. */
function openStream(mss: number, bytes: number, windowBytes = 2 ** 30): Stream {
  const path = new TransportPath({ id: 0, mss })
  path.congestion.handleAcknowledgement(delivered(bytes, 1, 0))
  const stream = newStream({ sendIsn, receiveIsn: 9, path, nowMs: 0 })
  const fields = new SegmentFields()
  Object.assign(fields, { seq: 9, ack: sendIsn, windowBytes, flags: segmentFlags.ACK })
  stream.handleSegment(fields, new Uint8Array(0), path, 0)
  return stream
}

function prefixOf(length: number): Uint8Array {
  const prefix = new Uint8Array(length).fill(0xab)
  emitDataPrefix(prefix, 0, 0x11223344, 0x55667788, 0)
  return prefix
}

/** The segments of `batch`, found by the shims alone. */
function segmentsOf(batch: TransmitBatch, prefix: Uint8Array): Segment[] {
  const walk = new PacketWalk()
  const segments: Segment[] = []
  walk.reset(batch.buffer, 0, batch.length)
  while (walk.next()) {
    const shim = walk.packetStart - 4
    expect(batch.buffer.subarray(shim + 4, shim + prefix.length)).toEqual(prefix.subarray(4))
    const segment = parseSegment(batch.buffer, shim + prefix.length, walk.packetEnd)
    if (segment instanceof WireError) throw segment
    segments.push(segment)
  }
  expect(walk.error).toBeUndefined()
  return segments
}

describe('a batch', () => {
  it.each([
    { mss: 1_436, prefixBytes: DATA_PREFIX_BYTES, packets: 44 },
    { mss: 1_164, prefixBytes: DATA_PREFIX_BYTES + 36, packets: 44 },
    { mss: 8_000, prefixBytes: DATA_PREFIX_BYTES, packets: 8 },
    { mss: 65_400, prefixBytes: DATA_PREFIX_BYTES, packets: 1 },
    { mss: 61, prefixBytes: DATA_PREFIX_BYTES + 8, packets: 44 },
  ])(
    'of $mss-byte segments behind $prefixBytes bytes holds $packets, in order',
    ({ mss, prefixBytes, packets }) => {
      const stream = openStream(mss, 10_000_000)
      const prefix = prefixOf(prefixBytes)
      const batch = new TransmitBatch()
      batch.buffer.fill(0xee)
      stream.write(pattern(0, 10_000))
      stream.write(pattern(10_000, 200_000))
      expect(stream.emitBatch(batch, prefix, stream.path, 0)).toBe(true)
      expect([batch.packets, batch.segmentBytes]).toEqual([packets, prefixBytes + 20 + mss])
      expect(batch.length).toBe(packets * batch.segmentBytes)
      expect(batch.length).toBeLessThanOrEqual(65_507)
      let offset = 0
      for (const segment of segmentsOf(batch, prefix)) {
        expect(segment.seq).toBe((sendIsn + offset) % 2 ** 48)
        expect([segment.payload.length, firstWrong(offset, segment.payload)]).toEqual([mss, -1])
        offset += segment.payload.length
      }
      expect(offset).toBe(packets * mss)
    },
  )

  it('may end in a shorter segment, which alone has PSH', () => {
    const stream = openStream(1_000, 1_000_000)
    const prefix = prefixOf(DATA_PREFIX_BYTES)
    const batch = new TransmitBatch()
    stream.write(pattern(0, 3_100))
    stream.emitBatch(batch, prefix, stream.path, 0)
    const segments = segmentsOf(batch, prefix)
    expect(segments.map(segment => segment.payload.length)).toEqual([1_000, 1_000, 1_000, 100])
    expect(segments.map(segment => segment.flags & segmentFlags.PSH)).toEqual([0, 0, 0, segmentFlags.PSH])
    expect([batch.packets, batch.segmentBytes, batch.length]).toEqual([4, 1_036, 3 * 1_036 + 136])
  })

  it('of one short packet has the size of that packet', () => {
    const stream = openStream(1_000, 0)
    const batch = new TransmitBatch()
    stream.write(pattern(0, 10))
    stream.emitBatch(batch, prefixOf(DATA_PREFIX_BYTES), stream.path, 0)
    expect([batch.packets, batch.segmentBytes, batch.length]).toEqual([1, 46, 46])
  })

  it('takes its bytes from as many chunks as it needs', () => {
    const stream = openStream(1_000, 1_000_000)
    const prefix = prefixOf(DATA_PREFIX_BYTES)
    const batch = new TransmitBatch()
    for (let offset = 0, size = 1; offset < 40_000; offset += size, size = (size * 7) % 3_001) {
      stream.write(pattern(offset, size))
    }
    stream.emitBatch(batch, prefix, stream.path, 0)
    let offset = 0
    for (const { payload } of segmentsOf(batch, prefix)) {
      expect(firstWrong(offset, payload)).toBe(-1)
      offset += payload.length
    }
    expect(offset).toBeGreaterThan(39_000)
  })

  it('goes out on the active path only; another path carries acknowledgements', () => {
    const stream = openStream(1_000, 0)
    const other = new TransportPath({ id: 1, mss: 1_000 })
    const batch = new TransmitBatch()
    stream.write(pattern(0, 5_000))
    expect(stream.emitBatch(batch, prefixOf(DATA_PREFIX_BYTES), other, 0)).toBe(false)
    stream.acknowledgeNow()
    expect(stream.emitBatch(batch, prefixOf(DATA_PREFIX_BYTES), other, 0)).toBe(true)
    expect(segmentsOf(batch, prefixOf(DATA_PREFIX_BYTES))[0]?.payload.length).toBe(0)
  })
})

describe('a segment inside a packet of the flow', () => {
  it('carries the next data if all of it fits', () => {
    const stream = openStream(1_000, 0)
    const buffer = new Uint8Array(1_100).fill(0xee)
    stream.write(pattern(0, 300))
    expect(stream.emitSegment(buffer, 50, 0, 900)).toBe(320)
    const segment = parseSegment(buffer, 50, 370) as Segment
    expect([segment.seq, firstWrong(0, segment.payload)]).toEqual([sendIsn, -1])
    expect([buffer[49], buffer[370]]).toEqual([0xee, 0xee])
    expect([stream.unsentBytes, stream.path.bytesInFlight]).toEqual([0, 300])
  })

  it('carries none if not', () => {
    const stream = openStream(1_000, 0)
    stream.write(pattern(0, 300))
    expect(stream.emitSegment(new Uint8Array(400), 0, 0, 299)).toBe(20)
    expect(stream.emitSegment(new Uint8Array(400), 0, 0)).toBe(20)
    expect(stream.unsentBytes).toBe(300)
  })
})
