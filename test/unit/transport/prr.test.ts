import { describe, expect, it } from 'vitest'
import { Prr } from '../../../src/transport/prr.ts'

const mss = 1_000

/** One that has begun with 20 segments; `in flight` and ssthresh in segments. */
function begun(): Prr {
  const prr = new Prr()
  prr.begin(20 * mss)
  return prr
}

/** Lets all of the credit that makes whole segments leave; returns how many. */
function send(prr: Prr): number {
  const segments = Math.floor(prr.creditBytes / mss)
  prr.handleSent(segments * mss)
  return segments
}

describe('proportional rate reduction', () => {
  it('lets ssthresh of RecoverFS leave while that much arrives, however it is acknowledged', () => {
    for (const batch of [1, 2, 5]) {
      const prr = begun()
      let sent = 0
      for (let arrived = 0; arrived < 20; arrived += batch) {
        prr.handleAcknowledgement(batch * mss, 19 * mss, 10 * mss, false, mss)
        sent += send(prr)
      }
      expect(sent, `batches of ${batch}`).toBe(10)
    }
  })

  it('lets as much leave as arrives when less than ssthresh is in flight', () => {
    const prr = begun()
    prr.handleAcknowledgement(3 * mss, 4 * mss, 10 * mss, false, mss)
    expect(send(prr)).toBe(3)
    prr.handleAcknowledgement(2 * mss, 5 * mss, 10 * mss, false, mss)
    expect(send(prr)).toBe(2)
  })

  it('lets one segment more leave for an acknowledgement that is cumulative and shows no loss', () => {
    const prr = begun()
    prr.handleAcknowledgement(3 * mss, 4 * mss, 10 * mss, true, mss)
    expect(send(prr)).toBe(4)
  })

  it('does not go beyond ssthresh to catch up', () => {
    const prr = begun()
    prr.handleAcknowledgement(8 * mss, 7 * mss, 10 * mss, true, mss)
    expect(send(prr)).toBe(3)
  })

  it('lets one segment leave at once, whatever has arrived', () => {
    const prr = begun()
    prr.handleAcknowledgement(0, 19 * mss, 10 * mss, false, mss)
    expect(send(prr)).toBe(1)
    prr.handleAcknowledgement(0, 20 * mss, 10 * mss, false, mss)
    expect(send(prr)).toBe(0)
  })

  it('does not wait for what cannot come: with nothing in flight one segment leaves', () => {
    const prr = begun()
    prr.handleAcknowledgement(0, 5 * mss, 10 * mss, false, mss)
    send(prr)
    prr.handleAcknowledgement(0, 0, 10 * mss, false, mss)
    expect(send(prr)).toBe(1)
  })
})
