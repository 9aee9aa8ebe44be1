/**
 * What a flow owes its peer in control packets, as data. The packets are made when the link asks for them, so that each
 * carries the newest numbers. One entry a kind and path; a peer that asks from ever new addresses reaches the cap.
 */

import type { Stream } from '../transport/stream.ts'
import type { Outstanding } from './control-channel.ts'
import type { Path } from './path.ts'
import type { Setup } from './setup.ts'

/** What of a stream, awake or at rest, rides along with control packets. */
export type SegmentSource = Pick<Stream, 'emitSegment' | 'finalOffset'>

/** Makes a due packet, at the start of `buffer`; returns its length. */
export interface PacketWriter {
  write(due: Due, buffer: Uint8Array, stream: SegmentSource | undefined, nowMs: number): number
}

export type Due =
  | {
      readonly kind: 'SYN' | 'SYN_ACK'
      readonly path: Path
      readonly entry: Outstanding
      readonly setup: Setup
    }
  | { readonly kind: 'THIRD_ACK'; readonly path: Path }
  | { readonly kind: 'FIN'; readonly path: Path; readonly entry: Outstanding }
  | { readonly kind: 'RSYN'; readonly path: Path; readonly entry: Outstanding }
  | { readonly kind: 'RSYN_ACK'; readonly path: Path }
  | { readonly kind: 'ACK'; readonly path: Path; readonly echo?: Uint8Array }
  | { readonly kind: 'DONE'; readonly path: Path }
  | { readonly kind: 'PROBE'; readonly path: Path; readonly challenge: Uint8Array }
  /** A PROBE that is padded to `bytes`. */
  | {
      readonly kind: 'SIZE_PROBE'
      readonly path: Path
      readonly challenge: Uint8Array
      readonly bytes: number
    }
  /** `writer`: of another flow than this one, that of an instance which lost the race. */
  | {
      readonly kind: 'RST'
      readonly path: Path
      readonly reason: number
      readonly writer?: PacketWriter
    }

/** Beyond it what is owed is forgotten: each packet that matters is repeated, by us or by who asked. */
export const OUTBOX_LIMIT = 64

/** Of all outboxes that owe nothing, as most do most of the time. */
const NONE: readonly Due[] = []

export class Outbox {
  #due = NONE

  get size(): number {
    return this.#due.length
  }

  /** Adds what is owed; what is owed already on that path is replaced, but an echo is not lost to a plain ACK. */
  put(due: Due): void {
    const at = this.#due.findIndex(
      other =>
        other.kind === due.kind &&
        other.path === due.path &&
        (!('entry' in due) || ('entry' in other && other.entry === due.entry)),
    )
    const old = this.#due[at]
    if (old === undefined) {
      if (this.#due.length < OUTBOX_LIMIT) this.#due = [...this.#due, due]
    } else if (!(old.kind === 'ACK' && due.kind === 'ACK' && due.echo === undefined))
      this.#due = this.#due.with(at, due)
  }

  take(): Due | undefined {
    const due = this.#due[0]
    if (due !== undefined) this.#due = this.#due.length > 1 ? this.#due.slice(1) : NONE
    return due
  }

  /** Forgets what is owed, but for what `keep` names. */
  clear(keep: (due: Due) => boolean = () => false): void {
    this.#due = this.#due.filter(keep)
  }
}
