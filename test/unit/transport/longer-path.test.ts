/** A path whose round trip becomes many times as long: no time-out that was learnt before leaves room for an answer. */
import { describe, expect, it } from 'vitest'
import { Random } from '../../support/random.ts'
import { StreamLab } from '../../support/transport/stream-lab.ts'

describe('where the round trip becomes 75 times as long', () => {
  it('small requests, of which each waits for the answer to the one before, are sent once each after a while', () => {
    const streams = new StreamLab({ link: { delayMs: 10 }, random: new Random(1) })
    const { stream } = streams.a
    const request = () => {
      streams.a.write(60)
      streams.run(() => stream.acknowledgedAll)
    }
    for (let i = 0; i < 20; i++) request()
    streams.link = { delayMs: 750 }
    for (let i = 0; i < 20; i++) request()
    const { retransmittedSegments } = stream.stats
    for (let i = 0; i < 20; i++) request()
    expect(stream.stats.retransmittedSegments).toBe(retransmittedSegments)
    expect(stream.path.rtt.srttMs).toBeGreaterThan(1_000)
  })
})
