/**
 * A TCP receiver by the book: acknowledges every second segment or after 25 ms (RFC 5681 section 4.2), at once what is
 * out of order or fills a hole, with SACK (RFC 2018) and an echo of the time that a segment left (RFC 7323).
 */
import type { EventQueue } from '../event-queue.ts'

/** Segments are numbered from 0. */
export interface TwinAck {
  /** The first segment that is missing. */
  readonly ack: number
  /** The newest ranges above, each `[start, end)`. */
  readonly sack: readonly (readonly [start: number, end: number])[]
  readonly echoMs: number
}

const ACK_DELAY_MS = 25
const MAX_SACK_RANGES = 4

export class TwinReceiver {
  /** In order, so far. */
  receivedSegments = 0
  readonly #queue: EventQueue
  readonly #acknowledge: (ack: TwinAck) => void
  /** Disjoint, not touching, above `receivedSegments`; newest first. */
  #ranges: [number, number][] = []
  /** When the oldest segment not acknowledged left; undefined: all are. */
  #owedEchoMs: number | undefined
  #owedSegments = 0

  constructor(queue: EventQueue, acknowledge: (ack: TwinAck) => void) {
    this.#queue = queue
    this.#acknowledge = acknowledge
  }

  receive(segment: number, sentAtMs: number): void {
    const hadHoles = this.#ranges.length > 0
    if (segment === this.receivedSegments) {
      this.receivedSegments++
      const next = this.#ranges.findIndex(([start]) => start === this.receivedSegments)
      if (next >= 0) this.receivedSegments = this.#ranges.splice(next, 1)[0]![1]
    } else if (segment > this.receivedSegments) this.#insert(segment)
    this.#owedEchoMs ??= sentAtMs
    this.#owedSegments++
    const inOrder = !hadHoles && this.#ranges.length === 0
    if (!inOrder || this.#owedSegments >= 2 || segment < this.receivedSegments - 1) this.#flush()
    else {
      const owedEchoMs = this.#owedEchoMs
      this.#queue.at(this.#queue.nowMs + ACK_DELAY_MS, () => {
        if (this.#owedEchoMs === owedEchoMs) this.#flush()
      })
    }
  }

  #insert(segment: number): void {
    let range: [number, number] = [segment, segment + 1]
    const others = this.#ranges.filter(([start, end]) => {
      if (start > range[1] || end < range[0]) return true
      range = [Math.min(start, range[0]), Math.max(end, range[1])]
      return false
    })
    this.#ranges = [range, ...others]
  }

  #flush(): void {
    const sack = this.#ranges.slice(0, MAX_SACK_RANGES).map(([start, end]) => [start, end] as const)
    const echoMs = this.#owedEchoMs ?? this.#queue.nowMs
    this.#owedEchoMs = undefined
    this.#owedSegments = 0
    this.#acknowledge({ ack: this.receivedSegments, sack, echoMs })
  }
}
