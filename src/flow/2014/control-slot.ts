/**
 * Numbers of control packets in the 2014 profile (src/wire/README.md, A5). SYN, RSYN and FIN consume a verno; ACK, RSYN-ACK
 * and RST do not, and carry the next. One packet at a time waits for its acknowledgement: a new one takes the place of the
 * old and carries its flags on, under a number of its own.
 */
import { serialAdd, serialLt } from '../../id/serial.ts'
import { controlFlags } from '../../wire/extensions/control.ts'

const { SYN, RSYN, ACK, FIN } = controlFlags

export class ControlSlot {
  #next: number
  #oldest: number
  #expected = 0
  /** What waits for its acknowledgement; 0: nothing. */
  #flags = 0
  #verno = 0
  /** How often it was sent, and when last. */
  #sends = 0
  #sentAt = 0

  constructor(initialVerno: number) {
    this.#next = this.#oldest = initialVerno
  }

  /** What ACK, RSYN-ACK and RST carry. */
  get verno(): number {
    return this.#next
  }

  /** The number expected of the peer next; 0 before anything came. */
  get ackno(): number {
    return this.#expected
  }

  /** Flags and number of what waits; flags 0: nothing does. */
  get flags(): number {
    return this.#flags
  }

  get slotVerno(): number {
    return this.#verno
  }

  get sends(): number {
    return this.#sends
  }

  /** Notes a transmission of what waits. */
  handleSent(nowMs: number): void {
    this.#sends++
    this.#sentAt = nowMs
  }

  /** How long the answer has taken that is here now; undefined where more than one was sent (Karn, RFC 6298 section 3). */
  roundTripMs(nowMs: number): number | undefined {
    return this.#sends === 1 ? nowMs - this.#sentAt : undefined
  }

  /** `flags`, of SYN, RSYN and FIN, are to be sent until they are acknowledged, with what waited before. */
  put(flags: number): void {
    this.#flags |= flags
    this.#verno = this.#next
    this.#sends = 0
    this.#next = serialAdd(this.#next, 1)
  }

  /** The peer's first number: that of its SYN or SYN-ACK. */
  start(peerVerno: number): void {
    this.#expected = serialAdd(peerVerno, 1)
  }

  /** Whether the peer's packet may be taken: its number is new, or it is one that consumes none. */
  accepts(flags: number, verno: number): boolean {
    const isNumberless = flags === ACK || flags === (RSYN | ACK)
    return isNumberless || !serialLt(verno, this.#expected)
  }

  /** It is taken. A number that leaps ahead is believed, as the prototype does. */
  take(flags: number, verno: number): void {
    if (consumes(flags)) this.#expected = serialAdd(verno, 1)
  }

  /** Whether `ackno` says that the peer has seen what waits. */
  isSeen(ackno: number): boolean {
    return this.#flags !== 0 && serialLt(this.#verno, ackno) && !serialLt(this.#next, ackno)
  }

  /**
   * Takes the peer's acknowledgement; returns the flags that it newly covers, or undefined where it is out of range and the
   * packet must be dropped.
   */
  acknowledge(ackno: number): number | undefined {
    if (serialLt(ackno, this.#oldest) || serialLt(this.#next, ackno)) return undefined
    this.#oldest = ackno
    if (!serialLt(this.#verno, ackno)) return 0
    const covered = this.#flags
    this.#flags = 0
    return covered
  }
}

function consumes(flags: number): boolean {
  return (flags & (SYN | FIN)) !== 0 || (flags & (RSYN | ACK)) === RSYN
}
