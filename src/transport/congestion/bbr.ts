/**
 * BBR, version 3 (draft-ietf-ccwg-bbr-05): sends as fast as the path has been seen to deliver, probes for more every
 * few seconds, and keeps in flight what a full pipe needs. The window is a bound, the rate is what steers.
 *
 * One acknowledgement may stand for a batch, and a record of what was sent for one too: amounts are bytes, and what is
 * lost is judged by the record around which most was lost.
 */
import { BbrModel, BETA } from './bbr-model.ts'
import { type Acknowledgement, type CongestionControl, initialWindowBytes } from './congestion.ts'

/** Section 5.6.1. `wait`: rounds of a cycle in which nothing is probed. */
const phases = {
  startup: { pacingGain: 2.773, windowGain: 2 },
  drain: { pacingGain: 0.5, windowGain: 2 },
  down: { pacingGain: 0.9, windowGain: 2 },
  cruise: { pacingGain: 1, windowGain: 2 },
  refill: { pacingGain: 1, windowGain: 2 },
  up: { pacingGain: 1.25, windowGain: 2.25 },
  probeRtt: { pacingGain: 1, windowGain: 0.5 },
} as const

export type BbrPhase = keyof typeof phases

/** Section 5.6.2: a little below what is estimated, so that queues drain. */
const PACING_MARGIN = 0.99
/** Sections 5.3.1.2 and 5.3.1.3 */
const FULL_BW_GROWTH = 1.25
const FULL_BW_ROUNDS = 3
const STARTUP_LOSS_EVENTS = 6
/** Section 5.3.2: draining ends at last. */
const DRAIN_ROUNDS = 3
/** Section 5.3.3.5: 2 to 3 s, but not longer than Reno would take to win a loss back. */
const MIN_PROBE_WAIT_MS = 2_000
const MAX_ADDED_PROBE_WAIT_MS = 1_000
const MAX_RENO_ROUNDS = 63
/** Section 5.3.4.1 */
const PROBE_RTT_MS = 200
/** Section 5.6.3: what leaves at once, and so does the pacer. */
const QUANTUM_MS = 1
const MAX_QUANTUM_BYTES = 65_536

export class Bbr implements CongestionControl {
  readonly name = 'bbr'
  /** Its model of the path outlives a pause. */
  readonly isForgettable = false
  readonly #random: () => number
  readonly #model = new BbrModel()
  #mss: number
  #phase: BbrPhase = 'startup'
  #windowBytes: number
  #pacingBytesPerMs: number
  /** From before a loss or ProbeRTT, in which the window is what it need not stay. */
  #priorWindowBytes = 0
  /** A loss is being repaired, and the window comes back when it is; a time-out: in the next round. */
  #recovering: 'loss' | 'timeout' | undefined
  #windowLimited = false
  /** The pipe has been full once; is, since it was last asked; and the rate then. */
  #fullOnce = false
  #fullNow = false
  #fullBw = 0
  #fullBwRounds = 0
  #drainRounds = 0
  #cycleAt = 0
  #probeWaitMs = 0
  #probeUpRounds = 0
  /** A probe has ended, and what it has sent is still being acknowledged (ACKS_PROBE_STOPPING). */
  #probeStopping = false
  /** Losses are of data that probed for bandwidth. */
  #probeSamples = false
  #idleRestart = false
  #probeRttDoneAt: number | undefined
  #probeRttRoundDone = false
  #inFlightBytes = 0
  #deliveredBytes = 0
  #undo: Undo | undefined

  /** `random`: 0 to 1; when to probe must not be the same for all flows. */
  constructor(mss: number, random: () => number) {
    this.#mss = mss
    this.#random = random
    this.#windowBytes = initialWindowBytes(mss)
    // Section 5.6.2: as though the round trip were 1 ms, until one is measured.
    this.#pacingBytesPerMs = phases.startup.pacingGain * this.#windowBytes
  }

  get windowBytes(): number {
    return this.#windowBytes
  }

  get pacingBytesPerMs(): number {
    return this.#pacingBytesPerMs
  }

  get inSlowStart(): boolean {
    return this.#phase === 'startup'
  }

  get phase(): BbrPhase {
    return this.#phase
  }

  setMss(mss: number): void {
    this.#mss = mss
    // RFC 8899 section 3, item 7: larger packets make no larger window, but for the least there is.
    this.#windowBytes = Math.max(this.#windowBytes, this.#minWindowBytes)
  }

  /** Section 5.2.3 */
  handleAcknowledgement(acknowledgement: Acknowledgement): void {
    const { inRecovery, windowLimited, inFlightBytes, rate } = acknowledgement
    this.#inFlightBytes = inFlightBytes
    this.#deliveredBytes = rate.totalDeliveredBytes
    this.#initPacing(acknowledgement)
    this.#handleLosses(acknowledgement)
    this.#updateModel(acknowledgement)
    this.#windowLimited = windowLimited || (this.#windowLimited && !this.#model.roundStart)
    this.#setPacing(phases[this.#phase].pacingGain)
    const repaired = this.#recovering === 'loss' ? !inRecovery : this.#model.roundStart
    if (this.#recovering !== undefined && repaired) this.#restoreWindow()
    this.#setWindow(acknowledgement)
  }

  /** Section 5.6.4.4: on entering recovery no more leaves than arrives; the window comes back behind it. */
  handleLoss(): void {
    this.#save()
    this.#model.noteLoss(this.#deliveredBytes)
    this.#recovering = 'loss'
    this.#windowBytes = Math.max(Math.min(this.#windowBytes, this.#inFlightBytes), this.#minWindowBytes)
  }

  /** Section 5.6.4.4, with the loss window of RFC 9002 section 7.2: see cubic.ts. */
  handleTimeout(_flightBytes: number, first: boolean): void {
    if (first) this.#save()
    this.#recovering = 'timeout'
    this.#model.startRound(this.#deliveredBytes)
    this.#windowBytes = 2 * this.#mss
  }

  /** BBRHandleSpuriousLossDetection (section 5.5.11) */
  undo(): void {
    const undo = this.#undo
    if (undo === undefined) return
    this.#undo = undefined
    const model = this.#model
    model.lossInRound = false
    this.#resetFull()
    model.shortTermBw = Math.max(model.shortTermBw, undo.shortTermBw)
    model.shortTermBytes = Math.max(model.shortTermBytes, undo.shortTermBytes)
    model.longTermBytes = Math.max(model.longTermBytes, undo.longTermBytes)
    this.#restoreWindow()
    if (this.#phase === 'probeRtt' || this.#phase === undo.phase) return
    if (undo.phase === 'startup') this.#phase = 'startup'
    else if (undo.phase === 'up') this.#startUp(0)
  }

  /** BBRHandleRestartFromIdle (section 5.4.1) */
  handleIdle(_idleMs: number, nowMs: number): void {
    this.#idleRestart = true
    this.#model.restartAggregation(nowMs)
    if (this.#probesBandwidth) this.#setPacing(1)
    else if (this.#phase === 'probeRtt') this.#checkProbeRttDone(nowMs)
  }

  // ---- the model, and the phase that follows from it ------------------------------------------------------

  get #probesBandwidth(): boolean {
    const phase = this.#phase
    return phase === 'down' || phase === 'cruise' || phase === 'refill' || phase === 'up'
  }

  #updateModel(acknowledgement: Acknowledgement): void {
    const model = this.#model
    const { nowMs } = acknowledgement
    const probing = this.#phase === 'startup' || this.#phase === 'refill' || this.#phase === 'up'
    model.updateBandwidth(acknowledgement)
    model.updateLowerBounds(probing, this.#windowBytes)
    model.updateAggregation(acknowledgement, this.#windowBytes, this.#fullOnce)
    this.#checkFull(acknowledgement)
    this.#checkStartupDone(acknowledgement)
    this.#checkDrainDone(nowMs)
    if (this.#fullOnce) {
      this.#adaptLongTerm(acknowledgement)
      this.#updateCycle(acknowledgement)
    }
    model.updateMinRtt(acknowledgement)
    this.#checkProbeRtt(acknowledgement)
    model.finish(acknowledgement)
  }

  /** BBRHandleLostPacket (section 5.5.10.2), once for all that was found lost since the last acknowledgement. */
  #handleLosses({ lostBytes, rate, nowMs }: Acknowledgement): void {
    if (lostBytes === 0) return
    const model = this.#model
    model.noteLoss(rate.totalDeliveredBytes)
    const { worstLoss } = rate
    if (!this.#probeSamples || !model.isTooHigh(worstLoss)) return
    // BBRHandleInflightTooHigh
    this.#probeSamples = false
    if (!worstLoss.applicationLimited) {
      model.longTermBytes = Math.max(model.inflightAtLoss(worstLoss), BETA * this.#targetBytes)
    }
    if (this.#phase === 'up') this.#startDown(nowMs)
  }

  /** BBRTargetInflight (section 5.3.3.5.3) */
  get #targetBytes(): number {
    return Math.min(this.#model.bdpBytes ?? this.#windowBytes, this.#windowBytes)
  }

  /**
   * Section 5.3.1.2: the rate has not grown by a quarter in three rounds. Growth counts whenever it is seen, not only
   * with the first acknowledgement of a round, which may stand for a small batch.
   */
  #checkFull({ rate }: Acknowledgement): void {
    if (this.#fullNow || rate.applicationLimited) return
    if (rate.bytesPerMs >= FULL_BW_GROWTH * this.#fullBw) {
      this.#resetFull()
      this.#fullBw = rate.bytesPerMs
      return
    }
    if (!this.#model.roundStart) return
    this.#fullNow = ++this.#fullBwRounds >= FULL_BW_ROUNDS
    if (this.#fullNow) this.#fullOnce = true
  }

  #resetFull(): void {
    this.#fullBw = this.#fullBwRounds = 0
    this.#fullNow = false
  }

  /** Sections 5.3.1.1 and 5.3.1.3: the pipe is full, or a round of recovery has lost too much of it. */
  #checkStartupDone({ rate, inRecovery }: Acknowledgement): void {
    if (this.#phase !== 'startup') return
    const model = this.#model
    const lossy = inRecovery && model.roundStart && model.lossEventsInRound >= STARTUP_LOSS_EVENTS
    if (!this.#fullOnce && lossy && model.isTooHigh(rate)) {
      this.#fullOnce = true
      model.longTermBytes = Math.max(model.bdpBytes ?? 0, model.inflightLatestBytes)
    }
    if (!this.#fullOnce) return
    this.#phase = 'drain'
    this.#drainRounds = 0
  }

  /** Section 5.3.2 */
  #checkDrainDone(nowMs: number): void {
    if (this.#phase !== 'drain') return
    if (this.#model.roundStart) this.#drainRounds++
    if (this.#inFlightBytes <= this.#pipeBytes(1) || this.#drainRounds > DRAIN_ROUNDS) this.#startDown(nowMs)
  }

  // ---- probing for bandwidth (section 5.3.3) ---------------------------------------------------------------

  /** BBRUpdateProbeBWCyclePhase (section 5.3.3.6) */
  #updateCycle({ rate, nowMs }: Acknowledgement): void {
    const model = this.#model
    switch (this.#phase) {
      case 'down':
        if (this.#isTimeToProbe(nowMs)) this.#startRefill()
        else if (this.#isTimeToCruise) this.#phase = 'cruise'
        break
      case 'cruise':
        if (this.#isTimeToProbe(nowMs)) this.#startRefill()
        break
      case 'refill':
        if (!model.roundStart) break
        this.#probeSamples = true
        this.#startUp(rate.bytesPerMs)
        break
      case 'up':
        // BBRIsTimeToGoDown
        if (this.#windowLimited && this.#windowBytes >= model.longTermBytes) {
          this.#resetFull()
          this.#fullBw = rate.bytesPerMs
        } else if (this.#fullNow) this.#startDown(nowMs)
    }
  }

  /** BBRIsTimeToProbeBW, BBRIsRenoCoexistenceProbeTime (section 5.3.3.5.3) */
  #isTimeToProbe(nowMs: number): boolean {
    const renoRounds = Math.min(this.#targetBytes / this.#mss, MAX_RENO_ROUNDS)
    return nowMs > this.#cycleAt + this.#probeWaitMs || this.#model.roundsSinceProbe >= renoRounds
  }

  /** BBRIsTimeToCruise (section 5.3.3.6): the queue is drained, and there is room for others. */
  get #isTimeToCruise(): boolean {
    const roomBytes = Math.max(this.#model.headroomBytes(this.#mss), this.#minWindowBytes)
    return this.#inFlightBytes <= Math.min(roomBytes, this.#pipeBytes(1))
  }

  #startDown(nowMs: number): void {
    this.#model.resetCongestionSignals()
    // BBRPickProbeWait (section 5.3.3.5.3)
    this.#model.roundsSinceProbe = this.#random() < 0.5 ? 0 : 1
    this.#probeWaitMs = MIN_PROBE_WAIT_MS + MAX_ADDED_PROBE_WAIT_MS * this.#random()
    this.#cycleAt = nowMs
    this.#probeStopping = true
    this.#model.startRound(this.#deliveredBytes)
    this.#phase = 'down'
  }

  #startRefill(): void {
    this.#model.resetShortTerm()
    this.#probeUpRounds = 0
    this.#probeStopping = false
    this.#model.startRound(this.#deliveredBytes)
    this.#phase = 'refill'
  }

  #startUp(bw: number): void {
    this.#probeStopping = false
    this.#model.startRound(this.#deliveredBytes)
    this.#resetFull()
    this.#fullBw = bw
    this.#phase = 'up'
  }

  /** BBRAdaptLongTermModel (section 5.3.3.6) */
  #adaptLongTerm({ rate, deliveredBytes }: Acknowledgement): void {
    const model = this.#model
    if (model.roundStart && this.#probeStopping) {
      this.#probeSamples = this.#probeStopping = false
      if (this.#probesBandwidth && !rate.applicationLimited) model.advanceCycle()
    }
    if (model.isTooHigh(rate) || model.longTermBytes === Number.POSITIVE_INFINITY) return
    model.longTermBytes = Math.max(model.longTermBytes, rate.inFlightAtSend)
    if (this.#phase === 'up') this.#raiseLongTerm(deliveredBytes)
  }

  /** BBRProbeInflightLongtermUpward (section 5.3.3.6): by a segment in the first round, by two, by four, ... */
  #raiseLongTerm(deliveredBytes: number): void {
    const model = this.#model
    if (!this.#windowLimited || this.#windowBytes < model.longTermBytes) return
    const growthBytes = this.#mss * 2 ** this.#probeUpRounds
    model.longTermBytes += deliveredBytes * Math.min(growthBytes / this.#windowBytes, 1)
    if (model.roundStart) this.#probeUpRounds++
  }

  // ---- probing for the round-trip time (section 5.3.4) -----------------------------------------------------

  #checkProbeRtt({ rate, nowMs }: Acknowledgement): void {
    const model = this.#model
    if (this.#phase !== 'probeRtt' && model.probeRttExpired && !this.#idleRestart) {
      this.#saveWindow()
      this.#phase = 'probeRtt'
      this.#probeRttDoneAt = undefined
      this.#probeStopping = true
      model.startRound(this.#deliveredBytes)
    }
    if (this.#phase === 'probeRtt') {
      // So little is in flight by design: it says nothing of the path's rate.
      rate.noteApplicationLimited(this.#inFlightBytes)
      if (this.#probeRttDoneAt !== undefined) {
        this.#probeRttRoundDone ||= model.roundStart
        if (this.#probeRttRoundDone) this.#checkProbeRttDone(nowMs)
      } else if (this.#inFlightBytes <= this.#probeRttWindowBytes) {
        this.#probeRttDoneAt = nowMs + PROBE_RTT_MS
        this.#probeRttRoundDone = false
        model.startRound(this.#deliveredBytes)
      }
    }
    if (rate.deliveredBytes > 0) this.#idleRestart = false
  }

  #checkProbeRttDone(nowMs: number): void {
    if (this.#probeRttDoneAt === undefined || nowMs <= this.#probeRttDoneAt) return
    // It is 5 s again until the next.
    this.#model.probeRttMinAt = nowMs
    this.#restoreWindow()
    this.#model.resetShortTerm()
    if (!this.#fullOnce) this.#phase = 'startup'
    else {
      this.#startDown(nowMs)
      this.#phase = 'cruise'
    }
  }

  // ---- what is set (section 5.6) -----------------------------------------------------------------------------

  /** Section 2.7 */
  get #minWindowBytes(): number {
    return 4 * this.#mss
  }

  get #probeRttWindowBytes(): number {
    const { bdpBytes } = this.#model
    return Math.max((bdpBytes ?? this.#windowBytes) * phases.probeRtt.windowGain, this.#minWindowBytes)
  }

  /** BBRInflight, BBRQuantizationBudget (section 5.6.4.2): what keeps the pipe full, in batches as they come. */
  #pipeBytes(gain: number, extraBytes = 0): number {
    const { bdpBytes } = this.#model
    const wanted = bdpBytes === undefined ? initialWindowBytes(this.#mss) : gain * bdpBytes
    const quantumBytes = Math.min(this.#pacingBytesPerMs * QUANTUM_MS, MAX_QUANTUM_BYTES)
    // Section 5.5.8: one at the sender, one at the receiver, one on the way
    const budgetBytes = 3 * Math.max(quantumBytes, 2 * this.#mss)
    const bytes = Math.max(wanted + extraBytes, budgetBytes, this.#minWindowBytes)
    return this.#phase === 'up' ? bytes + 2 * this.#mss : bytes
  }

  /** Section 5.6.2: the first round trip says how fast the initial window is. */
  #initPacing({ rttMs }: Acknowledgement): void {
    if (rttMs === undefined || this.#model.minRttMs !== Number.POSITIVE_INFINITY) return
    const initialBytesPerMs = initialWindowBytes(this.#mss) / Math.max(rttMs, 0.1)
    this.#pacingBytesPerMs = phases.startup.pacingGain * initialBytesPerMs
  }

  #setPacing(gain: number): void {
    const bytesPerMs = gain * this.#model.bw * PACING_MARGIN
    if (this.#fullOnce || bytesPerMs > this.#pacingBytesPerMs) this.#pacingBytesPerMs = bytesPerMs
  }

  /** BBRSetCwnd (section 5.6.4.6) */
  #setWindow({ deliveredBytes, lostBytes, inRecovery }: Acknowledgement): void {
    // Section 5.6.4.4: for what arrives at most twice as much leaves.
    if (inRecovery) this.#windowBytes = Math.max(this.#windowBytes - lostBytes, this.#mss)
    const maxBytes = this.#pipeBytes(phases[this.#phase].windowGain, this.#model.extraAckedBytes)
    const grownBytes = this.#windowBytes + deliveredBytes
    if (this.#fullOnce) this.#windowBytes = Math.min(grownBytes, maxBytes)
    else if (this.#windowBytes < maxBytes || this.#deliveredBytes < initialWindowBytes(this.#mss)) {
      this.#windowBytes = grownBytes
    }
    if (this.#phase === 'probeRtt') this.#windowBytes = Math.min(this.#windowBytes, this.#probeRttWindowBytes)
    this.#windowBytes = Math.max(Math.min(this.#windowBytes, this.#modelBoundBytes), this.#minWindowBytes)
  }

  /** BBRBoundCwndForModel (section 5.6.4.7) */
  get #modelBoundBytes(): number {
    const { longTermBytes, shortTermBytes } = this.#model
    if (this.#phase === 'cruise' || this.#phase === 'probeRtt') {
      return Math.min(this.#model.headroomBytes(this.#mss), shortTermBytes)
    }
    return this.#probesBandwidth ? Math.min(longTermBytes, shortTermBytes) : shortTermBytes
  }

  /** BBRSaveStateUponLoss (section 5.5.11.1), BBRSaveCwnd */
  #save(): void {
    const { shortTermBw, shortTermBytes, longTermBytes } = this.#model
    this.#undo = { phase: this.#phase, shortTermBw, shortTermBytes, longTermBytes }
    this.#saveWindow()
  }

  /** BBRSaveCwnd (section 5.6.4.4) */
  #saveWindow(): void {
    const reduced = this.#recovering !== undefined || this.#phase === 'probeRtt'
    this.#priorWindowBytes = reduced ? Math.max(this.#priorWindowBytes, this.#windowBytes) : this.#windowBytes
  }

  /** BBRRestoreCwnd (section 5.6.4.4) */
  #restoreWindow(): void {
    this.#recovering = undefined
    this.#windowBytes = Math.max(this.#windowBytes, this.#priorWindowBytes)
  }
}

/** What a loss that was none takes back. */
interface Undo {
  readonly phase: BbrPhase
  readonly shortTermBw: number
  readonly shortTermBytes: number
  readonly longTermBytes: number
}
