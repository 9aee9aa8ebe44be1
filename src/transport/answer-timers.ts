/**
 * How long the sender waits for an answer to what it has sent: for a little while, and then sends a tail probe (RFC 8985
 * section 7); or until it takes the oldest data for lost (RFC 6298 section 5). One of the two timers runs, never both.
 */
import type { TransportPath } from './path.ts'
import type { Scoreboard } from './scoreboard.ts'
import type { TailProbe } from './tail-probe.ts'
import { streamTimers, type TimerTable } from './timers.ts'
import type { Transmission } from './transmissions.ts'

export class AnswerTimers {
  readonly #board: Scoreboard
  readonly #tailProbe: TailProbe
  readonly #timers: TimerTable
  /** The peer may hold an acknowledgement of less than two full segments back for so long. */
  readonly #peerAckDelayMs: number
  /** When the oldest data is taken for lost, whichever timer runs; Infinity: nothing is out. */
  #expiresAt = Number.POSITIVE_INFINITY

  constructor(board: Scoreboard, tailProbe: TailProbe, timers: TimerTable, peerAckDelayMs: number) {
    this.#board = board
    this.#tailProbe = tailProbe
    this.#timers = timers
    this.#peerAckDelayMs = peerAckDelayMs
  }

  /** Data has left by `path`. */
  handleSent(transmission: Transmission, path: TransportPath, nowMs: number): void {
    // The oldest data leaves again: it has an RTO from now (RFC 6298 (5.1)), not from when it left first.
    const repeatsOldest = transmission.start === this.#board.una && transmission.retransmitted
    // And what leaves behind it does not put that off.
    if (repeatsOldest || this.#expiresAt === Number.POSITIVE_INFINITY) this.#beginWait(path, nowMs)
    if (this.#mayProbeTail(path)) this.#armProbe(path, nowMs)
    else if (repeatsOldest || !this.#timers.armed(streamTimers.retransmit)) this.armRetransmit(path, nowMs)
  }

  /** RFC 6298 (5.2) and (5.3); RFC 8985 section 7.2. `advanced`: the acknowledgement is cumulative. */
  handleAcknowledgement(advanced: boolean, path: TransportPath, nowMs: number): void {
    const { retransmit, probe } = streamTimers
    if (advanced) this.#beginWait(path, nowMs)
    if (this.#board.una === this.#board.nxt) {
      this.#expiresAt = Number.POSITIVE_INFINITY
      this.#timers.disarm(retransmit)
      this.#timers.disarm(probe)
      this.#tailProbe.cancel()
    } else if (this.#mayProbeTail(path)) {
      if (advanced) this.#armProbe(path, nowMs)
    } else if (advanced || !this.#timers.armed(retransmit)) {
      this.armRetransmit(path, nowMs)
    }
  }

  armRetransmit(path: TransportPath, nowMs: number): void {
    this.#timers.disarm(streamTimers.probe)
    this.#timers.arm(streamTimers.retransmit, nowMs + path.rtt.rtoMs + this.#ackDelayMs(path))
  }

  /** Who writes bit by bit puts the probe off with each, but not behind the time-out (RFC 8985 section 7.2). */
  #armProbe(path: TransportPath, nowMs: number): void {
    const probeAt = nowMs + path.rtt.ptoMs + this.#ackDelayMs(path)
    this.#timers.disarm(streamTimers.retransmit)
    this.#timers.arm(streamTimers.probe, Math.min(probeAt, this.#expiresAt))
  }

  #beginWait(path: TransportPath, nowMs: number): void {
    this.#expiresAt = nowMs + path.rtt.rtoMs + this.#ackDelayMs(path)
  }

  /**
   * RFC 8985 section 7.2: one probe at a time, and none while something is known to be missing. But for what it says,
   * the recovery from a time-out does not exclude it once everything has left again: a repetition that is lost as the
   * last of all would wait for another time-out. With it, RTO Restart (RFC 7765) has nothing left to hasten.
   */
  #mayProbeTail({ recovery, rtt }: TransportPath): boolean {
    const { lostBytes, sackedBytes } = this.#board
    const recovering = recovery.active || rtt.backoffs > 0
    return lostBytes === 0 && sackedBytes === 0 && !this.#tailProbe.out && !recovering
  }

  /** RFC 8985 section 7.2, WCDelAckT */
  #ackDelayMs({ bytesInFlight, mss }: TransportPath): number {
    return bytesInFlight < 2 * mss ? this.#peerAckDelayMs : 0
  }
}
