import { describe, expect, it } from 'vitest'
import type { RateSample } from '../../../src/transport/delivery-rate.ts'
import { Flight, Transmission } from '../../../src/transport/transmissions.ts'

type Sample = Omit<RateSample, 'noteApplicationLimited'>

/** Batches of 1,000 bytes on one path; each is sent and arrives as a whole. */
class Course {
  readonly flight = new Flight()
  #nxt = 0

  send(at: number, bytes = 1_000): Transmission {
    const transmission = new Transmission()
    transmission.start = this.#nxt
    transmission.end = this.#nxt += bytes
    transmission.sentAt = at
    this.flight.add(transmission)
    return transmission
  }

  /** One acknowledgement for all of them. */
  arrive(at: number, ...transmissions: readonly Transmission[]): Sample {
    for (const transmission of transmissions) {
      this.flight.remove(transmission)
      this.flight.deliver(transmission, transmission.bytes, transmission.end)
    }
    const { rate } = this.flight
    rate.update(10, at)
    const sample = { ...rate, worstLoss: { ...rate.worstLoss } }
    this.flight.forgetDeliveries()
    return sample
  }
}

describe('the delivery rate', () => {
  it('is what has arrived since the newest of it left, over the time since then', () => {
    const course = new Course()
    const batches = [0, 1, 2, 3].map(at => course.send(at))
    course.arrive(20, batches[0]!)
    const next = course.send(20)
    course.arrive(21, batches[1]!)
    course.arrive(22, batches[2]!)
    course.arrive(23, batches[3]!)
    const sample = course.arrive(40, next)
    expect(sample.deliveredBytes).toBe(4_000)
    expect(sample.bytesPerMs).toBe(4_000 / 20)
    expect(sample.priorDeliveredBytes).toBe(1_000)
  })

  it('is no higher than the rate at which it was sent, when acknowledgements come in a heap', () => {
    const course = new Course()
    const batches = Array.from({ length: 40 }, (_, i) => course.send(i))
    const first = course.arrive(39, batches[0]!)
    expect(first.bytesPerMs).toBe(1_000 / 39)
    const heap = course.arrive(40, ...batches.slice(1))
    expect(heap.bytesPerMs).toBe(40_000 / 40)
  })

  it('has no sample from less than the smallest round trip', () => {
    const course = new Course()
    expect(course.arrive(9, course.send(0)).bytesPerMs).toBe(0)
    expect(course.arrive(20, course.send(10)).bytesPerMs).toBe(100)
  })

  it('begins afresh when nothing was in flight: a pause is not slowness', () => {
    const course = new Course()
    course.arrive(20, course.send(0))
    expect(course.arrive(5_020, course.send(5_000)).bytesPerMs).toBe(1_000 / 20)
  })

  it('is marked as the application’s for what leaves until all in flight then has arrived', () => {
    const course = new Course()
    const before = course.send(0)
    course.flight.rate.noteApplicationLimited(course.flight.bytes)
    const after = course.send(1)
    expect(course.arrive(20, before).applicationLimited).toBe(false)
    expect(course.arrive(21, after).applicationLimited).toBe(true)
    expect(course.arrive(42, course.send(22)).applicationLimited).toBe(false)
  })

  it('tells of losses how much was lost around what was lost, and in flight with it', () => {
    const course = new Course()
    const batches = [0, 0, 0, 0].map(at => course.send(at))
    course.flight.lose(batches[1]!)
    course.flight.lose(batches[2]!)
    expect(course.flight.rate.takeLostBytes()).toBe(2_000)
    expect(course.flight.rate.takeLostBytes()).toBe(0)
    const { worstLoss, lostBytes } = course.arrive(20, batches[0]!, batches[3]!)
    expect(worstLoss).toEqual({
      inFlightAtSend: 3_000,
      lostBytes: 2_000,
      recordBytes: 1_000,
      applicationLimited: false,
    })
    expect(lostBytes).toBe(2_000)
    expect(course.flight.rate.worstLoss.lostBytes).toBe(0)
  })
})
