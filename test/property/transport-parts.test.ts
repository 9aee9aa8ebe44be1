/** The clever tables of the transport beside stupid twins that keep one entry a byte. */
import { describe, expect, it } from 'vitest'
import { RangeSet } from '../../src/transport/ranges.ts'
import { Reassembly } from '../../src/transport/reassembly.ts'
import { Scoreboard } from '../../src/transport/scoreboard.ts'
import { SendBuffer } from '../../src/transport/send-buffer.ts'
import { Flight, transmissionStates } from '../../src/transport/transmissions.ts'
import { Random, replay, testSeed } from '../support/random.ts'
import { firstWrong, pattern } from '../support/transport/pattern.ts'

const again = replay('test/property/transport-parts.test.ts')
const ROUNDS = 200

/** Runs `round` often, each with its own seed. */
function rounds(round: (random: Random) => void): void {
  for (let i = 0; i < ROUNDS; i++) round(new Random(testSeed + i))
}

describe('a range set', () => {
  it('holds what a set of numbers holds', () => {
    rounds(random => {
      const ranges = new RangeSet()
      const twin = new Set<number>()
      for (let step = 0; step < 40; step++) {
        const start = random.below(100)
        const end = start + random.below(12)
        if (random.chance(0.9)) {
          ranges.add(start, end)
          for (let value = start; value < end; value++) twin.add(value)
        } else {
          const limit = random.below(40)
          ranges.removeBelow(limit)
          for (const value of twin) if (value < limit) twin.delete(value)
        }
        expect(asRanges(ranges), again).toEqual(rangesOf(twin))
        const value = random.below(110)
        expect(ranges.indexOf(value) >= 0, again).toBe(twin.has(value))
      }
    })
  })
})

describe('reassembly', () => {
  it('delivers each byte once and in order, whatever comes in whatever order', () => {
    rounds(random => {
      const length = 2_000
      const reassembly = new Reassembly()
      const twin = new Set<number>()
      let read = 0
      while (reassembly.nextOffset < length) {
        const start = random.chance(0.3) ? reassembly.nextOffset : random.below(length)
        const end = Math.min(length, start + 1 + random.below(200))
        reassembly.insert(start, pattern(start, end - start))
        for (let value = start; value < end; value++) twin.add(value)
        let next = reassembly.nextOffset
        while (twin.has(next)) next++
        expect(reassembly.nextOffset, again).toBe(next)
        const ahead = new Set([...twin].filter(value => value > next))
        expect(asRanges(reassembly.ranges), again).toEqual(rangesOf(ahead))
        for (let bytes = reassembly.read(); bytes !== undefined; bytes = reassembly.read()) {
          expect(firstWrong(read, bytes), again).toBe(-1)
          read += bytes.length
        }
        expect(read, again).toBe(next)
      }
    })
  })

  it('keeps no more pieces than it may, and still gets everything in the end', () => {
    rounds(random => {
      const length = 1_000
      const reassembly = new Reassembly(0, 4)
      while (reassembly.nextOffset < length) {
        const start = random.chance(0.2) ? reassembly.nextOffset : random.below(length)
        reassembly.insert(start, pattern(start, Math.min(10, length - start)))
        expect(reassembly.ranges.count, again).toBeLessThanOrEqual(5)
      }
      expect(reassembly.readableBytes, again).toBe(length)
    })
  })
})

describe('a send buffer', () => {
  it('gives back what was written, by offset', () => {
    rounds(random => {
      const buffer = new SendBuffer()
      for (let step = 0; step < 100; step++) {
        const size = random.chance(0.5) ? random.below(50) : random.below(5_000)
        buffer.write(pattern(buffer.endOffset, size))
        if (random.chance(0.3)) buffer.release(buffer.startOffset + random.below(buffer.bytes + 1))
        const from = buffer.startOffset + random.below(buffer.bytes + 1)
        const length = random.below(Math.min(buffer.endOffset - from, 9_000) + 1)
        const target = new Uint8Array(length + 2).fill(0xee)
        buffer.copyTo(from, length, target, 1)
        expect(firstWrong(from, target.subarray(1, length + 1)), again).toBe(-1)
        expect([target[0], target[length + 1]], again).toEqual([0xee, 0xee])
      }
    })
  })
})

describe('a scoreboard', () => {
  const segment = 10
  const { inFlight, lost, sacked } = transmissionStates

  it('knows of every byte what one entry a byte knows', () => {
    rounds(random => {
      const board = new Scoreboard()
      const flight = new Flight()
      const twin: number[] = []
      const set = (start: number, end: number, state: number) => {
        for (let at = start; at < end; at++) twin[at] = state
      }
      let nowMs = 0
      for (let step = 0; step < 120; step++) {
        nowMs++
        const action = random.below(6)
        if (action <= 1) {
          const bytes = segment * (1 + random.below(8))
          set(board.nxt, board.nxt + bytes, inFlight)
          board.send(bytes, segment, flight, nowMs)
        } else if (action === 2 && board.nxt > board.una) {
          const start = board.una + segment * random.below((board.nxt - board.una) / segment)
          const end = Math.min(board.nxt, start + segment * (1 + random.below(10)))
          set(start, end, sacked)
          board.sack(start, end)
        } else if (action === 3) {
          const ack = board.una + segment * random.below((board.nxt - board.una) / segment + 1)
          board.acknowledge(ack)
        } else if (action === 4) {
          const transmission = flight.oldest
          if (transmission !== undefined) {
            set(transmission.start, transmission.end, lost)
            board.markLost(transmission)
          }
        } else if (board.lostBytes > 0) {
          const bytes = board.lostRunBytes(segment * (1 + random.below(5)))
          const { start, end } = board.resendLost(bytes, segment, flight, nowMs)
          expect(end - start, again).toBe(bytes)
          expect(start, again).toBe(twin.indexOf(lost, board.una))
          set(start, end, inFlight)
        }
        expect(statesOf(board), again).toEqual(twin.slice(board.una))
        const count = (state: number) => twin.slice(board.una).filter(each => each === state).length
        expect([flight.bytes, board.lostBytes, board.sackedBytes], again).toEqual(
          [inFlight, lost, sacked].map(count),
        )
        expect(bytesByTime(flight), again).toBe(flight.bytes)
      }
    })
  })

  it('is not broken into more pieces than there are segments, however a peer SACKs', () => {
    rounds(random => {
      const board = new Scoreboard()
      const flight = new Flight()
      board.send(100 * segment, segment, flight, 0)
      for (let i = 0; i < 500; i++) {
        const start = random.below(100 * segment)
        board.sack(start, start + random.below(3 * segment))
      }
      let pieces = 0
      for (let at = board.first; at !== undefined; at = at.next) pieces++
      expect(pieces, again).toBeLessThanOrEqual(100)
      expect(flight.bytes + board.sackedBytes, again).toBe(100 * segment)
    })
  })
})

function asRanges(ranges: RangeSet): [number, number][] {
  return Array.from({ length: ranges.count }, (_, i) => [ranges.start(i), ranges.end(i)])
}

function rangesOf(values: Set<number>): [number, number][] {
  const ranges: [number, number][] = []
  for (const value of [...values].sort((a, b) => a - b)) {
    const last = ranges.at(-1)
    if (last?.[1] === value) last[1]++
    else ranges.push([value, value + 1])
  }
  return ranges
}

/** One state a byte, from una on; throws if the list has a hole. */
function statesOf(board: Scoreboard): number[] {
  const states: number[] = []
  for (let at = board.first; at !== undefined; at = at.next) {
    if (at.start !== board.una + states.length) throw new Error(`a hole before ${at.start}`)
    for (let offset = at.start; offset < at.end; offset++) states.push(at.state)
  }
  return states
}

/** Bytes in the list by time, which must be in order. */
function bytesByTime(flight: Flight): number {
  let bytes = 0
  for (let at = flight.oldest; at !== undefined; at = at.newer) {
    if (at.newer !== undefined && at.newer.sentAt < at.sentAt) throw new Error('not in order of time')
    bytes += at.bytes
  }
  return bytes
}
