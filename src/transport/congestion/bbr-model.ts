/**
 * What BBR knows of a path (draft-ietf-ccwg-bbr-05 section 5.5): how fast it delivers, how long it is, how far its
 * acknowledgements come in heaps, and below which bounds loss has kept it. Bytes and milliseconds.
 */
import type { Acknowledgement } from './congestion.ts'
import { WindowedMax } from './windowed-max.ts'

/** Section 2.5: how much loss is too much. */
const LOSS_THRESH = 0.02
/** Section 2.6 */
export const BETA = 0.7
/** Section 2.6: what is left to others of what is known to fit. */
const HEADROOM = 0.15
/** Section 2.10: this cycle of probing and the one before. */
const MAX_BW_FILTER_CYCLES = 2
/** Section 2.11 */
const EXTRA_ACKED_FILTER_ROUNDS = 10
/** Section 2.13 */
const MIN_RTT_FILTER_MS = 10_000
const PROBE_RTT_INTERVAL_MS = 5_000

/** What was lost, in comparison with what was in flight. */
interface LossShare {
  readonly lostBytes: number
  readonly inFlightAtSend: number
}

export class BbrModel {
  /** Packet-timed rounds: whether the last acknowledgement has begun one (section 5.5.1). */
  roundStart = false
  roundsSinceProbe = 0
  /** BBR.max_bw, and BBR.bw, which losses of this cycle may keep below it. */
  bw = 0
  /** BBR.min_rtt */
  minRttMs = Number.POSITIVE_INFINITY
  /** For 5 s there has been no sample as small as the smallest: it is time to drain the path and look. */
  probeRttExpired = false
  probeRttMinAt = Number.NEGATIVE_INFINITY
  /** BBR.extra_acked */
  extraAckedBytes = 0
  /** Loss has been seen in this round. */
  lossInRound = false
  /** Acknowledgements that found losses in this round, of all data. */
  lossEventsInRound = 0
  /** BBR.inflight_latest: the most delivered in a round trip, of the newest round of losses. */
  inflightLatestBytes = 0
  /** BBR.bw_shortterm, BBR.inflight_shortterm: what losses of this cycle suggest. */
  shortTermBw = Number.POSITIVE_INFINITY
  shortTermBytes = Number.POSITIVE_INFINITY
  /** BBR.inflight_longterm: more was too much when last tried. */
  longTermBytes = Number.POSITIVE_INFINITY
  #bwLatest = 0
  readonly #maxBw = new WindowedMax(MAX_BW_FILTER_CYCLES)
  readonly #extraAcked = new WindowedMax(EXTRA_ACKED_FILTER_ROUNDS)
  #nextRoundBytes = 0
  #lossRoundBytes = 0
  #lossRoundStart = false
  #probeRttMinMs = Number.POSITIVE_INFINITY
  #minRttAt = Number.NEGATIVE_INFINITY
  #extraAckedSince = 0
  #extraAckedDeliveredBytes = 0

  get maxBw(): number {
    return this.#maxBw.max
  }

  /** BBR.bdp (section 5.6.4.2), of the long-term bandwidth; undefined before both are known. */
  get bdpBytes(): number | undefined {
    return this.minRttMs === Number.POSITIVE_INFINITY ? undefined : this.maxBw * this.minRttMs
  }

  /** BBRInflightWithHeadroom (section 5.3.3.6) */
  headroomBytes(mss: number): number {
    if (this.longTermBytes === Number.POSITIVE_INFINITY) return this.longTermBytes
    return this.longTermBytes - Math.max(mss, HEADROOM * this.longTermBytes)
  }

  /** IsInflightTooHigh (section 5.5.10.2) */
  isTooHigh({ lostBytes, inFlightAtSend }: LossShare): boolean {
    return lostBytes > LOSS_THRESH * inFlightAtSend
  }

  /** BBRInflightAtLoss (section 5.5.10.2): how much was in flight when too much had been lost, within a record. */
  inflightAtLoss({
    lostBytes,
    inFlightAtSend,
    recordBytes,
  }: LossShare & { readonly recordBytes: number }): number {
    const before = inFlightAtSend - recordBytes
    const lostBefore = lostBytes - recordBytes
    return before + Math.max(0, (LOSS_THRESH * before - lostBefore) / (1 - LOSS_THRESH))
  }

  /** BBRStartRound (section 5.5.1) */
  startRound(deliveredBytes: number): void {
    this.#nextRoundBytes = deliveredBytes
  }

  /** BBRNoteLoss (section 5.5.10.2) */
  noteLoss(deliveredBytes: number): void {
    if (!this.lossInRound) this.#lossRoundBytes = deliveredBytes
    this.lossInRound = true
  }

  /** BBRUpdateLatestDeliverySignals (section 5.5.10.3), BBRUpdateMaxBw (5.5.5), BBRUpdateRound (5.5.1) */
  updateBandwidth({ rate, lostBytes }: Acknowledgement): void {
    this.#bwLatest = Math.max(this.#bwLatest, rate.bytesPerMs)
    this.inflightLatestBytes = Math.max(this.inflightLatestBytes, rate.deliveredBytes)
    this.#lossRoundStart = rate.priorDeliveredBytes >= this.#lossRoundBytes
    if (this.#lossRoundStart) this.#lossRoundBytes = rate.totalDeliveredBytes
    this.roundStart = rate.priorDeliveredBytes >= this.#nextRoundBytes
    if (this.roundStart) {
      this.startRound(rate.totalDeliveredBytes)
      this.roundsSinceProbe++
      this.#extraAcked.advance()
    }
    if (lostBytes > 0) this.lossEventsInRound++
    if (rate.bytesPerMs >= this.maxBw || !rate.applicationLimited) this.#maxBw.update(rate.bytesPerMs)
  }

  /** BBRAdvanceMaxBwFilter (section 5.5.6) */
  advanceCycle(): void {
    this.#maxBw.advance()
  }

  /** BBRAdaptLowerBoundsFromCongestion (section 5.5.10.3): at the end of a round with losses, unless it probed. */
  updateLowerBounds(probing: boolean, windowBytes: number): void {
    if (!this.#lossRoundStart) return
    if (this.lossInRound && !probing) {
      if (this.shortTermBw === Number.POSITIVE_INFINITY) this.shortTermBw = this.maxBw
      if (this.shortTermBytes === Number.POSITIVE_INFINITY) this.shortTermBytes = windowBytes
      this.shortTermBw = Math.max(this.#bwLatest, BETA * this.shortTermBw)
      this.shortTermBytes = Math.max(this.inflightLatestBytes, BETA * this.shortTermBytes)
    }
    this.lossInRound = false
  }

  /** BBRUpdateACKAggregation (section 5.5.9); until the pipe is full only the last is remembered. */
  updateAggregation({ nowMs, deliveredBytes }: Acknowledgement, windowBytes: number, full: boolean): void {
    let expectedBytes = this.bw * (nowMs - this.#extraAckedSince)
    if (this.#extraAckedDeliveredBytes <= expectedBytes) {
      this.#extraAckedDeliveredBytes = expectedBytes = 0
      this.#extraAckedSince = nowMs
    }
    this.#extraAckedDeliveredBytes += deliveredBytes
    const extraBytes = Math.min(this.#extraAckedDeliveredBytes - expectedBytes, windowBytes)
    if (full) this.#extraAcked.update(extraBytes)
    this.extraAckedBytes = full ? this.#extraAcked.max : extraBytes
  }

  /** Nothing was sent until now, so nothing can have come in a heap. */
  restartAggregation(nowMs: number): void {
    this.#extraAckedSince = nowMs
    this.#extraAckedDeliveredBytes = 0
  }

  /** BBRUpdateMinRTT (section 5.3.4.3) */
  updateMinRtt({ rttMs, nowMs }: Acknowledgement): void {
    const known = this.#probeRttMinMs !== Number.POSITIVE_INFINITY
    this.probeRttExpired = known && nowMs > this.probeRttMinAt + PROBE_RTT_INTERVAL_MS
    if (rttMs !== undefined && (rttMs < this.#probeRttMinMs || this.probeRttExpired)) {
      this.#probeRttMinMs = rttMs
      this.probeRttMinAt = nowMs
    }
    if (this.#probeRttMinMs < this.minRttMs || nowMs > this.#minRttAt + MIN_RTT_FILTER_MS) {
      this.minRttMs = this.#probeRttMinMs
      this.#minRttAt = this.probeRttMinAt
    }
  }

  /** BBRAdvanceLatestDeliverySignals (section 5.5.10.3), BBRBoundBWForModel */
  finish({ rate }: Acknowledgement): void {
    if (this.#lossRoundStart) {
      this.#bwLatest = rate.bytesPerMs
      this.inflightLatestBytes = rate.deliveredBytes
    }
    if (this.roundStart) this.lossEventsInRound = 0
    this.bw = Math.min(this.maxBw, this.shortTermBw)
  }

  /** BBRResetCongestionSignals (section 5.5.10.3) */
  resetCongestionSignals(): void {
    this.lossInRound = false
    this.#bwLatest = this.inflightLatestBytes = 0
  }

  /** BBRResetShortTermModel (section 5.5.10.3) */
  resetShortTerm(): void {
    this.shortTermBw = this.shortTermBytes = Number.POSITIVE_INFINITY
  }
}
