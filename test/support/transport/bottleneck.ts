/**
 * A congestion control on a path of one bottleneck, without a stream: it always has data, paces where the algorithm
 * gives a rate, and hears of each segment a round trip later that it has arrived, or with the third behind it that it
 * has not.
 */
import type { CongestionControl } from '../../../src/transport/congestion/congestion.ts'
import { RttEstimator } from '../../../src/transport/rtt.ts'
import { Flight, Transmission, transmissionStates } from '../../../src/transport/transmissions.ts'
import type { Random } from '../random.ts'

export interface BottleneckOptions {
  bytesPerMs: number
  rttMs: number
  /** What may wait. */
  queueBytes: number
  /** 0 to 1 */
  lossRate: number
}

interface Travel {
  readonly transmission: Transmission
  readonly arrivesAt: number
}

const MSS = 1_000
const LATER_THRESH = 3

export class Bottleneck {
  readonly flight = new Flight()
  readonly rtt = new RttEstimator()
  nowMs = 0
  /** What has arrived since `reset`. */
  deliveredBytes = 0
  lostBytes = 0
  options: BottleneckOptions
  readonly congestion: CongestionControl
  readonly #random: Random
  readonly #travels: Travel[] = []
  /** Sent and neither acknowledged nor taken for lost, in order. */
  #waiting: Transmission[] = []
  #queueFreeAt = 0
  #sendAt = 0
  #nxt = 0
  #recoveryBeganAt = Number.NEGATIVE_INFINITY
  #inRecovery = false

  constructor(congestion: CongestionControl, random: Random, options: BottleneckOptions) {
    this.congestion = congestion
    this.#random = random
    this.options = options
  }

  /** Bytes a millisecond that arrive in the next `ms`. */
  run(ms: number): number {
    const { deliveredBytes } = this
    const untilMs = this.nowMs + ms
    while (this.nowMs < untilMs) this.#step(untilMs)
    return (this.deliveredBytes - deliveredBytes) / ms
  }

  /** How much stands in the bottleneck's queue. */
  get queuedBytes(): number {
    return Math.max(0, this.#queueFreeAt - this.nowMs) * this.options.bytesPerMs
  }

  #step(untilMs: number): void {
    const maySend = this.flight.bytes + MSS <= this.congestion.windowBytes
    const sendAt = maySend ? Math.max(this.#sendAt, this.nowMs) : Number.POSITIVE_INFINITY
    const arrivesAt = this.#travels[0]?.arrivesAt ?? Number.POSITIVE_INFINITY
    this.nowMs = Math.min(sendAt, arrivesAt, untilMs)
    if (arrivesAt <= this.nowMs) this.#arrive(this.#travels.shift()!.transmission)
    else if (sendAt <= this.nowMs) this.#send()
    // Everything in flight was dropped: a time-out.
    else if (!maySend && this.#travels.length === 0) this.#timeOut()
  }

  #send(): void {
    const { bytesPerMs, rttMs, queueBytes, lossRate } = this.options
    const transmission = new Transmission()
    transmission.start = this.#nxt
    transmission.end = this.#nxt += MSS
    transmission.sentAt = this.nowMs
    this.flight.add(transmission)
    this.#waiting.push(transmission)
    const { pacingBytesPerMs } = this.congestion
    if (pacingBytesPerMs !== undefined) this.#sendAt = this.nowMs + MSS / pacingBytesPerMs
    if (this.queuedBytes + MSS > queueBytes || this.#random.chance(lossRate)) return
    this.#queueFreeAt = Math.max(this.#queueFreeAt, this.nowMs) + MSS / bytesPerMs
    this.#travels.push({ transmission, arrivesAt: this.#queueFreeAt + rttMs })
  }

  #arrive(transmission: Transmission): void {
    if (transmission.state !== transmissionStates.inFlight) return
    const { flight, rtt, nowMs } = this
    flight.remove(transmission)
    flight.deliver(transmission, MSS, transmission.end)
    transmission.state = transmissionStates.sacked
    this.deliveredBytes += MSS
    const rttMs = nowMs - transmission.sentAt
    rtt.sample(rttMs)
    flight.rate.update(rtt.minRttMs, nowMs)
    const inRecovery = this.#inRecovery
    if (transmission.sentAt >= this.#recoveryBeganAt) this.#inRecovery = false
    this.congestion.handleAcknowledgement({
      nowMs,
      deliveredBytes: MSS,
      lostBytes: flight.rate.takeLostBytes(),
      inFlightBytes: flight.bytes,
      rttMs,
      srttMs: rtt.srttMs ?? 0,
      windowLimited: flight.bytes + 2 * MSS > this.congestion.windowBytes,
      inRecovery,
      rate: flight.rate,
    })
    flight.forgetDeliveries()
    this.#findLosses(transmission)
  }

  #findLosses(arrived: Transmission): void {
    const { inFlight } = transmissionStates
    const lost = this.#waiting.filter(
      ({ state, end }) => state === inFlight && end + LATER_THRESH * MSS <= arrived.end,
    )
    for (const transmission of lost) this.#lose(transmission)
    this.#waiting = this.#waiting.filter(({ state }) => state === inFlight)
    if (!lost.some(({ sentAt }) => sentAt > this.#recoveryBeganAt)) return
    this.congestion.handleLoss(Math.min(this.flight.bytes, this.congestion.windowBytes), this.nowMs)
    this.#recoveryBeganAt = this.nowMs
    this.#inRecovery = true
  }

  #timeOut(): void {
    for (const transmission of this.#waiting) this.#lose(transmission)
    this.#waiting = []
    this.congestion.handleTimeout(0, true, this.nowMs)
  }

  #lose(transmission: Transmission): void {
    this.flight.lose(transmission)
    transmission.state = transmissionStates.lost
    this.lostBytes += MSS
  }
}
