/**
 * How fast a path delivers: draft-ietf-ccwg-bbr-05 section 4.1 (once draft-cheng-iccrg-delivery-rate-estimation).
 * What leaves remembers how much had arrived by then; when it has arrived itself, the difference over the time is a
 * sample. One record is a batch: all of it left at one instant, and its parts may arrive one by one.
 */

/** What a transmission remembers of the moment it left: P of section 4.1.2.1.2. */
export interface SendRecord {
  sentAt: number
  /** C.delivered and C.delivered_time then. */
  deliveredBefore: number
  deliveredBeforeAt: number
  /** C.first_send_time then. */
  firstSentAt: number
  /** C.lost then. */
  lostBefore: number
  /** In flight with it. */
  inFlightAtSend: number
  applicationLimited: boolean
}

/** RS of section 4.1.2.1.3: what the last acknowledgement shows. Bytes, milliseconds. */
export interface RateSample {
  /** All that the path has ever delivered: C.delivered. */
  readonly totalDeliveredBytes: number
  /** The same when that left which left last of the newly delivered: one round trip ago. */
  readonly priorDeliveredBytes: number
  /** 0: no sample. */
  readonly bytesPerMs: number
  /** Delivered in the interval, lost in it, and in flight when it began. */
  readonly deliveredBytes: number
  readonly lostBytes: number
  readonly inFlightAtSend: number
  /** There was too little to send to tell what the path can do. */
  readonly applicationLimited: boolean
  /** Of what was found lost since the sample before, that which had most lost around it; 0: nothing. */
  readonly worstLoss: Readonly<LossSample>
  /** What leaves until all that is in flight has arrived is no measure of the path. */
  noteApplicationLimited(inFlightBytes: number): void
}

/** A record that was lost: how much was in flight with it, and what was lost from its leaving to its loss. */
export interface LossSample {
  inFlightAtSend: number
  lostBytes: number
  recordBytes: number
  applicationLimited: boolean
}

export class DeliveryRate implements RateSample {
  totalDeliveredBytes = 0
  priorDeliveredBytes = 0
  bytesPerMs = 0
  deliveredBytes = 0
  lostBytes = 0
  inFlightAtSend = 0
  applicationLimited = false
  readonly worstLoss: LossSample = {
    inFlightAtSend: 0,
    lostBytes: 0,
    recordBytes: 0,
    applicationLimited: false,
  }
  /** C.lost */
  #totalLostBytes = 0
  #reportedLostBytes = 0
  #deliveredAt = 0
  #firstSentAt = 0
  /** C.app_limited: samples are limited until so much is delivered. */
  #limitedUntilBytes = 0
  /** Of the newly delivered, what left last. */
  #newestSentAt = -1
  #newestEnd = -1
  #newestDeliveredAt = 0
  #newestFirstSentAt = 0
  #newestLostBefore = 0

  /** Section 4.1.2.2: `record` has just left; `inFlightBytes` are in flight with it, `bytes` of them its own. */
  handleSent(record: SendRecord, bytes: number, inFlightBytes: number): void {
    if (inFlightBytes === bytes) this.#firstSentAt = this.#deliveredAt = record.sentAt
    record.firstSentAt = this.#firstSentAt
    record.deliveredBefore = this.totalDeliveredBytes
    record.deliveredBeforeAt = this.#deliveredAt
    record.lostBefore = this.#totalLostBytes
    record.inFlightAtSend = inFlightBytes
    record.applicationLimited = this.#limitedUntilBytes > 0
  }

  /** Section 4.1.2.3, UpdateRateSample: `bytes` of `record`, which end at the stream's offset `end`, have arrived. */
  handleDelivered(record: SendRecord, bytes: number, end: number): void {
    this.totalDeliveredBytes += bytes
    if (record.sentAt < this.#newestSentAt) return
    if (record.sentAt === this.#newestSentAt && end <= this.#newestEnd) return
    this.#newestSentAt = record.sentAt
    this.#newestEnd = end
    this.#newestDeliveredAt = record.deliveredBeforeAt
    this.#newestFirstSentAt = record.firstSentAt
    this.#newestLostBefore = record.lostBefore
    this.priorDeliveredBytes = record.deliveredBefore
    this.inFlightAtSend = record.inFlightAtSend
    this.applicationLimited = record.applicationLimited
  }

  handleLost(record: SendRecord, bytes: number): void {
    this.#totalLostBytes += bytes
    const lostBytes = this.#totalLostBytes - record.lostBefore
    const worst = this.worstLoss
    if (lostBytes * worst.inFlightAtSend < worst.lostBytes * record.inFlightAtSend) return
    worst.inFlightAtSend = record.inFlightAtSend
    worst.lostBytes = lostBytes
    worst.recordBytes = bytes
    worst.applicationLimited = record.applicationLimited
  }

  /** Section 4.1.2.4: there is less than a segment to send, and the window would let more go. */
  noteApplicationLimited(inFlightBytes: number): void {
    this.#limitedUntilBytes = Math.max(this.totalDeliveredBytes + inFlightBytes, 1)
  }

  /** What was found lost since the last call. */
  takeLostBytes(): number {
    const bytes = this.#totalLostBytes - this.#reportedLostBytes
    this.#reportedLostBytes = this.#totalLostBytes
    return bytes
  }

  /**
   * Section 4.1.2.3, GenerateRateSample, for all that was delivered since `forget`. An interval shorter than the
   * smallest round trip is a jest of the clock or of the network and gives none.
   */
  update(minRttMs: number, nowMs: number): void {
    if (this.totalDeliveredBytes > this.#limitedUntilBytes) this.#limitedUntilBytes = 0
    this.#deliveredAt = nowMs
    const sendMs = this.#newestSentAt - this.#newestFirstSentAt
    const ackMs = nowMs - this.#newestDeliveredAt
    this.#firstSentAt = this.#newestSentAt
    this.deliveredBytes = this.totalDeliveredBytes - this.priorDeliveredBytes
    this.lostBytes = this.#totalLostBytes - this.#newestLostBefore
    const intervalMs = Math.max(sendMs, ackMs)
    this.bytesPerMs = intervalMs > 0 && intervalMs >= minRttMs ? this.deliveredBytes / intervalMs : 0
  }

  /** The sample was evaluated. */
  forget(): void {
    this.#newestSentAt = this.#newestEnd = -1
    this.worstLoss.inFlightAtSend = this.worstLoss.lostBytes = this.worstLoss.recordBytes = 0
  }
}
