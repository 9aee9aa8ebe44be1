/**
 * What was sent and is not yet acknowledged, as transmissions: bytes that left together, in one batch. A
 * transmission is split only where a SACK range, a partial acknowledgement or a repetition demands it, so
 * that bulk transfer costs one record a batch. Each is in one list by offset; those in flight are also in a
 * list by time, one a path.
 */
import { DeliveryRate, type SendRecord } from './delivery-rate.ts'

export const transmissionStates = { inFlight: 0, lost: 1, sacked: 2 } as const

type TransmissionState = (typeof transmissionStates)[keyof typeof transmissionStates]

export class Transmission implements SendRecord {
  start = 0
  end = 0
  /**
   * Where the first segment of the batch began, and the size of all its segments: SACK is obeyed in whole
   * segments.
   */
  origin = 0
  segmentBytes = 0
  sentAt = 0
  deliveredBefore = 0
  deliveredBeforeAt = 0
  firstSentAt = 0
  lostBefore = 0
  inFlightAtSend = 0
  applicationLimited = false
  retransmitted = false
  state: TransmissionState = transmissionStates.inFlight
  flight: Flight | undefined
  previous: Transmission | undefined
  next: Transmission | undefined
  older: Transmission | undefined
  newer: Transmission | undefined

  get bytes(): number {
    return this.end - this.start
  }
}

/**
 * What was last sent on one path and is neither acknowledged nor taken for lost, oldest first; and what the
 * peer has reported of it since `forgetDeliveries`. An acknowledgement of what was last sent elsewhere does
 * not come here.
 */
export class Flight {
  bytes = 0
  readonly rate = new DeliveryRate()
  oldest: Transmission | undefined
  #newest: Transmission | undefined
  deliveredBytes = 0
  /** The newest delivered bytes that were sent once: when, and the offset behind them. -1: none. */
  originalSentAt = -1
  originalEnd = -1
  /** The same of those that were sent more than once. */
  repeatSentAt = -1
  repeatEnd = -1
  /** The offset behind the lowest delivered bytes that were sent once. */
  lowestOriginalEnd = Number.POSITIVE_INFINITY

  add(transmission: Transmission): void {
    transmission.flight = this
    transmission.older = this.#newest
    transmission.newer = undefined
    if (this.#newest === undefined) this.oldest = transmission
    else this.#newest.newer = transmission
    this.#newest = transmission
    this.bytes += transmission.bytes
    this.rate.handleSent(transmission, transmission.bytes, this.bytes)
  }

  /** `right`, just split off `left`, stands behind it; together they count what `left` counted. */
  addAfter(left: Transmission, right: Transmission): void {
    right.flight = this
    right.older = left
    right.newer = left.newer
    if (left.newer === undefined) this.#newest = right
    else left.newer.older = right
    left.newer = right
  }

  remove(transmission: Transmission): void {
    if (transmission.older === undefined) this.oldest = transmission.newer
    else transmission.older.newer = transmission.newer
    if (transmission.newer === undefined) this.#newest = transmission.older
    else transmission.newer.older = transmission.older
    transmission.older = transmission.newer = undefined
    this.bytes -= transmission.bytes
  }

  /** `transmission` is taken for lost. */
  lose(transmission: Transmission): void {
    this.remove(transmission)
    this.rate.handleLost(transmission, transmission.bytes)
  }

  /** `transmission`, which was taken for lost, is in flight after all: back to its place by time. */
  restore(transmission: Transmission): void {
    let newer = this.oldest
    while (
      newer !== undefined &&
      sentBefore(newer.sentAt, newer.end, transmission.sentAt, transmission.end)
    ) {
      newer = newer.newer
    }
    const older = newer === undefined ? this.#newest : newer.older
    transmission.older = older
    transmission.newer = newer
    if (older === undefined) this.oldest = transmission
    else older.newer = transmission
    if (newer === undefined) this.#newest = transmission
    else newer.older = transmission
    this.bytes += transmission.bytes
  }

  /** The bytes of `transmission` up to `end` have arrived. */
  deliver(transmission: Transmission, bytes: number, end: number): void {
    this.deliveredBytes += bytes
    this.rate.handleDelivered(transmission, bytes, end)
    if (transmission.retransmitted) {
      if (sentBefore(this.repeatSentAt, this.repeatEnd, transmission.sentAt, end)) {
        this.repeatSentAt = transmission.sentAt
        this.repeatEnd = end
      }
      return
    }
    if (sentBefore(this.originalSentAt, this.originalEnd, transmission.sentAt, end)) {
      this.originalSentAt = transmission.sentAt
      this.originalEnd = end
    }
    this.lowestOriginalEnd = Math.min(this.lowestOriginalEnd, end)
  }

  forgetDeliveries(): void {
    this.deliveredBytes = 0
    this.rate.forget()
    this.originalSentAt = this.originalEnd = -1
    this.repeatSentAt = this.repeatEnd = -1
    this.lowestOriginalEnd = Number.POSITIVE_INFINITY
  }
}

/** RFC 8985 section 6.2 (RACK_sent_after): of two that left at the same time, the lower one left first. */
export function sentBefore(aSentAt: number, aEnd: number, bSentAt: number, bEnd: number): boolean {
  return aSentAt < bSentAt || (aSentAt === bSentAt && aEnd < bEnd)
}
