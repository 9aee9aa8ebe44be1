/**
 * The receiving end of every row of `bulk`: after a start that is compared but not counted, half of the time each byte is
 * compared with what was sent, and the other half bytes are only counted.
 */
import { isRightAt } from './pattern.ts'

/** Of a short time, a third. */
const WARM_UP_MS = 300

export class Meter {
  readonly #warmUpMs: number
  readonly #verifiedMs: number
  #position = 0
  #startedAt = 0
  #verified = { bytes: 0, fromAt: 0, toAt: 0 }
  #unverified = { bytes: 0, fromAt: 0, toAt: 0 }

  /** `seconds`: how long the sender will send. `verifiedShare`: of what is counted, 0 to 1. */
  constructor(seconds: number, verifiedShare = 0.5) {
    this.#warmUpMs = Math.min(WARM_UP_MS, (1000 * seconds) / 3)
    const countedMs = 1000 * seconds - this.#warmUpMs
    this.#verifiedMs =
      verifiedShare === 1 ? Number.POSITIVE_INFINITY : this.#warmUpMs + verifiedShare * countedMs
  }

  /** The next bytes of the stream; those of a datagram say where they belong. Throws if they are not what was sent. */
  take(chunk: Uint8Array, nowMs: number, position: number = this.#position): void {
    if (this.#startedAt === 0) this.#startedAt = nowMs
    const sinceMs = nowMs - this.#startedAt
    if (sinceMs < this.#verifiedMs) {
      if (!isRightAt(position, chunk)) throw new Error(`what came is not what was sent, from ${position} on`)
      if (sinceMs >= this.#warmUpMs) count(this.#verified, chunk.length, nowMs)
    } else count(this.#unverified, chunk.length, nowMs)
    this.#position = position + chunk.length
  }

  /** Gbit/s. */
  get figures(): { readonly gbit: number; readonly unverified?: number } {
    const gbit = gbitOf(this.#verified)
    return this.#unverified.toAt === 0 ? { gbit } : { gbit, unverified: gbitOf(this.#unverified) }
  }
}

interface Phase {
  bytes: number
  fromAt: number
  toAt: number
}

/** The first chunk opens the interval, and is not in it. */
function count(phase: Phase, bytes: number, nowMs: number): void {
  if (phase.fromAt === 0) phase.fromAt = nowMs
  else phase.bytes += bytes
  phase.toAt = nowMs
}

function gbitOf({ bytes, fromAt, toAt }: Phase): number {
  return toAt > fromAt ? (8 * bytes) / (toAt - fromAt) / 1e6 : 0
}
