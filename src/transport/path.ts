/**
 * What the transport knows of one path: its segment size, RTT, congestion window, what is in flight on it,
 * and whether it is recovering from loss. A new address gets a new one of these, all fresh.
 *
 * Most flows, most of the time, send nothing: what sending takes is made by the first that leaves, and let go of at rest.
 */
import type { Acknowledgement, CongestionControl, CongestionName } from './congestion/congestion.ts'
import { Cubic } from './congestion/cubic.ts'
import { Pacer } from './pacer.ts'
import { Recovery } from './recovery.ts'
import { type RtoPolicy, RttEstimator } from './rtt.ts'
import { Flight, type Transmission } from './transmissions.ts'

export interface TransportPathOptions {
  readonly id: number
  /** Payload bytes of one full segment: what the path's packets hold besides the headers. */
  readonly mss: number
  /** Makes the congestion control for segments of `mss` bytes; default: CUBIC. */
  readonly newCongestion?: ((mss: number) => CongestionControl) | undefined
  /** Default: the native profile's. */
  readonly rto?: RtoPolicy
}

export class TransportPath {
  readonly id: number
  readonly rtt: RttEstimator
  readonly #newCongestion: (mss: number) => CongestionControl
  #mss: number
  #activity: Activity | undefined

  constructor({ id, mss, newCongestion = newCubic, rto }: TransportPathOptions) {
    this.id = id
    this.#mss = mss
    this.#newCongestion = newCongestion
    this.rtt = new RttEstimator(rto)
  }

  get mss(): number {
    return this.#mss
  }

  set mss(mss: number) {
    this.#mss = mss
    this.#activity?.recovery.handleMss(mss)
    this.#activity?.congestion.setMss(mss)
  }

  get congestion(): CongestionControl {
    return this.#active().congestion
  }

  get flight(): Flight {
    return this.#active().flight
  }

  get recovery(): Recovery {
    return this.#active().recovery
  }

  /** What is told of the path: its window, at rest the one that it will begin with. */
  get shown(): { readonly windowBytes: number; readonly name: CongestionName } {
    return this.#activity?.congestion ?? this.#newCongestion(this.#mss)
  }

  get bytesInFlight(): number {
    return this.#activity?.flight.bytes ?? 0
  }

  /** How much may be sent now, as far as congestion goes. */
  get allowanceBytes(): number {
    return this.recovery.allowanceBytes
  }

  /** How much of `waitingBytes`, which the window lets go, may leave now; 0: not before `pacedAt`. */
  pacedBytes(waitingBytes: number, nowMs: number): number {
    const { pacer } = this.#active()
    pacer.setRate(this.#pacingBytesPerMs(), this.#mss, nowMs)
    return pacer.creditBytes(waitingBytes)
  }

  /** When what has just been held back may leave. */
  pacedAt(waitingBytes: number): number {
    return this.#active().pacer.readyAt(waitingBytes)
  }

  /** The window has stopped the sender, which has sent everything before `nxt`. */
  noteLimited(nxt: number): void {
    this.#active().limitedUntil = nxt
  }

  /** There is nothing more to send, though the window would let more go. */
  noteApplicationLimited(): void {
    const { flight } = this.#active()
    flight.rate.noteApplicationLimited(flight.bytes)
  }

  /** Before sending: a window that was not used for long says nothing (RFC 5681 section 4.1). */
  noteIdle(nowMs: number): void {
    const active = this.#activity
    if (active === undefined) return
    const idleMs = nowMs - active.lastSentAt
    if (active.flight.bytes === 0 && idleMs > this.rtt.rtoMs) {
      active.congestion.handleIdle(idleMs, nowMs)
      active.lastSentAt = nowMs
    }
  }

  /** Nothing has left since before `sinceMs`, nor is anything in flight. */
  isIdleSince(sinceMs: number): boolean {
    if (this.#activity === undefined) return true
    const { flight, lastSentAt } = this.#activity
    return flight.bytes === 0 && (lastSentAt <= sinceMs || lastSentAt === NEVER)
  }

  /** Lets go of what sending takes, after a silence in which the window has expired: what else was learnt stays. */
  rest(): void {
    const active = this.#activity
    if (active?.congestion.isForgettable && active.recovery.isForgettable) this.#activity = undefined
  }

  handleSent(transmission: Transmission, nowMs: number): void {
    const { pacer, recovery } = this.#active()
    this.#active().lastSentAt = nowMs
    pacer.handleSent(transmission.bytes)
    recovery.handleSent(transmission)
  }

  /**
   * Evaluates what an acknowledgement reported of this path's flight; `una` is that from before it. True if it shows
   * that the last time-out was for nothing.
   */
  handleDeliveries(una: number, ack: number, nowMs: number): boolean {
    const { rtt } = this
    const { flight, recovery, congestion, acknowledgement, limitedUntil } = this.#active()
    if (flight.deliveredBytes === 0) return false
    acknowledgement.rttMs = undefined
    // Karn (RFC 6298 section 3), and as in RFC 9002 section 5.1: what was sent last of all that is reported
    // must have drawn the answer, or the time since counts as well in which earlier answers were lost.
    if (flight.originalSentAt >= 0 && flight.originalSentAt >= flight.repeatSentAt) {
      acknowledgement.rttMs = nowMs - flight.originalSentAt
      rtt.sample(acknowledgement.rttMs)
    }
    acknowledgement.inRecovery = recovery.active
    const needless = recovery.handleDeliveries(ack, ack > una, nowMs)
    flight.rate.update(rtt.minRttMs, nowMs)
    acknowledgement.nowMs = nowMs
    acknowledgement.deliveredBytes = flight.deliveredBytes
    acknowledgement.lostBytes = flight.rate.takeLostBytes()
    acknowledgement.inFlightBytes = flight.bytes
    acknowledgement.srttMs = rtt.srttMs ?? 0
    acknowledgement.windowLimited = una < limitedUntil
    congestion.handleAcknowledgement(acknowledgement)
    flight.forgetDeliveries()
    return needless
  }

  #active(): Activity {
    this.#activity ??= new Activity(this.rtt, this.#newCongestion(this.#mss))
    return this.#activity
  }

  #pacingBytesPerMs(): number {
    const { pacingBytesPerMs, inSlowStart, windowBytes } = this.congestion
    if (pacingBytesPerMs !== undefined) return pacingBytesPerMs
    const { srttMs, minRttMs } = this.rtt
    if (srttMs === undefined || minRttMs < MIN_PACED_RTT_MS) return Number.POSITIVE_INFINITY
    return ((inSlowStart ? SLOW_START_GAIN : AVOIDANCE_GAIN) * windowBytes) / srttMs
  }
}

/** What it takes to send. */
class Activity {
  readonly congestion: CongestionControl
  readonly flight = new Flight()
  readonly recovery: Recovery
  readonly pacer = new Pacer()
  readonly acknowledgement: { -readonly [K in keyof Acknowledgement]: Acknowledgement[K] }
  lastSentAt = NEVER
  /** The window, not the program, was the limit for what was sent before this offset. */
  limitedUntil = 0

  constructor(rtt: RttEstimator, congestion: CongestionControl) {
    this.congestion = congestion
    this.recovery = new Recovery(this.flight, rtt, congestion)
    this.acknowledgement = {
      nowMs: 0,
      deliveredBytes: 0,
      lostBytes: 0,
      inFlightBytes: 0,
      rttMs: undefined,
      srttMs: 0,
      windowLimited: false,
      inRecovery: false,
      rate: this.flight.rate,
    }
  }
}

const NEVER = Number.POSITIVE_INFINITY

function newCubic(mss: number): CongestionControl {
  return new Cubic(mss)
}

/** On a shorter path acknowledgements come as often as timers can tick, and are the better clock. */
const MIN_PACED_RTT_MS = 2
/**
 * As Linux does: faster than the window turns around, so that pacing never is what limits it (RFC 9002 section 7.7);
 * and twice as fast where the window doubles.
 */
const SLOW_START_GAIN = 2
const AVOIDANCE_GAIN = 1.2
