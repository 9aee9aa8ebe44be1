/**
 * How much new data the peer's window lets go, and in what pieces: flow control with an unscaled window, silly-window
 * avoidance and Nagle's algorithm (RFC 9293 section 3.8.6, 3.7.4), and the persist timer, without which a lost window
 * update would end the talk.
 */
import type { TransportPath } from './path.ts'
import type { StreamPosition } from './resting-stream.ts'
import type { Scoreboard } from './scoreboard.ts'
import type { SendBuffer } from './send-buffer.ts'
import { streamTimers, type TimerTable } from './timers.ts'

export class FlowControl {
  readonly #buffer: SendBuffer
  readonly #board: Scoreboard
  readonly #timers: TimerTable
  #peerEdge: number
  #largestWindowBytes: number
  #persistBackoffs = 0
  /** A part of a segment may go although the window cuts it (the override of section 3.8.6.2.1). */
  #overrideSilly = false
  #windowProbeDue = false
  /** Nagle's algorithm off. */
  noDelay: boolean

  constructor(position: StreamPosition, buffer: SendBuffer, board: Scoreboard, timers: TimerTable) {
    this.#buffer = buffer
    this.#board = board
    this.#timers = timers
    this.#peerEdge = position.peerEdge
    this.#largestWindowBytes = position.largestWindowBytes
    this.noDelay = position.noDelay
  }

  /** The first byte that the peer does not admit yet. It only grows: a window is not taken back. */
  get peerEdge(): number {
    return this.#peerEdge
  }

  /** The largest window seen (section 3.8.6.2.1, Max(SND.WND)). */
  get largestWindowBytes(): number {
    return this.#largestWindowBytes
  }

  /** The peer is to be asked for its window. */
  get windowProbeDue(): boolean {
    return this.#windowProbeDue
  }

  /** Bytes never sent that the peer admits; negative where more was sent than it now admits. */
  get admittedBytes(): number {
    return Math.min(this.#buffer.endOffset, this.#peerEdge) - this.#board.nxt
  }

  /** Of new bytes, at most `maxBytes`, what may go now in segments of `mss`. */
  sendableBytes(maxBytes: number, mss: number): number {
    const { una, nxt } = this.#board
    const unsent = this.#buffer.endOffset - nxt
    const usable = Math.min(unsent, this.#peerEdge - nxt)
    if (usable <= 0) return 0
    if (usable >= maxBytes) return maxBytes
    const tail = usable % mss
    if (tail === 0) return usable
    // Section 3.8.6.2.1: a part of a segment goes if it is all there is (2), or half the peer's window (3).
    if (usable === unsent && (this.noDelay || una === nxt)) return usable
    if (tail >= this.#largestWindowBytes / 2 || this.#overrideSilly) return usable
    return usable - tail
  }

  /** New data has left. */
  handleSent(): void {
    this.#overrideSilly = false
  }

  /** The peer takes bytes before `edge`. */
  handleWindow(windowBytes: number, edge: number): void {
    this.#largestWindowBytes = Math.max(this.#largestWindowBytes, windowBytes)
    if (edge <= this.#peerEdge) return
    this.#peerEdge = edge
    this.#persistBackoffs = 0
    this.#windowProbeDue = false
    this.#timers.disarm(streamTimers.persist)
  }

  /** Section 3.8.6.1: ask for the window; or send into it what it holds, little as that is. */
  handlePersistTimer(path: TransportPath, nowMs: number): void {
    this.#persistBackoffs++
    if (this.#peerEdge > this.#board.nxt) this.#overrideSilly = true
    else this.#windowProbeDue = true
    this.armPersist(path, nowMs)
  }

  handleWindowProbeSent(): void {
    this.#windowProbeDue = false
  }

  /** With nothing in flight, only the peer's next window lets the rest go, and that may have been lost. */
  armPersist({ mss, rtt }: TransportPath, nowMs: number): void {
    const { una, nxt } = this.#board
    const isBlocked = una === nxt && this.#buffer.endOffset > nxt && this.sendableBytes(mss, mss) === 0
    if (!isBlocked) this.#timers.disarm(streamTimers.persist)
    else if (!this.#timers.armed(streamTimers.persist)) {
      const waitMs = Math.min(rtt.backedOffMs(this.#persistBackoffs), MAX_PERSIST_MS)
      this.#timers.arm(streamTimers.persist, nowMs + waitMs)
    }
  }

  /** Nothing is asked any more, and what was waited for in vain does not count. */
  restart(): void {
    this.#timers.disarm(streamTimers.persist)
    this.#windowProbeDue = this.#overrideSilly = false
    this.#persistBackoffs = 0
  }
}

/**
 * A probe costs one small packet, and a reader that has made room should not wait a minute for a lost update.
 */
const MAX_PERSIST_MS = 10_000
