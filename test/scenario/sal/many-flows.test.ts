/** Many flows that are due at one instant: their host has other work than theirs. */
import { describe, expect, it } from 'vitest'
import { FLOWS_AT_ONCE, type Sal } from '../../../src/sal/sal.ts'
import { TransmitBatch } from '../../../src/wire/transmit-batch.ts'
import { simulate } from '../../support/simulator/world.ts'

const COUNT = 2 * FLOWS_AT_ONCE + 50

/** What there is to send after each call, until no flow is due any more. */
function packetsACall(sal: Sal, nowMs: number): number[] {
  const batch = new TransmitBatch()
  const counts: number[] = []
  while (sal.nextTimeoutAt <= nowMs) {
    sal.handleTimeout(nowMs)
    let packets = 0
    while (sal.pollTransmit(batch, nowMs)) packets++
    counts.push(packets)
  }
  return counts
}

/** Its SYNs have all left at 0, and nobody answers. */
function hostOfMany(): Sal {
  const world = simulate(1)
  const net = world.link('net', { delayMs: 10 })
  const server = world.host('server', net)
  const client = world.host('client', net).knows('silent.example', server)
  net.set({ down: true })
  for (let i = 0; i < COUNT; i++) client.connect('silent.example')
  world.run(1)
  return client.sal
}

describe('many flows that are due at once', () => {
  it('have their turn a few at a time, none of them twice', () => {
    const sal = hostOfMany()
    expect(sal.nextTimeoutAt).toBe(1_000)
    expect(packetsACall(sal, 1_000)).toEqual([FLOWS_AT_ONCE, FLOWS_AT_ONCE, 50])
    expect(sal.nextTimeoutAt).toBeGreaterThan(1_000)
  })
})
