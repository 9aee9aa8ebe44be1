/**
 * What BBR steers by (draft-ietf-ccwg-bbr-05 section 5.6): how fast data leaves, and how much of it may be in flight,
 * from what the model knows and the phase wants. Bytes and milliseconds.
 */
import type { BbrModel } from './bbr-model.ts'
import { type Acknowledgement, initialWindowBytes } from './congestion.ts'

/** Section 5.6.1 */
const gains = {
  startup: { pacing: 2.773, window: 2 },
  drain: { pacing: 0.5, window: 2 },
  down: { pacing: 0.9, window: 2 },
  cruise: { pacing: 1, window: 2 },
  refill: { pacing: 1, window: 2 },
  up: { pacing: 1.25, window: 2.25 },
  probeRtt: { pacing: 1, window: 0.5 },
} as const

export type BbrPhase = keyof typeof gains

/** Section 5.6.2: a little below what is estimated, so that queues drain. */
const PACING_MARGIN = 0.99
/** Section 5.6.3: what leaves at once, and so does the pacer. */
const QUANTUM_MS = 1
const MAX_QUANTUM_BYTES = 65_536

export class BbrControls {
  readonly #model: BbrModel
  #mss: number
  #windowBytes: number
  #pacingBytesPerMs: number
  /** From before a loss or ProbeRTT, in which the window is what it need not stay. */
  #priorWindowBytes = 0
  /** A loss is being repaired, and the window comes back when it is; a time-out: in the next round. */
  #recovering: 'loss' | 'timeout' | undefined

  constructor(mss: number, model: BbrModel) {
    this.#mss = mss
    this.#model = model
    this.#windowBytes = initialWindowBytes(mss)
    // Section 5.6.2: as though the round trip were 1 ms, until one is measured.
    this.#pacingBytesPerMs = gains.startup.pacing * this.#windowBytes
  }

  get mss(): number {
    return this.#mss
  }

  get windowBytes(): number {
    return this.#windowBytes
  }

  get pacingBytesPerMs(): number {
    return this.#pacingBytesPerMs
  }

  /** Section 2.7 */
  get minWindowBytes(): number {
    return 4 * this.#mss
  }

  get probeRttWindowBytes(): number {
    const { bdpBytes } = this.#model
    return Math.max((bdpBytes ?? this.#windowBytes) * gains.probeRtt.window, this.minWindowBytes)
  }

  setMss(mss: number): void {
    this.#mss = mss
    // RFC 8899 section 3, item 7: larger packets make no larger window, but for the least there is.
    this.#windowBytes = Math.max(this.#windowBytes, this.minWindowBytes)
  }

  /** BBRInflight, BBRQuantizationBudget (section 5.6.4.2): what keeps the pipe full, in batches as they come. */
  pipeBytes(phase: BbrPhase, gain = 1, extraBytes = 0): number {
    const { bdpBytes } = this.#model
    const wanted = bdpBytes === undefined ? initialWindowBytes(this.#mss) : gain * bdpBytes
    const quantumBytes = Math.min(this.#pacingBytesPerMs * QUANTUM_MS, MAX_QUANTUM_BYTES)
    // Section 5.5.8: one at the sender, one at the receiver, one on the way
    const budgetBytes = 3 * Math.max(quantumBytes, 2 * this.#mss)
    const bytes = Math.max(wanted + extraBytes, budgetBytes, this.minWindowBytes)
    return phase === 'up' ? bytes + 2 * this.#mss : bytes
  }

  /** Section 5.6.2: the first round trip says how fast the initial window is. */
  initPacing({ rttMs }: Acknowledgement): void {
    if (rttMs === undefined || this.#model.minRttMs !== Number.POSITIVE_INFINITY) return
    const initialBytesPerMs = initialWindowBytes(this.#mss) / Math.max(rttMs, 0.1)
    this.#pacingBytesPerMs = gains.startup.pacing * initialBytesPerMs
  }

  /** BBRSetPacingRateWithGain (section 5.6.2); `full`: the pipe has been, and the rate may fall too. */
  setPacing(phase: BbrPhase, full: boolean): void {
    const bytesPerMs = gains[phase].pacing * this.#model.bw * PACING_MARGIN
    if (full || bytesPerMs > this.#pacingBytesPerMs) this.#pacingBytesPerMs = bytesPerMs
  }

  /** BBRSetCwnd (section 5.6.4.6) */
  setWindow(phase: BbrPhase, full: boolean, acknowledgement: Acknowledgement): void {
    const { deliveredBytes, lostBytes, inRecovery, rate } = acknowledgement
    const repaired = this.#recovering === 'loss' ? !inRecovery : this.#model.roundStart
    if (this.#recovering !== undefined && repaired) this.restoreWindow()
    // Section 5.6.4.4: for what arrives at most twice as much leaves.
    if (inRecovery) this.#windowBytes = Math.max(this.#windowBytes - lostBytes, this.#mss)
    const maxBytes = this.pipeBytes(phase, gains[phase].window, this.#model.extraAckedBytes)
    const grownBytes = this.#windowBytes + deliveredBytes
    if (full) this.#windowBytes = Math.min(grownBytes, maxBytes)
    else if (this.#windowBytes < maxBytes || rate.totalDeliveredBytes < initialWindowBytes(this.#mss)) {
      this.#windowBytes = grownBytes
    }
    if (phase === 'probeRtt') this.#windowBytes = Math.min(this.#windowBytes, this.probeRttWindowBytes)
    const boundBytes = this.#modelBoundBytes(phase)
    this.#windowBytes = Math.max(Math.min(this.#windowBytes, boundBytes), this.minWindowBytes)
  }

  /** Section 5.6.4.4: on entering recovery no more leaves than arrives; the window comes back behind it. */
  handleLoss(inFlightBytes: number): void {
    this.#recovering = 'loss'
    this.#windowBytes = Math.max(Math.min(this.#windowBytes, inFlightBytes), this.minWindowBytes)
  }

  /** Section 5.6.4.4, with the loss window of RFC 9002 section 7.2: see cubic.ts. */
  handleTimeout(): void {
    this.#recovering = 'timeout'
    this.#windowBytes = 2 * this.#mss
  }

  /** BBRSaveCwnd (section 5.6.4.4) */
  saveWindow(phase: BbrPhase): void {
    const isReduced = this.#recovering !== undefined || phase === 'probeRtt'
    this.#priorWindowBytes = isReduced
      ? Math.max(this.#priorWindowBytes, this.#windowBytes)
      : this.#windowBytes
  }

  /** BBRRestoreCwnd (section 5.6.4.4) */
  restoreWindow(): void {
    this.#recovering = undefined
    this.#windowBytes = Math.max(this.#windowBytes, this.#priorWindowBytes)
  }

  /** BBRBoundCwndForModel (section 5.6.4.7) */
  #modelBoundBytes(phase: BbrPhase): number {
    const { longTermBytes, shortTermBytes } = this.#model
    switch (phase) {
      case 'cruise':
      case 'probeRtt':
        return Math.min(this.#model.headroomBytes(this.#mss), shortTermBytes)
      case 'down':
      case 'refill':
      case 'up':
        return Math.min(longTermBytes, shortTermBytes)
      default:
        return shortTermBytes
    }
  }
}
