/**
 * Numbers of a flow's control packets (src/wire/README.md, "Control numbers").
 *
 * SYN, SYN-ACK, RSYN and FIN each consume one verno; ACK, RSYN-ACK, NACK and RST consume none and carry the next. A
 * verno stays bound to its packet, which is repeated until `ackno` covers it. Several may be outstanding. The receiver
 * takes the expected one, keeps up to 8 ahead, and answers a repeat as it answered before.
 */
import { serialAdd, serialDiff, serialLt } from '../id/serial.ts'

export type ControlKind = 'SYN' | 'RSYN' | 'FIN'

/** A control packet of ours that the peer has not acknowledged. */
export interface Outstanding {
  readonly kind: ControlKind
  readonly verno: number
  /** Times it was sent; 0: queued only. */
  transmissions: number
  /** When it was sent last. */
  sentAt: number
}

/** What the peer's control packet is to us: the next one, one ahead (kept), an old one again, or beyond what is kept. */
export type Arrival = 'next' | 'ahead' | 'repeat' | 'tooFar'

/** How many of the peer's control packets are kept ahead of the expected one. */
export const AHEAD_LIMIT = 8
/** How many of our own may be outstanding: what the peer is sure to keep. */
export const OUTSTANDING_LIMIT = AHEAD_LIMIT

/** Of all channels at rest. */
const NONE: readonly Outstanding[] = []

export class ControlChannel<Kept> {
  #next: number
  #expected = 0
  #peerKnown = false
  #outstanding = NONE
  /** Made when something comes ahead of its turn, which is rare. */
  #ahead: Map<number, Kept> | undefined

  constructor(initialVerno: number) {
    this.#next = initialVerno
  }

  /** The number of the next control packet, which ACK, RSYN-ACK and RST carry too. */
  get verno(): number {
    return this.#next
  }

  /** The number expected of the peer next; 0 before anything came. */
  get ackno(): number {
    return this.#expected
  }

  /** Whether `ackno` means anything yet. */
  get peerKnown(): boolean {
    return this.#peerKnown
  }

  /** Packets of the peer's that are kept ahead of the expected one. */
  get aheadCount(): number {
    return this.#ahead?.size ?? 0
  }

  get outstanding(): readonly Outstanding[] {
    return this.#outstanding
  }

  /** Takes the next number for a packet of `kind`. */
  queue(kind: ControlKind): Outstanding {
    const entry = { kind, verno: this.#next, transmissions: 0, sentAt: 0 }
    this.#next = serialAdd(this.#next, 1)
    this.#outstanding = [...this.#outstanding, entry]
    return entry
  }

  /** The peer's first number: that of its SYN or SYN-ACK. */
  start(peerVerno: number): void {
    this.#peerKnown = true
    this.#expected = serialAdd(peerVerno, 1)
  }

  /** Takes the peer's acknowledgement; returns what it newly covers, or undefined where it covers what was never sent. */
  acknowledge(ackno: number): readonly Outstanding[] | undefined {
    if (serialLt(this.#next, ackno)) return undefined
    const isCovered = (entry: Outstanding) => serialLt(entry.verno, ackno)
    const covered = this.#outstanding.filter(isCovered)
    if (covered.length === 0) return NONE
    const left = this.#outstanding.filter(entry => !isCovered(entry))
    this.#outstanding = left.length > 0 ? left : NONE
    return covered
  }

  /**
   * Takes a packet of the peer's that consumed `verno`. `deliver` is called with it, and with those kept behind it,
   * in order, when their turn has come.
   */
  accept(verno: number, packet: Kept, deliver: (packet: Kept) => void): Arrival {
    const distance = serialDiff(verno, this.#expected)
    if (distance < 0) return 'repeat'
    if (distance > AHEAD_LIMIT) return 'tooFar'
    if (distance > 0) {
      this.#ahead ??= new Map()
      this.#ahead.set(verno, packet)
      return 'ahead'
    }
    let next: Kept | undefined = packet
    while (next !== undefined) {
      this.#ahead?.delete(this.#expected)
      this.#expected = serialAdd(this.#expected, 1)
      deliver(next)
      next = this.#ahead?.get(this.#expected)
    }
    return 'next'
  }
}
