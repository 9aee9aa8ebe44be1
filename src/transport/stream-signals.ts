/**
 * What a stream tells the program: it remembers what the program has been told, so that it is told once; and how far the
 * program may write ahead of what has left.
 */
import type { Receiver } from './receiver.ts'
import type { Sender } from './sender.ts'

/** What has happened since the last `takeSignals`, as a bit mask. */
export const StreamSignal = {
  /** `read` has more. */
  readable: 0x01,
  /** `writable` has become true again. */
  writable: 0x02,
  /** Every byte of the peer's stream is here, read or not. */
  end: 0x04,
  /** All that was written is acknowledged. */
  allAcknowledged: 0x08,
  /** The peer has owed an answer for `deadPeerMs`. */
  dead: 0x10,
  /** An acknowledgement of what was never sent came; its segment was dropped. */
  badAck: 0x20,
} as const

export class StreamSignals {
  readonly #sender: Sender
  readonly #receiver: Receiver
  readonly #sendBufferBytes: number
  /** `StreamSignal` since the last `take`. */
  #pending = 0
  /** The program has seen that there is no room, and is told of the next. */
  #full = false
  /** The program knows of the bytes before. */
  #announcedOffset: number
  #endAnnounced = false

  /** `sendBufferBytes`: at most so much is written and not acknowledged. */
  constructor(sender: Sender, receiver: Receiver, sendBufferBytes: number) {
    this.#sender = sender
    this.#receiver = receiver
    this.#sendBufferBytes = sendBufferBytes
    this.#announcedOffset = receiver.nextOffset
  }

  get pending(): number {
    return this.#pending
  }

  take(): number {
    const signals = this.#pending
    this.#pending = 0
    return signals
  }

  raise(signals: number): void {
    this.#pending |= signals
  }

  /** Advice: more may be written without filling memory. */
  get writable(): boolean {
    // Room that was signalled may be gone before it is looked at: the window shrinks, the path changes.
    const hasRoom = this.#hasRoom()
    if (!hasRoom) this.#full = true
    return hasRoom
  }

  handleWritten(): void {
    if (!this.#hasRoom()) this.#full = true
  }

  /** HOT. Something has left, or was acknowledged. */
  announceRoom(): void {
    if (!this.#full || !this.#hasRoom()) return
    this.#full = false
    this.#pending |= StreamSignal.writable
  }

  /** The segments at hand are all handled. */
  announceReceived(): void {
    const { nextOffset } = this.#receiver
    if (nextOffset > this.#announcedOffset) {
      this.#announcedOffset = nextOffset
      this.#pending |= StreamSignal.readable
    }
    this.announceEnd()
  }

  announceEnd(): void {
    if (this.#endAnnounced || !this.#receiver.complete) return
    this.#endAnnounced = true
    this.#pending |= StreamSignal.end
  }

  #hasRoom(): boolean {
    const { buffer, nxt } = this.#sender
    return buffer.endOffset - nxt < SEND_AHEAD_BYTES && buffer.bytes < this.#sendBufferBytes
  }
}

/** What a program may write ahead of what has left: enough for the next turn, and still in the processor's cache then. */
const SEND_AHEAD_BYTES = 256 * 1_024
