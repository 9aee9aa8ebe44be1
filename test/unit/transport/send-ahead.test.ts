/** How much a program may write ahead of what the peer has. */
import { describe, expect, it } from 'vitest'
import { StreamSignal } from '../../../src/transport/stream-signals.ts'
import { Random } from '../../support/random.ts'
import { StreamLab } from '../../support/transport/stream-lab.ts'

const MIB = 1 << 20

/** Writes as a program does that heeds `writable`; how much was buffered at most. */
function fill(streams: StreamLab, bytes: number): number {
  const { a } = streams
  let mostBytes = 0
  streams.run(() => {
    while (a.stream.writable && a.writtenBytes < bytes) a.write(65_536)
    mostBytes = Math.max(mostBytes, a.stream.bufferedBytes)
    return a.writtenBytes >= bytes && a.stream.acknowledgedAll
  })
  return mostBytes
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
  it('4 MiB on a short path', () => {
    expect(fill(lab(0.1), 16 * MIB)).toBeLessThanOrEqual(4 * MIB + 65_536)
  })

  it('as much as a long path takes, so that it is as fast as if it had written all at once', () => {
    const streams = lab(50)
    const mostBytes = fill(streams, 48 * MIB)
    expect(mostBytes).toBeGreaterThan(8 * MIB)
    expect(mostBytes).toBeLessThanOrEqual(16 * MIB + 65_536)
    const unheeding = lab(50)
    unheeding.a.write(48 * MIB)
    unheeding.run(() => unheeding.a.stream.acknowledgedAll)
    expect(streams.nowMs).toBeLessThan(1.02 * unheeding.nowMs)
  })

  it('no more than it has asked for', () => {
    expect(fill(lab(50, MIB), 8 * MIB)).toBeLessThanOrEqual(MIB + 65_536)
  })

  it('again once there is room, also where the window shrank between the signal and the look', () => {
    const streams = lab(50)
    const { a } = streams
    const hearsOfRoom = () => (a.signals & StreamSignal.writable) !== 0
    streams.run(() => {
      while (a.stream.writable) a.write(65_536)
      return a.stream.bufferedBytes > 8 * MIB
    })
    a.signals = 0
    streams.run(hearsOfRoom)
    a.signals = 0
    a.stream.switchPath(a.freshPath(), streams.nowMs)
    expect(a.stream.writable).toBe(false)
    streams.run(() => a.stream.acknowledgedAll)
    expect(hearsOfRoom()).toBe(true)
  })
})
