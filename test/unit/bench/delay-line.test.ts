/** The cable of the rows that are behind delay, loss and a rate: what it does to packets, on a clock of the test's own. */
import { describe, expect, it } from 'vitest'
import { DelayLine, type Impairment } from '../../../bench/support/delay-line.ts'

const never = () => 1
const cable: Impairment = { delayMs: 10, loss: 0, bitsPerSecond: Number.POSITIVE_INFINITY, queueBytes: 3000 }
const packet = (number: number, bytes = 1000) => new Uint8Array(bytes).fill(number)

describe('a delay line', () => {
  it('gives a packet back after its delay, and not before', () => {
    const line = new DelayLine(cable, never)
    line.push(packet(1), 5)
    expect(line.nextAt).toBe(15)
    expect(line.shift(14.999)).toBeUndefined()
    expect(line.shift(15)).toEqual(packet(1))
    expect(line.shift(15)).toBeUndefined()
    expect(line.nextAt).toBe(Number.POSITIVE_INFINITY)
  })

  it('keeps packets in order, each as it was', () => {
    const line = new DelayLine(cable, never)
    for (let number = 0; number < 100; number++) line.push(packet(number, 40 + number), number)
    for (let number = 0; number < 100; number++) expect(line.shift(200)).toEqual(packet(number, 40 + number))
  })

  it('lets packets wait for the bottleneck', () => {
    const line = new DelayLine({ ...cable, bitsPerSecond: 8e6 }, never)
    for (const number of [1, 2, 3]) line.push(packet(number), 0)
    expect(line.shift(11)).toEqual(packet(1))
    expect(line.nextAt).toBe(12)
    expect(line.shift(12)).toEqual(packet(2))
    expect(line.nextAt).toBe(13)
  })

  it('drops what does not fit the queue, and has room again later', () => {
    const line = new DelayLine({ ...cable, bitsPerSecond: 8e6, queueBytes: 2000 }, never)
    expect([1, 2, 3, 4].map(number => line.push(packet(number), 0))).toEqual([true, true, true, false])
    expect(line.push(packet(5), 1)).toBe(true)
  })

  it('loses the share that it is told to', () => {
    const draws = [0.009, 0.01, 0.5]
    const line = new DelayLine({ ...cable, loss: 0.01 }, () => draws.shift()!)
    expect([1, 2, 3].map(number => line.push(packet(number), 0))).toEqual([false, true, true])
  })

  it('has room for a number of packets, whatever the queue, and counts round it', () => {
    const line = new DelayLine({ ...cable, queueBytes: Number.POSITIVE_INFINITY }, never)
    let taken = 0
    while (line.push(packet(taken % 256, 8), 0)) taken++
    expect(taken).toBeGreaterThan(4000)
    expect(line.shift(10)).toEqual(packet(0, 8))
    expect(line.push(packet(7, 8), 10)).toBe(true)
    for (let left = taken - 1; left > 0; left--) line.shift(10)
    expect(line.shift(20)).toEqual(packet(7, 8))
  })
})
