/**
 * The sender's memory of `[una, nxt)`: which bytes are in flight, lost or SACKed (RFC 2018, RFC 6675 section
 * 3), as a list of transmissions by offset without holes. Records are used again; a steady transfer makes
 * none.
 *
 * SACK ranges count only in whole segments of what was sent, so a peer cannot break the list into more pieces
 * than there were segments.
 */
import { type Flight, Transmission, transmissionStates } from './transmissions.ts'

const { inFlight, lost, sacked } = transmissionStates

export class Scoreboard {
  #una: number
  #nxt: number
  #lostBytes = 0
  #sackedBytes = 0
  #first: Transmission | undefined
  #last: Transmission | undefined
  /** Where the last SACK range was found: the next is near. */
  #cursor: Transmission | undefined
  /** Retired records, linked by `next`. */
  #spare: Transmission | undefined

  /** Everything before `offset` was sent, and is acknowledged. */
  constructor(offset = 0) {
    this.#una = this.#nxt = offset
  }

  /** The oldest byte not acknowledged: SND.UNA. */
  get una(): number {
    return this.#una
  }

  /** The first byte never sent: SND.NXT. */
  get nxt(): number {
    return this.#nxt
  }

  /** Bytes taken for lost and not yet sent again. */
  get lostBytes(): number {
    return this.#lostBytes
  }

  get sackedBytes(): number {
    return this.#sackedBytes
  }

  get first(): Transmission | undefined {
    return this.#first
  }

  get last(): Transmission | undefined {
    return this.#last
  }

  /** New data, from `nxt` on, leaves in segments of `segmentBytes`. */
  send(bytes: number, segmentBytes: number, flight: Flight, nowMs: number): Transmission {
    const transmission = this.#make(this.#nxt, this.#nxt + bytes)
    this.#nxt += bytes
    this.#linkAfter(this.#last, transmission)
    launch(transmission, segmentBytes, false, flight, nowMs)
    return transmission
  }

  /** How many bytes the first run of lost data holds, up to `maxBytes`. */
  lostRunBytes(maxBytes: number): number {
    const first = this.#firstLost()
    let bytes = 0
    for (let at = first; at?.state === lost && bytes < maxBytes; at = at.next) bytes += at.bytes
    return Math.min(bytes, maxBytes)
  }

  /** The first `bytes` of the first run of lost data leave again. */
  resendLost(bytes: number, segmentBytes: number, flight: Flight, nowMs: number): Transmission {
    const transmission = this.#firstLost()!
    while (transmission.bytes < bytes) {
      // What stays lost keeps its own past.
      const next = transmission.next!
      const missing = bytes - transmission.bytes
      if (next.bytes > missing) this.#split(next, next.start + missing)
      this.#absorbNext(transmission)
    }
    if (transmission.bytes > bytes) this.#split(transmission, transmission.start + bytes)
    this.#lostBytes -= bytes
    launch(transmission, segmentBytes, true, flight, nowMs)
    return transmission
  }

  /** The last segment, which must be in flight, leaves again, or of it what fits `segmentBytes`. */
  resendTail(segmentBytes: number, flight: Flight, nowMs: number): Transmission {
    let tail = this.#last!
    const start = Math.max(segmentEdge(tail, tail.end - 1, Math.floor), tail.end - segmentBytes)
    if (start > tail.start) tail = this.#split(tail, start)
    tail.flight!.remove(tail)
    launch(tail, segmentBytes, true, flight, nowMs)
    return tail
  }

  /** The peer has everything before `offset`. */
  acknowledge(offset: number): void {
    while (this.#first !== undefined && this.#first.end <= offset) {
      const transmission = this.#first
      this.#deliver(transmission)
      if (transmission.state === sacked) this.#sackedBytes -= transmission.bytes
      this.#retire(transmission)
    }
    this.#una = offset
    const head = this.#first
    if (head !== undefined && head.start < offset) this.#trim(head, offset)
  }

  /** The peer has `[start, end)`. */
  sack(start: number, end: number): void {
    let at = this.#seek(start)
    while (at !== undefined && at.start < end) {
      const behind = at.end
      if (at.state !== sacked) this.#sackWithin(at, start, end)
      at = behind < end ? this.#seek(behind) : undefined
    }
  }

  markLost(transmission: Transmission): void {
    if (transmission.state === inFlight) transmission.flight!.lose(transmission)
    else if (transmission.state === sacked) this.#sackedBytes -= transmission.bytes
    else return
    transmission.state = lost
    this.#lostBytes += transmission.bytes
  }

  /** Takes all that is in flight for lost: the path it was sent on is gone. */
  markAllLost(): void {
    for (let at = this.#first; at !== undefined; at = at.next) if (at.state === inFlight) this.markLost(at)
  }

  /** Takes for lost what is in flight in segments of more than `segmentBytes`: the path does not carry them. */
  markLongerLost(segmentBytes: number): void {
    for (let at = this.#first; at !== undefined; at = at.next) {
      const isLonger = Math.min(at.segmentBytes, at.bytes) > segmentBytes
      if (at.state === inFlight && isLonger) this.markLost(at)
    }
  }

  /** What was taken for lost on `flight`'s path, and was not sent again since, is in flight after all. */
  restoreLost(flight: Flight): void {
    for (let at = this.#first; at !== undefined; at = at.next) {
      if (at.state !== lost || at.flight !== flight) continue
      at.state = inFlight
      this.#lostBytes -= at.bytes
      flight.restore(at)
    }
  }

  /**
   * After a time-out: a peer that has SACKed the very first byte and not acknowledged it has taken its SACKs
   * back (RFC 2018 section 8), and everything is to be sent again. True if so.
   */
  forgetReneged(): boolean {
    if (this.#first?.state !== sacked) return false
    this.forgetSacks()
    return true
  }

  /** What was SACKed is to be sent again. */
  forgetSacks(): void {
    for (let at = this.#first; at !== undefined; at = at.next) if (at.state === sacked) this.markLost(at)
  }

  /** A peer without SACK has something behind the first segment, and does not say what: the first that is in flight there. */
  sackFirstBehindHole(): void {
    if (this.#first === undefined) return
    const holeEnd = segmentEdge(this.#first, this.#una + 1, Math.ceil)
    for (let at = this.#first as Transmission | undefined; at !== undefined; at = at.next) {
      if (at.state !== inFlight || at.end <= holeEnd) continue
      const start = Math.max(at.start, holeEnd)
      return this.sack(start, Math.min(at.end, segmentEdge(at, start + 1, Math.ceil)))
    }
  }

  /** The first segment is missing, whatever was thought of it. Undefined: that is known, or it has left again. */
  markHeadLost(): Transmission | undefined {
    const head = this.#first
    if (head === undefined || head.state === lost) return undefined
    if (head.state === inFlight && head.retransmitted) return undefined
    const end = segmentEdge(head, this.#una + 1, Math.ceil)
    if (end < head.end) this.#split(head, end)
    this.markLost(head)
    return head
  }

  #firstLost(): Transmission | undefined {
    let at = this.#first
    while (at !== undefined && at.state !== lost) at = at.next
    return at
  }

  #sackWithin(transmission: Transmission, start: number, end: number): void {
    const from =
      start <= transmission.start ? transmission.start : segmentEdge(transmission, start, Math.ceil)
    const to = end >= transmission.end ? transmission.end : segmentEdge(transmission, end, Math.floor)
    if (from >= to) return
    const middle = from > transmission.start ? this.#split(transmission, from) : transmission
    if (to < middle.end) this.#split(middle, to)
    this.#deliver(middle)
    middle.state = sacked
    this.#sackedBytes += middle.bytes
    if (middle.next?.state === sacked) this.#absorbNext(middle)
    if (middle.previous?.state === sacked) this.#absorbNext(middle.previous)
  }

  /** All of `transmission` has arrived, if that is news. */
  #deliver(transmission: Transmission): void {
    if (transmission.state === sacked) return
    if (transmission.state === inFlight) transmission.flight!.remove(transmission)
    else this.#lostBytes -= transmission.bytes
    transmission.flight!.deliver(transmission, transmission.bytes, transmission.end)
  }

  /** The bytes of `head` before `offset` have arrived. */
  #trim(head: Transmission, offset: number): void {
    const bytes = offset - head.start
    if (head.state === sacked) this.#sackedBytes -= bytes
    else {
      if (head.state === inFlight) head.flight!.bytes -= bytes
      else this.#lostBytes -= bytes
      head.flight!.deliver(head, bytes, offset)
    }
    head.start = offset
  }

  /** Cuts `transmission` at `offset`; returns the right part. */
  #split(transmission: Transmission, offset: number): Transmission {
    const right = this.#make(offset, transmission.end)
    transmission.end = offset
    right.origin = transmission.origin
    right.segmentBytes = transmission.segmentBytes
    right.sentAt = transmission.sentAt
    right.deliveredBefore = transmission.deliveredBefore
    right.deliveredBeforeAt = transmission.deliveredBeforeAt
    right.firstSentAt = transmission.firstSentAt
    right.lostBefore = transmission.lostBefore
    right.inFlightAtSend = transmission.inFlightAtSend
    right.applicationLimited = transmission.applicationLimited
    right.retransmitted = transmission.retransmitted
    right.state = transmission.state
    right.flight = transmission.flight
    this.#linkAfter(transmission, right)
    if (transmission.state === inFlight) transmission.flight!.addAfter(transmission, right)
    return right
  }

  /** Joins two of the same state, not in flight. */
  #absorbNext(transmission: Transmission): void {
    const next = transmission.next!
    transmission.end = next.end
    this.#retire(next)
  }

  /** The transmission that holds `offset`, or the first behind it. */
  #seek(offset: number): Transmission | undefined {
    let at = this.#cursor ?? this.#first
    while (at?.previous !== undefined && at.start > offset) at = at.previous
    while (at !== undefined && at.end <= offset) at = at.next
    if (at !== undefined) this.#cursor = at
    return at
  }

  #make(start: number, end: number): Transmission {
    const transmission = this.#spare ?? new Transmission()
    this.#spare = transmission.next
    transmission.next = undefined
    transmission.start = transmission.origin = start
    transmission.end = end
    return transmission
  }

  #linkAfter(left: Transmission | undefined, transmission: Transmission): void {
    const right = left?.next
    transmission.previous = left
    transmission.next = right
    if (left === undefined) this.#first = transmission
    else left.next = transmission
    if (right === undefined) this.#last = transmission
    else right.previous = transmission
  }

  #retire(transmission: Transmission): void {
    const { previous, next } = transmission
    if (previous === undefined) this.#first = next
    else previous.next = next
    if (next === undefined) this.#last = previous
    else next.previous = previous
    if (this.#cursor === transmission) this.#cursor = next ?? previous
    transmission.previous = undefined
    transmission.flight = undefined
    transmission.next = this.#spare
    this.#spare = transmission
  }
}

function launch(
  transmission: Transmission,
  segmentBytes: number,
  retransmitted: boolean,
  flight: Flight,
  nowMs: number,
): void {
  transmission.origin = transmission.start
  transmission.segmentBytes = segmentBytes
  transmission.sentAt = nowMs
  transmission.retransmitted = retransmitted
  transmission.state = inFlight
  flight.add(transmission)
}

/**
 * The edge between two segments of `transmission` that is nearest to `offset` in the direction of `round`.
 */
function segmentEdge(transmission: Transmission, offset: number, round: (value: number) => number): number {
  const { origin, segmentBytes } = transmission
  return origin + round((offset - origin) / segmentBytes) * segmentBytes
}
