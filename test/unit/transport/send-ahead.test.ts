/** How much a program may write ahead of what the peer has. */
import { describe, expect, it } from 'vitest'
import { StreamSignal } from '../../../src/transport/stream-signals.ts'
import { Random } from '../../support/random.ts'
import { StreamLab } from '../../support/transport/stream-lab.ts'

const MIB = 1 << 20

const AHEAD_BYTES = 256 << 10
const CHUNK_BYTES = 65_536

/** Writes as a program does that heeds `writable`; how much was written and not sent, and not acknowledged, at most. */
function fill(
  streams: StreamLab,
  bytes: number,
): { readonly unsentBytes: number; readonly heldBytes: number } {
  const { a } = streams
  let unsentBytes = 0
  let heldBytes = 0
  streams.run(() => {
    while (a.stream.writable && a.writtenBytes < bytes) a.write(CHUNK_BYTES)
    unsentBytes = Math.max(unsentBytes, a.stream.unsentBytes)
    heldBytes = Math.max(heldBytes, a.stream.bufferedBytes)
    return a.writtenBytes >= bytes && a.stream.acknowledgedAll
  })
  return { unsentBytes, heldBytes }
}

/** 1 Gbit/s, and round-trip times as set-up measures them. */
function lab(delayMs: number, sendBufferBytes?: number): StreamLab {
  const stream = sendBufferBytes === undefined ? {} : { sendBufferBytes }
  const link = { delayMs, merge: true, bytesPerMs: 125_000 }
  const streams = new StreamLab({ link, random: new Random(1), mss: 1_436, stream })
  for (const end of [streams.a, streams.b]) end.stream.path.rtt.sample(2 * delayMs)
  return streams
}

describe('a program may write ahead', () => {
  it('256 KiB of what has left', () => {
    const { unsentBytes } = fill(lab(0.1), 16 * MIB)
    expect(unsentBytes).toBeGreaterThanOrEqual(AHEAD_BYTES)
    expect(unsentBytes).toBeLessThanOrEqual(AHEAD_BYTES + CHUNK_BYTES)
  })

  it('so that a long path is as full as if all had been written at once', () => {
    const streams = lab(50)
    const { heldBytes } = fill(streams, 48 * MIB)
    expect(heldBytes).toBeGreaterThan(8 * MIB)
    expect(heldBytes).toBeLessThanOrEqual(16 * MIB + CHUNK_BYTES)
    const unheeding = lab(50)
    unheeding.a.write(48 * MIB)
    unheeding.run(() => unheeding.a.stream.acknowledgedAll)
    expect(streams.nowMs).toBeLessThan(1.02 * unheeding.nowMs)
  })

  it('no more than it has asked for', () => {
    expect(fill(lab(50, MIB), 8 * MIB).heldBytes).toBeLessThanOrEqual(MIB + CHUNK_BYTES)
  })

  it('again as soon as enough has left, which it is told whenever it has heard that there is no room', () => {
    const streams = lab(50)
    const { a } = streams
    for (let round = 0; round < 3; round++) {
      while (a.stream.writable) a.write(CHUNK_BYTES)
      a.signals = 0
      streams.run(() => (a.signals & StreamSignal.writable) !== 0)
      expect(a.stream.writable).toBe(true)
    }
    expect(a.stream.acknowledgedAll).toBe(false)
  })

  it('which need not wait for an acknowledgement', () => {
    const streams = lab(50)
    const { a } = streams
    while (a.stream.writable) a.write(CHUNK_BYTES)
    a.settle()
    expect(a.signals & StreamSignal.writable).toBe(0)
    a.flush(streams.nowMs)
    a.settle()
    expect(a.signals & StreamSignal.writable).not.toBe(0)
    expect(a.stream.path.bytesInFlight).toBe(a.writtenBytes - a.stream.unsentBytes)
  })

  it('and is told of room also where it had looked when there was some, and it is gone', () => {
    const streams = lab(50)
    const { a } = streams
    expect(a.stream.writable).toBe(true)
    a.write(MIB)
    a.stream.switchPath(a.freshPath(), streams.nowMs)
    a.signals = 0
    streams.run(() => a.stream.acknowledgedAll)
    expect(a.signals & StreamSignal.writable).not.toBe(0)
  })
})
