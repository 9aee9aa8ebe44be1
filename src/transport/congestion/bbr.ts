/**
 * BBR, version 3 (draft-ietf-ccwg-bbr-05): sends as fast as the path has been seen to deliver, probes for more every
 * few seconds, and keeps in flight what a full pipe needs. The window is a bound, the rate is what steers.
 *
 * One acknowledgement may stand for a batch, and a record of what was sent for one too: amounts are bytes, and what is
 * lost is judged by the record around which most was lost.
 */
import { BbrControls, type BbrPhase } from './bbr-controls.ts'
import { BbrFullPipe } from './bbr-full-pipe.ts'
import { BbrModel, BETA } from './bbr-model.ts'
import type { Acknowledgement, CongestionControl } from './congestion.ts'

/** Section 5.3.1.3 */
const STARTUP_LOSS_EVENTS = 6
/** Section 5.3.2: draining ends at last. */
const DRAIN_ROUNDS = 3
/** Section 5.3.3.5: 2 to 3 s, but not longer than Reno would take to win a loss back. */
const MIN_PROBE_WAIT_MS = 2_000
const MAX_ADDED_PROBE_WAIT_MS = 1_000
const MAX_RENO_ROUNDS = 63
/** Section 5.3.4.1 */
const PROBE_RTT_MS = 200

export class Bbr implements CongestionControl {
  readonly name = 'bbr'
  /** Its model of the path outlives a pause. */
  readonly isForgettable = false
  readonly #random: () => number
  readonly #model = new BbrModel()
  readonly #controls: BbrControls
  readonly #fullPipe = new BbrFullPipe()
  #phase: BbrPhase = 'startup'
  #windowLimited = false
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
    this.#random = random
    this.#controls = new BbrControls(mss, this.#model)
  }

  get windowBytes(): number {
    return this.#controls.windowBytes
  }

  get pacingBytesPerMs(): number {
    return this.#controls.pacingBytesPerMs
  }

  get inSlowStart(): boolean {
    return this.#phase === 'startup'
  }

  get phase(): BbrPhase {
    return this.#phase
  }

  setMss(mss: number): void {
    this.#controls.setMss(mss)
  }

  /** Section 5.2.3 */
  handleAcknowledgement(acknowledgement: Acknowledgement): void {
    const { windowLimited, inFlightBytes, rate } = acknowledgement
    this.#inFlightBytes = inFlightBytes
    this.#deliveredBytes = rate.totalDeliveredBytes
    this.#controls.initPacing(acknowledgement)
    this.#handleLosses(acknowledgement)
    this.#updateModel(acknowledgement)
    this.#windowLimited = windowLimited || (this.#windowLimited && !this.#model.roundStart)
    this.#controls.setPacing(this.#phase, this.#fullPipe.once)
    this.#controls.setWindow(this.#phase, this.#fullPipe.once, acknowledgement)
  }

  handleLoss(): void {
    this.#save()
    this.#model.noteLoss(this.#deliveredBytes)
    this.#controls.handleLoss(this.#inFlightBytes)
  }

  handleTimeout(_flightBytes: number, first: boolean): void {
    if (first) this.#save()
    this.#model.startRound(this.#deliveredBytes)
    this.#controls.handleTimeout()
  }

  /** BBRHandleSpuriousLossDetection (section 5.5.11) */
  undo(): void {
    const undo = this.#undo
    if (undo === undefined) return
    this.#undo = undefined
    const model = this.#model
    model.lossInRound = false
    this.#fullPipe.restart()
    model.shortTermBw = Math.max(model.shortTermBw, undo.shortTermBw)
    model.shortTermBytes = Math.max(model.shortTermBytes, undo.shortTermBytes)
    model.longTermBytes = Math.max(model.longTermBytes, undo.longTermBytes)
    this.#controls.restoreWindow()
    if (this.#phase === 'probeRtt' || this.#phase === undo.phase) return
    if (undo.phase === 'startup') this.#phase = 'startup'
    else if (undo.phase === 'up') this.#startUp(0)
  }

  /** BBRHandleRestartFromIdle (section 5.4.1) */
  handleIdle(_idleMs: number, nowMs: number): void {
    this.#idleRestart = true
    this.#model.restartAggregation(nowMs)
    if (this.#probesBandwidth) this.#controls.setPacing('cruise', this.#fullPipe.once)
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
    model.updateLowerBounds(probing, this.windowBytes)
    model.updateAggregation(acknowledgement, this.windowBytes, this.#fullPipe.once)
    this.#fullPipe.update(acknowledgement.rate, model.roundStart)
    this.#checkStartupDone(acknowledgement)
    this.#checkDrainDone(nowMs)
    if (this.#fullPipe.once) {
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
    return Math.min(this.#model.bdpBytes ?? this.windowBytes, this.windowBytes)
  }

  /** Sections 5.3.1.1 and 5.3.1.3: the pipe is full, or a round of recovery has lost too much of it. */
  #checkStartupDone({ rate, inRecovery }: Acknowledgement): void {
    if (this.#phase !== 'startup') return
    const model = this.#model
    const lossy = inRecovery && model.roundStart && model.lossEventsInRound >= STARTUP_LOSS_EVENTS
    if (!this.#fullPipe.once && lossy && model.isTooHigh(rate)) {
      this.#fullPipe.once = true
      model.longTermBytes = Math.max(model.bdpBytes ?? 0, model.inflightLatestBytes)
    }
    if (!this.#fullPipe.once) return
    this.#phase = 'drain'
    this.#drainRounds = 0
  }

  /** Section 5.3.2 */
  #checkDrainDone(nowMs: number): void {
    if (this.#phase !== 'drain') return
    if (this.#model.roundStart) this.#drainRounds++
    if (this.#inFlightBytes <= this.#controls.pipeBytes(this.#phase) || this.#drainRounds > DRAIN_ROUNDS)
      this.#startDown(nowMs)
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
        if (this.#windowLimited && this.windowBytes >= model.longTermBytes) {
          this.#fullPipe.restart(rate.bytesPerMs)
        } else if (this.#fullPipe.now) this.#startDown(nowMs)
    }
  }

  /** BBRIsTimeToProbeBW, BBRIsRenoCoexistenceProbeTime (section 5.3.3.5.3) */
  #isTimeToProbe(nowMs: number): boolean {
    const renoRounds = Math.min(this.#targetBytes / this.#controls.mss, MAX_RENO_ROUNDS)
    return nowMs > this.#cycleAt + this.#probeWaitMs || this.#model.roundsSinceProbe >= renoRounds
  }

  /** BBRIsTimeToCruise (section 5.3.3.6): the queue is drained, and there is room for others. */
  get #isTimeToCruise(): boolean {
    const roomBytes = Math.max(this.#model.headroomBytes(this.#controls.mss), this.#controls.minWindowBytes)
    return this.#inFlightBytes <= Math.min(roomBytes, this.#controls.pipeBytes(this.#phase))
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
    this.#fullPipe.restart(bw)
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
    if (!this.#windowLimited || this.windowBytes < model.longTermBytes) return
    const growthBytes = this.#controls.mss * 2 ** this.#probeUpRounds
    model.longTermBytes += deliveredBytes * Math.min(growthBytes / this.windowBytes, 1)
    if (model.roundStart) this.#probeUpRounds++
  }

  // ---- probing for the round-trip time (section 5.3.4) -----------------------------------------------------

  #checkProbeRtt({ rate, nowMs }: Acknowledgement): void {
    const model = this.#model
    if (this.#phase !== 'probeRtt' && model.probeRttExpired && !this.#idleRestart) {
      this.#controls.saveWindow(this.#phase)
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
      } else if (this.#inFlightBytes <= this.#controls.probeRttWindowBytes) {
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
    this.#controls.restoreWindow()
    this.#model.resetShortTerm()
    if (!this.#fullPipe.once) this.#phase = 'startup'
    else {
      this.#startDown(nowMs)
      this.#phase = 'cruise'
    }
  }

  /** BBRSaveStateUponLoss (section 5.5.11.1), BBRSaveCwnd */
  #save(): void {
    const { shortTermBw, shortTermBytes, longTermBytes } = this.#model
    this.#undo = { phase: this.#phase, shortTermBw, shortTermBytes, longTermBytes }
    this.#controls.saveWindow(this.#phase)
  }
}

/** What a loss that was none takes back. */
interface Undo {
  readonly phase: BbrPhase
  readonly shortTermBw: number
  readonly shortTermBytes: number
  readonly longTermBytes: number
}
